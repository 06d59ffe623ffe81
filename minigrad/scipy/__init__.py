"""Functions of arrays with SciPy's names, over those of `minigrad.numpy`."""
