"""jax.interpreters: the tables in which primitives of one's own enter their rules."""

from compat.jax.interpreters import ad, batching, mlir, partial_eval, pxla, xla

__all__ = ["ad", "batching", "mlir", "partial_eval", "pxla", "xla"]
