"""The derived backward of any operation, as text."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np

from minigrad.core import Aval, Tensor, make_aval, make_spec, table
from minigrad.derive import derive


def parse_aval(text: str) -> Aval:
    """What `f32[3,4]` spells.

    >>> parse_aval("bf16[2,0]").dtype
    dtype(bfloat16)
    """
    match = re.fullmatch(r"([a-z]+)(\d*)\[([\d,\s]*)\]", text)
    if match is None:
        raise ValueError(f"cannot read {text!r} as an aval such as 'f32[3,4]'")
    letters, bits, sizes = match.groups()
    shape = tuple(int(n) for n in sizes.split(",") if n.strip())
    if letters in ("bool", "bf"):
        return make_aval(shape, bool if letters == "bool" else ml_dtypes.bfloat16)
    return make_aval(shape, np.dtype(f"{letters}{int(bits) // 8}"))


def backward_source(operation, *avals: str, **params) -> str:
    """The derived backward of a primitive (by name) or of any function of Tensors, as source.

    Args: one aval such as `"f32[3,4]"` for each operand; the primitive's parameters by keyword.
    Raises KeyError for an unknown primitive, TypeError where the operands do not fit.
    """
    if isinstance(operation, str):
        primitive = table[operation]
        name = operation

        def fn(*args):
            return primitive(*args, **params)
    else:
        fn, name = operation, getattr(operation, "__name__", "function")
    specs = [make_spec(parse_aval(a), True) for a in avals]
    entry = derive(fn, name, specs, Tensor, True)
    return entry.source

