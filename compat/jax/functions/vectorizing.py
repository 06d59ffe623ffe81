"""`vectorize` and universal functions. Source: jax.numpy, after NumPy."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import numpy as np

from compat.jax import lax, vmap
from compat.jax import numpy as jnp

ARGUMENT = r"\((?:\w+(?:,\w+)*)?\)"
SIGNATURE = re.compile(rf"^{ARGUMENT}(?:,{ARGUMENT})*->{ARGUMENT}(?:,{ARGUMENT})*$")


def parse_signature(signature: str) -> tuple[list[tuple], list[tuple]]:
    """`(m,n),(n)->(m)` as the names of the core axes of arguments and results."""
    text = signature.replace(" ", "")
    if not SIGNATURE.match(text):
        raise ValueError(f"not a valid gufunc signature: {signature}")
    inputs, outputs = ([tuple(n for n in names.split(",") if n)
                        for names in re.findall(r"\(([^)]*)\)", side)] for side in text.split("->"))
    return inputs, outputs


def vectorize(pyfunc: Callable, *, excluded=frozenset(), signature=None) -> Callable:
    """A function of core arrays that maps over all leading axes, which broadcast."""
    if any(not isinstance(e, (str, int)) for e in excluded):
        raise TypeError("jax.numpy.vectorize can only exclude integer or string arguments, but "
                        f"excluded={set(excluded)!r}")
    if any(isinstance(e, int) and e < 0 for e in excluded):
        raise ValueError(f"excluded={set(excluded)!r} contains negative numbers")

    @functools.wraps(pyfunc)
    def wrapped(*args, **kwargs):
        fixed = {i: a for i, a in enumerate(args) if i in excluded or a is None}
        named = {k: kwargs[k] for k in kwargs if k in excluded}
        over = {k: kwargs[k] for k in kwargs if k not in excluded}
        where = [i for i in range(len(args)) if i not in fixed]

        def function(*arrays):
            given = iter(arrays)
            full = [fixed[i] if i in fixed else next(given) for i in range(len(args))]
            return pyfunc(*full, **dict(zip(over, given)), **named)

        arrays = [jnp.asarray(args[i]) for i in where] + [jnp.asarray(v) for v in over.values()]
        if signature is None:
            cores, outs = [()] * len(arrays), None
        else:
            cores, outs = parse_signature(signature)
            cores = [c for i, c in enumerate(cores) if i not in fixed]
            if len(cores) != len(arrays):
                raise TypeError("wrong number of positional arguments: expected "
                                f"{len(cores)}, got {len(arrays)}")
        sizes: dict = {}
        leads = []
        for x, core in zip(arrays, cores):
            if x.ndim < len(core):
                raise ValueError(f"input with shape {x.shape} does not have enough dimensions for "
                                 f"all core dimensions {core}")
            cut = x.ndim - len(core)
            leads.append(x.shape[:cut])
            for name, n in zip(core, x.shape[cut:]):
                if sizes.setdefault(name, n) != n:
                    raise ValueError("inconsistent size for core dimension "
                                     f"{name!r}: {n} vs {sizes[name]}")
        lead = jnp.broadcast_shapes(*leads)
        checked = check_outputs(function, outs, sizes) if outs is not None else function
        # An axis of size one is left out of the argument, and mapped over where another has it.
        squeezed = []
        for x, own in zip(arrays, leads):
            ones = tuple(i for i, n in enumerate(own) if n == 1)
            squeezed.append(lax.squeeze(x, ones) if ones else x)
        for axis in reversed(range(len(lead))):
            in_axes = []
            for own in leads:
                k = axis - (len(lead) - len(own))
                in_axes.append(None if k < 0 or own[k] == 1 else 0)
            checked = vmap(checked, in_axes=tuple(in_axes)) if any(
                a is not None for a in in_axes) else stretched(checked)
        return checked(*squeezed)

    return wrapped


def stretched(function: Callable) -> Callable:
    """An axis of size one that no argument has to be mapped over."""
    from compat.jax import tree_util

    return lambda *args: tree_util.tree_map(lambda x: x[None], function(*args))


def check_outputs(function: Callable, outs, sizes: dict) -> Callable:
    def checked(*args):
        out = function(*args)
        many = out if isinstance(out, (tuple, list)) else (out,)
        if len(many) != len(outs):
            raise TypeError(f"wrong number of outputs: expected {len(outs)}, got {len(many)}")
        for x, core in zip(many, outs):
            x = jnp.asarray(x)
            if x.ndim != len(core) or any(sizes.setdefault(n, s) != s
                                          for n, s in zip(core, x.shape)):
                raise ValueError(f"output shape {x.shape} does not match core dimensions {core}")
        return out

    return checked


class ufunc:  # noqa: N801
    """A function of scalars that broadcasts, with NumPy's reduce, accumulate, outer, at and
    reduceat."""

    def __init__(self, func: Callable, /, nin: int, nout: int, *, name=None, nargs=None,
                 identity=None, call=None, reduce=None, accumulate=None, at=None, reduceat=None):
        self.func, self.nin, self.nout = func, nin, nout
        self.nargs = nin if nargs is None else nargs
        self.identity = identity
        self.call = call or vectorize(func)
        self.__name__ = self.__qualname__ = name or getattr(func, "__name__", "ufunc")
        self.__doc__ = getattr(func, "__doc__", None)

    def __call__(self, *args, out=None, where=None):
        if out is not None or where is not None:
            raise NotImplementedError(f"out and where arguments of {self}")
        return self.call(*args)

    def __repr__(self) -> str:
        return f"<jnp.ufunc '{self.__name__}'>"

    def check_binary(self, method: str) -> None:
        if (self.nin, self.nout) != (2, 1):
            raise ValueError(f"jnp.ufunc.{method} only supported for functions with nin=2, nout=1")

    def reduce(self, a, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
        """The elements along an axis (a tuple of axes, or all if None) combined into one."""
        self.check_binary("reduce")
        a = jnp.asarray(a)
        axes = tuple(range(a.ndim)) if axis is None else \
            axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(i % a.ndim for i in axes) if a.ndim else ()
        shortcut = REDUCERS.get(self.__name__)
        if shortcut and where is None and initial is None:
            return getattr(jnp, shortcut)(a, axis=axes, keepdims=keepdims, **(
                {"dtype": dtype} if dtype is not None else {}))
        a = a if dtype is None else a.astype(dtype)
        rest = [i for i in range(a.ndim) if i not in axes]
        flat = a.transpose(*axes, *rest).reshape(-1, *[a.shape[i] for i in rest])
        start = self.identity if initial is None else initial
        if where is not None:
            if start is None:
                raise ValueError(f"reduction operation {self.__name__} does not have an identity, "
                                 "so to use a where mask one has to specify 'initial'.")
            mask = jnp.broadcast_to(jnp.asarray(where), a.shape)
            flat_mask = mask.transpose(*axes, *rest).reshape(flat.shape)
        if initial is None and where is None:
            if not len(flat) and start is None:
                raise ValueError(f"zero-size array to reduction operation {self.__name__} which "
                                 "has no identity")
            first = flat[0] if len(flat) else jnp.full(flat.shape[1:], start, a.dtype)
            flat = flat[1:]
        else:
            first = jnp.full(flat.shape[1:], start, a.dtype)
        def step(i, total):
            new = self(total, flat[i]).astype(a.dtype)
            return new if where is None else jnp.where(flat_mask[i], new, total)

        out_ = lax.fori_loop(0, len(flat), step, first) if len(flat) else first
        return out_.reshape([1 if i in axes else n for i, n in enumerate(a.shape)]) \
            if keepdims else out_

    def accumulate(self, a, axis=0, dtype=None, out=None):
        """The running combination along an axis."""
        self.check_binary("accumulate")
        a = jnp.asarray(a)
        shortcut = RUNNING.get(self.__name__)
        if shortcut:
            return getattr(jnp, shortcut)(a, axis=axis, dtype=dtype)
        moved = jnp.moveaxis(a if dtype is None else a.astype(dtype), axis, 0)
        step = lambda total, x: (lambda new: (new, new))(self(total, x).astype(a.dtype))  # noqa: E731
        _, rest = lax.scan(step, moved[0], moved[1:])
        return jnp.moveaxis(jnp.concatenate([moved[:1], rest]), 0, axis)

    def outer(self, A, B, /):
        """All pairs."""
        if self.nin != 2:
            raise ValueError("jnp.ufunc.outer only supported for functions with nin=2")
        A, B = jnp.asarray(A), jnp.asarray(B)
        return self(A.reshape(A.shape + (1,) * B.ndim), B)

    def at(self, a, indices, b=None, /, *, inplace=True):
        """`a` with the function applied at places, one after the other."""
        if inplace:
            raise NotImplementedError(
                "JAX arrays are immutable. To make this work, pass inplace=False")
        a = jnp.asarray(a)
        shortcut = AT.get(self.__name__)
        if shortcut and b is not None:
            return getattr(a.at[indices], shortcut)(b)
        if b is None:
            return a.at[indices].set(self(a.at[indices].get()))
        b = jnp.broadcast_to(jnp.asarray(b), a[indices].shape)
        places = jnp.arange(a.size).reshape(a.shape)[indices].ravel()
        flat, values = a.ravel(), b.ravel()
        step = lambda i, x: x.at[places[i]].set(self(x[places[i]], values[i]).astype(x.dtype))  # noqa: E731
        return lax.fori_loop(0, len(values), step, flat).reshape(a.shape)

    def reduceat(self, a, indices, axis=0, dtype=None, out=None):
        """Reductions of the slices that begin at `indices`."""
        self.check_binary("reduceat")
        a = jnp.moveaxis(jnp.asarray(a), axis, 0)
        where = [int(i) for i in np.asarray(indices)]
        ends = where[1:] + [len(a)]
        parts = [self.reduce(a[i:j], 0, dtype) if i < j else a[i] for i, j in zip(where, ends)]
        return jnp.moveaxis(jnp.stack(parts), 0, axis)


REDUCERS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
            "logical_and": "all", "logical_or": "any"}
RUNNING = {"add": "cumsum", "multiply": "cumprod"}
AT = {"add": "add", "multiply": "multiply", "maximum": "max", "minimum": "min",
      "subtract": "subtract", "divide": "divide"}
IDENTITIES = {"add": 0, "multiply": 1, "logical_and": True, "logical_or": False, "logical_xor":
              False, "bitwise_and": -1, "bitwise_or": 0, "bitwise_xor": 0, "gcd": 0, "hypot": 0,
              "logaddexp": -np.inf, "logaddexp2": -np.inf}


def frompyfunc(func: Callable, /, nin: int, nout: int, *, identity=None) -> ufunc:
    """A universal function from a function of scalars."""
    return ufunc(func, nin, nout, identity=identity)


def with_methods(function: Callable, name: str, nin: int) -> Callable:
    """Hang a ufunc's methods on a function of jax.numpy."""
    shared = ufunc(function, nin, 1, name=name, call=function, identity=IDENTITIES.get(name))
    for method in ("reduce", "accumulate", "outer", "at", "reduceat", "nin", "nout", "nargs",
                   "identity"):
        setattr(function, method, getattr(shared, method))
    return function
