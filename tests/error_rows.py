"""Calls that must fail: of every primitive, and of the public functions of arrays.

    python -m tests.error_rows           what differs from JAX, by class
    python -m tests.error_rows --write   write the messages to tests/snapshots/errors.txt

Bad calls of a primitive are made from its rows: one dtype, shape or parameter is spoiled at a
time. Bad calls of functions are expressions, made from templates. JAX says which class is right;
what our message says is kept as a snapshot, to be read by whoever changes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from compat.differential import same_class
from compat.differential.generate import base_rows
from compat.differential.oracle import jax_function
from compat.differential.rows import row_examples
from compat.differential.worlds import Text
from minigrad import core
from tests.rows import Row, all_rows

SNAPSHOT = Path(__file__).parent / "snapshots" / "errors.txt"


@dataclass
class BadCall:
    """A call that JAX refuses, on both sides."""

    name: str
    ours: Callable
    theirs: Callable

    def outcomes(self) -> tuple[Exception | None, Exception | None]:
        return caught(self.ours), caught(self.theirs)


def caught(call: Callable) -> Exception | None:
    try:
        with np.errstate(all="ignore"):
            call()
    except Exception as error:
        return error
    return None


# ------------------------------------------------------------------ primitives


def spoiled_operands(args: list[np.ndarray]) -> Iterator[tuple[str, list[np.ndarray]]]:
    for k, a in enumerate(args):
        def with_operand(b, k=k):
            return [*args[:k], b, *args[k + 1:]]

        other = np.dtype(np.int32 if a.dtype.kind in "fc" else np.float32)
        yield f"operand {k} is {other}", with_operand(a.astype(other))
        yield f"operand {k} is complex64", with_operand(a.astype(np.complex64))
        yield f"operand {k} has one more axis", with_operand(a[None])
        if a.ndim:
            yield f"operand {k} has one axis less", with_operand(a[0] if len(a) else a.sum(0))
            longer = np.concatenate([a, a, np.ones_like(a)], 0)
            yield f"operand {k} is longer", with_operand(longer)


def spoiled_parameters(params: dict) -> Iterator[tuple[str, dict]]:
    for key, value in params.items():
        if isinstance(value, tuple) and all(type(v) is int for v in value):
            yield f"{key} has 17", params | {key: (*value[:-1], 17) if value else (17,)}
            yield f"{key} has -1", params | {key: (*value[:-1], -1) if value else (-1,)}
            yield f"{key} is longer", params | {key: (*value, 0)}
            if value:
                yield f"{key} is shorter", params | {key: value[:-1]}
            if len(value) > 1:
                yield f"{key} repeats", params | {key: (value[0],) * len(value)}
        elif type(value) is int:
            yield f"{key}=17", params | {key: 17}
            yield f"{key}=-1", params | {key: -1}


def bad_primitive_calls() -> Iterator[BadCall]:
    for rows in base_rows(all_rows()).values():
        row = next((r for r in rows if r.jax is None), None)
        if row is None or row.values is not None:
            continue
        args = row_examples(row)[0]
        for what, spoiled in spoiled_operands(args):
            yield bad_call(row, what, spoiled, row.params)
        for what, params in spoiled_parameters(row.params):
            yield bad_call(row, what, args, params)


def bad_call(row: Row, what: str, args: list, params: dict) -> BadCall:
    return BadCall(f"{row.name}: {what}",
                   lambda: core.table[row.name](*args, **params),
                   lambda: jax_function(row.name, params)(*args))


# ------------------------------------------------------------------ functions

X, V = "jnp.ones((2, 3))", "jnp.arange(3.)"
REDUCTIONS = ("sum prod max min mean var std all any argmax argmin cumsum cumprod nansum nanmean "
              "ptp median").split()
UNARY = "sin exp log sqrt abs negative floor isnan square sign logical_not".split()
BINARY = "add subtract multiply divide power maximum arctan2 equal less logical_and".split()
TEMPLATES: dict[str, tuple[list[str], list[str]]] = {
    "reductions": (REDUCTIONS, [
        f"jnp.{{}}({X}, axis=5)", f"jnp.{{}}({X}, axis=-3)", f"jnp.{{}}({X}, axis=1.5)",
        f"jnp.{{}}({X}, axis='x')", "jnp.{}('text')", "jnp.{}([1., 2.])", "jnp.{}()"]),
    "empty": (["max", "min", "argmax", "argmin"], ["jnp.{}(jnp.zeros(0))",
                                                  "jnp.{}(jnp.zeros((0, 2)), axis=0)"]),
    "axes": (["sum", "max", "mean", "all"], [f"jnp.{{}}({X}, axis=(0, 0))",
                                            f"jnp.{{}}({X}, axis=(0, 7))"]),
    "unary": (UNARY, ["jnp.{}('text')", "jnp.{}([1., 2.])", "jnp.{}(None)", "jnp.{}()"]),
    "binary": (BINARY, [f"jnp.{{}}({X}, jnp.ones(2))", f"jnp.{{}}({V}, 'text')",
                        f"jnp.{{}}({V}, [1., 2., 3.])", f"jnp.{{}}({V})"]),
    "floats only": (["bitwise_and", "bitwise_or", "left_shift", "right_shift", "invert", "gcd"], [
        f"jnp.{{}}({V}, {V})"]),
    "methods": (["sum", "max", "reshape", "transpose", "squeeze", "swapaxes", "astype", "ravel",
                 "argmax", "cumsum", "dot", "take", "repeat", "clip"], [
        f"{X}.{{}}(axis=9)", f"{X}.{{}}(9, 9, 9)", f"{X}.{{}}('text')"]),
    "one by one": ([""], [
        f"jnp.reshape({X}, 4)", f"jnp.reshape({X}, (-1, -1))", f"jnp.reshape({X}, (4, -1))",
        f"{X}.reshape(7)", f"jnp.transpose({X}, (0,))", f"jnp.transpose({X}, (0, 0))",
        f"jnp.transpose({X}, (0, 5))", f"jnp.squeeze({X}, 0)", f"jnp.squeeze({X}, 5)",
        f"jnp.expand_dims({X}, 7)", f"jnp.expand_dims({X}, (0, 0))", f"jnp.swapaxes({X}, 0, 5)",
        f"jnp.moveaxis({X}, 0, 5)", f"jnp.moveaxis({X}, (0, 1), 0)", f"jnp.flip({X}, 4)",
        f"jnp.roll({X}, 1, axis=4)", f"jnp.broadcast_to({X}, (3, 2))",
        f"jnp.broadcast_to({X}, (3,))", f"jnp.concatenate([{X}, {V}])", "jnp.concatenate([])",
        f"jnp.concatenate([{X}, jnp.ones((3, 2))])", f"jnp.concatenate({X}, 7)",
        f"jnp.stack([{X}, {V}])", "jnp.stack([])", f"jnp.stack([{X}], axis=7)",
        f"jnp.split({X}, 2, axis=1)", f"jnp.split({X}, 2, axis=5)", f"jnp.tile({X}, 'x')",
        f"jnp.repeat({X}, -1)", f"jnp.repeat({X}, jnp.array([1, 2]), axis=1)",
        f"jnp.pad({X}, ((1, 1), (1, 1), (1, 1)))", f"jnp.pad({X}, 1, mode='what')",
        f"jnp.pad({X}, -1)", f"jnp.dot({X}, {X})", f"jnp.matmul({X}, {X})",
        f"jnp.matmul({X}, 2.)", f"jnp.tensordot({X}, {X}, 1)", f"jnp.einsum('ij,jk', {X}, {X})",
        f"jnp.einsum('ij->k', {X})", f"jnp.einsum('ijk', {X})", f"jnp.einsum('ii', {X})",
        f"jnp.vdot({X}, {V})", f"jnp.inner({X}, jnp.ones(2))", f"jnp.trace({V})",
        f"jnp.diagonal({V})", "jnp.diag(jnp.ones((2, 2, 2)))", f"jnp.tril({V})",
        "jnp.eye(-1)", "jnp.eye(2.5)", "jnp.ones(-1)", "jnp.ones(2.5)", "jnp.zeros((2, -1))",
        "jnp.full((2,), [1., 2., 3.])", "jnp.arange()", "jnp.arange(0, 1, 0)",
        "jnp.arange('x')", "jnp.linspace(0., 1., -1)", "jnp.linspace(0., 1., 2.5)",
        "jnp.array([[1, 2], [3]])", "jnp.array('text')", "jnp.array(object())",
        "jnp.asarray([None])", "jnp.ones(2, dtype='what')", "jnp.ones(2, dtype=object)",
        f"{V}[0, 0]", f"{V}[1.5]", f"{V}['x']", f"{V}[[0, 1]]", f"{X}[..., ...]",
        f"{V}[jnp.ones(2, bool)]", f"{V}[None, 0, 0]", f"{V}[jnp.ones(2)]", f"{V}[0:2:0]",
        f"{V}.at[0, 0].set(1.)", f"{V}.at[0].set(jnp.ones(2))", f"{V}.at[0].what(1.)",
        f"{V}.__setitem__(0, 1.)", f"jnp.take({X}, jnp.array([0.5]))",
        f"jnp.take({X}, 0, axis=7)", f"jnp.take({X}, 0, mode='what')",
        f"jnp.take_along_axis({X}, jnp.array([0]), 0)",
        f"jnp.where({V} > 0, {X}, jnp.ones(2))", f"jnp.where({V} > 0, {V})",
        f"jnp.clip({V}, 'a')", f"jnp.sort({X}, axis=4)", f"jnp.argsort({X}, axis=4)",
        f"jnp.searchsorted({X}, 1.)", f"jnp.searchsorted({V}, 1., side='middle')",
        f"jnp.var({V}, ddof='x')", f"jnp.average({X}, weights=jnp.ones(2))",
        f"jnp.cov({X}, {V})", "jnp.meshgrid(1, 2, indexing='zz')", f"jnp.round({V}, 'x')",
        f"bool({V})", f"int({V})", f"float({X})", "len(jnp.array(1.))", "iter(jnp.array(1.))",
        f"{V} + 'text'", f"{V} + [1., 2., 3.]", f"{V} @ 2.", f"{V} + None", f"{V} & {V}",
        f"{V} << 1", f"~{V}", "-jnp.array(True)", "jnp.array(True) - jnp.array(True)",
        "hash(jnp.ones(2))", f"{V}.what", f"{V}.shape.what", "jnp.what",
        f"jax.nn.softmax({X}, axis=5)", f"jax.nn.one_hot({V}, 2.5)", "jax.nn.glu(jnp.ones(3))",
        f"jax.grad(lambda x: x)({V})", "jax.grad(lambda x: x)(1)", "jax.grad(lambda x: 1)(1.)",
        "jax.grad(lambda x: x, argnums=3)(1.)", "jax.grad(lambda x: (x, x))(1.)",
        "jax.grad(lambda x: 'a')(1.)", "jax.grad(jnp.sin)('a')", f"jax.jvp(jnp.sin, {V}, {V})",
        f"jax.jvp(jnp.sin, ({V},), (1.,))", f"jax.jvp(jnp.sin, ({V},), ({V}, {V}))",
        "jax.jvp(jnp.sin, (1.,), (jnp.ones((), int),))", f"jax.vjp(jnp.sin, {V})[1](1.)",
        f"jax.vjp(jnp.sin, {V})[1](({V}, {V}))", f"jax.linearize(jnp.sin, {V})[1](1.)",
        "jax.vmap(jnp.sin)(1.)", f"jax.vmap(jnp.add)({V}, jnp.ones(2))",
        f"jax.vmap(jnp.sin, in_axes=5)({V})", f"jax.vmap(jnp.sin, in_axes=(0, 0))({V})",
        f"jax.vmap(jnp.sin, in_axes=None)({V})", "jax.vmap(lambda: 1.)()",
        f"jax.vmap(jnp.sin, out_axes=5)({V})", f"jax.vmap(jnp.sin, in_axes='x')({V})",
        "jax.jit(lambda x: bool(x))(1.)", "jax.jit(lambda x: int(x))(1.)",
        "jax.jit(lambda x: [0, 1][x])(1)", "jax.jit(lambda x: float(x))(1.)",
        "jax.jit(lambda n: jnp.ones(n))(3)", "jax.jit(lambda x: 'text')(1.)",
        "jax.jit(lambda x: x)('text')", "jax.jit(lambda x: x, static_argnums=0)([1])",
        f"jax.jit(lambda x: x[x > 0])({V})", "jax.jit(3)", "jax.grad(3)", "jax.vmap(3)",
        f"jax.jit(lambda x: __import__('numpy').sin(x))({V})",
        "lax.scan(lambda c, x: (c, x), 0., 1.)",
        f"lax.scan(lambda c, x: c, 0., {V})", f"lax.scan(lambda c, x: (1, x), 0., {V})",
        f"lax.scan(lambda c, x: (c, x), 0., ({V}, jnp.ones(2)))",
        "lax.scan(lambda c, x: (c, x), 0., None)",
        "lax.while_loop(lambda c: c, lambda c: c, 1.)",
        "lax.while_loop(lambda c: True, lambda c: (c, c), 1.)",
        "lax.while_loop(lambda c: (True, False), lambda c: c, 1.)",
        "lax.cond('x', lambda: 1., lambda: 2.)", "lax.cond(True, lambda: 1., lambda: (2., 3.))",
        "lax.cond(True, lambda: 1., lambda: 2)", f"lax.cond({V} > 0, lambda: 1., lambda: 2.)",
        "lax.switch(0, [])", "lax.switch(0.5, [lambda: 1., lambda: 2.])",
        "lax.fori_loop(0, 1.5, lambda i, x: x, 1.)", "lax.fori_loop(0, 3, lambda i, x: (x, x), 1.)",
        f"lax.add({V}, 1)", f"lax.add({V}, jnp.ones(2))", f"lax.add({X}, {V})",
        f"lax.dot({X}, {X})", f"lax.transpose({X}, (0,))", f"lax.reshape({X}, (7,))",
        f"lax.slice({V}, (2,), (1,))", f"lax.slice({V}, (0,), (9,))",
        f"lax.dynamic_slice({V}, (0,), (9,))", f"lax.dynamic_slice({V}, (0, 0), (1,))",
        f"lax.concatenate([{V}, {X}], 0)", f"lax.pad({V}, 0, [(1, 1, 0)])",
        f"lax.top_k({V}, 9)", "lax.top_k(1., 1)", f"lax.select({V}, {V}, {V})",
        f"lax.clamp({V}, 1., 2.)", f"lax.convert_element_type({V}, 'what')",
        f"lax.broadcast_in_dim({V}, (3, 2), (1,))", f"lax.rev({V}, (3,))",
        f"lax.sort({V}, dimension=4)", f"lax.cumsum({V}, axis=4)", f"lax.reduce_sum({V}, (4,))",
        f"lax.conv({X}, {X}, (1,), 'SAME')", "lax.iota('f4', -1)", f"lax.gather({V}, 1, 2, 3)",
        "jax.random.normal(1, (2,))", "jax.random.PRNGKey(1.5)",
        "jax.random.split(jax.random.key(0), -1)", "jax.random.uniform(jax.random.key(0), -1)",
        "jax.random.randint(jax.random.key(0), (2,), 0, 5, dtype=float)",
        "jax.random.choice(jax.random.key(0), jnp.ones((2, 2)), (9,), replace=False)",
        "jax.random.permutation(jax.random.key(0), jnp.ones(2), axis=4)",
    ]),
}


def bad_function_calls() -> Iterator[BadCall]:
    for names, templates in TEMPLATES.values():
        for name in names:
            for template in templates:
                text = Text(template.format(name) if name else template)
                yield BadCall(text.source, lambda text=text: text.run("jax", True),
                              lambda text=text: text.run("jax", False))


# ------------------------------------------------------------------ asking


def verdicts(calls: Iterator[BadCall]) -> Iterator[tuple[BadCall, str, Exception | None]]:
    """(call, what is wrong or "", our error) of every call that JAX refuses. Where JAX's own
    checks break down (an assertion, an attribute of None), any refusal of ours will do."""
    for call in calls:
        ours, theirs = call.outcomes()
        if theirs is None:
            continue
        wrong = ""
        if ours is None or not (is_accident(call, theirs) or same_class(ours, theirs)):
            wrong = f"ours {spell(ours)}; jax {spell(theirs)}"
        yield call, wrong, ours


# JAX's own code trips over the bad argument before it checks it; the class says nothing.
ACCIDENTS = ("tuple index out of range", "safe_map()", "Cannot lower jaxpr", "Invalid type:",
             "Operation creation failed", "unbound axis name", "Named reductions",
             "operands could not be broadcast", "cannot convert float infinity", "division by zero",
             "index 5 is out of bounds for axis 0", "duplicate value in 'axis': ('t', 'e'",
             "has no attribute 'offset_dims'", "The 'out' argument")


def is_accident(call: BadCall, theirs: Exception) -> bool:
    return isinstance(theirs, (AssertionError, jax.errors.JaxRuntimeError, KeyError)) \
        or ":" in call.name and isinstance(theirs, (AttributeError, IndexError)) \
        or any(text in str(theirs) for text in ACCIDENTS)


def spell(error: Exception | None) -> str:
    if error is None:
        return "raises nothing"
    lines = re.sub("0x[0-9a-f]+", "0x...", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def snapshot() -> str:
    """Our messages, a line for each refused call."""
    lines = [f"{call.name}\n    {spell(ours)}"
             for make in (bad_primitive_calls, bad_function_calls)
             for call, wrong, ours in verdicts(make()) if not wrong]
    return "\n".join(lines) + "\n"


def main() -> int:
    if "--write" in sys.argv:
        SNAPSHOT.write_text(snapshot(), encoding="utf-8")
        return 0
    count, different = 0, 0
    for make in (bad_primitive_calls, bad_function_calls):
        for call, wrong, _ in verdicts(make()):
            count += 1
            different += bool(wrong)
            if wrong:
                print(f"{call.name}\n    {wrong}")
    print(f"{count} calls that JAX refuses: {count - different} refused alike, {different} not")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
