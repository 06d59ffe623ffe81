"""`jit`: stage a function to a program once, then run the program.

What the function closes over is part of the bargain. A jax-style function treats captured arrays
as constants. A torch-style step reads and writes state: parameters, buffers, the optimizer's
moments, gradients, generators. While it is staged each captured Tensor becomes a *cell*: an input
variable and an inner Tensor that stands for it. What the step writes to a cell is an output of the
program, committed to the captured Tensor after the program succeeded. Tensors born inside that
somebody still holds afterwards (an optimizer's first moments in its dict) are *survivors*: extra
outputs, whose handles receive the computed values; the next call finds them as cells.
"""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import debug, errors, tape
from minigrad.core import (
    EVAL, NO_GRAD, Mode, Tensor, Tracer, aval_of, box, config, get_mode, level, make_box,
    make_spec, owns, using,
)
from minigrad.ops.bodies import close_over
from minigrad.ops.calls import jit_p
from minigrad.program import Jaxpr, StageTrace
from minigrad.tree import tree_flatten, tree_unflatten

# ------------------------------------------------------------------ cells


class Cell:
    """A captured Tensor while a function is staged: where it is read, and what was written."""

    def __init__(self, trace: CellTrace, outer: Tensor):
        self.outer, self.spec = outer, outer.spec
        self.read = trace.new_input(outer.spec.aval)
        self.inner = make_box(type(outer).result_class(), self.read,
                              make_spec(outer.spec.aval, False, False))
        self.grad_read: Tracer | None = None
        self.outer_grad = getattr(outer.node, "grad", None)
        if outer.spec.requires_grad:
            tape.leaf(self.inner)
            if self.outer_grad is not None:
                self.grad_read = trace.new_input(self.outer_grad.spec.aval)
                self.inner.node.grad = make_box(
                    type(self.outer_grad), self.grad_read,
                    make_spec(self.outer_grad.spec.aval, False, False))
        self.has_grad = self.outer_grad is not None

    def fits(self) -> bool:
        """Is the captured Tensor still of the kind the program was staged for?"""
        grad = getattr(self.outer.node, "grad", None)
        return self.outer.spec is self.spec and (grad is not None) == self.has_grad

    def operands(self) -> list[Tensor]:
        values = [self.outer]
        if self.grad_read is not None:
            values.append(self.outer.node.grad)
        return values

    def changes(self) -> list[tuple[Callable, Any]]:
        """(how to commit, the new value inside) for the value and for the gradient."""
        found: list[tuple[functools.partial, Any]] = []
        if self.inner.value is not self.read:
            found.append((functools.partial(write_value, self.outer), self.inner.value))
        grad = getattr(self.inner.node, "grad", None)
        if grad is None and self.has_grad:
            found.append((functools.partial(write_grad, self.outer), None))
        elif grad is not None and grad.value is not self.grad_read:
            found.append((functools.partial(write_grad, self.outer), grad.value))
        return found

    def forget(self) -> None:
        """Keep what a later call needs; the staged values are done with."""
        self.inner = self.outer_grad = None


class StateCell:
    """State that lives in no Tensor (a generator, a learning rate), read and written by functions."""

    has_grad = False

    def __init__(self, trace: CellTrace, get: Callable, put: Callable | None):
        self.get, self.put = get, put
        value = box(get())
        self.aval = value.spec.aval
        self.read = trace.new_input(self.aval)
        self.inner = make_box(Tensor, self.read, make_spec(self.aval, False, False))

    def fits(self) -> bool:
        return aval_of(box(self.get())) is self.aval

    def operands(self) -> list:
        return [box(self.get())]

    def changes(self) -> list:
        if self.inner.value is self.read:
            return []
        return [(functools.partial(write_state, self.put), self.inner.value)]

    def forget(self) -> None:
        self.inner = None


def write_state(put: Callable, new: Tensor) -> None:
    put(new.value)


def write_value(outer: Tensor, new: Tensor) -> None:
    if isinstance(outer.value, Tracer):
        outer.value = new.value
        return
    if type(outer.value) is not np.ndarray:
        outer.value = np.array(outer.value)
    outer.value[...] = new.value
    tape.stamps.write(outer.value)


def write_grad(outer: Tensor, new: Tensor | None) -> None:
    if new is not None:
        new = make_box(type(outer).result_class(), new.value, make_spec(new.spec.aval))
    outer.node.grad = new


