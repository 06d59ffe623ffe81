"""`jit`: stage a function to a program once, then run the program.

What the function closes over is part of the bargain. A jax-style function treats captured arrays
as constants. A torch-style step reads and writes state: parameters, buffers, the optimizer's
moments, gradients, generators. They become the *cells* of the program (`cells.py`), and what the
step wrote to them is committed after the program succeeded. Tensors born inside that somebody
still holds afterwards (an optimizer's first moments in its dict) are *survivors*: extra outputs,
whose handles receive the computed values; the next call finds them as cells.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernels import heat
from minigrad import debug
from minigrad.compiler.launch import Launch
from minigrad.cells import Cell, CellTrace, read_state, settle, write_state
from minigrad.core import (
    EVAL, Tensor, box, config, get_mode, level, make_box, make_spec, owns, using,
)
from minigrad.graph import FreedEntry
from minigrad.imperative.modes import with_grad
from minigrad.ops.bodies import close_over
from minigrad.show import messages
from minigrad.show.origins import Traced, argument_names
from minigrad.ops.calls import jit_p
from minigrad.program import Jaxpr, StageTrace
from minigrad.tape import collect
from minigrad.tree import tree_flatten, tree_unflatten

__all__ = ["Jitted", "Staged", "jit", "make_jaxpr", "read_state", "write_state"]

# ------------------------------------------------------------------ staged functions


class Staged:
    """One program of a jitted function, with the cells it reads and the changes it commits."""

    def __init__(self, jaxpr: Jaxpr, captured: list, cells: list, commits: list, results: Results,
                 survivors: list[weakref.ref], aliases: tuple):
        self.jaxpr, self.captured, self.cells = jaxpr, captured, cells
        self.commits, self.results = commits, results  # commits: (how, is there a new value?)
        self.survivors, self.aliases = survivors, aliases
        self.has_run = self.recurs = False
        self.recorded = bool(captured) or any(results.grads)
        self.launch: Launch | None = None  # at level zero, where nothing is recorded

    def fits(self, args: Sequence[Tensor]) -> bool:
        """May the program stand for another call? One with survivors saw a world in which they
        were not yet born, so it may run again only if that run failed, or if it was found that
        every call bears the same anew."""
        if self.survivors and self.has_run and not self.recurs:
            return False
        for cell in self.cells:
            if not cell.fits(args):
                return False
        return not args or self.aliases == self.aliases_of(args)

    def aliases_of(self, args: Sequence[Tensor]) -> tuple:
        """For each argument the first place where the same Tensor is met."""
        seen = {id(c.outer): -1 - k for k, c in enumerate(self.cells) if c.outer is not None}
        return tuple(seen.setdefault(id(x), i) for i, x in enumerate(args) if type(x).mutable)

    def same_as(self, other: Staged) -> bool:
        """Do both compute the same from the same?"""
        return (len(self.survivors) == len(other.survivors)
                and [whose(c) for c in self.cells] == [whose(c) for c in other.cells]
                and len(self.jaxpr.consts) == len(other.jaxpr.consts)
                and all(map(np.array_equal, self.jaxpr.consts, other.jaxpr.consts))
                and str(self.jaxpr) == str(other.jaxpr))

    def run(self, args: Sequence[Tensor], name: str):
        mode = get_mode()
        if mode.trace is EVAL and not mode.inference and not self.recorded:
            if self.launch is None:
                self.launch = Launch(self, args)
            result = self.launch(args)
            self.has_run = True
            return result
        operands = [*self.captured, *args]
        for cell in self.cells:
            operands += cell.operands(args)
        with using(mode if any(self.results.grads) else with_grad(mode, False)):
            outs = jit_p(*operands, jaxpr=self.jaxpr, name=name)
        count = len(self.results.grads)
        written = iter(outs[count:])
        for commit, has_value in self.commits:
            commit(args, next(written) if has_value else None)
        for handle, new in zip(self.survivors, written):
            settle(handle(), new)
        self.has_run = True
        return self.results.build(outs[:count])



def describe(cell) -> str:
    spec = getattr(getattr(cell, "outer", None), "spec", None)
    return str(spec) if spec is not None else "of another type"


def whose(cell) -> int:
    return id(cell.outer) if isinstance(cell, Cell) else id(cell.owner)


class Results:
    """How the outputs of a program become what the function returned."""

    def __init__(self, tree, outs: Sequence[Tensor]):
        self.tree = tree
        self.classes = [type(o).result_class() for o in outs]
        self.grads = [has_graph(o) for o in outs]

    def build(self, values: Sequence[Tensor]):
        boxes = [v if type(v) is cls and grad == v.spec.requires_grad else
                 make_box(cls, v.value, make_spec(v.spec.aval, grad and v.spec.requires_grad,
                                                  v.spec.concrete), v.node if grad else None)
                 for v, cls, grad in zip(values, self.classes, self.grads)]
        return tree_unflatten(self.tree, boxes)


def has_graph(tensor: Tensor) -> bool:
    """Could the user call `backward` on this result? Not where that was done inside."""
    return tensor.spec.requires_grad and all(
        type(node.entry) is not FreedEntry for node in collect([tensor.node]))


class Jitted:
    """A function with its programs, one for each structure, specs and static arguments."""

    def __init__(self, fn: Callable, static_argnums=(), static_argnames=(), donate_argnums=(),
                 cls: type = Tensor, constants: bool = False, inline: bool = False):
        functools.update_wrapper(self, fn)
        self.fn, self.cls, self.constants = fn, cls, constants
        self.static_argnums = as_tuple(static_argnums)
        self.static_argnames = as_tuple(static_argnames)
        self.donate_argnums = as_tuple(donate_argnums)
        self.name = getattr(fn, "__name__", "<unnamed function>")
        self.programs: dict = {}
        self.launches: dict = {}
        self.traces = 0
        self.reasons: list[str] = []  # why each time

    def __get__(self, instance, owner):
        return self if instance is None else functools.partial(self, instance)

    enabled = True  # `disable_jit` of the jax face turns it off for all

    @debug.timed("jitted call")
    def __call__(self, *args, **kwargs):
        if not kwargs:  # arguments that are Tensors, met before: straight to the program
            try:
                launch = self.launches.get(
                    (get_mode(), config.x64, *[x.spec for x in args], *map(type, args)))
            except AttributeError:
                launch = None
            if launch is not None and self.enabled and (launch.pure or launch.fits(args)):
                return launch.with_arguments(args) if launch.pure else launch(args)
        return self.slow_call(args, kwargs)

    def slow_call(self, args, kwargs):
        if not self.enabled:
            return self.fn(*args, **kwargs)
        leaves, key, rebuild = self.flatten(args, kwargs)
        candidates = self.programs.setdefault(key, [])
        for staged in candidates:
            if staged.fits(leaves):
                result = staged.run(leaves, self.name)
                self.remember(staged, args, kwargs)
                return result
        self.reasons.append(self.why(key, leaves, candidates))
        staged = self.stage(leaves, rebuild)
        last = candidates[-1] if candidates else None
        staged.recurs = last is not None and bool(staged.survivors) and staged.same_as(last)
        candidates[:] = [s for s in candidates if not s.survivors or s.recurs][-7:] + [staged]
        return staged.run(leaves, self.name)

    def why(self, key, leaves, candidates) -> str:
        """Why a call is traced: the first, or what differs from the calls before."""
        if not self.programs or not any(self.programs.values()):
            return "first call"
        if candidates:
            for k, cell in enumerate(candidates[-1].cells):
                if not cell.fits(leaves):
                    return f"captured state {k} is another than it was: now {describe(cell)}"
            return "state was born in the last call that is now an input" \
                if candidates[-1].survivors else "arguments share Tensors in another way"
        last = list(self.programs)[-2]
        tree, specs, *rest = key
        if tree != last[0]:
            return f"arguments of another structure: {tree}, before {last[0]}"
        for k, (now, before) in enumerate(zip(specs, last[1])):
            if now != before:
                return f"argument {k} is {now[0]} ({now[1].__name__}), before {before[0]} " \
                       f"({before[1].__name__})"
        return "static arguments, the grad mode or x64 are others"

    def compiled_for(self, args, kwargs):
        """(staged program, compiled program, operands) for these arguments, which are not run."""
        leaves, key, rebuild = self.flatten(args, kwargs)
        candidates = self.programs.setdefault(key, [])
        staged = next((s for s in candidates if s.fits(leaves)), None)
        if staged is None:
            self.reasons.append(self.why(key, leaves, candidates))
            staged = self.stage(leaves, rebuild)
            candidates.append(staged)
        if staged.launch is None:
            staged.launch = Launch(staged, leaves)
        return staged, staged.launch.run, staged.launch.operands(leaves)

    def kernels(self, *args, device: str | None = None, **kwargs) -> str:
        """The source of the kernels that a call with these arguments runs; with `device="cuda"`
        those that it would run on a GPU, which need not be there."""
        staged, executable, _ = self.compiled_for(args, kwargs)
        return executable.source if device is None else staged.launch.source_for(device)

    def memory(self, *args, **kwargs) -> str:
        """The buffers of the compiled program: where each is, and when it is alive."""
        from minigrad.compiler.explain import memory_text

        return memory_text(self.compiled_for(args, kwargs)[1].plan)

    def explain(self, *args, **kwargs) -> str:
        """Program, simplified program, steps and their times, kernels, memory, and why the function
        was traced as often as it was."""
        from minigrad.compiler.explain import explanation

        staged, executable, operands = self.compiled_for(args, kwargs)
        return explanation(self.name, staged, executable, operands, self.reasons)

    def remember(self, staged: Staged, args, kwargs) -> None:
        """Take a shorter way next time, if the call was one of Tensors alone."""
        if (staged.launch is not None and not kwargs and not self.static_argnums
                and all(isinstance(x, Tensor) for x in args)):
            self.launches[(get_mode(), config.x64, *[x.spec for x in args],
                           *map(type, args))] = staged.launch

    def flatten(self, args, kwargs):
        """(dynamic leaves as boxes, cache key, how to call the function with inner leaves)."""
        count = len(args)
        fixed, statics, named = set(), (), ()
        dynamic, dynamic_kwargs = list(args), kwargs
        if self.static_argnums or self.static_argnames:
            fixed = {i % count if -count <= i < 0 else i for i in self.static_argnums}
            statics = tuple((i, args[i]) for i in sorted(fixed) if i < count)
            named = tuple((k, kwargs[k]) for k in sorted(kwargs) if k in self.static_argnames)
            dynamic = [a for i, a in enumerate(args) if i not in fixed]
            dynamic_kwargs = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        values, tree = tree_flatten((dynamic, dynamic_kwargs))
        cls = self.cls
        positions = [i for i in range(count) if i not in fixed]
        names = functools.partial(argument_names, self.fn, tree, positions)
        leaves = [v if type(v) is cls and type(v.value) is np.ndarray
                  else self.box_leaf(v, i, names) for i, v in enumerate(values)]
        mode = get_mode()
        key = (tree, tuple((b.spec, type(b)) for b in leaves), statics, named, mode.grad,
               config.x64)
        try:
            hash(key)
        except TypeError:
            for _, static in (*statics, *named):
                messages.check_hashable(static)
            raise

        def call(inner):
            given, given_kwargs = tree_unflatten(tree, inner)
            given = iter(given)
            full = [args[i] if i in fixed else next(given) for i in range(count)]
            return self.fn(*full, **given_kwargs, **dict(named))

        call.names = names
        return leaves, key, call

    def box_leaf(self, value, i: int, names: Callable[[], list[str]]) -> Tensor:
        if isinstance(value, Tensor):
            return value
        try:
            return box(value, self.cls)
        except TypeError:
            raise TypeError(messages.no_array(self.fn, value, names()[i])) from None

    def box_result(self, x, out) -> Tensor:
        try:
            return box(x, self.cls)
        except TypeError:
            raise TypeError(messages.no_array_result(self.name, x, out)) from None

    def stage(self, leaves: Sequence[Tensor], call: Callable) -> Staged:
        self.traces += 1
        heat.hurry()
        debug.show(2, f"tracing {self.name}, time {self.traces}")
        trace = StageTrace(self.name) if self.constants else CellTrace(self.name)
        trace.described = Traced(self.fn, "jit", call.names)
        with level(trace, grad=get_mode().grad):
            arguments = [trace.argument(x, i) if isinstance(trace, CellTrace) and type(x).mutable
                         else plain_argument(trace, x) for i, x in enumerate(leaves)]
            inputs = [var for _, var in arguments]
            out = call([inner for inner, _ in arguments])
            del arguments
            out_leaves, out_tree = tree_flatten(out)
            outs = [trace.lift(x) if isinstance(x, Tensor) else self.box_result(x, out)
                    for x in out_leaves]
            del out, out_leaves
            staged = self.close(trace, inputs, outs, out_tree)
        staged.aliases = staged.aliases_of(leaves)
        return staged

    def close(self, trace, inputs: list, outs: list, out_tree) -> Staged:
        """Settle what the program returns: results, changes of cells, survivors.

        Only values are kept here. A box of this level that is still alive once our own references
        are gone is held by the user, be it a result, a new gradient or something else.
        """
        cells = list(trace.cells.values()) if isinstance(trace, CellTrace) else []
        changes = [change for c in cells for change in c.changes()]
        written = [value for _, value in changes if value is not None]
        values = [o.value if owns(trace, o) else o for o in outs]
        results = Results(out_tree, outs)
        inputs = inputs + [v for c in cells for v in c.variables]
        outs.clear()
        for cell in cells:
            cell.forget()
        survivors = trace.survivors() if isinstance(trace, CellTrace) else []
        program = trace.program(values + written + [s().value for s in survivors])
        program, captured = lift_traced(program.replace(invars=inputs))
        return Staged(program, captured, cells, [(how, new is not None) for how, new in changes],
                      results, survivors, ())


def plain_argument(trace: StageTrace, x: Tensor) -> tuple[Tensor, Any]:
    """An argument that is only read."""
    made = make_box(type(x), trace.new_input(x.spec.aval), make_spec(x.spec.aval, False, False))
    return made, made.value.var


def lift_traced(program: Jaxpr) -> tuple[Jaxpr, list]:
    """Captured values of levels below become operands; arrays stay constants of the program."""
    positions = [i for i, c in enumerate(program.consts)
                 if isinstance(c, Tensor) and not c.spec.concrete]
    if not positions:
        return program, []
    chosen = program.replace(constvars=[program.constvars[i] for i in positions],
                             consts=[program.consts[i] for i in positions])
    body, captured = close_over(chosen)
    rest = [i for i in range(len(program.consts)) if i not in positions]
    return body.replace(constvars=[program.constvars[i] for i in rest],
                        consts=[program.consts[i] for i in rest]), captured


def as_tuple(x) -> tuple:
    return (x,) if isinstance(x, (int, str)) else tuple(x or ())


def jit(fn: Callable | None = None, **options) -> Any:
    """Stage `fn` on its first call with given shapes and dtypes; later calls run the program.

    static_argnums, static_argnames: arguments that are part of the cache key (must be hashable).
    Source: jax.jit; cells as in DESIGN section 3.

    >>> import minigrad as mg
    >>> f = mg.jit(lambda x: mg.numpy.sin(x) * 2.0)
    >>> float(f(0.0)), f.traces
    (0.0, 1)
    """
    if fn is None:
        return lambda f: jit(f, **options)
    return Jitted(fn, **options)


def make_jaxpr(fn: Callable, static_argnums=(), cls: type = Tensor) -> Callable:
    """A function that returns the program of `fn` for its arguments. Source: jax.make_jaxpr."""

    @functools.wraps(fn)
    def traced(*args, **kwargs):
        jitted = Jitted(fn, static_argnums, cls=cls, constants=True)
        leaves, _, call = jitted.flatten(args, kwargs)
        staged = jitted.stage(leaves, call)
        if staged.captured:
            n = len(staged.captured)
            program = staged.jaxpr
            return program.replace(constvars=program.invars[:n] + program.constvars,
                                   consts=staged.captured + program.consts,
                                   invars=program.invars[n:])
        return staged.jaxpr

    return traced

