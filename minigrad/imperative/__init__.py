"""What PyTorch's users add to a tape: grad modes, hooks, in-place writes and the views that see
them, functions with a backward of their own. The tape (`minigrad/tape.py`) reads without these."""
