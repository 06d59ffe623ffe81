"""Order statistics, histograms, sets, running and weighted sums, distances."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np

from compat.torch import extremes, reductions as r
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.gathering import gather_
from compat.torch.operation import operation
from compat.torch.pointwise import floating, like, strong, where
from compat.torch.promotion import cast, is_floating
from compat.torch.tensor import from_array, of_face, wrap_dim
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.ops.families import dtype_kind
from minigrad.ops.shaping import iota


def pair(name: str):
    return namedtuple(name, "values indices")


def last(input, dim):
    """The dimension at the end, and how to put a result back."""
    d = wrap_dim(dim, len(input.spec.shape))
    return input.movedim(d, -1) if input.spec.shape else input.reshape(1)


def chosen(input, places, dim, keepdim):
    """(values, indices) at one position a row along the last dimension of `last(input, dim)`."""
    if not input.spec.shape:
        return input.clone(), places.reshape(())
    d = wrap_dim(dim, len(input.spec.shape))
    index = places.unsqueeze(d)
    values = gather_(input, d, index)
    return (values, index) if keepdim else (values.squeeze(d), places)


# ------------------------------------------------------------------ order


def kthvalue(input, k, dim=-1, keepdim=False):
    """The k-th smallest element along `dim`, and where it is."""
    n = input.spec.shape[wrap_dim(dim, len(input.spec.shape))] if input.spec.shape else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    order = extremes.argsort(last(input.detach(), dim), -1)
    return pair("kthvalue")(*chosen(input, order[..., k - 1], dim, keepdim))


def middle(name: str, ignore_nan: bool):
    """The lower of the two middle elements."""
    result = pair(name)

    @operation(name=f"{name}.1", tensors=("input",))
    def of_all(input):
        """Equal elements share the gradient."""
        x = of_face(input).reshape(-1)
        value = extremes.sort(x, 0)[0].gather(0, position(x).reshape(1))
        if not is_floating(aval_of(x).dtype):
            return value[0]
        same = (x == value) | x.isnan() & value.isnan()
        return where(same, x, 0.0).sum() / same.sum()

    def position(x):
        """Of the middle among the sorted, along the last dimension."""
        n = aval_of(x).shape[-1]
        if not is_floating(aval_of(x).dtype):
            return of_face(np.full(aval_of(x).shape[:-1], (n - 1) // 2))
        missing = cast(x.isnan(), I64).sum(-1)
        count = n - missing
        if ignore_nan:
            return ((count - 1) // 2).clamp(min=0)
        return where(missing > 0, count, (count - 1) // 2)

    def function(input, dim=None, keepdim=False):
        if dim is None:
            if not input.spec.aval.size:
                return input.new_full((), math.nan)
            return of_all(input)
        if input.spec.shape and not input.spec.shape[wrap_dim(dim, len(input.spec.shape))]:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        x = last(input.detach(), dim)
        order = extremes.argsort(x, -1)
        return result(*chosen(input, order.gather(-1, position(x).unsqueeze(-1)).squeeze(-1), dim,
                              keepdim))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{name}: of all elements, or along `dim` with its index."
    return function


median, nanmedian = middle("median", False), middle("nanmedian", True)


def mode(input, dim=-1, keepdim=False):
    """The commonest element along `dim` (the smallest of several), and its last place."""
    x = np.asarray(core.to_array(last(input.detach(), dim)))
    rows = x.reshape(-1, x.shape[-1])
    places = np.zeros(len(rows), np.int64)
    for i, row in enumerate(rows):
        values, counts = np.unique(row, return_counts=True)
        places[i] = np.flatnonzero(row == values[counts.argmax()])[-1]
    shape = x.shape[:-1] if input.spec.shape else ()
    return pair("mode")(*chosen(input, from_array(places.reshape(shape)), dim, keepdim))


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile_function(name: str, ignore_nan: bool):
    @operation(name=name, tensors=("input", "q"))
    def op(input, q, dim, keepdim, interpolation):
        x, q = of_face(input), of_face(q)
        shape = aval_of(x).shape
        moved = x.reshape(-1) if dim is None or not shape else x.movedim(dim, -1)
        ordered = extremes.sort(moved, -1)[0]
        n = aval_of(moved).shape[-1]
        missing = moved.isnan()
        count = n - cast(missing, I64).sum(-1)
        size = count.clamp(min=1) if ignore_nan else like(count, n)
        many = len(aval_of(q).shape)  # 1 for several quantiles: they come first
        q = q.reshape(aval_of(q).shape + (1,) * len(aval_of(size).shape))
        place = q * (cast(size, aval_of(x).dtype) - 1)
        low, high = place.floor(), place.ceil()
        if interpolation == "nearest":
            low = high = place.round()
        low = high if interpolation == "higher" else low
        high = low if interpolation == "lower" else high
        weight = 0.5 if interpolation == "midpoint" else place - low

        def at(position):
            index = cast(position, I64)
            rows = ordered.expand(*aval_of(index).shape[:many], *aval_of(ordered).shape)
            return rows.gather(-1, index.unsqueeze(-1)).squeeze(-1)

        a, b = at(low), at(high)
        out = a + weight * (b - a)
        out = where(count == 0 if ignore_nan else missing.any(-1), math.nan, out)
        if keepdim:
            for d in range(len(shape)) if dim is None else [dim] if shape else []:
                out = out.unsqueeze(d + many)
        return out

    def function(input, q, dim=None, keepdim=False, *, interpolation="linear"):
        if not is_floating(input.spec.dtype) or input.spec.dtype.itemsize < 4:
            raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
        if interpolation not in INTERPOLATIONS:
            raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, "
                               f"midpoint or nearest, but got {interpolation}")
        if not isinstance(q, core.Tensor):
            if not 0 <= q <= 1:
                raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
            q = from_array(np.asarray(q, input.spec.dtype))
        elif len(q.spec.shape) > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        elif q.spec.dtype != input.spec.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        elif not bool(((q >= 0) & (q <= 1)).all()):
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
        if not input.spec.aval.size:
            raise RuntimeError(f"{name}() input tensor must be non-empty")
        d = None if dim is None else wrap_dim(dim, len(input.spec.shape))
        return op(input, q, d, keepdim, interpolation)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The value below which the share `q` of the elements lies."
    return function


quantile, nanquantile = quantile_function("quantile", False), quantile_function("nanquantile", True)


def msort(input):
    """The elements in order along the first dimension."""
    return extremes.sort(input, 0)[0] if input.spec.shape else input.clone()


def running_extreme(name: str, better):
    """The extreme so far and its last place; nan, once met, stays."""
    result = pair(name)

    def both(input, dim):
        x = of_face(strong(input))
        if not aval_of(x).shape:
            return x, of_face(np.zeros((), np.int64))
        as_number = cast(x, np.dtype(np.int32)) if dtype_kind(aval_of(x).dtype) == "b" else x
        best = of_face(table[name](as_number, axis=dim, reverse=False))
        if is_floating(aval_of(x).dtype):
            seen = of_face(table["cummax"](cast(x.isnan(), np.dtype(np.int32)), axis=dim,
                                           reverse=False)) > 0
            hit = (as_number == best) & ~seen | x.isnan()
        else:
            hit = of_face(as_number) == best
        places = of_face(iota(dtype=I64, shape=aval_of(x).shape, dimension=dim))
        places = of_face(table["cummax"](where(hit, places, 0), axis=dim, reverse=False))
        return x.gather(dim, places), places

    op = operation(both, name=name, tensors=("input",))

    def function(input, dim):
        return result(*op(input, wrap_dim(dim, len(input.spec.shape))))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The extreme so far along `dim`, and where it is."
    return function


cummax, cummin = running_extreme("cummax", "ge"), running_extreme("cummin", "le")


@operation(name="logcumsumexp", tensors=("input",))
def logcumsumexp(input, dim):
    """log of the running sum of exponentials."""
    x = floating(input)
    return table["cumlogsumexp"](x, axis=wrap_dim(dim, len(aval_of(x).shape)), reverse=False) \
        if aval_of(x).shape else x


def aminmax(input, *, dim=None, keepdim=False):
    """The least and the largest element."""
    if not input.spec.aval.size and dim is None:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the "
                           "operation has no identity.")
    return namedtuple("aminmax", "min max")(r.amin(input, dim, keepdim), r.amax(input, dim, keepdim))


# ------------------------------------------------------------------ sums


def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum, nan counted as 0."""
    x = input.masked_fill(input.isnan(), 0) if is_floating(input.spec.dtype) else input
    return r.sum(x, dim, keepdim, dtype=dtype)


