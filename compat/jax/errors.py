"""jax.errors."""
# ruff: noqa: F401  (a namespace)

from minigrad.errors import (
    ConcretizationTypeError, JAXTypeError, TracerArrayConversionError, TracerBoolConversionError,
    TracerIntegerConversionError, UnexpectedTracerError,
)


class JAXIndexError(IndexError):
    """An index that cannot be used."""


class NonConcreteBooleanIndexError(JAXIndexError):
    """A traced mask whose result would have an unknown size."""


class JaxRuntimeError(RuntimeError):
    """An error while a program runs."""


class JaxprTypeError(TypeError):
    """A program with wrong types."""


class KeyReuseError(RuntimeError):
    """A random key that was used twice."""


class InconclusiveDimensionOperation(Exception):  # noqa: N818
    """A question about a symbolic shape without an answer."""
