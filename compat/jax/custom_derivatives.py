"""jax.custom_derivatives: functions with derivatives of their own."""

from compat.jax.custom import (
    closure_convert, custom_gradient, custom_jvp, custom_vjp, linear_call,
)
from minigrad.ops.calls import custom_jvp_call_p, custom_vjp_call_p

__all__ = ["closure_convert", "custom_gradient", "custom_jvp", "custom_jvp_call_p", "custom_vjp",
           "custom_vjp_call_p", "linear_call"]
