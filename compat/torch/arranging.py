"""Functions that arrange whole tensors, written over the views and joins of the face."""

from __future__ import annotations

import itertools
import math

import numpy as np

from compat.torch import joining as j
from compat.torch import views as s
from compat.torch.dtypes import Size
from compat.torch.gathering import index_select
from compat.torch.operation import operation
from compat.torch.pointwise import UNARY
from compat.torch.promotion import broadcast_shapes as common_shape
from compat.torch.signatures import into
from compat.torch.tensor import array_of, from_array, of_face, wrap_dim
from minigrad import core
from minigrad.core import aval_of


def gathered(tensors) -> list:
    """`f(x, y)` and `f([x, y])` alike."""
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) \
        else list(tensors)


def at_least(rank: int):
    """Tensors of rank at least `rank`: new dimensions stand where NumPy puts them."""
    def one(x):
        ndim = len(x.spec.shape)
        if rank == 3 and ndim == 2:
            return x.unsqueeze(-1)
        if rank == 3 and ndim == 1:
            return x[None, :, None]
        return x.reshape((1,) * (rank - ndim) + x.spec.shape) if ndim < rank else x

    def function(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], core.Tensor):
            return one(tensors[0])
        return tuple(map(one, gathered(tensors)))

    function.__name__ = function.__qualname__ = f"atleast_{rank}d"
    function.__doc__ = f"The tensors with at least {rank} dimension{'s' if rank > 1 else ''}."
    return function


atleast_1d, atleast_2d, atleast_3d = map(at_least, (1, 2, 3))


def stacking(name: str, prepare, axis):
    def function(tensors):
        tensors = list(tensors)
        if not tensors:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        ready = [prepare(x) for x in tensors]
        return j.cat(ready, axis(ready[0]))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{name} of a sequence of tensors."
    return function


hstack = stacking("hstack", atleast_1d, lambda x: 0 if x.dim() == 1 else 1)
vstack = stacking("vstack", atleast_2d, lambda x: 0)
dstack = stacking("dstack", atleast_3d, lambda x: 2)
column_stack = stacking("column_stack", lambda x: x.reshape(-1, 1) if x.dim() <= 1 else x,
                        lambda x: 1)


def tensor_split(input, indices_or_sections, dim=0):
    """Pieces at the given positions, or that many of nearly equal size."""
    if not input.spec.shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a "
                           "tensor with 0 dims")
    d = wrap_dim(dim, len(input.spec.shape))
    n, given = input.spec.shape[d], indices_or_sections
    if isinstance(given, core.Tensor):
        if given.spec.dtype != core.I64:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a long "
                               f"tensor, but got {given.dtype}")
        if len(given.spec.shape) > 1:
            raise RuntimeError("tensor_split expected tensor_indices_or_sections to be a zero-"
                               f"dimensional or one-dimensional tensor, but got a tensor with "
                               f"{given.dim()} dims")
        given = given.tolist()
    if not isinstance(given, (int, list, tuple)):
        raise TypeError("tensor_split() received an invalid combination of arguments - got "
                        f"(Tensor, {type(given).__name__})")
    if isinstance(given, int):
        if given <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {given}")
        size, extra = divmod(n, given)
        ends = list(itertools.accumulate(size + (i < extra) for i in range(given)))[:-1]
    else:
        ends = list(given)
    bounds = [0, *ends, n]
    return tuple(input[(slice(None),) * d + (slice(a, b),)]
                 for a, b in zip(bounds[:-1], bounds[1:]))


