"""Pooling of (N, C, *space), or (C, *space) without a batch."""

from __future__ import annotations

import functools
import math

import numpy as np

from compat.torch.indexing import index_put_op
from compat.torch.nn.functional.convolution import tuple_of
from compat.torch.operation import operation
from compat.torch.random import draw
from compat.torch.tensor import array_of, from_array
from minigrad.core import aval_of
from minigrad.numpy.windows import (
    adaptive_places, around, average, avg_pool_body, flat_places, fractional_starts, largest,
    max_places_body, max_pool_body, out_size, regular_places, seen, window_counts,
)
from minigrad.ops.shaping import reshape, transpose

# ------------------------------------------------------------------ windows of one size


def pool_arguments(input, rank, name, kernel_size, stride, padding, dilation=1, ceil_mode=False):
    """Kernel, stride, padding and dilation, one number a dimension each; PyTorch's complaints."""
    kernel, padding, dilation = (tuple_of(v, rank) for v in (kernel_size, padding, dilation))
    stride = kernel if stride is None or stride in ((), []) else tuple_of(stride, rank)
    shape = input.spec.shape
    if len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with "
                           f"optional 0 dim batch size for input, but got: {list(shape)}"
                           if rank > 1 else f"{name}() Expected 2D or 3D input tensor, but got "
                           f"{list(shape)}")
    if min(dilation) <= 0 or 0 in shape[-rank - (rank > 1):] or rank == 1 and not shape[-2]:
        raise RuntimeError(f"{name}() dilation must be greater than zero, but got {dilation[0]}"
                           if min(dilation) <= 0 else
                           f"{name}: Expected input's non-batch dimensions to have positive length,"
                           f" but got: {list(shape)}")
    if min(stride) <= 0:
        raise RuntimeError("stride should not be zero" if rank > 1 else
                           f"{name}() stride must be greater than zero, but got {stride[0]}")
    for p, k, d in zip(padding, kernel, dilation):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError("pad should be at most half of effective kernel size, but got pad="
                               f"{p}, kernel_size={k} and dilation={d}")
    out = [out_size(*a, ceil_mode) for a in zip(shape[-rank:], kernel, stride, padding, dilation)]
    if min(out) <= 0:
        sizes = ["x".join(map(str, (shape[-rank - 1], *v))) for v in (shape[-rank:], out)]
        raise RuntimeError(f"Given input size: ({sizes[0]}). Calculated output size: "
                           f"({sizes[1]}). Output size is too small")
    return kernel, stride, padding, dilation


def named(fn, name: str, doc: str):
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn


def max_pool(rank: int):
    name = f"max_pool{rank}d"
    node = "squeeze.1" if rank == 1 else f"{name}_with_indices"  # PyTorch pools one row in two
    op = operation(max_pool_body, name=node, tensors=("input",))
    with_places = operation(max_places_body, name=node, tensors=("input",))

    def pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
             return_indices=False):
        kernel, stride, padding, dilation = pool_arguments(
            input, rank, name, kernel_size, stride, padding, dilation, ceil_mode)
        if return_indices or dilation != (1,) * rank:
            both = with_places(input, kernel, stride, padding, dilation, ceil_mode)
            return both if return_indices else both[0]
        return op(input, kernel, stride, around(
            input.spec.shape[-rank:], kernel, stride, padding, dilation, ceil_mode))

    return named(pool, name, f"The maximum of each window over {rank} dimensions.")


def avg_pool(rank: int):
    name = f"avg_pool{rank}d"
    op = operation(avg_pool_body, name="squeeze.1" if rank == 1 else name, tensors=("input",))

    def pool(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
             divisor_override=None):
        kernel, stride, padding, ones = pool_arguments(
            input, rank, name, kernel_size, stride, padding, 1, ceil_mode)
        space = input.spec.shape[-rank:]
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        divisor = divisor_override or tuple(
            window_counts(n, k, s, p, out_size(n, k, s, p, 1, ceil_mode), count_include_pad)
            for n, k, s, p in zip(space, kernel, stride, padding))
        if divisor_override is None and all({*row} == {k} for row, k in zip(divisor, kernel)):
            divisor = math.prod(kernel)
        return op(input, kernel, stride, around(space, kernel, stride, padding, ones, ceil_mode),
                  divisor)

    return named(pool, name, f"The mean of each window over {rank} dimensions.")


def with_indices(pool):
    """The variant that also returns where the maxima are."""
    def fn(input, *args, return_indices=True, **kwargs):
        return pool(input, *args, **kwargs, return_indices=True)

    return named(functools.wraps(pool)(fn), f"{pool.__name__}_with_indices",
                 f"{pool.__name__} with places.")


