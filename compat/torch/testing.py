"""`torch.testing`: are two results as close as their dtype allows? and Tensors to test with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from compat.torch.dtypes import dtype as Dtype
from compat.torch.creation import as_tensor, empty
from compat.torch.random import randint
from compat.torch.tensor import Tensor, array_of
from minigrad import core
from minigrad.ops.families import dtype_kind

TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
              "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


def default_tolerances(*dtypes) -> tuple[float, float]:
    """(rtol, atol): the widest of the dtypes' own."""
    known = [TOLERANCES.get(d.name, (0.0, 0.0)) for d in dtypes]
    return max(r for r, _ in known), max(a for _, a in known)


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False,
                 check_device=True, check_dtype=True, check_layout=True, check_stride=False,
                 msg=None) -> None:
    """Raise AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere, in
    nested containers too. Source: torch.testing.assert_close."""
    if (rtol is None) != (atol is None):
        raise ValueError("Both 'rtol' and 'atol' must be either specified or omitted, but got no "
                         f"{'atol' if atol is None else 'rtol'}.")
    problem = compare(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride, ())
    if problem is None:
        return
    text, place = problem
    if place:
        text += f"\n\nThe failure occurred for item {''.join(f'[{p!r}]' for p in place)}"
    raise AssertionError(text if msg is None else msg(text) if callable(msg) else msg)


def compare(a, b, rtol, atol, equal_nan, check_dtype, check_stride, place):
    """(what is wrong, where), or None."""
    rest = rtol, atol, equal_nan, check_dtype, check_stride
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        missing, extra = set(b) - set(a), set(a) - set(b)
        if missing or extra:
            return (f"The keys of the mappings do not match:\nMissing keys in the actual mapping: "
                    f"{sorted(missing)}\nAdditional keys in the actual mapping: {sorted(extra)}",
                    place)
        pairs = [(k, a[k], b[k]) for k in b]
    elif all(isinstance(x, Sequence) and not isinstance(x, str) for x in (a, b)):
        if len(a) != len(b):
            return f"The length of the sequences mismatch: {len(a)} != {len(b)}", place
        pairs = [(i, x, y) for i, (x, y) in enumerate(zip(a, b))]
    elif a is None or b is None:
        return None if a is b else (f"None mismatch: {a} is not {b}", place)
    else:
        return compare_leaves(a, b, *rest, place)
    return next((p for k, x, y in pairs if (p := compare(x, y, *rest, (*place, k)))), None)


def compare_leaves(a, b, rtol, atol, equal_nan, check_dtype, check_stride, place):
    numbers = (bool, int, float, complex)
    scalars = isinstance(a, numbers) and isinstance(b, numbers)
    arrays = (core.Tensor, np.ndarray, np.generic, *numbers)
    if not (isinstance(a, arrays) and isinstance(b, arrays)):
        raise TypeError("No comparison pair was able to handle inputs of type "
                        f"{type(a)} and {type(b)}.")
    if scalars:
        kind = {bool: core.BOOL, int: core.I64, float: core.F64, complex: core.C128}
        if check_dtype and type(a) is not type(b):
            return f"The (d)types do not match: {type(a)} != {type(b)}.", place
        a, b = (np.asarray(x, kind[type(x)]) for x in (a, b))
    a, b = as_tensor(a), as_tensor(b)
    for name, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype),
                       ("stride()", a.stride(), b.stride())):
        if x != y and (name == "shape" or check_dtype and name == "dtype"
                       or check_stride and name == "stride()"):
            return f"The values for attribute '{name}' do not match: {x} != {y}.", place
    if rtol is None:
        rtol, atol = (0.0, 0.0) if scalars and a.dtype.kind in "biu" else \
            default_tolerances(a.spec.dtype, b.spec.dtype) if not scalars else (1e-7, 1e-7)
    return describe(a, b, rtol, atol, equal_nan, scalars, place)


def widened(x) -> np.ndarray:
    array = array_of(x)
    kind = dtype_kind(array.dtype)
    return array.astype(np.complex128 if kind == "c" else np.float64) if kind in "fc" else array


def describe(a, b, rtol, atol, equal_nan, scalars, place):
    x, y = widened(a), widened(b)
    if x.dtype.kind in "biu" and y.dtype.kind in "biu":
        x, y = x.astype(np.int64), y.astype(np.int64)
    with np.errstate(all="ignore"):
        apart = np.abs(x - y)
        close = (x == y) | (np.isfinite(apart) & (apart <= atol + rtol * np.abs(y)))
        if equal_nan:
            close |= np.isnan(x) & np.isnan(y)
        relative = (apart / np.abs(y)).astype(np.float32 if x.dtype.kind in "biu" else np.float64)
    if close.all():
        return None
    exact = not rtol and not atol
    if scalars or not x.ndim:
        allowed = ["", ""] if exact else [f" (up to {v} allowed)" for v in (atol, rtol)]
        return (f"Scalars are not {'equal' if exact else 'close'}!\n\n"
                f"Expected {b.item()} but got {a.item()}.\n"
                f"Absolute difference: {apart.item()}{allowed[0]}\n"
                f"Relative difference: {relative.item()}{allowed[1]}", place)
    wrong = ~close
    lines = [f"Tensor-likes are not {'equal' if exact else 'close'}!", "",
             f"Mismatched elements: {wrong.sum()} / {wrong.size} "
             f"({100 * wrong.sum() / wrong.size:.1f}%)"]
    for name, gaps, limit in (("absolute", apart, atol), ("relative", relative, rtol)):
        gaps = np.where(wrong, gaps, 0)
        flat = int(np.argmax(gaps))
        index = tuple(int(i) for i in np.unravel_index(flat, gaps.shape))
        allowed = "" if exact else f" (up to {limit} allowed)"
        value = gaps.reshape(-1)[flat].item()
        lines.append(f"Greatest {name} difference: {value} at index {index}{allowed}")
    return "\n".join(lines), place


def assert_allclose(actual, expected, rtol=None, atol=None, equal_nan=True, msg="") -> None:
    """The older form of `assert_close`."""
    if not isinstance(expected, Tensor):
        expected = as_tensor(expected, dtype=getattr(actual, "dtype", None))
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
                 msg=msg or None)


def make_tensor(*shape, dtype: Dtype, device="cpu", low=None, high=None, requires_grad=False,
                noncontiguous=False, exclude_zero=False, memory_format=None):
    """Random numbers in [low, high); by default within 9 of zero."""
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = tuple(shape[0])
    size = (*shape[:-1], 2 * shape[-1]) if noncontiguous and shape else shape
    kind = dtype.kind
    if kind == "b":
        made = randint(0, 2, size, dtype=dtype)
    elif kind in "iu":
        low = (0 if kind == "u" else -9) if low is None else low
        made = randint(int(low), 10 if high is None else int(high), size, dtype=dtype)
    else:
        low, high = -9 if low is None else low, 9 if high is None else high
        if dtype.is_complex:
            parts = empty(*size, 2, dtype=dtype.to_real()).uniform_(low, high)
            made = parts.view(dtype).squeeze(-1) if size else parts.view(dtype).reshape(())
        else:
            made = empty(*size, dtype=dtype).uniform_(low, high)
    if noncontiguous and shape:
        made = made[..., ::2]
    if exclude_zero:
        made[made == 0] = 1 if kind in "iub" else np.finfo(np.float32).tiny.item()
    return made.requires_grad_() if requires_grad else made


