"""What is done to programs before they run: `simplify` makes them smaller, `source` writes them as
Python."""
