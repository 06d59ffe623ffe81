"""Faces that speak PyTorch and JAX over one engine, and bridges to the real frameworks."""
