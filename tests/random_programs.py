"""Random programs and towers of transforms from a seed, and simpler ones where one fails.

Plain random numbers rather than hypothesis, which prefers small examples and repeats itself: of
its towers half were one transform over one step. Programs are smooth nearly everywhere, bounded,
and short, so that a mismatch means a bug: each value carries a bound on its size, and a step that
would exceed LARGEST is not taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np

from tests.compositions import CONTROL, TRANSFORMS, Program, Step, Transform

LARGEST = 3.0
SIZES = (2, 3)


@dataclass(frozen=True)
class Value:
    shape: tuple[int, ...]
    bound: float
    generic: bool  # no two elements are equal by construction, so that sorting has no ties


PREDICATE = Value((), 0, False)  # stands for a boolean value, which no other step may use

UNARY: dict[str, tuple[dict, Callable[[float], float]]] = {
    "sin": ({}, lambda b: min(b, 1)), "cos": ({}, lambda b: 1), "tanh": ({}, lambda b: min(b, 1)),
    "logistic": ({}, lambda b: 1), "erf": ({}, lambda b: 1), "atan": ({}, lambda b: b),
    "asinh": ({}, lambda b: b), "neg": ({}, lambda b: b), "exp": ({}, math.exp),
    "expm1": ({}, math.exp), "exp2": ({}, lambda b: 2 ** b), "cosh": ({}, math.cosh),
    "integer_pow": ({"y": 2}, lambda b: b ** 2), "square": ({}, lambda b: b ** 2),
    "copy": ({}, lambda b: b),
}


class Draft:
    """A program being drawn."""

    def __init__(self, random: Random, shapes: Sequence[tuple], control: Sequence[str]):
        self.random, self.shapes, self.kinds = random, tuple(shapes), tuple(control)
        self.values = [Value(s, 1.0, True) for s in shapes]
        self.steps: list[Step] = []

    def choose(self, options: Sequence) -> Any:
        return self.random.choice(options)

    def value(self, accepts: Callable[[Value], bool] = lambda v: True) -> int | None:
        """The index of a value; half of the time the newest, so that programs grow deep."""
        fitting = [i for i, v in enumerate(self.values) if v is not PREDICATE and accepts(v)]
        if not fitting:
            return None
        return fitting[-1] if self.choose([False, True]) else self.choose(fitting)

    def any(self) -> tuple[int, Value]:
        i = self.value()
        return i, self.values[i]

    def add(self, op: str, operands, shape, bound: float, generic=True, params=None,
            output=None) -> bool:
        if bound > LARGEST:
            return False
        used = [self.values[a] for a in operands
                if type(a) is int and self.values[a] is not PREDICATE]
        self.steps.append(Step(op, tuple(operands), params or {}, output))
        self.values.append(Value(tuple(shape), bound, generic and all(v.generic for v in used)))
        return True

    def program(self) -> Program:
        last = len(self.values) - 1
        more = [self.value()] if self.choose([False, True]) else []
        return Program(self.shapes, tuple(self.steps), (last, *more))

    # Each move draws one or a few steps; one that finds nothing to work on does nothing.

    def unary(self) -> None:
        i, v = self.any()
        op = self.choose([o for o, (_, bound) in UNARY.items()
                          if bound(v.bound) <= LARGEST])
        params, bound = UNARY[op]
        self.add(op, [i], v.shape, bound(v.bound), params=params)

    def binary(self) -> None:
        i, v = self.any()
        j = self.value(lambda w: w.shape == v.shape or not w.shape)
        w = self.values[j]
        op = self.choose(["mul", "add", "sub"])
        bound = v.bound * w.bound if op == "mul" else v.bound + w.bound
        self.add(op, self.choose([(i, j), (j, i)]), v.shape, bound)

    def divide(self) -> None:
        """x / (2 + sin(y))"""
        i, v = self.any()
        if self.add("sin", [i], v.shape, 1) and self.add("add", [-1 + len(self.values), 2.0],
                                                         v.shape, 3):
            j = self.value(lambda w: w.shape == v.shape)
            self.add("div", [j, len(self.values) - 1], v.shape, self.values[j].bound)

    def root(self) -> None:
        """log(1 + x * x), or its square root, or one over that"""
        i, v = self.any()
        if self.add("mul", [i, i], v.shape, v.bound ** 2) and self.add(
                "add", [len(self.values) - 1, 1.0], v.shape, min(v.bound ** 2 + 1, LARGEST)):
            self.add(self.choose(["log", "sqrt", "rsqrt"]), [len(self.values) - 1], v.shape,
                     math.sqrt(v.bound ** 2 + 1))

    def dot(self) -> None:
        i = self.value(lambda v: len(v.shape) >= 1)
        if i is None:
            return
        v = self.values[i]
        a = self.choose(range(len(v.shape)))
        j = self.value(lambda w: v.shape[a] in w.shape)
        w = self.values[j]
        b = self.choose([k for k, n in enumerate(w.shape) if n == v.shape[a]])
        pairs = [(k, m) for k, n in enumerate(v.shape) for m, o in enumerate(w.shape)
                 if n == o and k != a and m != b]
        batch = self.choose([((), ())] + [((k,), (m,)) for k, m in pairs])
        free = [n for k, n in enumerate(v.shape) if k != a and k not in batch[0]] + \
            [n for m, n in enumerate(w.shape) if m != b and m not in batch[1]]
        shape = [v.shape[k] for k in batch[0]] + free
        if len(shape) <= 3:
            self.add("dot_general", [i, j], shape, v.bound * w.bound * v.shape[a], params={
                "dimension_numbers": (((a,), (b,)), batch)})

    def select(self) -> None:
        i, v = self.any()
        j = self.value(lambda w: w.shape == v.shape)
        bound = max(v.bound, self.values[j].bound)
        if self.choose([False, True]):  # chosen by the data
            self.add("gt", [i, 0.123], v.shape, 0)
            self.values[-1] = PREDICATE
            self.add("select_n", [len(self.values) - 1, j, i], v.shape, bound, generic=False)
        else:
            mask = np.arange(math.prod(v.shape)).reshape(v.shape) % 2 == 0
            self.add("select_n", [mask, i, j], v.shape, bound, generic=False)

    def move_axes(self) -> None:
        i = self.value(lambda v: len(v.shape) >= 1)
        if i is None:
            return
        v = self.values[i]
        axis = self.choose(range(len(v.shape)))
        op = self.choose(["transpose", "rev", "reshape", "cumsum", "sort"])
        if op == "transpose":
            order = self.random.sample(range(len(v.shape)), len(v.shape))
            self.add(op, [i], [v.shape[k] for k in order], v.bound,
                     params={"permutation": tuple(order)})
        elif op == "rev":
            self.add(op, [i], v.shape, v.bound, params={"dimensions": (axis,)})
        elif op == "reshape":
            shape = self.choose([(math.prod(v.shape),), (1, *v.shape), v.shape[::-1]])
            if len(shape) <= 3:
                self.add(op, [i], shape, v.bound, params={"new_sizes": shape})
        elif op == "cumsum":
            self.add(op, [i], v.shape, v.bound * v.shape[axis], params={
                "axis": axis, "reverse": self.choose([False, True])})
        elif v.generic:
            self.add(op, [i], v.shape, v.bound, output=0, params={
                "dimension": axis, "is_stable": True, "num_keys": 1})

    def resize(self) -> None:
        i, v = self.any()
        ops = ["broadcast_in_dim"] if len(v.shape) < 3 else []
        if v.shape:
            ops += ["reduce_sum", "slice", "concatenate", "pad", "reduce_max", "dynamic_slice"]
        op, axis = self.choose(ops), self.choose(range(max(len(v.shape), 1)))
        n = v.shape[axis] if v.shape else 0

        def resized(size):
            return (*v.shape[:axis], size, *v.shape[axis + 1:])

        if op == "broadcast_in_dim":
            shape = (self.choose(SIZES), *v.shape)
            self.add(op, [i], shape, v.bound, generic=False, params={
                "shape": shape, "broadcast_dimensions": tuple(range(1, len(shape)))})
        elif op in ("reduce_sum", "reduce_max"):
            if op == "reduce_sum" or v.generic:
                shape = v.shape[:axis] + v.shape[axis + 1:]
                self.add(op, [i], shape, v.bound * n, params={"axes": (axis,)})
        elif op == "slice":
            starts = tuple(int(k == axis and n > 1) for k in range(len(v.shape)))
            self.add(op, [i], resized(n - starts[axis]), v.bound, params={
                "start_indices": starts, "limit_indices": v.shape, "strides": None})
        elif op == "dynamic_slice":
            starts = [np.int32(k == axis and n > 1) for k in range(len(v.shape))]
            self.add(op, [i, *starts], resized(max(n - 1, 1)), v.bound, params={
                "slice_sizes": resized(max(n - 1, 1))})
        elif op == "concatenate":
            j = self.value(lambda w: w.shape == v.shape)
            if n <= 3:
                self.add(op, [i, j], resized(2 * n), max(v.bound, self.values[j].bound),
                         generic=False, params={"dimension": axis})
        elif n <= 3:
            config = tuple((1, 0, 0) if k == axis else (0, 0, 0) for k in range(len(v.shape)))
            self.add(op, [i, 0.5], resized(n + 1), max(v.bound, 0.5), generic=False,
                     params={"padding_config": config})

    def control(self) -> None:
        kind = self.choose(self.kinds)
        if kind == "scan":
            i = self.value(lambda v: len(v.shape) >= 1)
            if i is None:
                return
            xs = self.values[i]
            init = self.value(lambda v: v.shape == xs.shape[1:])
            start = np.full(xs.shape[1:], 0.25) if init is None else init
            stacked = self.choose([False, True])
            self.add("scan", [start, start, i], xs.shape if stacked else xs.shape[1:], 1,
                     generic=False,
                     params={"reverse": self.choose([False, True]), "stacked": stacked})
        else:
            i = self.value()
            v = self.values[i]
            j = self.value(lambda w: w.shape == v.shape)
            bound = max(v.bound + 1, self.values[j].bound)
            params = {"cond": {"threshold": 0.0321}, "fori": {"count": self.choose([0, 1, 3])},
                      "switch": {"index": self.choose([0, 1, 2])}}
            bound = {"fori": v.bound + self.values[j].bound,
                     "switch": max(v.bound * self.values[j].bound, v.bound + 1),
                     "while": LARGEST if self.values[j].bound <= 1 else math.inf}.get(kind, bound)
            self.add(kind, [i, j], v.shape, bound, params=params.get(kind))


MOVES = (Draft.unary, Draft.binary, Draft.unary, Draft.binary, Draft.dot, Draft.divide, Draft.root,
         Draft.select, Draft.move_axes, Draft.resize, Draft.control)

SHAPES = ((), (3,), (2,), (2, 3), (3, 2), (3, 3))


def random_shapes(random: Random) -> list[tuple]:
    """The shapes of up to three inputs."""
    return random.choices(SHAPES, k=random.randint(1, 3))


def random_program(random: Random, shapes: Sequence[tuple],
                   control: Sequence[str] = tuple(CONTROL)) -> Program:
    """A program of some two to a dozen steps."""
    draft = Draft(random, shapes, control)
    for _ in range(random.randint(2, 8)):
        random.choice(MOVES)(draft)
    return draft.program()


def random_tower(random: Random, shapes: Sequence[tuple], largest: int = 4,
                 kinds: Sequence[str] = tuple(TRANSFORMS)) -> list[Transform]:
    """Up to `largest` transforms; each vmap adds an axis to some of the arguments."""
    result, current = [], list(shapes)
    for kind in random.choices(kinds, k=random.randint(1, largest)):
        transform = Transform(kind)
        if kind == "vmap":
            axes = [random.choice([0, len(s), None]) for s in current]
            if all(a is None for a in axes):
                axes[0] = 0
            transform = Transform(kind, tuple(axes), random.choice(SIZES))
        current = transform.batch(current)
        result.append(transform)
    return result


# ------------------------------------------------------------------ simpler ones

Case = tuple[Program, list[Transform]]


def simplest(program: Program, transforms: list[Transform],
             fails: Callable[[Program, list[Transform]], bool]) -> Case:
    """Greedily simpler, as long as it still fails."""
    for candidate in simpler(program, transforms):
        if fails(*candidate):
            return simplest(*candidate, fails)
    return program, transforms


def simpler(program: Program, transforms: list[Transform]) -> Iterator[Case]:
    """One transform less, an earlier result for output, or an input in place of a step."""
    for k in range(len(transforms)):
        if len(transforms) > 1:
            yield program, transforms[:k] + transforms[k + 1:]
    count = len(program.shapes)
    for output in range(count, count + len(program.steps)):
        if (output,) != program.outputs:
            yield without_dead_steps(replace(program, outputs=(output,))), transforms
    for k, step in enumerate(program.steps):
        for operand in step.operands:
            if type(operand) is int:
                yield without_step(program, count + k, operand), transforms


def without_step(program: Program, index: int, other: int) -> Program:
    """Value `other` in place of value `index`."""
    def swap(a):
        return other if type(a) is int and a == index else a

    steps = [replace(s, operands=tuple(map(swap, s.operands))) for s in program.steps]
    return without_dead_steps(Program(program.shapes, tuple(steps),
                                      tuple(map(swap, program.outputs))))


def without_dead_steps(program: Program) -> Program:
    count = len(program.shapes)
    needed = set(program.outputs) | set(range(count))
    for k in reversed(range(len(program.steps))):
        if count + k in needed:
            needed.update(a for a in program.steps[k].operands if type(a) is int)
    number = {old: new for new, old in enumerate(sorted(needed))}
    steps = [replace(s, operands=tuple(number[a] if type(a) is int else a for a in s.operands))
             for k, s in enumerate(program.steps) if count + k in needed]
    return Program(program.shapes, tuple(steps), tuple(number[o] for o in program.outputs))
