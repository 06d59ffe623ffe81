"""Kernels on bare arrays: the NumPy oracle, native loops, threads. Nothing here knows gradients."""
