"""Methods that write: `add_`, `copy_`, `zero_` and the rest of those with an underscore."""

from __future__ import annotations

import functools

from compat.torch import joining, views as s
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.indexing import (
    analyse, check_bounds, fill, index_put_op, indexed_dims, setitem, zip_arrays,
)
from compat.torch.selecting import convert
from compat.torch.promotion import broadcast_shapes, category
from compat.torch.signatures import check_memory
from minigrad import core, tape
from minigrad.imperative import views
from minigrad.core import make_box


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
    if 0 in getattr(tensor.value, "strides", ()):
        check_memory(tensor, ())
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


WRITTEN = (  # every method with an underscore that is its function's result, written
    "abs acos acosh add addbmm addcdiv addcmul addmm addmv addr asin asinh atan2 atan atanh "
    "baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift "
    "bitwise_xor ceil clamp clamp_max clamp_min conj_physical copysign cos cosh cumprod cumsum "
    "deg2rad digamma div eq erf erfc erfinv exp2 exp expm1 fix float_power floor floor_divide "
    "fmod frac gcd ge gt heaviside hypot i0 igamma igammac index_add index_copy index_fill "
    "index_reduce lcm ldexp le lerp lgamma log10 log1p log2 log logical_and logical_not "
    "logical_or logical_xor logit lt masked_fill masked_scatter mul mvlgamma nan_to_num ne neg "
    "nextafter pow put rad2deg reciprocal relu remainder renorm round rsqrt scatter scatter_add "
    "scatter_reduce sgn sigmoid sign sin sinc sinh sqrt square sub tan tanh tril triu trunc xlogy "
    "silu")
OF_TORCH = (  # of these, the ones that are functions of torch too
    "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ "
    "asin_ asinh_ atan_ atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ "
    "deg2rad_ erf_ erfc_ exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ "
    "ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ relu_ "
    "resize_as_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ "
    "zero_")


def copy_(self, src, non_blocking=False):
    """Take the numbers of `src`, broadcast and converted."""
    if not isinstance(src, core.Tensor):
        raise TypeError("copy_(): argument 'other' (position 1) must be Tensor, not "
                        f"{type(src).__name__}")
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


def fill_of(input, value):
    """A tensor of the same shape and dtype with `value` everywhere."""
    return fill_(input.clone(), value)


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


def fill_diagonal_(self, fill_value, wrap=False):
    """Set the main diagonal; `wrap` goes on below it in tall matrices."""
    shape = self.spec.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    n = min(shape)
    steps = self.stride()
    fill(s.as_strided(self, (n,), (sum(steps),)), fill_value)
    start = (shape[1] + 1) * shape[1]
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        count = -(-(shape[0] * shape[1] - start) // (shape[1] + 1))
        fill(s.as_strided(self, (count,), (shape[1] + 1,), start), fill_value)
    return self


def set_(self, source=None):
    """This Tensor over the memory of another, or over none."""
    self.data = source.detach() if source is not None else self.new_empty(0)
    return self


def resize_(self, *sizes, memory_format=None):
    """Another shape over as many of the same elements as fit."""
    sizes = s.sizes_of(sizes)
    if self.spec.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    old = views.array_of(self).reshape(-1)
    new = core.np.zeros(sizes, self.spec.dtype)
    count = min(old.size, new.size)
    new.reshape(-1)[:count] = old[:count]
    self.data = core.box(new, type(self))
    return self


def resize_as_(self, other, memory_format=None):
    """The shape of another tensor."""
    return resize_(self, other.spec.shape)


def reshaping(name: str):
    """A method that makes this very Tensor the view that `name` gives."""
    def method(self, *args, **kwargs):
        tensor = tape.current(self)
        before = make_box(type(tensor).result_class(), tensor.value, tensor.spec, tensor.node)
        before.__dict__.update(tensor.__dict__)
        if hasattr(tensor, "view_of"):
            before.view_of = tensor.view_of
        view = getattr(type(self), name)(before, *args, **kwargs)
        tensor.value, tensor.spec, tensor.node = view.value, view.spec, view.node
        if hasattr(view, "view_of"):
            views.register_view(tensor, *view.view_of)
        return self

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"`{name}` of this Tensor, in its place."
    return method


def mapping(count: int):
    def method(self, *given):
        *others, function = given[::-1] if callable(given[0]) else given
        if callable(given[0]) and count:
            function, others = given[0], given[1:]
        arrays = [views.array_of(self), *(views.array_of(x) for x in others)]
        for place in core.np.ndindex(arrays[0].shape):
            arrays[0][place] = function(*(a[place].item() for a in arrays))
        tape.stamps.write(arrays[0])
        return self

    return method


SPECIAL = {
    "copy_": copy_, "fill_": fill_, "zero_": zero_, "index_put_": index_put_,
    "fill_diagonal_": fill_diagonal_, "set_": set_, "resize_": resize_, "resize_as_": resize_as_,
    "apply_": mapping(0), "map_": mapping(1), "map2_": mapping(2),
    "polygamma_": lambda self, n: assign(self, self.polygamma(n)),
    **{f"{name}_": reshaping(name) for name in (
        "squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims", "as_strided")},
}


def variants(functions: dict, synonyms: dict) -> dict:
    """Every in-place method, from the functions that compute what is written."""
    made = {f"{name}_": writing(functions[name]) for name in WRITTEN.split() if name in functions}
    made |= SPECIAL
    return made | {f"{name}_": made[f"{meant}_"] for name, meant in synonyms.items()
                   if f"{meant}_" in made}


_ = functools, joining
