"""What a compiled program does, step by step, and where its arrays are.

A step is a kernel with the buffers that its table names. Buffers are the operands, the constants,
the results, and places in one arena that values share whose lives do not overlap. Steps that no
kernel can do call the primitive's NumPy kernel. A scan, a while and a cond are steps that hold
plans of their own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kernels import blas
from minigrad.compiler.emit import Writer
from minigrad.compiler.fuse import Fuser, is_joining
from minigrad.compiler.computed import COMBINE
from minigrad.compiler.index import flatten
from minigrad.compiler.loops import RUNNING, running_kernel, scatter_kernel
from minigrad.compiler.nest import Temporary
from minigrad.compiler.prepare import prepare
from minigrad.compiler.regions import Group, Region
from minigrad.compiler.steps import (
    BranchStep, Buffer, CopyStep, KernelStep, LoopStep, NumpyStep, Outer, Plan, ProductStep, View,
    WhileStep, place,
)
from minigrad.program import Eqn, Jaxpr, Literal, Var

class Planner:
    """For the CPU: `writer` makes kernels of regions, SPECIAL knows equations that run by
    themselves and need no NumPy."""

    writer = Writer

    def __init__(self, program: Jaxpr, into: dict[int, int]):
        self.program = prepare(program)
        self.fuser = Fuser(self.program)
        self.plan = Plan(self.program, self.fuser)
        self.buffers: dict[Var, Buffer] = {}
        self.into = into
        self.replaced: dict[Var, Var] = {}  # new value -> the operand it is written to
        self.make()

    def make(self) -> None:
        plan, program = self.plan, self.program
        for k, v in enumerate(program.invars):
            self.buffers[v] = Buffer("operand", k, v.aval.shape, v.aval.dtype)
            plan.operands.append(self.buffers[v])
        for v, c in zip(program.constvars, program.consts):
            self.constant(v, getattr(c, "value", c))
        groups = self.ordered()
        self.positions = {g.number: k for k, g in enumerate(groups)}
        self.safe_after = max((k for k, g in enumerate(groups) if not isinstance(g, Region)
                               and g.eqns[0].primitive.name != "dot_general"), default=-1)
        self.wanted = self.find_wanted()
        self.name_results()
        for group in groups:
            self.add(group)
        self.plan.steps += self.late_copies
        self.gather()
        place(self.plan)

    def gather(self) -> None:
        """What a device does to the steps once all are known."""

    def inner(self, program: Jaxpr) -> Plan:
        """The plan of a body."""
        return type(self)(program, {}).plan

    def constant(self, v: Var | None, value, aval=None) -> Buffer:
        aval = v.aval if v is not None else aval
        value = np.ascontiguousarray(np.asarray(value, aval.dtype)).reshape(aval.shape)
        made = Buffer("constant", len(self.plan.constants), aval.shape, aval.dtype, value)
        self.plan.constants.append(made)
        if v is not None:
            self.buffers[v] = made
        return made

    # ---- order

    def ordered(self) -> list[Group]:
        """The groups so that each comes after what it needs, otherwise as the program has them."""
        groups = [g for g in self.fuser.groups if g is not None]
        needs: dict[int, set[int]] = {}
        for g in groups:
            needs[g.number] = {
                h.number for e in g.eqns for a in e.invars for v in self.fuser.sources(a)
                if (h := self.fuser.home.get(v)) is not None and h is not g}
        position = {id(e): k for k, e in enumerate(self.program.eqns)}
        first = {g.number: min(position[id(e)] for e in g.eqns) for g in groups}
        done: set[int] = set()
        out, waiting = [], sorted(groups, key=lambda g: first[g.number])
        while waiting:
            k = next(k for k, g in enumerate(waiting) if needs[g.number] <= done)
            group = waiting.pop(k)
            out.append(group)
            done.add(group.number)
        return out

    # ---- buffers

    def base(self, atom) -> Var | None:
        """The variable whose memory an operand is in: under views that keep the memory."""
        while type(atom) is Var and atom not in self.fuser.home and atom in self.fuser.made:
            atom = self.fuser.made[atom].invars[0]
        return atom if type(atom) is Var else None

    def find_wanted(self) -> set[Var]:
        """Values of regions that others read: they are stored."""
        wanted = set()
        for group in self.fuser.groups:
            for eqn in group.eqns if group is not None else ():
                for a in eqn.invars:
                    wanted.update(v for v in self.reads(group, a)
                                  if self.fuser.home.get(v) is not group)
        return wanted | {b for out in self.program.outvars if (b := self.base(out)) is not None}

    def name_results(self) -> None:
        """Each result has memory of its own: the region writes into it, or it is copied there. One
        that replaces an operand is written in its place, by the region that makes it if nobody
        reads the old value then or later, or else at the very end."""
        copies, last = [], []
        for k, out in enumerate(self.program.outvars):
            base = self.base(out)
            source = self.constant(None, out.value, out.aval) if base is None \
                else self.buffers.get(base)
            if k not in self.into:
                made = Buffer("result", k, out.aval.shape, out.aval.dtype)
                if source is None:
                    self.buffers[base] = made
                else:
                    copies.append(CopyStep([made, source]))
            else:
                made = self.plan.operands[self.into[k]]
                self.plan.written[k] = self.into[k]
                old = self.program.invars[self.into[k]]
                if source is None and self.may_replace(base, old):
                    self.buffers[base] = made
                    self.replaced[base] = old
                else:
                    kept = self.temporary(made.shape, made.dtype)
                    last.append(CopyStep([made, kept]))
                    if source is None:
                        self.buffers[base] = kept
                    else:
                        copies.append(CopyStep([kept, source]))
            self.plan.results.append(made)
        self.late_copies = copies + last

    def may_replace(self, new: Var, old: Var) -> bool:
        """Not before the last step that may raise, which must leave the operands as they were."""
        home = self.fuser.home.get(new)
        if not isinstance(home, Region) or new in home.late or old.aval.shape != new.aval.shape \
                or old.aval.dtype != new.aval.dtype or old in self.replaced.values() \
                or self.positions[home.number] < self.safe_after:
            return False
        readers = {g.number: g for g in self.fuser.groups if g is not None and any(
            old in self.reads(g, a) for e in g.eqns for a in e.invars)}
        readers.pop(home.number, None)
        if any(self.positions[n] > self.positions[home.number] for n in readers):
            return False
        if any(self.base(o) is old for o in self.program.outvars):
            return False
        writer = self.writer(self.fuser, home, [new], {})
        return writer.reads_only_at(old, flatten(home.at[new], new.aval.shape), new)

    def reads(self, group: Group, atom) -> list[Var]:
        """The arrays that an operand is read from."""
        if isinstance(group, Region):
            return self.fuser.sources(atom)
        base = self.base(atom)
        return [] if base is None else [base]

    def temporary(self, shape, dtype) -> Buffer:
        made = Buffer("arena", -1, shape, np.dtype(dtype))
        self.plan.arena.append(made)
        return made

    def buffer(self, v: Var) -> Buffer:
        if v not in self.buffers:
            self.buffers[v] = self.temporary(v.aval.shape, v.aval.dtype)
        return self.buffers[v]

    # ---- steps

    def add(self, group: Group) -> None:
        if isinstance(group, Region):
            self.add_region(group)
            return
        (eqn,) = group.eqns
        special = self.SPECIAL.get(eqn.primitive.name)
        if special is None or not special(self, eqn):
            self.add_numpy(eqn)

    def add_region(self, region: Region) -> None:
        results = [v for e in region.eqns for v in e.outvars if v in self.wanted]
        in_place = {v: old for v, old in self.replaced.items() if v in region.at}
        temporaries: dict[Temporary, Buffer] = {}
        for kernel in self.writer(self.fuser, region, results, in_place).kernels():
            buffers = []
            for p in kernel.parameters:
                if isinstance(p, Temporary):
                    if p not in temporaries:
                        temporaries[p] = self.temporary((p.size,), p.dtype)
                    buffers.append(temporaries[p])
                else:
                    buffers.append(self.buffer(p))
            self.plan.steps.append(KernelStep(buffers, kernel))

    def operand_buffer(self, atom) -> Any:
        """The buffer of an operand of an equation that runs by itself, or the literal."""
        base = self.base(atom)
        return atom if base is None else View(self.buffer(base), atom.aval.shape)

    def add_numpy(self, eqn: Eqn) -> None:
        operands = [self.operand_buffer(a) for a in eqn.invars]
        self.plan.steps.append(NumpyStep(operands + [self.buffer(v) for v in eqn.outvars], eqn))

    def add_concatenate(self, eqn: Eqn) -> bool:
        """The regions that make the parts have stored them where they belong."""
        return is_joining(eqn)

    def add_dot_general(self, eqn: Eqn) -> bool:
        x, y = (self.operand_buffer(a) for a in eqn.invars)
        (out,) = eqn.outvars
        if isinstance(x, Literal) or isinstance(y, Literal) or x.dtype != y.dtype \
                or x.dtype != out.aval.dtype or out.aval.size == 0 or x.dtype.kind not in "f":
            return False
        product = blas.plan_product(
            x.shape, contiguous(x), y.shape, contiguous(y), x.dtype,
            eqn.params["dimension_numbers"])
        if product is None or not blas.native_gemm(x.dtype):
            return False
        self.plan.steps.append(ProductStep([x, y, self.buffer(out)], product))
        return True

    def add_scan(self, eqn: Eqn) -> bool:
        p = eqn.params
        n_consts, n_carry, times = p["num_consts"], p["num_carry"], p["length"]
        body = self.inner(p["jaxpr"])
        given = [self.constant(None, a.value, a.aval) if isinstance(a, Literal)
                 else self.operand_buffer(a) for a in eqn.invars]
        outs = [self.buffer(v) for v in eqn.outvars]
        if times == 0:
            return False
        moves: list = [(("operand", k), given[k], 0, 0, None) for k in range(n_consts)]
        touched = []
        for k in range(n_carry):
            first, second = (self.temporary(outs[k].shape, outs[k].dtype) for _ in range(2))
            self.plan.steps.append(CopyStep([first, given[n_consts + k]]))
            moves.append((("operand", n_consts + k), first, 0, 0, second))
            moves.append((("result", k), second, 0, 0, first))
            touched += [first, second]
        n = n_consts + n_carry
        stacked = [(("operand", k), given[k]) for k in range(n, len(given))]
        stacked += [(("result", k), outs[k]) for k in range(n_carry, len(outs))]
        for key, buffer in stacked:
            one = buffer.size // times
            start, step = ((times - 1) * one, -one) if p["reverse"] else (0, one)
            moves.append((key, buffer, start, step, None))
        arena = self.temporary((max(body.arena_size, 1),), np.uint8)
        self.plan.steps.append(LoopStep([*given, *outs, *touched, arena], body, times, moves,
                                        arena))
        for k in range(n_carry):
            self.plan.steps.append(CopyStep([outs[k], touched[2 * k + times % 2]]))
        return True

    def add_while(self, eqn: Eqn) -> bool:
        p = eqn.params
        n_test, n_body = p["cond_nconsts"], p["body_nconsts"]
        test, body = self.inner(p["cond_jaxpr"]), self.inner(p["body_jaxpr"])
        given = [self.constant(None, a.value, a.aval) if isinstance(a, Literal)
                 else self.operand_buffer(a) for a in eqn.invars]
        outs = [self.buffer(v) for v in eqn.outvars]
        for out, init in zip(outs, given[n_test + n_body:]):
            self.plan.steps.append(CopyStep([out, init]))
        new = [self.temporary(o.shape, o.dtype) for o in outs]
        flag = self.temporary((), np.bool_)
        test_moves = [(("operand", k), b, 0, 0, None)
                      for k, b in enumerate(given[:n_test] + outs)]
        test_moves.append((("result", 0), flag, 0, 0, None))
        moves = [(("operand", k), b, 0, 0, None)
                 for k, b in enumerate(given[n_test:n_test + n_body] + outs)]
        moves += [(("result", k), b, 0, 0, None) for k, b in enumerate(new)]
        body.steps += [CopyStep([Outer(o), r]) for o, r in zip(outs, body.results)]
        arenas = [self.temporary((max(plan.arena_size, 1),), np.uint8) for plan in (test, body)]
        self.plan.steps.append(WhileStep([*given, *outs, *new, flag, *arenas], test, body,
                                         test_moves, moves, flag, arenas))
        return True

    def add_cond(self, eqn: Eqn) -> bool:
        index, *operands = eqn.invars
        if isinstance(index, Literal) or index.aval.dtype != np.int32 or index.aval.shape:
            return False
        branches = [self.inner(b) for b in eqn.params["branches"]]
        given = [self.constant(None, a.value, a.aval) if isinstance(a, Literal)
                 else self.operand_buffer(a) for a in operands]
        outs = [self.buffer(v) for v in eqn.outvars]
        moves = [(("operand", k), b, 0, 0, None) for k, b in enumerate(given)]
        moves += [(("result", k), b, 0, 0, None) for k, b in enumerate(outs)]
        arenas = [self.temporary((max(b.arena_size, 1),), np.uint8) for b in branches]
        self.plan.steps.append(BranchStep([self.operand_buffer(index), *given, *outs, *arenas],
                                          branches, moves, arenas))
        return True


    def add_running(self, eqn: Eqn) -> bool:
        kernel = running_kernel(eqn)
        if kernel is None or isinstance(eqn.invars[0], Literal):
            return False
        buffers = [self.operand_buffer(eqn.invars[0]), self.buffer(eqn.outvars[0])]
        self.plan.steps.append(KernelStep(buffers, kernel))
        return True

    def add_scatter(self, eqn: Eqn) -> bool:
        kernel = scatter_kernel(eqn)
        if kernel is None:
            return False
        x, *given = [self.constant(None, a.value, a.aval) if isinstance(a, Literal)
                     else self.operand_buffer(a) for a in eqn.invars]
        out = self.buffer(eqn.outvars[0])
        self.plan.steps += [CopyStep([out, x]), KernelStep([out, *given], kernel)]
        return True

    SPECIAL = {"dot_general": add_dot_general, "concatenate": add_concatenate, "scan": add_scan,
               "while": add_while, "cond": add_cond, **dict.fromkeys(COMBINE, add_scatter),
               **dict.fromkeys(RUNNING, add_running)}


def contiguous(x) -> tuple[int, ...]:
    """Strides in bytes of a C-contiguous array."""
    return tuple(math.prod(x.shape[k + 1:]) * x.dtype.itemsize for k in range(len(x.shape)))


def make_plan(program: Jaxpr, into: dict[int, int] | None = None) -> Plan:
    """into: results that replace operands (result -> operand): cells, and donated arguments."""
    return Planner(program, into or {}).plan
