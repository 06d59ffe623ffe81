"""`op`: how a face's function runs at once when nothing is traced.

A decorated function is written over primitives. Its first call on given specs derives an entry
(forward and backward source, see `derive.py`); later calls find it by one look-up on
`(mode, specs, static arguments)`. Modes of traced levels are never in that table, so the look-up
is also the check for transforms: inside one, the function is simply called and stages primitives.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import core
from minigrad.derive import as_operation
from minigrad.devices import common_place
from minigrad.eager import record
from minigrad.core import (
    EVAL, ONCE, PYTHON_SCALARS, Spec, Tensor, box, caches_to_clear, get_mode, inlining, make_box,
    make_spec, python_spec, using,
)
from minigrad.tree import tree_map

scalar_specs: dict[type, dict[type, Spec]] = {}  # class -> Python type -> spec


def specs_of_scalars(cls: type) -> dict[type, Spec]:
    """Specs of Python scalars as operands of a face: weak, of the face's default dtypes."""
    specs = scalar_specs.setdefault(cls, {})
    if not specs:
        specs.update((kind, python_spec(cls.scalar_dtype(kind))) for kind in PYTHON_SCALARS)
    return specs


@caches_to_clear.append
def refresh_scalar_specs() -> None:
    for cls, specs in scalar_specs.items():
        specs.clear()
        specs_of_scalars(cls)


class Op:
    """The table of one decorated function: (mode, specs, statics) -> what to run."""

    def __init__(self, fn: Callable, cls: type, name: str, tensors: Sequence[str], view: bool):
        self.fn, self.cls, self.name, self.view = fn, cls, name, view
        self.cache: dict = {}
        parameters = inspect.signature(fn).parameters
        self.tensors = tuple(tensors) or tuple(
            p.name for p in parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty)
        self.statics = tuple(n for n in parameters if n not in self.tensors)
        self.keyword_only = tuple(p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY)
        caches_to_clear.append(self.cache.clear)

    def call(self, tensors: Sequence, statics: Sequence):
        named = dict(zip(self.tensors, tensors)) | dict(zip(self.statics, statics))
        return self.fn(**named)

    def slow(self, tensors: tuple, statics: tuple):
        """First call on these specs, a Python scalar or array among the operands, or a traced
        level."""
        mode = get_mode()
        statics = tuple(hashable(s) for s in statics)
        if mode.trace is not EVAL:
            return self.inline(mode, tensors, statics)
        scalars = specs_of_scalars(self.cls)
        operands = [a if isinstance(a, Tensor) or a is None or type(a) in scalars
                    else box(a, self.cls) for a in tensors]
        specs = [None if a is None else scalars[type(a)] if type(a) in scalars else a.spec
                 for a in operands]
        key = (mode, *specs, *statics)
        try:
            run = self.cache.get(key)
        except TypeError:  # a static argument that cannot be hashed: nothing is kept
            return self.make_run(mode, operands, specs, statics)(*operands)
        if run is None:
            boxes = [a for a in operands if isinstance(a, Tensor)]
            if not self.view and record.is_rare((self, key), mode, boxes):
                return self.run_once(mode, operands, specs, statics)
            run = self.make_run(mode, operands, specs, statics)
            record.remember(self.cache, key, run)
        return run(*operands)

    def make_run(self, mode, operands, specs, statics) -> Callable:
        present = [i for i, s in enumerate(specs) if s is not None]

        def function(statics):
            def fn(*given):
                full: list = [None] * len(specs)
                for i, a in zip(present, given):
                    full[i] = a
                return self.call(full, statics)

            return fn

        boxes = [a for a in operands if isinstance(a, Tensor)]
        replay = functools.partial(self.replay, statics) if self.view else None
        token = inlining.set(True)  # a composite becomes one operation: no calls inside
        try:
            run = record.make_run(mode, function(statics), self.name, [specs[i] for i in present],
                                  self.cls, boxes, view=replay,
                                  sized=((self, *present), statics, function))
        finally:
            inlining.reset(token)
        if len(present) == len(specs):
            return run
        return lambda *args: run(*[a for a in args if a is not None])

    def run_once(self, mode, operands, specs, statics):
        """Without deriving anything: the primitives run one after the other."""
        boxes = [make_box(self.cls, np.asarray(a, s.dtype)[()], make_spec(s.aval))
                 if s is not None and s.concrete == "python" else a
                 for a, s in zip(operands, specs)]
        token = inlining.set(True)
        try:
            with using(ONCE):
                out = self.call(boxes, statics)
        finally:
            inlining.reset(token)
        values = [a.value for a in boxes if isinstance(a, Tensor)]
        place = common_place(specs)

        def finished(o):
            if not isinstance(o, Tensor):
                o = box(o, self.cls)
            held = o.value if place is True else place.world.asarray(o.value)
            value = record.owned(held, values, self.cls)
            return make_box(self.cls, value,
                            make_spec(o.spec.aval, False, record.in_mode(mode, place)))

        return tree_map(finished, out) if isinstance(out, (tuple, list, dict)) else finished(out)

    def replay(self, statics, base: Tensor) -> Tensor:
        """The view again, of another base of the same shape."""
        return self.wrapper(base, **dict(zip(self.statics, statics)))

    def operand(self, x):
        """NumPy's arrays enter by the face, which may narrow their dtype; scalars stay weak."""
        return box(x, self.cls) if isinstance(x, (np.ndarray, np.generic)) else x

    def of_face(self, out):
        """A result in the class of the face."""
        if isinstance(out, Tensor) and type(out) is not self.cls:
            return make_box(self.cls, out.value, out.spec, out.node)
        return out

    def inline(self, mode, tensors, statics):
        operands = [core.get_mode().trace.lift(a) if isinstance(a, Tensor) else a for a in tensors]
        out = self.call([self.operand(a) for a in operands], statics)
        if isinstance(out, (tuple, list, dict)):
            return tree_map(self.of_face, out)
        out = self.of_face(out)
        if isinstance(out, Tensor):
            if self.view:
                from minigrad.imperative.views import register_view

                register_view(out, operands[0], functools.partial(self.replay, statics))
        return out


