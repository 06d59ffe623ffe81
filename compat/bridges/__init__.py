"""Bridges to the real frameworks: their programs here, and ours in theirs.

`from_torch` runs a program that PyTorch exported on `compat.torch`; `to_torch` and `to_jax` make
functions of this engine callable, and differentiable, in a program of the real framework.
"""