max_pool1d, max_pool2d, max_pool3d = map(max_pool, (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = map(avg_pool, (1, 2, 3))
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(
    with_indices, (max_pool1d, max_pool2d, max_pool3d))


def lp_pool(rank: int):
    pool = (avg_pool1d, avg_pool2d, avg_pool3d)[rank - 1]

    def fn(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        mean = pool(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        size = math.prod(tuple_of(kernel_size, rank))
        return (mean.sign() * mean.abs().relu() * size).pow(1.0 / norm_type)

    return named(fn, f"lp_pool{rank}d", "The p-norm of each window.")


lp_pool1d, lp_pool2d, lp_pool3d = map(lp_pool, (1, 2, 3))


# ------------------------------------------------------------------ windows of a number


def adaptive_body(reduce):
    def fn(input, sizes):
        space = aval_of(input).shape[-len(sizes):]
        rows = [(n, adaptive_places(n, m)) for n, m in zip(space, sizes)]
        return reduce(input, flat_places(rows), len(sizes))

    return fn


def adaptive_sizes(input, rank: int, output_size, name: str) -> tuple[int, ...]:
    shape = input.spec.shape
    sizes = (output_size,) * rank if isinstance(output_size, int) or output_size is None \
        else tuple(output_size)
    if len(sizes) != rank:
        raise RuntimeError(f"{name}: output_size must be {rank}" if rank > 1 else
                           f"{name}() argument 'output_size' should contain one int (got "
                           f"{len(sizes)})")
    if len(shape) < rank + 1 and rank > 1:
        raise ValueError(f"Input dimension should be at least {rank + 1}")
    if len(shape) not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got "
                           f"{list(shape)}")
    sizes = tuple(n if m is None else int(m) for n, m in zip(shape[-rank:], sizes))
    if min(sizes) < 0:
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0 but"
                           f" received {{{', '.join(map(str, sizes))}}}")
    return sizes


def adaptive_avg_pool(rank: int):
    name, pool = f"adaptive_avg_pool{rank}d", (avg_pool1d, avg_pool2d, avg_pool3d)[rank - 1]
    node = "squeeze.1" if rank == 1 else f"_{name}"
    op = operation(adaptive_body(average), name=node, tensors=("input",))

    def fn(input, output_size):
        sizes, space = adaptive_sizes(input, rank, output_size, name), input.spec.shape[-rank:]
        if set(sizes) == {1}:
            return input.mean(tuple(range(-rank, 0)), True)
        if all(m and n % m == 0 for n, m in zip(space, sizes)):
            return pool(input, tuple(n // m for n, m in zip(space, sizes)))
        return op(input, sizes)

    return named(fn, name, "The mean of windows that cover everything.")


def adaptive_max_pool(rank: int):
    name = f"adaptive_max_pool{rank}d"
    op = operation(adaptive_body(largest), name="squeeze.1" if rank == 1 else name,
                   tensors=("input",))

    def fn(input, output_size, return_indices=False):
        both = op(input, adaptive_sizes(input, rank, output_size, name))
        return both if return_indices else both[0]

    return named(fn, name, "The maximum of windows that cover everything.")


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = map(adaptive_avg_pool, (1, 2, 3))
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = map(adaptive_max_pool, (1, 2, 3))
(adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices,
 adaptive_max_pool3d_with_indices) = map(
    with_indices, (adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d))


def fractional_max_pool(rank: int):
    def fn(input, kernel_size, output_size=None, output_ratio=None, return_indices=False,
           _random_samples=None):
        if output_size is None and output_ratio is None:
            raise ValueError(f"fractional_max_pool{rank}d requires specifying either an "
                             "output_size or an output_ratio")
        batched = input if input.dim() == rank + 2 else input.unsqueeze(0)
        space, kernel = batched.spec.shape[2:], tuple_of(kernel_size, rank)
        sizes = tuple_of(output_size, rank) if output_size is not None else tuple(
            int(n * f) for n, f in zip(space, tuple_of_floats(output_ratio, rank)))
        if _random_samples is None:
            _random_samples = draw("uniform", (*batched.spec.shape[:2], rank), input.spec.dtype)
        samples = array_of(_random_samples)
        table: np.ndarray = np.zeros((1,) * (2 + 2 * rank), np.int64)
        for i, (n, k, m) in enumerate(zip(space, kernel, sizes)):
            which = 1 - i if rank == 2 else i  # of images, the first sample is of the width
            starts = fractional_starts(samples[..., which], n, k, m)
            shape = [*samples.shape[:2], *(1,) * 2 * rank]
            shape[2 + i], shape[2 + rank + i] = m, k
            table = table * n + (starts[..., None] + np.arange(k)).reshape(shape)
        places = from_array(table.reshape(*samples.shape[:2], math.prod(sizes),
                                          math.prod(kernel)))
        windows = batched.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)
        values, best = windows.max(-1)
        best = places.gather(-1, best.unsqueeze(-1)).squeeze(-1)
        values, best = (x.reshape(*input.shape[:-rank], *sizes) for x in (values, best))
        return (values, best) if return_indices else values

    return named(fn, f"fractional_max_pool{rank}d", "Maxima of windows spread at random.")


def tuple_of_floats(value, n: int) -> tuple:
    return (value,) * n if isinstance(value, float) else tuple(value)


fractional_max_pool2d, fractional_max_pool3d = map(fractional_max_pool, (2, 3))
fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = map(
    with_indices, (fractional_max_pool2d, fractional_max_pool3d))


# ------------------------------------------------------------------ back to places


def max_unpool(rank: int):
    name = f"max_unpool{rank}d"

    def fn(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        kernel, padding = tuple_of(kernel_size, rank), tuple_of(padding, rank)
        stride = kernel if stride is None else tuple_of(stride, rank)
        shape = input.spec.shape
        if indices.spec.shape != shape:
            raise RuntimeError("Expected shape of indices to be same as that of the input tensor ("
                               f"{list(shape)}) but got indices tensor with shape: "
                               f"{list(indices.spec.shape)}")
        usual = tuple((n - 1) * s - 2 * p + k
                      for n, s, p, k in zip(shape[-rank:], stride, padding, kernel))
        sizes = usual if output_size is None else tuple(output_size)[-rank:]
        if any(not u - s < n < u + s for n, u, s in zip(sizes, usual, stride)):
            raise ValueError(f'invalid output_size "{sizes}" (dim 0 must be between '
                             f'{usual[0] - stride[0]} and {usual[0] + stride[0]})')
        where = array_of(indices)
        if where.size and (where.min() < 0 or where.max() >= math.prod(sizes)):
            raise RuntimeError("Found an invalid max index: "
                               f"{where[(where < 0) | (where >= math.prod(sizes))].flat[0]} (output"
                               f" volumes are of size {'x'.join(map(str, sizes))}")
        flat = input.new_zeros((*shape[:-rank], math.prod(sizes)))
        values, places = (x.flatten(-rank) for x in (input, indices))
        put, added = flat.scatter(-1, places, values), flat.scatter_add(-1, places, values)
        # of equal places the last one counts, yet PyTorch gives the gradient to all
        out = put if not values.requires_grad else added + (put - added).detach()
        return out.reshape(*shape[:-rank], *sizes)

    return named(fn, name, "Maxima put back where they were, zeros elsewhere.")


max_unpool1d, max_unpool2d, max_unpool3d = map(max_unpool, (1, 2, 3))


@operation(name="im2col", tensors=("input",))
def unfold_op(input, kernel, dilation, padding, stride):
    shape = aval_of(input).shape
    table = regular_places(shape[2:], kernel, stride, padding, dilation)
    columns = seen(input, table, 2, 0)  # (N, C, H', W', K)
    columns = transpose(columns, permutation=(0, 1, 4, 2, 3))
    n, c, k, *blocks = aval_of(columns).shape
    return reshape(columns, new_sizes=(n, c * k, math.prod(blocks)))


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of (N, C, H, W) as columns: (N, C * elements, windows)."""
    batched = input if input.dim() == 4 else input.unsqueeze(0)
    settings = [tuple_of(v, 2) for v in (kernel_size, dilation, padding, stride)]
    out = unfold_op(batched, *settings)
    return out if input.dim() == 4 else out.squeeze(0)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of columns at the places that `unfold` took them from."""
    batched = input if input.dim() == 3 else input.unsqueeze(0)
    kernel, dilation, padding, stride = (
        tuple_of(v, 2) for v in (kernel_size, dilation, padding, stride))
    sizes = tuple_of(output_size, 2)
    table = regular_places(sizes, kernel, stride, padding, dilation)
    n, rows, blocks = batched.spec.shape
    size = math.prod(kernel)
    if rows % size:
        raise RuntimeError("Expected size of input's dimension 1 to be divisible by the product of "
                           f"kernel_size, but got input.size(1)={rows} and kernel_size="
                           f"({', '.join(map(str, kernel))}).")
    expected = math.prod(table.shape[:-1])
    if blocks != expected:
        raise RuntimeError(
            f"Given output_size=({', '.join(map(str, sizes))}), kernel_size=("
            f"{', '.join(map(str, kernel))}), dilation=({', '.join(map(str, dilation))}), padding=("
            f"{', '.join(map(str, padding))}), stride=({', '.join(map(str, stride))}), expected "
            "size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{' * '.join(map(str, table.shape[:-1]))} = {expected}, but got input.size(2)="
            f"{blocks}.")
    places = np.where(table < 0, math.prod(sizes), table).reshape(blocks, size)
    places = from_array(places.T.ravel())
    flat = batched.new_zeros((n, rows // size, math.prod(sizes) + 1))  # the last takes the outside
    values = batched.reshape(n, rows // size, size * blocks)
    out = index_put_op(1)(flat, values, places, dims=(2,), accumulate=True)
    out = out[..., :-1].reshape(n, rows // size, *sizes)
    return out if input.dim() == 3 else out.squeeze(0)


