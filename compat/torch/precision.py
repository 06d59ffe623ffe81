"""The precision of float32 products on a CUDA device, under PyTorch's two names for it."""

from __future__ import annotations

import warnings

from kernels.cuda import precision

NAMES = ("highest", "high", "medium")  # of these "medium" asks for what is done for "high"
chosen = {"precision": "highest"}


def get_float32_matmul_precision() -> str:
    return chosen["precision"]


def set_float32_matmul_precision(precision_name) -> None:
    """"highest": float32; "high" and "medium": TF32 may be used.

    >>> set_float32_matmul_precision("high")
    >>> matmul.allow_tf32
    True
    >>> matmul.allow_tf32 = False
    >>> get_float32_matmul_precision()
    'highest'
    """
    if not isinstance(precision_name, str):
        raise RuntimeError("set_float32_matmul_precision expects a str, but got "
                           f"{type(precision_name).__name__}")
    if precision_name not in NAMES:
        warnings.warn(f"{precision_name} is not one of 'highest', 'high', or 'medium'; the current"
                      "setFloat32MatmulPrecision call has no effect.", stacklevel=2)
        return
    chosen["precision"] = precision_name
    precision.allow_tf32(precision_name != "highest")


class Matmul:
    """`torch.backends.cuda.matmul`."""

    @property
    def allow_tf32(self) -> bool:
        return chosen["precision"] != "highest"

    def __getattr__(self, name: str):
        raise AttributeError(f"Unknown attribute {name}")

    def __setattr__(self, name: str, value) -> None:
        if name != "allow_tf32":
            raise AttributeError(f"Unknown attribute {name}")
        if type(value) is not bool:
            raise RuntimeError("set_allow_tf32_cublas expects a bool, but got "
                               f"{type(value).__name__}")
        set_float32_matmul_precision("high" if value else "highest")


matmul = Matmul()
