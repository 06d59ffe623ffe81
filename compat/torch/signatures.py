"""What every function of `torch` accepts besides its own arguments: `out=`, and NumPy's names
`axis` and `keepdims`.

A function is wrapped once, by generated source with its own parameters, so that a call costs one
comparison more and nothing is repacked.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable

import numpy as np

from compat.torch.devices import DEFAULTS, placed, resolve
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.selecting import convert
from compat.torch.promotion import category
from compat.torch.tensor import Tensor
from minigrad import core
from minigrad.imperative import views
from minigrad.core import get_mode

ALIASES = {"dim": "axis", "keepdim": "keepdims"}
MISSING = inspect.Parameter.empty


MOVING = ("to", "cuda", "pin_memory", "is_pinned")  # what `device=` means, they know themselves


def name_of(fn: Callable) -> str:
    return getattr(fn, "__name__", "")


def public(fn: Callable, out: bool = True) -> Callable:
    """`fn` with `axis`, `keepdims` and (for functions of the module) `out`."""
    try:
        parameters = dict(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        return fn
    kinds = {p.kind for p in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return fn
    out = out and (inspect.Parameter.VAR_POSITIONAL not in kinds or "device" in parameters)
    out = out and "out" not in parameters
    aliases = {n: a for n, a in ALIASES.items() if n in parameters and a not in parameters
               and parameters[n].default is not MISSING}
    has_device = "device" in parameters and name_of(fn) not in MOVING
    if not out and not aliases and not has_device:
        return fn
    listed, passed, space = [], [], {"_fn": fn, "MISSING": MISSING, "into": into,
                             "resolve": resolve, "placed": placed, "DEFAULTS": DEFAULTS}
    first = next((n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD), "None")
    for name, p in parameters.items():
        keyword = p.kind is p.KEYWORD_ONLY
        if p.kind is p.VAR_POSITIONAL:
            listed.append(f"*{name}")
            passed.append(f"*{name}")
            continue
        if keyword and not any(x.startswith("*") for x in listed):
            listed.append("*")
        space[f"default_{name}"] = p.default
        listed.append(name if p.default is MISSING else f"{name}=default_{name}")
        passed.append(f"{name}={name}" if keyword else name)
    if (aliases or out) and not any(x.startswith("*") for x in listed):
        listed.append("*")
    listed += [f"{a}=MISSING" for a in aliases.values()] + ["out=None"] * out
    lines = [f"    if {a} is not MISSING: {n} = {a}" for n, a in aliases.items()]
    if has_device:
        lines += ["    if device is not None: resolve(device)"]
    call = f"_fn({', '.join(passed)})"
    if out:
        given = ", ".join(n for n, p in parameters.items() if p.kind is not p.KEYWORD_ONLY)
        lines += [f"    if out is not None: return into(_fn, out, {call}, ({given},))"]
    if has_device:
        lines += ["    if device is not None or DEFAULTS: return placed("
                  f"{call}, device, {first})"]
    text = f"def {fn.__name__.strip('<>')}({', '.join(listed)}):\n" + "\n".join(
        [*lines, f"    return {call}"])
    exec(compile(text, f"<torch.{fn.__name__}>", "exec"), space)
    return functools.wraps(fn)(space[fn.__name__.strip("<>")])


# ------------------------------------------------------------------ out=


def into(fn: Callable, out, result, given):
    """Write a result (or several) into the Tensors of `out=`, and return these."""
    name = fn.__name__.strip("_")
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not "
                            f"{type(out).__name__}")
        written = [write(name, o, x, given) for o, x in zip(out, result)]
        return type(result)(*written) if hasattr(result, "_fields") else tuple(written)
    return write(name, out, result, given)


def write(name: str, out, result, given):
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    tensors = [x for g in given for x in (g if isinstance(g, (list, tuple)) else [g])
               if isinstance(x, core.Tensor)]
    if get_mode().grad and any(x.spec.requires_grad for x in [out, *tensors]):
        raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic "
                           "differentiation, but one of the arguments requires grad.")
    have, want = result.spec.dtype, out.spec.dtype
    if category(have) > category(want) or name in EXACT and have != want:
        a, b = SCALAR_NAMES[have.name], SCALAR_NAMES[want.name]
        raise RuntimeError(
            f"Expected object of scalar type {a} but got scalar type {b} for argument 'out'"
            if name in ("complex", "polar") else
            f"Expected out tensor to have dtype {a}, but got {b} instead" if name in EXACT else
            f"result type {a} can't be cast to the desired output type {b}")
    result = convert(result, want) if have != want else result
    check_memory(out, tensors, name)
    if result.spec.shape != out.spec.shape:
        resize(out, result)
        return out
    return views.write(out, result)


EXACT = {"gather", "amax", "amin", "take", "index_select", "masked_select", "multinomial", "sort",
         "topk", "cholesky", "qr", "svd", "inverse", "scatter", "scatter_add", "kthvalue", "mode",
         "cummax", "cummin", "median", "nanmedian", "max", "min", "argmax", "argmin", "bmm",
         "addmm", "mm", "mv", "dot", "baddbmm", "histc", "bucketize", "searchsorted", "polar",
         "complex", "heaviside", "cat", "nonzero", "take_along_dim", "unique", "aminmax"}


def resize(out, result) -> None:
    if out.spec.aval.size:
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(out.spec.shape)}, which does not match the required output shape "
            f"{list(result.spec.shape)}. This behavior is deprecated, and in a future PyTorch "
            "release outputs will not be resized unless they have zero elements.", stacklevel=5)
    out.data = result


def check_memory(out, tensors, name: str = "") -> None:
    """A place of memory may be written once, and not while it is still to be read."""
    array = out.value
    if type(array) is not np.ndarray:
        return
    if any(n > 1 and s == 0 for n, s in zip(array.shape, array.strides)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation.")
    for x in tensors:
        other = x.value
        if type(other) is not np.ndarray or not np.may_share_memory(array, other):
            continue
        same = (array.shape, array.strides, array.ctypes.data) == (
            other.shape, other.strides, other.ctypes.data)
        if (not same or name in EXACT) and np.shares_memory(array, other, max_work=1000):
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to "
                "tensor refer to a single memory location. Please clone() the tensor before "
                "performing the operation.")
