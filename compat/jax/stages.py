"""jax.stages: a jitted function on its way: traced, lowered, compiled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from compat.jax.array import ShapedArray
from minigrad.program import Jaxpr, subprograms
from minigrad.tree import tree_flatten, tree_unflatten

CompilerOptions = dict[str, Any]


class Wrapped(Protocol):
    """A function that `jit` returned."""

    def __call__(self, *args, **kwargs): ...
    def trace(self, *args, **kwargs): ...
    def lower(self, *args, **kwargs): ...


class ArgInfo:
    """The type of an argument, and whether its memory is given away."""

    def __init__(self, aval, donated: bool):
        self._aval, self.donated = aval, donated

    shape = property(lambda self: self._aval.shape)
    dtype = property(lambda self: self._aval.dtype)

    def __repr__(self) -> str:
        return f"ArgInfo(_aval={ShapedArray(self._aval)!r}, donated={self.donated})"


class Stage:
    """What all stages know."""

    def __init__(self, jitted, program: Jaxpr, in_tree, out_tree, args_info, out_info):
        self.jitted, self.program = jitted, program
        self.in_tree, self.out_tree = in_tree, out_tree
        self.args_info, self.out_info = args_info, out_info

    def parts(self) -> tuple:
        return (self.jitted, self.program, self.in_tree, self.out_tree, self.args_info,
                self.out_info)

    in_avals = property(lambda self: tree_unflatten(
        self.in_tree, [ShapedArray(a) for a in self.program.in_avals]))
    donate_argnums = property(lambda self: self.jitted.donate_argnums)


class Traced(Stage):
    """A program."""

    jaxpr = property(lambda self: self.program)
    fun_name = property(lambda self: self.jitted.name)

    def lower(self, *, lowering_platforms=None) -> Lowered:
        return Lowered(*self.parts())


class Lowered(Stage):
    """A program about to be compiled."""

    def compile(self, compiler_options=None) -> Compiled:
        return Compiled(*self.parts())

    def as_text(self, dialect=None, *, debug_info=False) -> str:
        """The program, in JAX's notation."""
        return str(self.program)

    def compiler_ir(self, dialect=None) -> Jaxpr:
        return self.program

    def cost_analysis(self) -> dict:
        return costs(self.program)


class Compiled(Stage):
    """A program that runs on arguments of the types it was compiled for."""

    def __call__(self, *args, **kwargs):
        from compat.jax.transforms import arrays

        leaves, tree = tree_flatten((args, kwargs))
        if tree != self.in_tree:
            raise TypeError(f"Function compiled with input pytree does not match the input pytree "
                            f"it was called with: {self.in_tree} and {tree}.")
        wrong = [(i, ShapedArray(a).str_short(), ShapedArray(x.aval).str_short())
                 for i, (a, x) in enumerate(zip(self.program.in_avals, arrays(leaves)))
                 if (a.shape, a.dtype) != (x.shape, x.dtype)]
        if wrong:
            names = argument_names(self.jitted.fn, len(leaves))
            lines = [f"Argument {names[i]!r} compiled with {a} and called with {b}"
                     for i, a, b in wrong]
            raise TypeError(
                "Argument types differ from the types for which this computation was compiled. "
                "Perhaps you are calling the compiled executable with a different enable_x64 mode "
                "than when it was AOT compiled? The mismatches are:\n" + "\n".join(lines))
        return self.jitted(*args, **kwargs)

    call = __call__

    def as_text(self) -> str:
        return str(self.program)

    def cost_analysis(self) -> dict:
        return costs(self.program)

    def memory_analysis(self) -> MemoryStats:
        sizes = [sum(a.size * a.dtype.itemsize for a in avals)
                 for avals in (self.program.in_avals, self.program.out_avals)]
        return MemoryStats(0, *sizes, 0, 0)

    def runtime_executable(self) -> Callable:
        return self.jitted


class MemoryStats(NamedTuple):
    """Bytes of arguments, results and code."""

    generated_code_size_in_bytes: int
    argument_size_in_bytes: int
    output_size_in_bytes: int
    alias_size_in_bytes: int
    temp_size_in_bytes: int


def argument_names(fn: Callable, count: int) -> list[str]:
    import inspect

    try:
        listed = list(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        listed = []
    return [listed[i] if i < len(listed) else f"args[{i}]" for i in range(count)]


TRANSCENDENTAL = set("exp exp2 log log1p expm1 sin cos tan tanh sinh cosh asin acos atan asinh "
                     "acosh atanh atan2 pow cbrt rsqrt sqrt logistic erf erfc erf_inv lgamma "
                     "digamma".split())
FREE = set("broadcast_in_dim reshape transpose squeeze slice iota copy convert_element_type "
           "concatenate pad stop_gradient".split())


def costs(program: Jaxpr) -> dict[str, float]:
    """Floating point operations, transcendental ones apart, and bytes read and written."""
    total = {"flops": 0.0, "transcendentals": 0.0, "bytes accessed": 0.0}
    for eqn in program.eqns:
        inner = subprograms(eqn.params)
        if inner:
            times = eqn.params.get("length", 1)
            for _, body in inner:
                for key, value in costs(body).items():
                    total[key] += value * times
            continue
        out = sum(v.aval.size for v in eqn.outvars)
        total["bytes accessed"] += sum(a.aval.size * a.aval.dtype.itemsize
                                       for a in (*eqn.invars, *eqn.outvars))
        name = eqn.primitive.name
        if name in TRANSCENDENTAL:
            total["transcendentals"] += out
        elif name == "dot_general":
            (axes, _), _ = eqn.params["dimension_numbers"]
            total["flops"] += 2.0 * out * math.prod(eqn.invars[0].aval.shape[a] for a in axes)
        elif name == "conv_general_dilated":
            rhs = eqn.invars[1].aval
            features = rhs.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
            total["flops"] += 2.0 * out * rhs.size / features
        elif name.startswith(("reduce_", "arg", "cum")):
            total["flops"] += sum(a.aval.size for a in eqn.invars)
        elif name not in FREE:
            total["flops"] += out
    return total
