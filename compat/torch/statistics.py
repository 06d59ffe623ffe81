"""Sums, differences, integrals, moments and distances."""

from __future__ import annotations


import numpy as np

from compat.torch import reductions as r
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.operation import operation
from compat.torch.pointwise import floating
from compat.torch.selecting import where
from compat.torch.promotion import cast, is_floating
from compat.torch.tensor import at_hand, wrap_dim
from minigrad import core
from minigrad.core import aval_of, table




@operation(name="logcumsumexp", tensors=("input",))
def logcumsumexp(input, dim):
    """log of the running sum of exponentials."""
    x = floating(input)
    if not aval_of(x).shape:
        return x
    wide = cast(x, np.dtype(np.float64))
    return cast(table["cumlogsumexp"](wide, axis=wrap_dim(dim, len(aval_of(x).shape)),
                                      reverse=False), aval_of(x).dtype)


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

    for x in (prepend, append):
        if x is not None and len(x.spec.shape) != len(input.spec.shape):
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    parts = [x for x in (prepend, input, append) if x is not None]
    if not n:
        return input.clone()
    x = cat(parts, dim) if len(parts) > 1 else input
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
    spacing = 1 if spacing is None else spacing
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


# ------------------------------------------------------------------ moments and distances


def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariance matrix of variables in rows."""
    if len(input.spec.shape) > 2:
        raise RuntimeError("cov(): expected input to have two or fewer dimensions but got an input "
                           f"with {input.dim()} dimensions")
    x = input.reshape(1, -1) if input.dim() < 2 else input
    x = x if is_floating(x.spec.dtype) else x * 1.0
    weights = None
    for name, w, kind, right in (("fweights", fweights, "integral", "iu"),
                                 ("aweights", aweights, "floating point", "fV")):
        if w is not None:
            wrong = f"cov(): expected {name} to have"
            if len(w.spec.shape) > 1:
                raise RuntimeError(f"{wrong} one or fewer dimensions but got {name} with "
                                   f"{w.dim()} dimensions")
            if w.spec.dtype.kind not in right:
                raise RuntimeError(f"{wrong} {kind} dtype but got {name} with "
                                   f"{SCALAR_NAMES[w.spec.dtype.name]} dtype")
            if w.numel() != x.size(1):
                raise RuntimeError(f"{wrong} the same numel as there are observations in the input "
                                   f"but got {w.numel()} != {x.size(1)}")
            if at_hand(w) and bool((w < 0).any()):
                raise RuntimeError(f"cov(): {name} cannot be negative")
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
    return out.squeeze()


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
    nansum, nanmean, diff, cov, corrcoef, dist, renorm, logcumsumexp)}
STATISTICS_FUNCTIONS = {f.__name__: f for f in (
    std_mean, var_mean, trapezoid, cumulative_trapezoid, gradient, cdist)} | {"trapz": trapezoid}
