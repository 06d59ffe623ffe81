"""Cells: how a staged function reads and writes what lives outside of it.

While a function is staged, each captured Tensor becomes a *cell*: an input variable of the program
and an inner Tensor that stands for it. What is written to the inner Tensor, or to its `.grad`, is
an output of the program, committed to the captured Tensor when the program has run. Arguments are
cells too, of the Tensor that a call passes. State that lives in no Tensor (a generator, a learning
rate) is read and written by functions.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from minigrad import errors, tape
from minigrad.imperative import views
from minigrad.core import (
    EVAL, NO_GRAD, Tensor, Trace, Tracer, aval_of, box, get_mode, make_box, make_spec, owns,
    using,
)
from minigrad.devices import alike, place_of
from minigrad.imperative.modes import with_grad
from minigrad.program import StageTrace

# ------------------------------------------------------------------ Tensors


class Cell:
    """A Tensor of the level below while a function is staged: where it is read, what was written.

    position: which argument it is; None for a captured Tensor, which the cell keeps.
    """

    def __init__(self, trace: CellTrace, outer: Tensor, position: int | None = None):
        self.outer, self.position = outer if position is None else None, position
        with using(trace.outer):
            seen = tape.current(outer)
        self.spec, aval = seen.spec, seen.spec.aval
        self.read: Tracer = trace.new_input(aval)
        self.inner: Any = make_box(type(outer).result_class(), self.read,
                                   make_spec(aval, False, False))
        grad = getattr(seen.node, "grad", None)
        self.grad_aval = None if grad is None else grad.spec.aval
        self.grad_read: Tracer | None = None
        if seen.spec.requires_grad:
            tape.leaf(self.inner)
        if grad is not None:
            self.grad_read = trace.new_input(self.grad_aval)
            if self.inner.node is None:
                self.inner.node = tape.AccumulateGrad(self.inner.spec, type(self.inner))
            self.inner.node.grad = make_box(type(grad), self.grad_read,
                                            make_spec(self.grad_aval, False, False))

    def tensor(self, args: Sequence[Tensor]) -> Tensor:
        """The Tensor it stands for in a call with `args`, as the current level knows it."""
        return tape.current(self.outer if self.position is None else args[self.position])

    def fits(self, args: Sequence[Tensor]) -> bool:
        """Is the Tensor still of the kind that the program was staged for?"""
        tensor = self.outer if self.position is None else args[self.position]
        if get_mode().trace is not EVAL:
            tensor = tape.current(tensor)
        spec, grad = tensor.spec, getattr(tensor.node, "grad", None)
        if spec is not self.spec and (spec.aval is not self.spec.aval
                                      or spec.requires_grad != self.spec.requires_grad
                                      or place_of(spec) is not place_of(self.spec)):
            return False
        return (None if grad is None else grad.spec.aval) is self.grad_aval

    @property
    def variables(self) -> list:
        """Inputs of the program beside the arguments' own."""
        reads = [self.read] if self.position is None else []
        return [r.var for r in reads + ([self.grad_read] if self.grad_read else [])]

    def operands(self, args: Sequence[Tensor]) -> list[Tensor]:
        tensor = self.tensor(args)
        values = [tensor] if self.position is None else []
        return values + [tensor.node.grad] if self.grad_read else values

    def changes(self) -> list[tuple[Callable, Any]]:
        """(how to commit, the new value inside) for the value and for the gradient."""
        found: list[tuple[Callable, Any]] = []
        if self.inner.value is not self.read:
            found.append((self.write_value, self.inner.value))
        grad = getattr(self.inner.node, "grad", None)
        if grad is None and self.grad_read is not None:
            found.append((self.write_grad, None))
        elif grad is not None and grad.value is not self.grad_read:
            found.append((self.write_grad, grad.value))
        if isinstance(self.inner.node, tape.AccumulateGrad) \
                and self.inner.spec.requires_grad != self.spec.requires_grad:
            found.insert(0, (self.write_flag, None))
        return found

    def write_value(self, args: Sequence[Tensor], new: Tensor) -> None:
        tensor = self.tensor(args)
        if get_mode().trace is EVAL:
            array = views.array_of(tensor)
            array[...] = alike(new.value, array)
            tape.stamps.write(tensor.value)
        else:
            with using(with_grad(get_mode(), False)):
                views.write(tensor, new)

    def write_flag(self, args: Sequence[Tensor], _) -> None:
        self.tensor(args).requires_grad_(not self.spec.requires_grad)

    def write_grad(self, args: Sequence[Tensor], new: Tensor | None) -> None:
        tensor = self.tensor(args)
        if get_mode().trace is not EVAL:
            views.check_writable(get_mode().trace, tensor)
        if tensor.node is not None:
            tensor.node.grad = None if new is None else make_box(
                type(tensor).result_class(), new.value,
                make_spec(new.spec.aval, False, new.spec.concrete))

    def forget(self) -> None:
        """Keep what a later call needs; the staged values are done with."""
        self.inner = None


# ------------------------------------------------------------------ other state