def splitting(name: str, rank: int, axis: int):
    def function(input, indices_or_sections):
        ndim = len(input.spec.shape)
        if ndim < rank:
            raise RuntimeError(f"torch.{name} requires a tensor with at least {rank} dimension"
                               f"{'s' if rank > 1 else ''}, but got a tensor with {ndim} "
                               f"dimension{'s' if ndim != 1 else ''}!")
        dim = 0 if name == "hsplit" and ndim == 1 else axis
        n, parts = input.spec.shape[dim], indices_or_sections
        if isinstance(parts, int) and (parts <= 0 or n % parts):
            raise RuntimeError(f"torch.{name} attempted to split along dimension {dim}, but the "
                               f"size of the dimension {n} is not divisible by the split_size "
                               f"{parts}!")
        return tensor_split(input, parts, dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Pieces along dimension {axis}."
    return function


hsplit, vsplit, dsplit = (splitting(*row) for row in (("hsplit", 1, 1), ("vsplit", 2, 0),
                                                      ("dsplit", 3, 2)))


def split_with_sizes(input, split_sizes, dim=0):
    """Pieces of the given sizes."""
    return s.split(input, list(split_sizes), dim)


def block_diag(*tensors):
    """The tensors along the diagonal of a matrix of zeros."""
    for i, x in enumerate(tensors):
        if len(x.spec.shape) > 2:
            raise RuntimeError("torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                               f"Input {i} has {x.dim()} dimensions")
    blocks = [atleast_2d(x) for x in tensors] or [from_array(np.zeros((1, 0), np.float32))]
    width, rows, before = sum(x.spec.shape[1] for x in blocks), [], 0
    for x in blocks:
        n = x.spec.shape[1]
        rows.append(j.constant_pad(x, (before, width - before - n)))
        before += n
    return j.cat(rows, 0)


def cartesian_prod(*tensors):
    """All tuples with one element of each vector."""
    from compat.torch.creation import meshgrid

    for x in tensors:
        if len(x.spec.shape) != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.spec.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return j.stack([g.reshape(-1) for g in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a vector."""
    if len(input.spec.shape) != 1:
        raise RuntimeError("Expect a 1D vector, but got shape " + str(list(input.spec.shape)))
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else \
        itertools.combinations
    picked = np.array(list(choose(range(input.spec.shape[0]), r)), np.int64).reshape(-1, r)
    return input[from_array(picked)] if r else input.new_empty(0)


def tile(input, *reps, dims=None):
    """Copies along each dimension; as many dimensions as the longer of the two has."""
    sizes = s.sizes_of(reps if dims is None else (dims,))
    return j.repeat(input, (1,) * (len(input.spec.shape) - len(sizes)) + tuple(sizes))


def rot90(input, k=1, dims=(0, 1)):
    """Turned by a right angle, k times, in the plane of two dimensions."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if len(input.spec.shape) < 2:
        raise RuntimeError("expected total dims >= 2, but got total dims = "
                           f"{len(input.spec.shape)}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == len(input.spec.shape):
        raise RuntimeError("expected rotation dims to be different, but got dim0 = "
                           f"{dims[0]} and dim1 = {dims[1]}")
    a, b = (wrap_dim(d, len(input.spec.shape)) for d in dims)
    k %= 4
    if k == 1:
        return j.flip(input, b).transpose(a, b)
    if k == 3:
        return j.flip(input, a).transpose(a, b)
    return j.flip(input, a, b) if k == 2 else UNARY["clone"](input)


def flipped(name: str, rank: int, dim: int):
    def function(input):
        if len(input.spec.shape) < rank:
            raise RuntimeError(f"Input must be >= {rank}-d.")
        return j.flip(input, dim)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The reverse order along dimension {dim}."
    return function


fliplr, flipud = flipped("fliplr", 2, 1), flipped("flipud", 1, 0)


@operation(name="diag_embed", tensors=("input",))
def diag_embed_op(input, offset, dim1, dim2):
    x = input
    n = aval_of(x).shape[-1] + abs(offset)
    pad = ((0, 0, 0),) * (len(aval_of(x).shape) - 1) + ((max(offset, 0), max(-offset, 0), 0),)
    rows = np.arange(n)[:, None]
    on = rows + offset == np.arange(n)
    row = of_face(core.table["pad"](x, np.zeros((), aval_of(x).dtype)[()], padding_config=pad))
    row = row.unsqueeze(-2).expand(*aval_of(x).shape[:-1], n, n)
    placed = core.table["select_n"](np.broadcast_to(on, aval_of(row).shape),
                                    np.zeros(aval_of(row).shape, aval_of(x).dtype), row)
    return of_face(placed).movedim((-2, -1), (dim1, dim2))


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """The last dimension on a diagonal of two new ones."""
    ndim = len(input.spec.shape) + 1
    a, b = wrap_dim(dim1, ndim), wrap_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return diag_embed_op(input, offset if a < b else -offset, *sorted((a, b))) if a < b else \
        diag_embed_op(input, -offset, b, a)


def diag(input, diagonal=0):
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    ndim = len(input.spec.shape)
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return diag_embed(input, diagonal) if ndim == 1 else \
        UNARY["clone"](s.diagonal(input, diagonal))


def diagflat(input, offset=0):
    """The matrix with all elements on a diagonal."""
    return diag_embed(input.reshape(-1), offset)


def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each position repeated, next to itself."""
    if repeats is None:
        counts = array_of(input)
        return from_array(np.repeat(np.arange(len(counts)), counts))
    x = input.reshape(-1) if dim is None else input
    if not x.spec.shape:
        x = x.reshape(1)
    d = 0 if dim is None else wrap_dim(dim, len(x.spec.shape))
    n = x.spec.shape[d]
    if isinstance(repeats, core.Tensor):
        if repeats.spec.dtype.name not in ("int64", "int32"):
            raise RuntimeError("repeats has to be Long or Int tensor")
        if len(repeats.spec.shape) > 1:
            raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
        counts = array_of(repeats).reshape(-1)
    else:
        counts = np.asarray([repeats])
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    if len(counts) not in (1, n):
        raise RuntimeError("repeats must have the same size as input along dim, but got "
                           f"repeats.size(0) = {len(counts)} and input.size({d}) = {n}")
    places = np.repeat(np.arange(n), np.broadcast_to(counts, (n,)))
    if output_size is not None and output_size != len(places):
        raise RuntimeError("allocated size does not match required size")
    return index_select(x, d, from_array(places))


def unravel_index(indices, shape):
    """The coordinates of positions in a flattened tensor of this shape."""
    sizes = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if indices.spec.dtype.kind not in "iu":
        raise ValueError("expected 'indices' to be an integer tensor, but got "
                         f"{indices.dtype}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    steps = [math.prod(sizes[i + 1:]) for i in range(len(sizes))]
    return tuple((indices // step) % n for step, n in zip(steps, sizes))


def broadcast_to(input, size):
    """A view stretched to `size`."""
    return s.expand(input, *size)


def broadcast_shapes(*shapes):
    """The shape that the given ones broadcast to."""
    return Size(common_shape(*((n,) if isinstance(n, int) else tuple(n) for n in shapes)))


def sum_to_size(input, *size):
    """The sum over the dimensions that broadcasting had stretched."""
    sizes, shape = s.sizes_of(size), input.spec.shape
    extra = len(shape) - len(sizes)
    if not sizes:
        return input.sum()
    if extra < 0 or any(n not in (1, m) for n, m in zip(sizes, shape[extra:])):
        raise RuntimeError(f"size {{{list(sizes)}}} is not expandable to size "
                           f"{{{list(shape)}}}.")
    dims = [i for i, n in enumerate(shape) if i < extra or sizes[i - extra] == 1 != n]
    return input.sum(dims, keepdim=True).reshape(sizes) if dims else input


def adjoint(input):
    """The transposed conjugate of the last two dimensions."""
    return s.transpose_(input, -2, -1).conj()


def ravel(input):
    """All elements in one dimension."""
    return s.reshape_(input, -1)


def hermitian(name: str):
    def get(input):
        if name == "H" and len(input.spec.shape) not in (0, 2):
            raise RuntimeError("tensor.H is only supported on matrices (2-D tensors). Got "
                               f"{input.dim()}-D tensor.")
        return adjoint(input) if input.spec.shape else input.conj()

    return property(get)


@operation
def trace(input):
    """The sum of the main diagonal of a matrix."""
    if len(aval_of(input).shape) != 2:
        raise RuntimeError("trace: expected a matrix, but got a tensor with "
                           f"{len(aval_of(input).shape)} dimensions")
    return of_face(input).diagonal().sum()


COPIES = ("alias as_strided detach diagonal expand narrow permute select slice split "
          "split_with_sizes squeeze t transpose unbind unfold unsqueeze view view_as_complex "
          "view_as_real").split()


def copying(name: str, function):
    """The copying form of a view."""
    def copied(*args, out=None, **kwargs):
        made = function(*args, **kwargs)
        made = tuple(map(UNARY["clone"], made)) if isinstance(made, tuple) else \
            UNARY["clone"](made)
        return made if out is None else into(copied, out, made, args)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = f"As `{name}`, in new memory."
    return copied


def slice_of(input, dim=0, start=None, end=None, step=1):
    d = wrap_dim(dim, len(input.spec.shape))
    return input[(slice(None),) * d + (slice(start, end, step),)]


OTHERS = {"alias": lambda input: s.alias(s.shareable(input)), "slice": slice_of}
ARRANGING = {
    "atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d,
    "hstack": hstack, "vstack": vstack, "row_stack": vstack, "dstack": dstack,
    "column_stack": column_stack, "block_diag": block_diag, "cartesian_prod": cartesian_prod,
    "combinations": combinations, "broadcast_shapes": broadcast_shapes,
    "unravel_index": unravel_index,
}  # functions of torch alone
ARRANGING_METHODS = {
    "tensor_split": tensor_split, "hsplit": hsplit, "vsplit": vsplit, "dsplit": dsplit,
    "split_with_sizes": split_with_sizes, "unsafe_split": s.split, "unsafe_chunk": s.chunk,
    "unsafe_split_with_sizes": split_with_sizes, "tile": tile, "rot90": rot90, "fliplr": fliplr,
    "flipud": flipud, "diag": diag, "diag_embed": diag_embed, "diagflat": diagflat,
    "repeat_interleave": repeat_interleave, "broadcast_to": broadcast_to, "adjoint": adjoint,
    "ravel": ravel, "trace": trace, "moveaxis": s.movedim, "swapdims": s.transpose_,
    "as_strided": s.as_strided,
}
ONLY_METHODS = {"sum_to_size": sum_to_size, "unfold": s.unfold, "H": hermitian("H"),
                "mH": hermitian("mH")}
