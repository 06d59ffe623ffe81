"""One library as the differential tool drives it: value, jvp, gradients, vmap of a function.

`JaxSide` speaks to anything that looks like `jax`, `TorchSide` to anything that looks like
`torch`: the real one, or minigrad's face. With `compiled`, each question is staged by the
library's own compiler first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from compat.differential.agreement import is_inexact, kind_of
from compat.differential.worlds import module

QUESTIONS = ("value", "jvp", "gradient", "second", "vmap")


@dataclass
class Side:
    """`fn` on `arrays`, asked through one library."""

    library: str
    ours: bool
    compiled: bool = False
    wide: bool = False
    once: bool = True  # asked a single time: then real JAX compiles it as a whole

    @property
    def name(self) -> str:
        if not self.ours:
            return self.library
        return f"minigrad.{self.library}{', compiled' if self.compiled else ''}"

    @property
    def lib(self):
        return module(self.library, self.ours)

    def ask(self, question: str, fn: Callable, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The leaves of the answer, as arrays; raises what the library raises."""
        with self.settings(), np.errstate(all="ignore"):
            query = getattr(self, question)(fn, arrays)
            return [self.lower(x) for x in leaves_of(self.staged(query)(*self.lift_all(arrays)))]

    def caller(self, fn: Callable, arrays: Sequence[np.ndarray]) -> Callable[[], object]:
        """What one call of the function costs, staged before and its result waited for."""
        args, staged = self.lift_all(arrays), self.staged(fn)
        return lambda: self.wait(staged(*args))

    def settings(self):
        return nullcontext()

    def wait(self, result):
        return result

    def lift_all(self, arrays) -> list:
        return [self.lift(a) for a in arrays]

    def value(self, fn, arrays):
        return fn


