"""jax.errors."""
# ruff: noqa: F401  (a namespace)

from minigrad.errors import (
    ConcretizationTypeError, JAXTypeError, TracerArrayConversionError, TracerBoolConversionError,
    TracerIntegerConversionError, UnexpectedTracerError,
)