def nanmean(input, dim=None, keepdim=False, *, dtype=None):
    """The mean of what is not nan."""
    if not is_floating(input.spec.dtype):
        raise RuntimeError("nanmean(): expected input to have floating point or complex dtype but "
                           f"got {SCALAR_NAMES[input.spec.dtype.name]}")
    return nansum(input, dim, keepdim, dtype=dtype) / (~input.isnan()).sum(dim, keepdim)


def std_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation and the mean."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return (r.std(input, dim, unbiased, keepdim, correction=correction),
            r.mean(input, dim, keepdim))


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance and the mean."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return (r.var(input, dim, unbiased, keepdim, correction=correction),
            r.mean(input, dim, keepdim))


def diff(input, n=1, dim=-1, prepend=None, append=None):
    """Differences of neighbours along `dim`, n times."""
    if not input.spec.shape:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    from compat.torch.joining import cat

    for what, x in (("prepend", prepend), ("append", append)):
        if x is not None and len(x.spec.shape) != len(input.spec.shape):
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    parts = [x for x in (prepend, input, append) if x is not None]
    x = cat(parts, dim) if len(parts) > 1 else input.clone() if not n else input
    for _ in range(min(n, x.size(dim))):
        size = x.size(dim)
        a, b = x.narrow(dim, 1, size - 1), x.narrow(dim, 0, size - 1)
        x = a ^ b if x.spec.dtype == np.bool_ else a - b
    return x


