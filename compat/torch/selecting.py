"""Functions of three operands, one position at a time: where, clamp, lerp, masked_fill, addcmul."""

from __future__ import annotations

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.operation import operation
from compat.torch.pointwise import like, strong
from compat.torch.promotion import (
    broadcast_shapes, cast, category, expand_to, expanded, result_dtype, shape_of, together,
)
from minigrad.core import PYTHON_SCALARS, Tensor, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.families import dtype_kind
from minigrad.ops.selection import select_n


@operation(tensors=("condition", "input", "other"), scalars=("input", "other"))
def where(condition, input, other):
    """input where the condition holds, else other."""
    dtype = result_dtype(input, other)
    shape = condition, *together(input, other, dtype=dtype)
    condition, x, y = (expanded_to_common(a, shape) for a in shape)
    return select_n(condition, y, x)


def expanded_to_common(x, operands):
    return expand_to(x, broadcast_shapes(*map(shape_of, operands)))


def clamp_body(input, min=None, max=None):
    """The derivative at a bound is 1, where lax has a half."""
    given = [b for b in (input, min, max) if b is not None]
    if len(given) == 1:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    out = cast(input, result_dtype(*given))
    if min is not None:
        x, low = expanded(out, min, dtype=aval_of(out).dtype)
        out = select_n(e.lt(x, low), x, low)
    if max is not None:
        x, high = expanded(out, max, dtype=aval_of(out).dtype)
        out = select_n(e.gt(x, high), x, high)
    return out


BOUNDS = {"tensors": ("input", "min", "max"), "scalars": ("min", "max")}
clamp_numbers = operation(clamp_body, name="clamp.1", **BOUNDS)
clamp_tensors = operation(clamp_body, name="clamp", **BOUNDS)


def clamp(input, min=None, max=None):
    """input between min and max, numbers or tensors."""
    tensors = isinstance(min, Tensor) or isinstance(max, Tensor)
    return (clamp_tensors if tensors else clamp_numbers)(input, min, max)


@operation(name="addcmul", tensors=("input", "tensor1", "tensor2", "value"), scalars=("value",))
def addcmul_op(input, tensor1, tensor2, value):
    """input + value * tensor1 * tensor2."""
    dtype = result_dtype(input, tensor1, tensor2)
    x, a, b, v = together(input, tensor1, tensor2, value, dtype=dtype)
    return e.add(x, e.mul(e.mul(v, a), b))


@operation(name="addcdiv", tensors=("input", "tensor1", "tensor2", "value"), scalars=("value",))
def addcdiv_op(input, tensor1, tensor2, value):
    """input + value * tensor1 / tensor2."""
    dtype = result_dtype(input, tensor1, tensor2)
    x, a, b, v = together(input, tensor1, tensor2, value, dtype=dtype)
    return e.add(x, e.mul(v, e.div(a, b)))


def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2."""
    return addcmul_op(input, tensor1, tensor2, value)


def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 / tensor2."""
    if all(category(x.spec.dtype) < 2 for x in (tensor1, tensor2)):
        raise RuntimeError("Integer division with addcdiv is no longer supported, and in a future  "
                           "release addcdiv will perform a true division of tensor1 and tensor2.")
    return addcdiv_op(input, tensor1, tensor2, value)


@operation(tensors=("input", "end", "weight"), scalars=("weight",))
def lerp(input, end, weight):
    """input + weight * (end - input), from the nearer end."""
    x, y, w = expanded(input, end, weight, dtype=result_dtype(input, end))
    near = e.lt(e.abs_(w), like(w, 0.5))
    step = e.sub(y, x)
    return select_n(near, e.sub(y, e.mul(step, e.sub(like(w, 1), w))), e.add(x, e.mul(w, step)))


@operation(tensors=("input", "mask", "value"), scalars=("value",))
def masked_fill(input, mask, value):
    """`value` where the mask is True."""
    x = strong(input)
    if shape_of(value):
        raise RuntimeError("masked_fill_ only supports a 0-dimensional value tensor, but got "
                           f"tensor with {len(shape_of(value))} dimension(s).")
    if dtype_kind(aval_of(mask).dtype) != "b":
        raise RuntimeError("masked_fill_ only supports boolean masks, but got mask with dtype "
                           f"{SCALAR_NAMES[aval_of(mask).dtype.name]}")
    if category(result_dtype(value)) > max(category(aval_of(x).dtype), 1):
        raise RuntimeError(f"value cannot be converted to type {aval_of(x).dtype} without overflow")
    operands = x, mask, cast(value, aval_of(x).dtype)
    x, mask, value = (expanded_to_common(a, operands) for a in operands)
    return select_n(mask, x, value)


def clamp_min(input, min):
    """input, but at least min."""
    return clamp(input, min)


def clamp_max(input, max):
    """input, but at most max."""
    return clamp(input, None, max)


def where_or_nonzero(condition, input=None, other=None):
    """input where the condition holds, else other; alone, the places where it holds."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    if type(input) in PYTHON_SCALARS and type(other) in PYTHON_SCALARS:
        return convert(where(condition, input, other), result_dtype(input, other))
    return where(condition, input, other)


@operation(name="to_copy", tensors=("input",))
def convert(input, dtype):
    """The numbers as another dtype (a NumPy dtype)."""
    return cast(input, dtype)
