"""A staged program at level zero: from Tensors to the arrays that the compiled program takes, and
back. Small steps live or die by this: few steps of Python for each operand and result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.cells import Cell, settle
from minigrad.compiler import Overlap, compiled
from minigrad.core import Tensor, concrete_of, make_box, make_spec
from minigrad.devices import common_place
from minigrad.imperative.stamps import stamps
from minigrad.imperative.views import array_of


class Launch:
    """Runs a program on Tensors of level zero and commits what it wrote.

    staged: the program with its cells, commits, results and survivors (`minigrad.jit.Staged`).
    A cell's new value is written in place of the old one by the program itself.
    """

    def __init__(self, staged, args: Sequence[Tensor]):
        program, results = staged.jaxpr, staged.results
        self.program = program
        self.survivors, self.fits = staged.survivors, staged.fits
        self.pure = not (staged.cells or staged.survivors or staged.aliases)
        place = {v: i for i, v in enumerate(program.invars)}
        avals = program.out_avals
        self.count = k = len(results.grads)
        self.into: dict[int, int] = {}
        self.commits: list[tuple[Any, int | None]] = []
        self.written_args: list[int] = []
        written = set()
        for commit, has_value in staged.commits:
            if has_value and self.is_plain_write(commit, avals[k]):
                cell = commit.__self__
                self.into[k] = place[cell.read.var]
                written.add(cell)
                if cell.position is not None:
                    self.written_args.append(cell.position)
            else:
                self.commits.append((commit, k if has_value else None))
            k += has_value
        self.first_survivor = k
        self.cells = [(c.outer if isinstance(c, Cell) and c.position is None else None,
                       c in written, c) for c in staged.cells if c.variables]
        self.stamped = sorted(set(self.into.values()))
        self.place = place = common_place(
            [x.spec for x in args] + [c.tensor(args).spec for c in staged.cells
                                      if isinstance(c, Cell)]
            + [make_spec(v.aval, False, concrete_of(c))
               for v, c in zip(program.constvars, program.consts)])
        self.run = compiled(program, self.into, place)
        self.boxes = [(k, cls, make_spec(avals[k], False, place))
                      for k, cls in enumerate(results.classes)]
        self.specs = [make_spec(a, False, place) for a in avals]
        self.tree = results.tree
        self.single = results.tree.num_leaves == 1 and results.tree.num_nodes == 1
        if self.single:
            _, self.single_class, self.single_spec = self.boxes[0]

    def source_for(self, device: str) -> str:
        """The kernels that the program would run on a device, which need not be there."""
        from minigrad.compiler.device import cuda_source

        if device.partition(":")[0] not in ("cuda", "gpu"):
            raise ValueError(f"kernels are written for the CPU and for 'cuda', not for {device!r}")
        return cuda_source(self.program, self.into)

    @staticmethod
    def is_plain_write(commit, aval) -> bool:
        cell = getattr(commit, "__self__", None)
        return type(cell) is Cell and commit.__func__ is Cell.write_value \
            and aval.shape == cell.spec.shape and aval.dtype == cell.spec.dtype

    def with_arguments(self, args: Sequence[Tensor]):
        """A call without cells and survivors."""
        outs = self.run([x.value for x in args])
        if self.single:
            box = object.__new__(self.single_class)
            box.value, box.spec, box.node = outs[0], self.single_spec, None
            return box
        return self.tree.unflatten([make_box(cls, outs[k], spec) for k, cls, spec in self.boxes])

    def operands(self, args: Sequence[Tensor]) -> list:
        """The arrays that the program takes: of the arguments, then of the cells."""
        values = [x.value for x in args]
        for i in self.written_args:
            values[i] = array_of(args[i])
        for outer, written, cell in self.cells:
            if outer is None:
                values += [x.value for x in cell.operands(args)]
                continue
            value = outer.value
            values.append(array_of(outer) if written and isinstance(value, np.generic) else value)
            if cell.grad_read is not None:
                values.append(outer.node.grad.value)
        return values

    def __call__(self, args: Sequence[Tensor]):
        values = self.operands(args)
        try:
            outs = self.run(values)
        except Overlap:  # an operand that is to be written shares memory with another
            outs = compiled(self.program, None, self.place)(values)
            for k, i in self.into.items():
                values[i][...] = outs[k]
        for i in self.stamped:
            stamps.write(values[i])
        for commit, k in self.commits:
            commit(args, None if k is None else make_box(Tensor, outs[k], self.specs[k]))
        for k, handle in enumerate(self.survivors, self.first_survivor):
            settle(handle(), make_box(Tensor, outs[k], self.specs[k]))
        boxes = [make_box(cls, outs[k], spec) for k, cls, spec in self.boxes]
        return boxes[0] if self.single else self.tree.unflatten(boxes)