def trapezoid(y, x=None, *, dx=1, dim=-1):
    """The integral by the trapezoidal rule."""
    return trapezoids(y, x, dx, dim).sum(dim)


def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    """The running integral by the trapezoidal rule."""
    return trapezoids(y, x, dx, dim).cumsum(dim)


def trapezoids(y, x, dx, dim):
    n = y.size(dim)
    if n == 0:
        return y * 1.0
    left, right = y.narrow(dim, 0, n - 1), y.narrow(dim, 1, n - 1)
    if x is None:
        if isinstance(dx, core.Tensor) or isinstance(dx, (bool, complex)):
            raise TypeError("trapezoid(): argument 'dx' must be Number")
        return (left + right) * (dx / 2)
    if not x.spec.shape:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    if len(x.spec.shape) == 1:
        if x.size(0) != n:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        widths = (x[1:] - x[:-1]).reshape((-1,) + (1,) * (y.dim() - 1 - wrap_dim(dim, y.dim())))
    else:
        d = wrap_dim(dim, y.dim()) - y.dim()
        if x.size(d) != n:
            raise RuntimeError("trapezoid: There must be one `x` value for each sample point")
        widths = x.narrow(d, 1, n - 1) - x.narrow(d, 0, n - 1)
    return (left + right) * widths / 2


