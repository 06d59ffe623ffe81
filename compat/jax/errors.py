"""jax.errors."""
# ruff: noqa: F401  (a namespace)

from minigrad.errors import (
    ConcretizationTypeError, JAXIndexError, JAXTypeError, NonConcreteBooleanIndexError,
    TracerArrayConversionError, TracerBoolConversionError, TracerIntegerConversionError,
    UnexpectedTracerError,
)


class JaxRuntimeError(RuntimeError):
    """An error while a program runs."""


class JaxprTypeError(TypeError):
    """A program with wrong types."""


class KeyReuseError(RuntimeError):
    """A random key that was used twice."""


class InconclusiveDimensionOperation(Exception):  # noqa: N818
    """A question about a symbolic shape without an answer."""