class CellTrace(StageTrace):
    """Staging that lifts captured Tensors into cells and remembers what was born."""

    def __init__(self, name: str):
        super().__init__(name)
        self.cells: dict[int, Cell | StateCell] = {}
        self.births: list[weakref.ref] = []
        self.replays: dict[int, tuple] = {}

    def lift(self, x: Tensor) -> Tensor:
        if owns(self, x) or not type(x).mutable:
            return x
        if not x.spec.concrete and not self.stands_on(x.value.trace):
            raise errors.leaked_tracer_error(x.value)
        view = getattr(x, "view_of", None)
        if view is not None:  # a view of captured storage is a view of its cell
            if id(x) not in self.replays:
                base, replay = view
                self.replays[id(x)] = replay(self.lift(base)), x
            return self.replays[id(x)][0]
        if id(x) not in self.cells:
            self.cells[id(x)] = Cell(self, x)
        return self.cells[id(x)].inner

    def state(self, owner, get: Callable, put: Callable | None) -> Tensor:
        key = owner if isinstance(owner, tuple) else id(owner)
        if key not in self.cells:
            self.cells[key] = StateCell(self, get, put)
        return self.cells[key].inner

    def witness(self, tensor: Tensor) -> None:
        self.births.append(weakref.ref(tensor))


def read_state(owner, get: Callable, put: Callable | None = None, trace=None) -> Tensor:
    """The current value of state outside Tensors: a cell while a function is staged. To write it,
    assign to `.value` of what this returns while staging, or call `put` otherwise."""
    trace = trace or get_mode().trace
    while not isinstance(trace, CellTrace):
        if trace is EVAL or trace.outer is None:
            return box(get())
        trace = trace.outer.trace
    return trace.state(owner, get, put)


# ------------------------------------------------------------------ staged functions


class Staged:
    """One program of a jitted function, with the cells it reads and the changes it commits."""

    def __init__(self, jaxpr: Jaxpr, captured, cells, out_tree, out_count, commits, survivors,
                 out_grads, detached, classes):
        self.jaxpr, self.captured, self.cells = jaxpr, captured, cells
        self.out_tree, self.out_count, self.commits = out_tree, out_count, commits
        self.survivors, self.out_grads, self.detached = survivors, out_grads, detached
        self.classes = classes

    def fits(self) -> bool:
        return self.survivors is None and all(c.fits() for c in self.cells)

    def run(self, args: Sequence[Tensor], name: str, cls: type):
        operands = [*self.captured, *args]
        for cell in self.cells:
            operands += cell.operands()
        mode = get_mode()
        with using(without_grad(mode) if self.detached else mode):
            outs = jit_p(*operands, jaxpr=self.jaxpr, name=name)
        values, written = outs[:self.out_count], outs[self.out_count:]
        found = iter(written)
        for commit, has_value in self.commits:
            commit(next(found) if has_value else None)
        for handle, new in zip(self.survivors or (), found):
            settle(handle(), new)
        if self.survivors:
            self.survivors = ()  # born once; a later call finds them as cells
        leaves = [v if grad or not v.spec.requires_grad else tape_detach(v)
                  for v, grad in zip(values, self.out_grads)]
        return tree_unflatten(self.out_tree, [as_class(v, c) for v, c in zip(leaves, self.classes)])


def without_grad(mode: Mode) -> Mode:
    return NO_GRAD if mode.trace is EVAL else Mode(mode.trace, grad=False)


def tape_detach(x: Tensor) -> Tensor:
    return make_box(type(x), x.value, make_spec(x.spec.aval, False, x.spec.concrete))


def as_class(x: Tensor, cls: type) -> Tensor:
    """The same value in the box of another face."""
    return x if type(x) is cls else make_box(cls, x.value, x.spec, x.node)