def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Central differences of second order, one-sided at the edges."""
    dims = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [wrap_dim(d, input.dim()) for d in dims]
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError("torch.gradient expected spacing to be unspecified, a scalar, or a list "
                           f"of length equal to {len(dims)}, but got {len(steps)}")
    if len(set(dims)) != len(dims):
        raise RuntimeError("dim appears multiple times in the list of dims")
    for d in dims:
        if input.size(d) < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least "
                               "edge_order+1")
    return tuple(slope(input, d, h, edge_order) for d, h in zip(dims, steps))


def slope(x, d, h, edge_order):
    from compat.torch.joining import cat

    n = x.size(d)

    def at(start, count):
        return x.narrow(d, start, count)

    if isinstance(h, core.Tensor) and h.spec.shape:
        widths = (h[1:] - h[:-1]).reshape((-1,) + (1,) * (x.dim() - 1 - d))
        a, b = widths.narrow(0, 0, n - 2), widths.narrow(0, 1, n - 2)
        inner = (at(2, n - 2) * a / (b * (a + b)) + at(1, n - 2) * (b - a) / (a * b)
                 - at(0, n - 2) * b / (a * (a + b)))
        first, final = widths[:1], widths[-1:]
    else:
        inner = (at(2, n - 2) - at(0, n - 2)) / (2 * h)
        a = b = first = final = h
    left, right = (at(1, 1) - at(0, 1)) / first, (at(n - 1, 1) - at(n - 2, 1)) / final
    if edge_order == 2:
        if isinstance(h, core.Tensor) and h.spec.shape:
            p, q = widths[:1], widths[1:2]
            left = (-(2 * p + q) / (p * (p + q)) * at(0, 1) + (p + q) / (p * q) * at(1, 1)
                    - p / (q * (p + q)) * at(2, 1))
            p, q = widths[-2:-1], widths[-1:]
            right = (q / (p * (p + q)) * at(n - 3, 1) - (q + p) / (p * q) * at(n - 2, 1)
                     + (2 * q + p) / (q * (p + q)) * at(n - 1, 1))
        else:
            left = (-1.5 * at(0, 1) + 2 * at(1, 1) - 0.5 * at(2, 1)) / h
            right = (1.5 * at(n - 1, 1) - 2 * at(n - 2, 1) + 0.5 * at(n - 3, 1)) / h
    return cat([left, inner, right], d)


# ------------------------------------------------------------------ histograms and sets


def array_of(x) -> np.ndarray:
    return np.asarray(core.to_array(x))


def histc(input, bins=100, min=0, max=0):
    """The numbers of elements in bins of equal width."""
    if bins <= 0:
        raise RuntimeError("bins must be > 0")
    x = array_of(input)
    low, high = float(min), float(max)
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    counts, _ = np.histogram(x, bins, (low, high))
    return from_array(counts.astype(x.dtype))


def histogram(input, bins, *, range=None, weight=None, density=False):
    """(counts, edges) of a histogram."""
    hist, edges = histogramdd(input.reshape(-1, 1), [bins], range=range, weight=None
                              if weight is None else weight.reshape(-1), density=density)
    return namedtuple("histogram", "hist bin_edges")(hist, edges[0])


def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """(counts, edges of each dimension) of points, one a row."""
    x, dtype = array_of(input), input.spec.dtype
    rows = x.reshape(-1, x.shape[-1])
    bins = [bins] * x.shape[-1] if isinstance(bins, int) else list(bins)
    if len(bins) != x.shape[-1]:
        raise RuntimeError("histogramdd(): The size of bins must be equal to the innermost "
                           f"dimension of the input.")
    edges = []
    for d, b in enumerate(bins):
        if isinstance(b, core.Tensor):
            edges.append(array_of(b))
            continue
        low, high = (range[2 * d], range[2 * d + 1]) if range is not None else \
            (rows[:, d].min(), rows[:, d].max()) if len(rows) else (0.0, 1.0)
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges.append(np.linspace(low, high, b + 1, dtype=dtype))
    counts, _ = np.histogramdd(rows, [np.asarray(a, np.float64) for a in edges], density=density,
                               weights=None if weight is None else array_of(weight).reshape(-1))
    return namedtuple("histogramdd", "hist bin_edges")(
        from_array(counts.astype(dtype)), tuple(map(from_array, edges)))


def bincount(input, weights=None, minlength=0):
    """The number (or total weight) of each whole number."""
    x = array_of(input)
    if x.ndim != 1 or x.dtype.kind not in "iu" or x.size and x.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and weights.spec.shape != input.spec.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    counts = np.bincount(x, None if weights is None else array_of(weights), minlength)
    keep = weights is not None and weights.spec.dtype == np.float32
    return from_array(counts.astype(np.float32) if keep else counts)


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where to insert each value so that the rows stay in order."""
    if side is not None and side not in ("left", "right"):
        raise RuntimeError("torch.searchsorted(): side can only be 'left' or 'right' but got "
                           f"{side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got "
                           "side of left while right was True")
    rows, values = array_of(sorted_sequence), array_of(input)
    if sorter is not None:
        if sorter.spec.shape != sorted_sequence.spec.shape:
            raise RuntimeError("torch.searchsorted(): boundary and sorter must have the same size")
        if sorter.spec.dtype != I64:
            raise RuntimeError("torch.searchsorted(): sorter must be a tensor of long dtype")
        rows = np.take_along_axis(rows, array_of(sorter), -1)
    if rows.ndim > 1 and rows.shape[:-1] != values.shape[:-1]:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the "
                           "first N-1 dimensions of boundaries tensor and input value tensor must "
                           "match")
    where_to = "right" if right or side == "right" else "left"
    if rows.ndim == 1:
        found = np.searchsorted(rows, values, where_to)
    else:
        found = np.stack([np.searchsorted(a, b, where_to) for a, b in zip(
            rows.reshape(-1, rows.shape[-1]), values.reshape(-1, values.shape[-1]))]
            or [np.zeros(0)]).reshape(values.shape)
    return from_array(np.asarray(found, np.int32 if out_int32 else np.int64))


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The bucket between boundaries that each value falls in."""
    if len(boundaries.spec.shape) != 1:
        raise RuntimeError("bucketize(): boundaries tensor must be 1 dimension, but got dim("
                           f"{boundaries.dim()})")
    if not isinstance(input, core.Tensor):
        input = from_array(np.asarray(input))
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements (or slices along `dim`), in order."""
    values, inverse, counts = np.unique(array_of(input), return_inverse=True,
                                        return_counts=True, axis=dim)
    return selected(values, inverse.reshape(input.spec.shape if dim is None else -1), counts,
                    return_inverse, return_counts)