def leaves_of(tree) -> list:
    """Results in order, out of tuples, lists and dicts; a Module or None has none."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves_of(value)]
    if isinstance(tree, (tuple, list)):
        return [leaf for value in tree for leaf in leaves_of(value)]
    return [] if tree is None else [tree]


def chosen(arrays) -> list[int]:
    return [i for i, a in enumerate(arrays) if is_inexact(a.dtype)]


def direction(like, seed: int) -> np.ndarray:
    """A tangent or cotangent: multiples of 1/64, which every float dtype holds exactly."""
    dtype, rng = np.dtype(like.dtype), np.random.default_rng(seed)
    parts = rng.integers(-64, 65, (2, *like.shape)) / 64
    return (parts[0] + 1j * parts[1] if kind_of(dtype) == "c" else parts[0]).astype(dtype)


def tangents_of(arrays) -> list[np.ndarray]:
    return [direction(arrays[i], 1 + i) for i in chosen(arrays)]


def with_inexact(fn: Callable, args: Sequence, arrays) -> Callable:
    """`fn` as a function of the operands that have a derivative, the others held at `args`."""
    def inner(*given):
        full = list(args)
        for i, x in zip(chosen(arrays), given, strict=True):
            full[i] = x
        return fn(*full)

    return inner


class JaxSide(Side):
    def settings(self):
        return self.lib.enable_x64(self.wide)

    def staged(self, query):
        whole = self.compiled or self.once and not self.ours
        return self.lib.jit(query) if whole else query

    def lift(self, array):
        return self.lib.numpy.asarray(array)

    def lower(self, x) -> np.ndarray:
        return np.asarray(x)

    def wait(self, result):
        return self.lib.block_until_ready(result)

    def caller(self, fn, arrays):
        with self.settings():
            return super().caller(fn, arrays)

    def weak_types(self, fn, arrays) -> list[bool]:
        with self.settings():
            outs = leaves_of(self.lib.eval_shape(fn, *self.lift_all(arrays)))
        return [bool(getattr(out, "weak_type", False)) for out in outs]

    def differentiable(self, fn) -> Callable:
        """Its results that have a derivative."""
        def inner(*args):
            outs = [self.lib.numpy.asarray(x) for x in leaves_of(fn(*args))]
            return [x for x in outs if is_inexact(np.dtype(x.dtype))]

        return inner

    def jvp(self, fn, arrays):
        def query(*args):
            inner = self.differentiable(with_inexact(fn, args, arrays))
            primals = tuple(args[i] for i in chosen(arrays))
            return self.lib.jvp(inner, primals, tuple(self.lift_all(tangents_of(arrays))))[1]

        return query

    def gradient(self, fn, arrays):
        def query(*args):
            inner = self.differentiable(with_inexact(fn, args, arrays))
            outs, pull = self.lib.vjp(inner, *[args[i] for i in chosen(arrays)])
            return pull([self.lift(direction(o, 101 + k)) for k, o in enumerate(outs)])

        return query

    def second(self, fn, arrays):
        first = self.gradient(fn, arrays)

        def query(*args):
            inner = with_inexact(first, args, arrays)
            primals = tuple(args[i] for i in chosen(arrays))
            return self.lib.jvp(inner, primals, tuple(self.lift_all(tangents_of(arrays))))[1]

        return query

    def vmap(self, fn, arrays):
        def query(*args):
            stacked = [self.lib.numpy.stack([a, a[::-1] if a.ndim else a, a]) for a in args]
            return self.lib.vmap(fn)(*stacked)

        return query


class TorchSide(Side):
    def staged(self, query):
        return self.lib.compile(query) if self.compiled and self.ours else query

    def lift(self, array):
        if array.dtype == ml_dtypes.bfloat16:
            return self.lib.tensor(array.astype(np.float32)).to(self.lib.bfloat16)
        return self.lib.tensor(np.array(array))

    def lower(self, x) -> np.ndarray:
        if not isinstance(x, self.lib.Tensor):
            return np.asarray(x)
        x = x.detach()
        if x.dtype == self.lib.bfloat16:
            return np.asarray(x.float().numpy()).astype(ml_dtypes.bfloat16)
        if not self.ours:
            x = x.resolve_conj().resolve_neg()
        return np.asarray(x.numpy())

    def recorded(self, fn, args, arrays):
        """(the operands that have a derivative, as leaves; the results that depend on them)"""
        leaves = [args[i].detach().requires_grad_() for i in chosen(arrays)]
        outs = [x for x in leaves_of(with_inexact(fn, args, arrays)(*leaves))
                if isinstance(x, self.lib.Tensor)]
        return leaves, [x for x in outs if x.requires_grad]

    def pulled(self, outs, leaves, weights, create_graph):
        zeros = [self.lib.zeros_like(x) for x in leaves]
        if not outs:
            return zeros
        found = self.lib.autograd.grad(outs, leaves, weights, create_graph=create_graph,
                                       retain_graph=True, allow_unused=True)
        return [z if g is None else g for g, z in zip(found, zeros)]

    def weights(self, outs, seed) -> list:
        return [self.lift(direction(self.lower(o), seed + k)) for k, o in enumerate(outs)]

    def jvp(self, fn, arrays):
        def query(*args):
            def inner(*given):
                outs = leaves_of(with_inexact(fn, args, arrays)(*given))
                return tuple(x for x in outs if x.is_floating_point() or x.is_complex())

            primals = tuple(args[i] for i in chosen(arrays))
            tangents = tuple(self.lift_all(tangents_of(arrays)))
            return self.lib.func.jvp(inner, primals, tangents)[1]

        return query

    def gradient(self, fn, arrays, create_graph: bool = False):
        weights = self.cotangents(fn, arrays)

        def query(*args):
            leaves, outs = self.recorded(fn, args, arrays)
            return self.pulled(outs, leaves, weights[:len(outs)], create_graph)

        return query

    def cotangents(self, fn, arrays) -> list:
        """Fixed by the shapes of the results, so that staging sees constants."""
        _, outs = self.recorded(fn, self.lift_all(arrays), arrays)
        return self.weights(outs, 101)

    def second(self, fn, arrays):
        weights, tangents = self.cotangents(fn, arrays), self.lift_all(tangents_of(arrays))

        def query(*args):
            leaves, outs = self.recorded(fn, args, arrays)
            first = self.pulled(outs, leaves, weights, True)
            wanted = [(g, t) for g, t in zip(first, tangents) if g.requires_grad]
            return self.pulled([g for g, _ in wanted], leaves, [t for _, t in wanted], False)

        return query

    def vmap(self, fn, arrays):
        def query(*args):
            stacked = [self.lib.stack([a, a.flip(0) if a.ndim else a, a]) for a in args]
            return self.lib.func.vmap(fn)(*stacked)

        return query


SIDES = {"jax": JaxSide, "torch": TorchSide}
