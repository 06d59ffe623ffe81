"""How exactly a device multiplies matrices of float32: in full, or in TF32 (an 8-bit exponent and a
10-bit mantissa, accumulated in float32), as the user allows. Off unless asked for, as in PyTorch.
"""

from __future__ import annotations

import sys

state = {"tf32": False}


def allow_tf32(allowed: bool) -> None:
    """For the products that follow, on all devices."""
    state["tf32"] = allowed
    apply()


def apply() -> None:
    """Tell CuPy, if a device is in use. Called again when the first one is."""
    if "kernels.cupy_gpu" not in sys.modules or "cupy" not in sys.modules:
        return
    from cupy import _core

    linalg = _core._routines_linalg
    kind = linalg.COMPUTE_TYPE_TF32 if state["tf32"] else linalg.COMPUTE_TYPE_DEFAULT
    if kind != linalg.get_compute_type("float32"):
        _core.set_compute_type("float32", kind)