def selected(values, inverse, counts, return_inverse, return_counts):
    out = [from_array(values)]
    out += [from_array(inverse)] if return_inverse else []
    out += [from_array(counts)] if return_counts else []
    return out[0] if len(out) == 1 else tuple(out)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Runs of equal neighbours, shortened to one each."""
    x = array_of(input)
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    flat = rows.reshape(len(rows), -1)
    new = np.ones(len(rows), bool)
    new[1:] = (flat[1:] != flat[:-1]).any(1)
    starts = np.flatnonzero(new)
    values = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
    inverse = np.cumsum(new) - 1
    return selected(np.ascontiguousarray(values),
                    inverse.reshape(x.shape) if dim is None else inverse,
                    np.diff(np.append(starts, len(rows))), return_inverse, return_counts)


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Which elements occur among the test elements."""
    arrays = [array_of(x) for x in (elements, test_elements)]
    return from_array(np.asarray(np.isin(*arrays, invert=invert)))


# ------------------------------------------------------------------ moments and distances


def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of variables in rows."""
    if len(input.spec.shape) > 2:
        raise RuntimeError("cov(): expected input to have two or fewer dimensions but got an input "
                           f"with {input.dim()} dimensions")
    x = input.reshape(1, -1) if input.dim() < 2 else input
    x = x if is_floating(x.spec.dtype) else x * 1.0
    weights = None
    for w in (fweights, aweights):
        if w is not None:
            if len(w.spec.shape) > 1 or w.spec.aval.size != x.size(1):
                raise RuntimeError("cov(): expected fweights and aweights to have one dimension "
                                   "and as many elements as there are observations")
            weights = w if weights is None else weights * w
    total = x.size(1) if weights is None else weights.sum()
    mean = (x if weights is None else x * weights).sum(1, keepdim=True) / total
    centered = x - mean
    if weights is not None and aweights is not None and correction != 0:
        norm = total - correction * (weights * aweights).sum() / total
    else:
        norm = total - correction
    norm = norm.clamp(min=0) if isinstance(norm, core.Tensor) else max(norm, 0)
    weighted = centered if weights is None else centered * weights
    out = weighted @ centered.conj().t() / norm
    return out.squeeze() if input.dim() < 2 else out


def corrcoef(input):
    """The matrix of correlation coefficients of variables in rows."""
    if len(input.spec.shape) > 2:
        raise RuntimeError("corrcoef(): expected input to have two or fewer dimensions but got an "
                           f"input with {input.dim()} dimensions")
    c = cov(input)
    if not c.spec.shape:
        return c / c
    d = c.diagonal()
    scale = (d if not d.is_complex() else d.real).sqrt()
    out = c / scale[:, None] / scale[None, :]
    return out if out.is_complex() else out.clamp(-1, 1)


def dist(input, other, p=2):
    """The p-norm of the difference."""
    return r.vector_norm(input - other, float(p))


def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances between all rows of two matrices (or batches of them)."""
    for what, x in (("X1", x1), ("X2", x2)):
        if len(x.spec.shape) < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {what} got: "
                               f"{x.dim()}D")
    if x1.size(-1) != x2.size(-1):
        raise RuntimeError("X1 and X2 must have the same number of columns. X1: "
                           f"{x1.size(-1)} X2: {x2.size(-1)}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if not x1.size(-1):
        return (x1[..., :, None, :] - x2[..., None, :, :]).sum(-1)
    return r.vector_norm(x1[..., :, None, :] - x2[..., None, :, :], float(p), -1)


def renorm(input, p, dim, maxnorm):
    """Slices along `dim` scaled down to p-norms of at most `maxnorm`."""
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.dim()} "
                           "dimensions")
    d = wrap_dim(dim, input.dim())
    others = [i for i in range(input.dim()) if i != d]
    norm = r.vector_norm(input, float(p), others, True)
    return input * where(norm > maxnorm, maxnorm / (norm + 1e-7), 1.0).to(input.dtype)


STATISTICS = {f.__name__: f for f in (
    kthvalue, median, nanmedian, mode, quantile, nanquantile, msort, cummax, cummin, aminmax,
    nansum, nanmean, diff, histc, histogram, bincount, unique, unique_consecutive, cov, corrcoef,
    dist, renorm)} | {"logcumsumexp": logcumsumexp}
STATISTICS_FUNCTIONS = {f.__name__: f for f in (
    std_mean, var_mean, trapezoid, cumulative_trapezoid, gradient, histogramdd, searchsorted,
    bucketize, isin, cdist)} | {"trapz": trapezoid}