class StateCell:
    """State that is read and written by functions while a function is staged."""

    position = outer = None

    def __init__(self, trace: CellTrace, owner, get: Callable, put: Callable | None):
        self.owner, self.get, self.put = owner, get, put  # the owner is kept: its id is the key
        self.aval = aval_of(box(get()))
        self.read = trace.new_input(self.aval)
        self.inner: Any = make_box(Tensor, self.read, make_spec(self.aval, False, False))

    def fits(self, args) -> bool:
        return aval_of(box(self.get())) is self.aval

    @property
    def variables(self) -> list:
        return [self.read.var]

    def operands(self, args) -> list[Tensor]:
        return [read_state(self.owner, self.get, self.put)]

    def changes(self) -> list[tuple[Callable, Any]]:
        return [] if self.inner.value is self.read else [(self.write, self.inner.value)]

    def write(self, args, new: Tensor) -> None:
        write_state(self.owner, self.get, self.put, new)

    def forget(self) -> None:
        self.inner = None


def staging_trace(trace: Trace) -> CellTrace | None:
    """The innermost level, from `trace` down, that keeps cells."""
    while not isinstance(trace, CellTrace):
        if trace.outer is None:
            return None
        trace = trace.outer.trace
    return trace


def read_state(owner, get: Callable, put: Callable | None = None, trace=None) -> Tensor:
    """The current value of state outside Tensors: a cell while a function is staged.

    owner: whose state it is, an object or a tuple that names it. get, put: how to read it, and to
    write it. To write while staging, assign to `.value` of the result, or call `write_state`.
    """
    staging = staging_trace(trace or get_mode().trace)
    return box(get()) if staging is None else staging.state(owner, get, put)


def write_state(owner, get: Callable, put: Callable | None, new: Tensor) -> None:
    """Write state outside Tensors: at once, or while a function is staged, when it has run."""
    if put is None:
        raise RuntimeError(f"the state of {owner!r} can be read, not written")
    staging = staging_trace(get_mode().trace)
    if staging is None:
        put(new.value)
        return
    if get_mode().trace is not staging:
        raise RuntimeError(
            f"During a {get_mode().trace.origin} transform inside jit the state of {owner!r} was "
            "written. Write it in the jitted function itself, or pass the state as a value.")
    staging.state(owner, get, put).value = new.value


# ------------------------------------------------------------------ the level


class CellTrace(StageTrace):
    """Staging that lifts captured Tensors into cells and remembers what was born."""

    def __init__(self, name: str):
        super().__init__(name)
        self.cells: dict[Any, Cell | StateCell] = {}
        self.births: list[weakref.ref] = []
        self.replays: dict[int, tuple] = {}

    def argument(self, x: Tensor, position: int) -> tuple[Tensor, Any]:
        """The inner Tensor of an argument and its input variable. A Tensor that is passed twice,
        or captured as well as passed, is still one Tensor."""
        if id(x) in self.cells:
            return self.cells[id(x)].inner, self.new_input(x.spec.aval).var
        cell = self.cells[id(x)] = Cell(self, x, position)
        return cell.inner, cell.read.var

    def lift(self, x: Tensor) -> Tensor:
        if owns(self, x) or not x.mutable:
            return x
        if not x.spec.concrete and not self.stands_on(x.value.trace):
            raise errors.leaked_tracer_error(x.value)
        if id(x) in self.cells:
            return self.cells[id(x)].inner
        if id(x) not in self.replays:
            view = getattr(x, "view_of", None)
            if view is None:
                self.cells[id(x)] = Cell(self, x)
                return self.cells[id(x)].inner
            base, replay = view  # a view of captured storage is a view of its cell
            self.replays[id(x)] = replay(self.lift(base)), x
        return self.replays[id(x)][0]

    def state(self, owner, get: Callable, put: Callable | None) -> Tensor:
        key = owner if isinstance(owner, tuple) else id(owner)
        if key not in self.cells:
            self.cells[key] = StateCell(self, owner, get, put)
        return self.cells[key].inner

    def witness(self, tensor: Tensor) -> None:
        self.births.append(weakref.ref(tensor))

    def survivors(self) -> list[weakref.ref]:
        """Boxes of this level that are alive once our own references are gone: the user holds
        them, as a result, in an optimizer's state or elsewhere."""
        self.cells, self.replays = {}, {}
        for tensor in self.living():
            if not isinstance(tensor.node, tape.AccumulateGrad):
                tensor.node = None  # a graph of traced values is of no use, and holds others
        tensor = None
        if self.living():
            gc.collect()  # a cycle among the user's objects must not pass for a survivor
        return [ref for ref in self.births if ref() is not None]

    def living(self) -> list[Tensor]:
        return [tensor for ref in self.births if (tensor := ref()) is not None]


def settle(handle: Tensor | None, new: Tensor) -> None:
    """A Tensor born while staging gets the value that it stood for."""
    if handle is None:
        return
    wants = isinstance(handle.node, tape.AccumulateGrad) and handle.spec.requires_grad
    handle.value = new.value
    handle.spec = make_spec(new.spec.aval, wants, new.spec.concrete)
    if not wants:
        handle.node = None
    if not new.spec.concrete:
        new.value.trace.witness(handle)
    link = getattr(handle, "view_of", None)
    if link is None:
        return
    shared = link[0].spec.concrete and new.spec.concrete
    if shared:  # its base survived too: they go on sharing memory
        with using(NO_GRAD):
            handle.value = link[1](link[0]).value
    if not shared or link[1] is views.detach:
        del handle.view_of
