"""Operations whose results take the place of operands, over many rows in one launch.

An optimizer's rule is one operation, `(param, grad, rate, *state) -> (param, *state)`. Row by row
it costs a call for each parameter; when the same rows were met often enough, all of them become one
program that writes parameters and state in place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np

from minigrad.compiler import Overlap, compiled, wants_compiler
from minigrad import core
from minigrad.core import (
    EVAL, PYTHON_SCALARS, Tensor, get_mode, inlining, make_aval, make_box, make_spec,
)
from minigrad.devices import device_of
from minigrad.eager.hot import HOT
from minigrad.eager.operations import Op, specs_of_scalars
from minigrad.eager.record import remember
from minigrad.imperative import views
from minigrad.imperative.stamps import stamps
from minigrad.program import stage
from minigrad.tree import tree_leaves

SHARED = 2  # position in a row of the operand that all rows share: the learning rate


class Updates:
    """`op` over rows. `written`: for each result the position in the row that takes it; an operand
    that is None in all rows neither counts as an operand nor as a result."""

    def __init__(self, op: Op, written: Sequence[int]):
        self.op, self.written = op, tuple(written)
        self.met: dict = {}  # specs of all rows and settings -> calls so far, or the Launch

    def __call__(self, rows: Sequence[Sequence], statics: tuple) -> None:
        launch = self.find(rows, statics)
        if launch is None or not launch(rows):
            for row in rows:
                results = self.op.wrapper(*row, *statics)
                targets = [row[i] for i in self.written if row[i] is not None]
                for target, value in zip(targets, results, strict=True):
                    views.replace(target, value)

    def find(self, rows, statics: tuple) -> Launch | None:
        mode = get_mode()
        if mode.trace is not EVAL or mode.grad or mode.inference or not wants_compiler():
            return None
        scalars = specs_of_scalars(self.op.cls)
        try:
            key = statics, *[None if x is None else scalars[type(x)] if type(x) in scalars
                             else x.spec for row in rows for x in row]
            found = self.met.get(key, 0)
        except (TypeError, AttributeError):  # a setting that cannot be hashed, an array
            return None
        if core.worlds and any(device_of(x) for row in rows for x in row):
            return None
        if type(found) is Launch:
            return found
        made = Launch(self, rows, statics) if found + 1 >= HOT else None
        remember(self.met, key, made or found + 1)
        return made


class Launch:
    """The program of some rows, which writes in place."""

    def __init__(self, updates: Updates, rows: Sequence[Sequence], statics: tuple):
        op, scalars = updates.op, specs_of_scalars(updates.op.cls)
        self.shared = rows[0][SHARED]
        self.present = [[i for i, x in enumerate(row) if x is not None and i != SHARED]
                        for row in rows]
        self.scalar_dtype = None
        if type(self.shared) in PYTHON_SCALARS:
            self.scalar_dtype = scalars[type(self.shared)].dtype
        first = scalars[type(self.shared)].aval if self.scalar_dtype else self.shared.spec.aval
        avals = [first, *[row[i].spec.aval for row, found in zip(rows, self.present)
                          for i in found]]
        into: dict[int, int] = {}
        self.targets: list[tuple[int, int, int]] = []  # (operand, row, position in it)
        position, result = 1, 0
        for r, found in enumerate(self.present):
            places = {i: position + k for k, i in enumerate(found)}
            for i in updates.written:
                if i in places:
                    into[result] = places[i]
                    self.targets.append((places[i], r, i))
                    result += 1
            position += len(found)

        def all_rows(rate, *given):
            values = iter(given)
            outs = []
            for row, found in zip(rows, self.present):
                full = [rate if i == SHARED else next(values) if i in found else None
                        for i in range(len(row))]
                outs += tree_leaves(op.call(full, statics))
            return outs

        token = inlining.set(True)
        try:
            program = stage(all_rows, avals, op.cls, op.name)
        finally:
            inlining.reset(token)
        taken = [avals[into[k]] for k in range(len(program.outvars))]
        self.fits = all(a.shape == b.shape and a.dtype == b.dtype
                        for a, b in zip(program.out_avals, taken))
        self.run: Callable = compiled(program, into) if self.fits else lambda values: None

    def __call__(self, rows: Sequence[Sequence]) -> bool:
        """Run on rows of the same specs. False: nothing was done, they share memory."""
        if not self.fits:
            return False
        rate = rows[0][SHARED]
        values = [rate.value if isinstance(rate, Tensor) else np.asarray(rate, self.scalar_dtype)]
        values += [row[i].value for row, found in zip(rows, self.present) for i in found]
        for k, r, i in self.targets:
            if type(values[k]) is not np.ndarray:
                values[k] = views.array_of(rows[r][i])
        try:
            self.run(values)
        except Overlap:
            return False
        for k, _, _ in self.targets:  # who else holds the memory may be a node that saved it
            if sys.getrefcount(values[k]) > ALONE or values[k].base is not None:
                stamps.write(values[k])
        return True


def held_alone() -> int:
    """The reference count, in a list of values, of an array that otherwise only its box holds."""
    box = make_box(Tensor, np.zeros(1), make_spec(make_aval((1,), np.float64)))
    values = [box.value]
    return sys.getrefcount(values[0])


ALONE = held_alone()
