"""Methods that write: `add_`, `copy_`, `zero_` and the rest of those with an underscore."""

from __future__ import annotations

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.gathering import scatter_, scatter_add_
from compat.torch.indexing import (
    analyse, check_bounds, fill, index_put_op, indexed_dims, setitem, zip_arrays,
)
from compat.torch.pointwise import (
    PAIRS, UNARY, add, addcdiv, addcmul, clamp, convert, div, lerp, masked_fill, pow, sub,
)
from compat.torch.promotion import broadcast_shapes, category
from minigrad import core
from minigrad.imperative import views


def assign(tensor, new):
    """Write a function's result; it must fit the shape and the category of the dtype."""
    if new.spec.shape != tensor.spec.shape:
        raise unfit(tensor, new.spec.shape)
    have, want = new.spec.dtype, tensor.spec.dtype
    if have != want:
        if category(have) > category(want):
            raise RuntimeError(f"result type {SCALAR_NAMES[have.name]} can't be cast to the "
                               f"desired output type {SCALAR_NAMES[want.name]}")
        new = convert(new, want)
    return views.write(tensor, new)


def unfit(tensor, shape) -> Exception:
    return RuntimeError(f"output with shape {list(tensor.spec.shape)} doesn't match the broadcast "
                        f"shape {list(shape)}")


def writing(fn):
    def method(self, *args, **kwargs):
        return assign(self, fn(self, *args, **kwargs))

    method.__name__ = method.__qualname__ = fn.__name__ + "_"
    method.__doc__ = f"{fn.__name__}, written into this Tensor."
    return method


FUNCTIONS = UNARY | PAIRS | {
    "add": add, "sub": sub, "div": div, "pow": pow, "clamp": clamp, "lerp": lerp,
    "masked_fill": masked_fill, "scatter": scatter_, "scatter_add": scatter_add_,
}

INPLACE = {f"{name}_": writing(fn) for name, fn in FUNCTIONS.items() if name != "clone"}


def addcmul_(self, tensor1, tensor2, *, value=1):
    """Add value * tensor1 * tensor2."""
    return assign(self, addcmul(self, tensor1, tensor2, value))


def addcdiv_(self, tensor1, tensor2, *, value=1):
    """Add value * tensor1 / tensor2."""
    return assign(self, addcdiv(self, tensor1, tensor2, value))


def copy_(self, src, non_blocking=False):
    """Take the numbers of `src`, broadcast and converted."""
    shape = broadcast_shapes(self.spec.shape, src.spec.shape)
    if shape != self.spec.shape:
        raise unfit(self, shape)
    return fill(self, src)


def fill_(self, value):
    """Set every element to `value`."""
    if isinstance(value, core.Tensor) and value.spec.shape:
        raise RuntimeError("fill_ only supports 0-dimension value tensor but got tensor with "
                           f"{len(value.spec.shape)} dimensions.")
    return fill(self, value)


def zero_(self):
    """Set every element to zero."""
    return fill(self, 0)


def index_put_(self, indices, values, accumulate=False):
    """self[indices] = values, or += with accumulate."""
    if not accumulate:
        setitem(self, tuple(indices), values)
        return self
    key, arrays = analyse(tuple(indices), self.spec.shape)
    given = [a for a in arrays if a is not None]
    dims = indexed_dims([a for a, _ in zip_arrays(key, arrays)])
    check_bounds(self, given, dims)
    return views.write(self, index_put_op(len(given))(self, values, *given, dims=dims,
                                                      accumulate=True))


INPLACE |= {"addcmul_": addcmul_, "addcdiv_": addcdiv_, "copy_": copy_, "fill_": fill_,
            "zero_": zero_, "index_put_": index_put_, "abs_": INPLACE["abs_"]}