def settle(handle: Tensor | None, new: Tensor) -> None:
    """A Tensor born while staging gets the value it stood for."""
    if handle is not None:
        wants = handle.spec.requires_grad and isinstance(handle.node, tape.AccumulateGrad)
        handle.value, handle.spec, handle.node = new.value, make_spec(new.spec.aval), None
        if wants:
            tape.leaf(handle)


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
        self.traces = 0

    def __get__(self, instance, owner):
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        leaves, key, rebuild = self.flatten(args, kwargs)
        candidates = self.programs.setdefault(key, [])
        for staged in candidates:
            if staged.fits():
                return staged.run(leaves, self.name, self.cls)
        staged = self.stage(leaves, rebuild)
        candidates[:] = [s for s in candidates if s.survivors is None][-7:] + [staged]
        result = staged.run(leaves, self.name, self.cls)
        if staged.survivors is not None:
            candidates.remove(staged)
        return result

    def flatten(self, args, kwargs):
        """(dynamic leaves as boxes, cache key, how to call the function with inner leaves)."""
        count = len(args)
        fixed = {i % count if -count <= i < 0 else i for i in self.static_argnums}
        statics = tuple((i, args[i]) for i in sorted(fixed) if i < count)
        named = tuple((k, kwargs[k]) for k in sorted(kwargs) if k in self.static_argnames)
        dynamic = [a for i, a in enumerate(args) if i not in fixed]
        dynamic_kwargs = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        values, tree = tree_flatten((dynamic, dynamic_kwargs))
        leaves = [self.box_leaf(v) for v in values]
        mode = get_mode()
        key = (tree, tuple((b.spec, type(b)) for b in leaves), statics, named, mode.grad,
               config.x64)
        try:
            hash(key)
        except TypeError as error:
            raise ValueError(
                "Non-hashable static arguments are used in a jit function. Make the static "
                f"arguments of {self.name} hashable (a tuple instead of a list). {error}") from None

        def call(inner):
            given, given_kwargs = tree_unflatten(tree, inner)
            given = iter(given)
            full = [args[i] if i in fixed else next(given) for i in range(count)]
            return self.fn(*full, **given_kwargs, **dict(named))

        return leaves, key, call

    def box_leaf(self, value) -> Tensor:
        if isinstance(value, Tensor):
            return value
        try:
            return box(value, self.cls)
        except TypeError:
            raise TypeError(
                f"Error interpreting argument to {self.fn} as an abstract array. The problematic "
                f"value is of type {type(value)}: {value!r}. Pass arrays or scalars, or mark the "
                "argument static with static_argnums.") from None

    def stage(self, leaves: Sequence[Tensor], call: Callable) -> Staged:
        self.traces += 1
        debug.show(2, f"tracing {self.name}, time {self.traces}")
        trace = StageTrace(self.name) if self.constants else CellTrace(self.name)
        arguments = []
        with level(trace, grad=get_mode().grad):
            arguments = [self.argument(trace, x) for x in leaves]
            inner = [a.inner if isinstance(a, Cell) else a for a in arguments]
            out = call(inner)
            out_leaves, out_tree = tree_flatten(out)
            outs = [trace.lift(x) if isinstance(x, Tensor) else box(x, self.cls)
                    for x in out_leaves]
            del out, out_leaves, inner
            return self.close(trace, arguments, outs, out_tree)

    def argument(self, trace: StageTrace, x: Tensor):
        if isinstance(trace, CellTrace) and type(x).mutable:
            cell = Cell(trace, x)
            trace.births = [b for b in trace.births if b() is not cell.inner]
            return cell
        return make_box(type(x), trace.new_input(x.spec.aval), make_spec(x.spec.aval, False, False))

    def close(self, trace, arguments, outs, out_tree) -> Staged:
        """Settle what the program returns: results, changes of cells, survivors.

        Only values are kept here. A box of this level that is still alive once our own references
        are gone is held by the user, be it a result, a new gradient or something else.
        """
        arg_cells = [a for a in arguments if isinstance(a, Cell)]
        cells = list(getattr(trace, "cells", {}).values())
        changes = [change for c in arg_cells + cells for change in c.changes()]
        written = [value for _, value in changes if value is not None]
        results = [o.value if owns(trace, o) else o for o in outs]
        out_grads = [o.spec.requires_grad for o in outs]
        classes = [type(o).result_class() for o in outs]
        arg_vars = [v for a in arguments for v in input_vars(a)]
        cell_vars = [v for c in cells for v in input_vars(c)]
        keep_args = [a.read.var if isinstance(a, Cell) else a.value.var for a in arguments]
        grad_cells = [GradOf(c) for c in arg_cells if c.grad_read is not None]
        outs.clear()
        for c in arg_cells + cells:
            c.forget()
        survivors = find_survivors(trace)
        program = trace.program(results + written + [s().value for s in survivors])
        # inputs were made in the order in which they were met: arguments come first, then cells
        extra = [v for v in arg_vars if v not in keep_args]
        program = program.replace(invars=keep_args + extra + cell_vars)
        traced = [i for i, c in enumerate(program.consts)
                  if isinstance(c, Tensor) and not c.spec.concrete]
        program, captured = lift_traced(program, traced)
        commits = [(commit, value is not None) for commit, value in changes]
        ran_backward = any(commit.func is write_grad for commit, _ in changes)
        return Staged(program, captured, grad_cells + cells, out_tree, len(results), commits,
                      survivors or None, out_grads, ran_backward or not any(out_grads), classes)


def find_survivors(trace: StageTrace) -> list[weakref.ref]:
    if not isinstance(trace, CellTrace):
        return []
    trace.cells, trace.replays = {}, {}

    def alive():
        return [b for b in trace.births if b() is not None]

    if alive():
        gc.collect()  # a cycle among the user's objects must not pass for a survivor
    return alive()


class GradOf:
    """The gradient of an argument, read by the program beside the argument."""

    def __init__(self, cell: Cell):
        self.cell = cell

    def fits(self) -> bool:
        return self.cell.fits()

    def operands(self) -> list[Tensor]:
        return self.cell.operands()[1:]


def input_vars(argument) -> list:
    if isinstance(argument, Tensor):
        return [argument.value.var]
    reads = [argument.read] + ([argument.grad_read] if getattr(argument, "grad_read", None) else [])
    return [r.var for r in reads]


def lift_traced(program: Jaxpr, positions: Sequence[int]) -> tuple[Jaxpr, list]:
    """Captured values of levels below become operands; arrays stay constants of the program."""
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
    >>> f = mg.jit(lambda x: mg.sin(x) * 2.0)
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

