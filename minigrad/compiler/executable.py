"""A plan made ready to run: kernels compiled, memory taken, tables filled."""

from __future__ import annotations

import ctypes
import struct
import sys
import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from kernels import blas, driver, memory, native, pool
from minigrad import debug, errors
from minigrad.compiler import Overlap
from minigrad.compiler.steps import (
    ALIGNMENT, BranchStep, Buffer, CopyStep, KernelStep, LoopStep, NumpyStep, Outer, Plan,
    ProductStep, Step, View, WhileStep,
)
from minigrad.core import Tracer
from minigrad.eager.runner import IGNORE, LOUD, QUIET
from minigrad.program import Var
from minigrad.programs.source import kernel_params

RECYCLED = 2  # results that nobody holds any more are kept for later calls, so many of each kind


class Executable:
    """A compiled program. Calling it runs it on arrays and returns arrays.

    Results are written into fresh memory, or into that of results of earlier calls that nobody
    holds any more; those in `plan.written` replace operands. Several threads may call it at once:
    each gets an instance (an arena and tables) of its own.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.kernels, self.source = compile_plan(plan)
        self.idle: list[Instance] = []

    def __call__(self, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            instance = self.idle.pop()
        except IndexError:
            instance = Instance(self.plan, self.kernels, arena_of(self.plan.arena_size))
        lock = instance.arena.lock
        if not lock.acquire(False):  # another program, in another thread or around this one
            self.idle.append(instance)
            instance = Instance(self.plan, self.kernels, Arena(self.plan.arena_size))
            lock = instance.arena.lock
            lock.acquire()
        try:
            return instance.run(operands)
        finally:
            lock.release()
            if len(self.idle) < 2:
                self.idle.append(instance)


# ------------------------------------------------------------------ compiling


def compile_plan(plan: Plan) -> tuple[dict[str, native.Kernel], str]:
    """Compiled kernels by the text of their functions, and all source. Equal texts (an optimizer's
    updates of equal parameters) are compiled once."""
    names: dict[str, str] = {}
    texts, signatures = [], {}
    for step in plan.every_step():
        if not isinstance(step, KernelStep):
            continue
        kernel = step.kernel
        key = kernel_key(kernel)
        if key in names:
            continue
        name = kernel.name
        if name in signatures:
            name = f"{name}_{len(signatures)}"
        names[key] = name
        kernel.name, text = name, ""
        text = kernel.text()
        texts.append(text)
        signatures[name] = kernel.signature()
    source = "\n\n".join(texts)
    if not signatures:
        return {}, source
    debug.show(4, source)
    made = native.compile_kernels(source, signatures)
    return {key: made[name] for key, name in names.items()}, source


def kernel_key(kernel) -> str:
    return repr((kernel.lines, kernel.types))


# ------------------------------------------------------------------ memory


class Arena:
    """Memory for the intermediate values of one program at a time."""

    def __init__(self, size: int):
        self.memory = np.empty(size + ALIGNMENT, np.uint8)
        self.base = -(-self.memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        self.lock = threading.Lock()


arenas: WeakValueDictionary[int, Arena] = WeakValueDictionary()  # by the logarithm of their size


def arena_of(size: int) -> Arena:
    """An arena that all programs of about that size share: they run one after another."""
    key = max(size, 1 << 12).bit_length()
    arena = arenas.get(key)
    if arena is None:
        arena = arenas[key] = Arena(1 << key)
    return arena


# ------------------------------------------------------------------ one instance


class Instance:
    """An arena and the tables of all steps, for one call at a time."""

    def __init__(self, plan: Plan, kernels: dict[str, native.Kernel], arena: Arena):
        self.plan, self.kernels, self.arena = plan, kernels, arena
        self.machine = driver.machine()
        self.kept: list = []  # what the addresses in tables belong to
        self.error: BaseException | None = None
        self.code = self.words(driver.WORDS)
        self.count = len(plan.operands)
        fresh = [k for k in range(len(plan.results)) if k not in plan.written]
        self.fresh = fresh
        total = self.count + len(fresh)
        self.ids, self.values = self.words(total), self.words(total)
        where = {("operand", k): k for k in range(self.count)}
        where |= {("result", k): self.count + i for i, k in enumerate(fresh)}
        sources = {key: self.values.ctypes.data + 8 * i for key, i in where.items()}
        room = Room(self, plan, arena.base, sources)
        steps = room.steps(plan.steps)
        self.rows = self.kept[-1][:5 * steps[0]]
        patches = [(slot, where[key]) for key, slots in room.slots.items() for slot in slots]
        table = self.words(max(2 * len(patches), 1))
        table[:2 * len(patches)] = [x for p in patches for x in p]
        written = sorted(set(plan.written.values()))
        which, sizes = self.words(len(written) + 1), self.words(total + 1)
        which[:len(written)] = written
        sizes[:self.count] = [b.size if ("operand", k) in room.slots else 0
                              for k, b in enumerate(plan.operands)]
        self.pool: Any = None
        self.code[:14] = (total, self.ids.ctypes.data, self.values.ctypes.data, len(patches),
                          table.ctypes.data, *steps, 0, 0, id(np.ndarray), 0,
                          len(written), which.ctypes.data, sizes.ctypes.data)
        self.address = self.code.ctypes.data
        self.pack = struct.Struct(f"{total}q").pack_into
        self.execute = self.by_headers if driver.headers_are_known() else self.by_addresses
        self.pools: list[list[np.ndarray]] = [[] for _ in fresh]
        self.shapes = [(plan.results[k].shape, plan.results[k].dtype) for k in fresh]
        self.results = [None] * len(plan.results)

    def words(self, count: int) -> np.ndarray:
        made = np.zeros(count, np.int64)
        self.kept.append(made)
        return made

    def run(self, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        fresh = [self.take(kept, shape) for kept, shape in zip(self.pools, self.shapes)]
        if pool._pool is not self.pool or self.pool is None:
            self.code[7:9] = driver.pool_words()
            self.pool = pool._pool
        answer = self.execute(operands, fresh)
        while answer:
            operands = self.amend(operands, answer)
            answer = self.execute(operands, fresh)
        if self.error is not None:
            self.code[10] = 0
            error, self.error = self.error, None
            raise error
        if not self.plan.written:
            return fresh
        given = iter(fresh)
        return [operands[self.plan.written[k]] if k in self.plan.written else next(given)
                for k in range(len(self.results))]

    def by_headers(self, operands: Sequence, fresh: Sequence) -> int:
        """Run all steps. Answers 0, or the number from 1 of an operand that is no contiguous array,
        or -1 if one that is to be written overlaps another: then nothing has been done."""
        self.pack(self.ids, 0, *map(id, operands), *map(id, fresh))
        return self.machine.run(self.address)

    def by_addresses(self, operands: Sequence, fresh: Sequence) -> int:
        """The same where the headers of arrays cannot be read in machine code."""
        for k, array in enumerate([*operands, *fresh]):
            if type(array) is not np.ndarray or not array.flags.c_contiguous:
                return k + 1
            self.values[k] = array.ctypes.data
        return self.machine.run_prepared(self.address)

    def take(self, kept: list, shape: tuple) -> np.ndarray:
        """An array for a result: one of an earlier call that nobody holds, or a new one."""
        for array in kept:
            if sys.getrefcount(array) == 3:  # the list, the loop's variable, the question
                return array
        array = memory.empty(*shape)
        if len(kept) < RECYCLED and array.nbytes <= memory.LARGEST_KEPT:
            kept.append(array)
        return array

    def amend(self, operands: Sequence, answer: int) -> list:
        """Operands that are no contiguous arrays are copied."""
        if answer < 0:
            raise Overlap("an operand that is to be written shares memory with another")
        operands = list(operands)
        for k, (x, b) in enumerate(zip(operands, self.plan.operands)):
            if type(x) is np.ndarray and x.flags.carray:
                continue
            if k in self.plan.written.values():
                raise Overlap("an operand that is to be written is not contiguous")
            if isinstance(x, Tracer):
                raise errors.leaked_tracer_error(x)
            if type(x) is not np.ndarray or not (x.flags.c_contiguous and x.flags.aligned):
                operands[k] = np.array(x, b.dtype, order="C").reshape(b.shape)
        return operands

    def call(self, step: NumpyStep) -> int:
        """The address of a function that runs an equation's NumPy kernel on a table's addresses."""
        eqn, buffers = step.eqn, step.buffers
        impl = eqn.primitive.impl
        params = kernel_params(eqn.primitive, eqn.params)
        count = len(eqn.invars)
        shapes = [(tuple(v.aval.shape), v.aval.dtype) for v in (*eqn.invars, *eqn.outvars)]
        literals = [None if type(a) is Var else np.asarray(a.value, a.aval.dtype)
                    for a in eqn.invars]
        several = eqn.primitive.multiple_results
        into = getattr(impl, "into", False)  # it writes its result where it is told to
        places = {}
        for k in range(len(buffers)):
            if k >= count or literals[k] is None:
                places[k] = len(places)
        size = len(places)

        def kernel(table, start, stop):
            token = QUIET(IGNORE)
            try:
                words = (ctypes.c_int64 * size).from_address(table)
                given = [array_at(words[places[k]], *shapes[k]) if literals[k] is None
                         else literals[k] for k in range(count)]
                if into:
                    impl(*given, out=array_at(words[places[count]], *shapes[count]), **params)
                    return
                outs = impl(*given, **params)
                for k, out in enumerate(outs if several else [outs]):
                    np.copyto(array_at(words[places[count + k]], *shapes[count + k]), out,
                              casting="unsafe")
            except BaseException as error:
                self.error = error
                self.code[10] = 1
            finally:
                LOUD(token)

        entry = driver.ENTRY(kernel)
        self.kept.append(entry)
        return ctypes.cast(entry, ctypes.c_void_p).value


def array_at(address: int, shape, dtype) -> np.ndarray:
    size = dtype.itemsize
    for n in shape:
        size *= n
    if not size:
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * size).from_address(address)
    return np.ndarray(shape, dtype, memory)


class Room:
    """Tables for the steps of one plan. `slots`: where operands and results, whose addresses
    change, stand in tables; `sources`: a word that holds the present address of each."""

    def __init__(self, instance: Instance, plan: Plan, arena: int, sources: dict,
                 around: Room | None = None):
        self.instance, self.plan, self.arena = instance, plan, arena
        self.sources, self.around = sources, around
        self.slots: dict[tuple, list[int]] = {}
        self.outer: list[tuple[int, int]] = []  # (slot, word of the plan around)
        self.constants: dict[int, np.ndarray] = {}

    def fixed(self, b: Buffer) -> int | None:
        """The address of a buffer that never moves."""
        if b.where == "arena":
            return self.arena + b.number
        if b.where == "constant":
            value = self.constants.setdefault(b.number, b.value)
            self.instance.kept.append(value)
            return value.ctypes.data
        return None

    def word(self, b) -> int:
        """A word that holds the present address of a buffer."""
        b = b.buffer if isinstance(b, View) else b
        address = self.fixed(b)
        if address is None:
            return self.sources[b.where, b.number]
        word = self.instance.words(1)
        word[0] = address
        return word.ctypes.data

    def table(self, buffers: Sequence, more: Sequence[int] = ()) -> int:
        buffers = [b for b in buffers if isinstance(b, (Buffer, View, Outer))]
        words = self.instance.words(max(len(buffers) + len(more), 1))
        words[len(buffers):len(buffers) + len(more)] = more
        for k, b in enumerate(buffers):
            slot = words.ctypes.data + 8 * k
            if isinstance(b, Outer):
                self.outer.append((slot, self.around.word(b.buffer)))
                continue
            b = b.buffer if isinstance(b, View) else b
            address = self.fixed(b)
            if address is None:
                self.slots.setdefault((b.where, b.number), []).append(slot)
            else:
                words[k] = address
        return words.ctypes.data

    def steps(self, steps: Sequence[Step]) -> tuple[int, int]:
        """(how many, address of the first)"""
        rows = [self.row(step) for step in steps]
        words = self.instance.words(5 * len(rows) + 1)
        words[:5 * len(rows)] = [x for row in rows for x in row]
        return len(rows), words.ctypes.data

    def row(self, step: Step) -> tuple[int, int, int, int, int]:
        """(function, table, extent, grain, through the pool?)"""
        machine = self.instance.machine.addresses
        if isinstance(step, KernelStep):
            kernel = self.instance.kernels[kernel_key(step.kernel)]
            return (kernel.address, self.table(step.buffers), step.kernel.extent,
                    step.kernel.grain, 0)
        if isinstance(step, ProductStep):
            p = step.product
            tail = struct.unpack(f"{len(p.tail) // 8}q", p.tail)
            gemm = blas.native_gemm(p.dtype)
            self.instance.kept.append(gemm)
            return (gemm.address, self.table(step.buffers, tail), p.extent, p.grain,
                    1)
        if isinstance(step, CopyStep):
            size = getattr(step.buffers[0], "buffer", step.buffers[0]).size
            return machine["copy_bytes"], self.table(step.buffers, [size]), 1, 1, 0
        if isinstance(step, NumpyStep):
            return self.instance.call(step), self.table(step.buffers), 1, 1, 0
        code = self.instance.code.ctypes.data
        if isinstance(step, LoopStep):
            inner = self.inner(step.body, step.arena)
            rows = inner.steps(step.body.steps)
            moves = self.moves(inner, step.moves)
            return machine["run_loop"], self.table([], [code, step.times, *moves, *rows]), 1, 1, 0
        if isinstance(step, WhileStep):
            test, body = (self.inner(p, a) for p, a in zip((step.test, step.body), step.arenas))
            test_rows, rows = test.steps(step.test.steps), body.steps(step.body.steps)
            moves = self.moves((test, step.test_moves), (body, step.moves))
            slot = self.table([], [code, *test_rows, 0, *moves, *rows])
            words = (ctypes.c_int64 * 8).from_address(slot)
            words[3] = self.fixed(step.flag)
            return machine["run_while"], slot, 1, 1, 0
        if isinstance(step, BranchStep):
            return self.branch(step, code, machine)
        raise TypeError(step)

    def branch(self, step: BranchStep, code: int, machine) -> tuple[int, int, int, int, int]:
        """cond: patches of all branches are moves of a loop that turns once."""
        inners = [self.inner(p, a) for p, a in zip(step.branches, step.arenas)]
        rows = [x for i, p in zip(inners, step.branches) for x in i.steps(p.steps)]
        index = self.table(step.buffers[:1], [len(inners), *rows])
        table = self.table([], [code, 0, 0, *rows])
        del index, table
        words = self.instance.words(3 + len(rows))
        words[0], words[2] = code, len(inners)
        words[3:] = rows
        slot = words.ctypes.data + 8
        b = getattr(step.buffers[0], "buffer", step.buffers[0])
        address = self.fixed(b)
        if address is None:
            self.slots.setdefault((b.where, b.number), []).append(slot)
        else:
            words[1] = address
        moves = self.moves(*[(i, step.moves) for i in inners])
        one = self.instance.words(6)
        one[1:] = machine["run_branch"], words.ctypes.data, 1, 1, 0
        return (machine["run_loop"], self.table([], [code, 1, *moves, 1, one.ctypes.data + 8]), 1,
                1, 0)

    def inner(self, plan: Plan, arena: Buffer) -> Room:
        """The room of a plan inside a step: words for its operands and results, filled by moves."""
        sources = {}
        for key in [("operand", k) for k in range(len(plan.operands))] + [
                ("result", k) for k in range(len(plan.results))]:
            sources[key] = self.instance.words(1).ctypes.data
        return Room(self.instance, plan, self.fixed(arena), sources, self)

    def moves(self, *pairs) -> tuple[int, int]:
        """(how many, address of the first) of the moves of inner rooms."""
        if isinstance(pairs[0], Room):
            pairs = (pairs,)
        rows: list[int] = []
        for inner, moves in pairs:
            for key, buffer, start, step, other in moves:
                source, flip = self.word(buffer), 0
                if other is not None:
                    flip = self.address_xor(buffer, other)
                for slot in [inner.sources[key], *inner.slots.get(key, ())]:
                    rows += [slot, source, start, step, flip]
            for slot, word in inner.outer:
                rows += [slot, word, 0, 0, 0]
        words = self.instance.words(len(rows) + 1)
        words[:len(rows)] = rows
        return len(rows) // 5, words.ctypes.data

    def address_xor(self, a, b) -> int:
        one, two = (self.fixed(getattr(x, "buffer", x)) for x in (a, b))
        if one is None or two is None:
            raise NotImplementedError("carries change places between buffers that do not move")
        return one ^ two