def hashable(x) -> Any:
    return tuple(map(hashable, x)) if isinstance(x, list) else x


def op(fn: Callable | None = None, *, cls: type = Tensor, name: str | None = None,
       tensors: Sequence[str] = (), scalars: Sequence[str] = (), view: bool = False) -> Callable:
    """Make a function over primitives run from its table when called at level zero.

    tensors: names of the parameters that are arrays (default: those without a default value).
    scalars: those of them for which a Python scalar is usual, looked up without an exception.
    view: the result shares storage with the first operand.
    """
    if fn is None:
        return functools.partial(op, cls=cls, name=name, tensors=tensors, scalars=scalars,
                                 view=view)
    table = Op(fn, cls, name or fn.__name__, tensors, view)
    table.wrapper = functools.wraps(fn)(write_wrapper(table, scalars))
    table.wrapper.op = table
    return table.wrapper


def backward_operation(entry, function: Callable) -> Callable:
    """A derived backward of several steps as one operation: differentiated again, it leaves one
    node where its steps would leave one each."""
    steps = [e for e in entry.backward_program.eqns if not e.primitive.view]
    if len(entry.wanted) != 1 or len(entry.out_specs) != 1 or len(steps) < 2:
        return function
    count = len(entry.input_places if entry.recompute else entry.saved)
    saved = [f"s{i}, " for i in range(count)]  # of a linear operation none
    namespace = {"function": function}
    exec(f"def backward(g, {''.join(saved)}):\n    return function(g, ({''.join(saved)}))",
         namespace)
    run = op(namespace["backward"], cls=entry.cls, name=f"{entry.name}_backward")
    return lambda g, values: run(g, *(values or ()))


as_operation.append(backward_operation)


def write_wrapper(table: Op, scalars: Sequence[str]) -> Callable:
    """The look-up as source, with the function's own parameter names and defaults."""
    parameters, defaults = [], {}
    for p in inspect.signature(table.fn).parameters.values():
        if p.kind is p.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        if p.default is not p.empty:
            defaults[f"default_{p.name}"] = p.default
            parameters.append(f"{p.name}=default_{p.name}")
        else:
            parameters.append(p.name)
    optional = {n for n in table.tensors if f"default_{n}" in defaults}

    def spec(n: str) -> str:
        if n in optional:
            return f"None if {n} is None else {n}.spec"
        return f"SPECS[{n}.__class__] if {n}.__class__ in SPECS else {n}.spec" \
            if n in scalars else f"{n}.spec"

    key = ", ".join(["mode()", *(f"({spec(n)})" if " " in spec(n) else spec(n)
                                 for n in table.tensors), *table.statics])
    tensors, statics = (
        f"({', '.join(ns)}{',' * (len(ns) == 1)})" for ns in (table.tensors, table.statics))
    text = (f"def wrapper({', '.join(parameters)}):\n"
            f"    try:\n        run = cache[{key},]\n"
            f"    except (KeyError, AttributeError, TypeError):\n"
            f"        return slow({tensors}, {statics})\n"
            f"    return run({', '.join(table.tensors)})\n")
    namespace = {"cache": table.cache, "slow": table.slow, "mode": get_mode,
                 "SPECS": specs_of_scalars(table.cls), **defaults}
    exec(compile(text, f"<minigrad op {table.name}>", "exec"), namespace)
    return namespace["wrapper"]
