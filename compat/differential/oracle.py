"""What real JAX says: every number that the checks compare with, from one compilation."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from compat.differential.agreement import WIDE, is_inexact, kind_of, widened
from minigrad import core

ONLY_THEIRS = {"mul": {"out_dtype": None}}  # parameters that the engine's kernels do not take
FAST_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


class Oracle:
    """Real JAX on one example: every number that the checks compare with."""

    def __init__(self, fn: Callable, example: Sequence[np.ndarray], order: int, wide: bool,
                 seed: int = 0):
        self.fn, self.args, self.order, self.wide = fn, list(example), order, wide
        self.seed = seed
        self.inexact = [i for i, a in enumerate(self.args) if is_inexact(a.dtype)]

    @cached_property
    def outputs(self) -> list:
        """Shape, dtype and weak type of each output; raises what JAX raises."""
        import jax

        with jax.enable_x64(self.wide):
            return jax.tree.leaves(jax.eval_shape(self.fn, *self.args))

    def weak_types(self, weak: Sequence[int]) -> list[bool]:
        """The outputs' weak types where these operands are weakly typed."""
        import jax

        with jax.enable_x64(self.wide):
            avals = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=i in weak)
                     for i, a in enumerate(self.args)]
            return [o.weak_type for o in jax.tree.leaves(jax.eval_shape(self.fn, *avals))]

    @cached_property
    def kept(self) -> list[int]:
        """The outputs that have a derivative."""
        return [j for j, out in enumerate(self.outputs) if is_inexact(np.dtype(out.dtype))]

    @cached_property
    def tangents(self) -> list[np.ndarray]:
        return [random_like(self.args[i], self.seed + 1 + i) for i in self.inexact]

    @cached_property
    def cotangents(self) -> list[np.ndarray]:
        return [random_like(self.outputs[j], self.seed + 101 + j) for j in self.kept]

    @property
    def derivable(self) -> bool:
        return self.order > 0 and bool(self.inexact) and bool(self.kept)

    def program(self, names: tuple[str, ...]) -> Callable:
        """(arguments, tangents, cotangents) -> the results of these names, in one compilation."""
        import jax

        def everything(args, tangents, cotangents):
            def inner(*chosen):
                full = list(args)
                for i, x in zip(self.inexact, chosen, strict=True):
                    full[i] = x
                outs = jax.tree.leaves(self.fn(*full))
                return [outs[j] for j in self.kept]

            def pullback(*chosen):
                return list(jax.vjp(inner, *chosen)[1](cotangents))

            def push(*tangents):
                return jax.jvp(inner, chosen, tangents)[1]

            chosen = tuple(args[i] for i in self.inexact)
            results = {}
            if "value" in names:
                results["value"] = jax.tree.leaves(self.fn(*args))
            if "jvp" in names:
                results["jvp"] = push(*tangents)
                zeros = [jax.numpy.zeros_like(t) for t in tangents]
                for k, t in enumerate(tangents):
                    results[f"jvp{k}"] = push(*zeros[:k], t, *zeros[k + 1:])
            if "vjp" in names:
                results["vjp"] = pullback(*chosen)
            if "second" in names:
                results["second"] = jax.jvp(pullback, chosen, tuple(tangents))[1]
            return results

        return jax.jit(everything, compiler_options=FAST_COMPILE)

    @cached_property
    def programs(self) -> dict[tuple[str, ...], Callable]:
        """One program for everything; `evaluate` splits it where JAX refuses a part."""
        together = ("value", "jvp", "vjp", "second")[:(1, 3, 4)[self.order]]
        together = together if self.derivable else together[:1]
        return {together: self.program(together)}

    def evaluate(self, args) -> dict[str, list[np.ndarray] | Exception]:
        """The numbers for other arguments of the same shapes: nothing is compiled again.
        Where JAX refuses to differentiate, its exception stands in place of the numbers."""
        import jax

        found: dict = {}
        with jax.enable_x64(self.wide):
            for names, program in self.programs.items():
                try:
                    found |= program(list(args), self.tangents, self.cotangents)
                except Exception as refusal:
                    if len(names) > 1:
                        self.programs = {(name,): self.program((name,)) for name in names}
                        return self.evaluate(args)
                    found |= dict.fromkeys(names, refusal)
                    if "jvp" in names:
                        found |= {f"jvp{k}": refusal for k in range(len(self.inexact))}
        return {name: x if isinstance(x, Exception) else [np.asarray(leaf) for leaf in x]
                for name, x in found.items()}

    @cached_property
    def results(self) -> dict[str, list[np.ndarray] | Exception]:
        return self.evaluate(self.args)

    @cached_property
    def exact(self) -> Oracle | None:
        """The same function of 64-bit operands, where these were narrower and JAX allows it."""
        if all(widened(a) is a or a.dtype in WIDE.values() for a in self.args):
            return None
        oracle = Oracle(self.fn, [widened(a) for a in self.args], self.order, True)
        oracle.tangents = [widened(t) for t in self.tangents]
        try:  # a function tied to its dtype has no wide version
            oracle.cotangents = [widened(ct).astype(oracle.outputs[j].dtype)
                                 for ct, j in zip(self.cotangents, self.kept, strict=True)]
        except Exception:
            return None
        return oracle


def random_like(x, seed: int) -> np.ndarray:
    """Tangents and cotangents: uniform between -1 and 1, in the dtype of `x`."""
    return random_array(np.random.default_rng(seed), x.shape, np.dtype(x.dtype), -1.0, 1.0, (0, 2))


def random_array(rng, shape, dtype, low, high, ints) -> np.ndarray:
    kind = kind_of(dtype)
    if kind == "f":
        return np.asarray(rng.uniform(low, high, shape)).astype(dtype)
    if kind == "c":
        real, imaginary = rng.uniform(low, high, (2, *shape))
        return np.asarray(real + 1j * imaginary).astype(dtype)
    if kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(dtype)
    return np.asarray(rng.integers(*ints, shape)).astype(dtype)


# ------------------------------------------------------------------ primitives by name


def to_jax(value: Any) -> Any:
    """A parameter as JAX spells it: our named tuples and enums are its own, by name."""
    import jax
    from jax import lax

    if isinstance(value, enum.Enum):
        theirs = getattr(lax, type(value).__name__, None)
        return theirs[value.name] if theirs else value
    if isinstance(value, tuple):
        items = [to_jax(v) for v in value]
        if not hasattr(value, "_fields"):
            return tuple(items)
        theirs = getattr(lax, type(value).__name__, None) or getattr(jax, type(value).__name__)
        return theirs(**dict(zip(value._fields, items)))
    return value


def jax_function(name: str, params: dict) -> Callable:
    """The primitive of real JAX of that name, with our parameters translated."""
    attribute = name.replace("-", "_") + "_p"
    for module in ("jax.lax", "jax._src.lax.lax", "jax._src.ad_util", "jax._src.lax.slicing",
                   "jax._src.lax.windowed_reductions", "jax._src.lax.linalg",
                   "jax._src.lax.special", "jax._src.lax.control_flow",
                   "jax._src.ad_checkpoint"):
        primitive = getattr(importlib.import_module(module), attribute, None)
        if primitive is not None:
            break
    else:
        raise LookupError(f"jax has no primitive {name}; give its row a `jax` function")
    ours = ONLY_THEIRS.get(name, {}) | core.table[name].defaults | params
    theirs = {key: to_jax(v) for key, v in ours.items()}
    return lambda *args: primitive.bind(*args, **theirs)
