"""For people: programs as JAX prints them, and the tape as a picture."""
