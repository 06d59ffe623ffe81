"""Control flow for functions of pytrees: scan, while_loop, fori_loop, cond, switch.

Bodies are staged once and become parameters of a primitive. Tensors that a body captures become
operands, bound on the enclosing tape, so a gradient reaches them; writing to one inside raises.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core import I32, Aval, Tensor, Tracer, box, scalar_dtype, table
from minigrad.ops.bodies import close_over
from minigrad.ops.families import dtype_kind
from minigrad.ops.control import cond_p, join_captured, scan_p, while_p
from minigrad.show.mismatches import check_branches, check_carry
from minigrad.show.origins import Traced, argument_names, shown
from minigrad.program import Jaxpr, StageTrace, stage
from minigrad.tree import tree_flatten, tree_unflatten

staged_bodies: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def stage_body(f: Callable, in_tree, avals: Sequence[Aval], classes: Sequence[type], kind: str):
    """(program, output structure) of a body; kept with the function unless it captured anything."""
    key = in_tree, tuple(avals), tuple(classes)
    try:
        known = staged_bodies.setdefault(f, {})
    except TypeError:
        known = {}
    if key in known:
        return known[key]
    out: list = []

    def flat(*xs):
        leaves, tree = tree_flatten(f(*tree_unflatten(in_tree, xs)))
        out[:] = [tree]
        return [box(x) for x in leaves]

    trace = StageTrace(getattr(f, "__name__", "body"))
    whole = tree_flatten((in_tree.unflatten(range(in_tree.num_leaves)), {}))[1]
    trace.described = Traced(f, kind, lambda: argument_names(f, whole))
    program = stage(flat, avals, classes, trace=trace)
    if not any(isinstance(c, (Tensor, Tracer)) for c in program.consts):
        known[key] = program, out[0]
    return program, out[0]


class Shown:
    """A type, as a part of JAX's errors: `~float32[3]`, or `ShapedArray(float32[3])`."""

    def __init__(self, aval: Aval):
        self.aval = aval

    def __str__(self) -> str:
        return f"{'~' * self.aval.weak_type}{shown(self.aval)}"

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.aval.weak_type else ""
        return f"ShapedArray({shown(self.aval)}{weak})"


def boxed(tree_of_values) -> tuple[list[Tensor], Any]:
    leaves, tree = tree_flatten(tree_of_values)
    return [box(x) for x in leaves], tree


def classes_of(leaves: Sequence[Tensor]) -> list[type]:
    return [type(x).result_class() for x in leaves]


def strengthen(body: Callable[[list[Aval]], Jaxpr], carry: list[Tensor], n: int):
    """Weakly typed carries take the dtype the body gives them, as in JAX."""
    avals = [x.spec.aval for x in carry]
    for _ in range(3):
        outs = body(avals).out_avals[:n]
        changed = [o if a.weak_type and o.shape == a.shape and o.dtype != a.dtype
                   and is_wider(o, a) else a
                   for a, o in zip(avals, outs)]
        if changed == avals:
            break
        avals = changed
    return [x if x.spec.aval is a else convert(x, a) for x, a in zip(carry, avals)]


def is_wider(new: Aval, old: Aval) -> bool:
    """Can a weakly typed value become `new`? A float does not become an integer."""
    return "biufc".index(dtype_kind(new.dtype)) >= "biufc".index(dtype_kind(old.dtype))


def convert(x: Tensor, aval: Aval) -> Tensor:
    return table["convert_element_type"](x, new_dtype=aval.dtype, weak_type=aval.weak_type)


def scan(f: Callable, init, xs=None, length: int | None = None, reverse: bool = False,
         unroll: int = 1):
    """Carry `init` through `f(carry, x) -> (carry, y)` over the leading axis of `xs`.

    Returns (final carry, stacked ys). Raises ValueError where lengths disagree, TypeError where the
    carry changes its type. Source: jax.lax.scan.
    """
    init_leaves, init_tree = boxed(init)
    xs_leaves, xs_tree = boxed(xs)
    if scalars := [x for x in xs_leaves if not x.shape]:
        raise ValueError("scan got value with no leading axis to scan over: "
                         f"{', '.join(map(str, scalars))}.")
    lengths = {x.shape[0] for x in xs_leaves} | ({int(length)} if length is not None else set())
    if not lengths:
        raise ValueError("scan got no values to scan over and `length` not provided.")
    if len(lengths) > 1:
        sizes = [x.shape[0] for x in xs_leaves]
        if length is not None:
            raise ValueError(f"scan got `length` argument of {length} which disagrees with leading "
                             f"axis sizes {sizes}.")
        raise ValueError("scan got values with different leading axis sizes: "
                         f"{', '.join(map(str, sizes))}.")
    n = lengths.pop()
    in_tree = tree_flatten((init, xs))[1]
    x_avals = [x.spec.aval.update(shape=x.shape[1:]) for x in xs_leaves]
    classes = classes_of(init_leaves) + classes_of(xs_leaves)

    def body(avals):
        return stage_body(f, in_tree, [*avals, *x_avals], classes, "scan")[0]

    init_leaves = strengthen(body, init_leaves, len(init_leaves))
    avals = [x.spec.aval for x in init_leaves]
    program, out_tree = stage_body(f, in_tree, avals + x_avals, classes, "scan")
    parts = out_tree.children()
    if len(parts) != 2:
        got = tree_unflatten(out_tree, [Shown(a) for a in program.out_avals])
        raise TypeError(f"scan body output must be a pair, got {got}.")
    carry_tree, y_tree = parts
    check_carry("scan body", f, init_tree, avals, carry_tree,
                program.out_avals[:carry_tree.num_leaves])
    program, captured = close_over(program)
    outs = scan_p(*captured, *init_leaves, *xs_leaves, jaxpr=program, length=n, reverse=reverse,
                  unroll=unroll, num_consts=len(captured), num_carry=len(init_leaves))
    k = len(init_leaves)
    return tree_unflatten(carry_tree, outs[:k]), tree_unflatten(y_tree, outs[k:])


def while_loop(cond_fun: Callable, body_fun: Callable, init_val):
    """Repeat `body_fun` while `cond_fun` holds. Has forward derivatives only, its length being
    unknown. Source: jax.lax.while_loop."""
    init, tree = boxed(init_val)
    in_tree = tree_flatten((init_val,))[1]
    classes = classes_of(init)

    def body(avals):
        return stage_body(body_fun, in_tree, avals, classes, "while_loop")[0]

    before = [x.spec.aval for x in init]
    first, out_tree = stage_body(body_fun, in_tree, before, classes, "while_loop")
    if out_tree != tree:
        check_carry("while_loop body", body_fun, tree, before, out_tree, first.out_avals)
    init = strengthen(body, init, len(init))
    avals = [x.spec.aval for x in init]
    test, test_tree = stage_body(cond_fun, in_tree, avals, classes, "while_loop")
    program, out_tree = stage_body(body_fun, in_tree, avals, classes, "while_loop")
    if len(test.out_avals) != 1 or test.out_avals[0].shape or test.out_avals[0].dtype.kind != "b":
        got = f"output type(s) {list(map(Shown, test.out_avals))}" \
            if test_tree.num_nodes == 1 else f"pytree {test_tree}"
        raise TypeError(f"cond_fun must return a boolean scalar, but got {got}.")
    check_carry("while_loop body", body_fun, tree, avals, out_tree, program.out_avals)
    test, test_captured = close_over(test)
    program, captured = close_over(program)
    outs = while_p(*test_captured, *captured, *init, cond_jaxpr=test,
                   cond_nconsts=len(test_captured), body_jaxpr=program,
                   body_nconsts=len(captured))
    return tree_unflatten(tree, outs)


def fori_loop(lower, upper, body_fun: Callable, init_val, *, unroll=None):
    """`for i in range(lower, upper): val = body_fun(i, val)`. With Python bounds it is a scan and
    has a reverse derivative. Source: jax.lax.fori_loop."""
    if type(lower) is int and type(upper) is int:
        def step(loop_carry, _):
            i, value = loop_carry
            return (table["add"](i, 1), body_fun(i, value)), None

        start = box(np.asarray(lower, scalar_dtype(int))[()])
        (_, value), _ = scan(step, (start, init_val), None, length=max(upper - lower, 0))
        return value

    def test(state):
        return table["lt"](state[0], state[1])

    def body(state):
        i, n, value = state
        return table["add"](i, 1), n, body_fun(i, value)

    first, last = box(lower), box(upper)
    if last.dtype != first.dtype and is_weak_integer(first) and dtype_kind(last.dtype) in "iu":
        first = convert(first, last.spec.aval)
    if last.dtype != first.dtype and not is_weak_integer(last):
        raise TypeError("lower and upper arguments to fori_loop must have equal types, got "
                        f"{first.dtype.name} and {last.dtype.name}")
    return while_loop(test, body, (first, convert(last, first.spec.aval), init_val))[2]


def is_weak_integer(x) -> bool:
    return x.spec.aval.weak_type and dtype_kind(x.dtype) in "iu"


def switch(index, branches: Sequence[Callable], *operands):
    """Apply the branch that `index` (clamped) chooses. Source: jax.lax.switch."""
    if not branches:
        raise ValueError("Empty branch sequence")
    index = box(index)
    if index.shape:
        raise TypeError(f"Branch index must be scalar, got {index} of shape {index.shape}.")
    if dtype_kind(index.dtype) not in "iu":
        raise TypeError(f"Index type must be an integer, got {index} as {index.dtype}")
    if len(branches) == 1:
        return branches[0](*operands)
    if index.spec.dtype.name != "int32":
        index = convert(index, index.spec.aval.update(dtype="int32", weak_type=False))
    zero, last = np.int32(0), np.int32(len(branches) - 1)
    return choose(table["clamp"](zero, index, last), branches, operands)


def cond(pred, true_fun: Callable, false_fun: Callable, *operands):
    """`true_fun(*operands)` if `pred` else `false_fun(*operands)`; both are staged.
    Source: jax.lax.cond."""
    pred = box(pred)
    if pred.shape:
        raise TypeError(f"Pred must be a scalar, got {pred} of shape {pred.shape}.")
    if pred.spec.dtype.kind != "b":
        pred = table["ne"](pred, 0)
    index = table["convert_element_type"](pred, new_dtype=I32, weak_type=False)
    return choose(index, [false_fun, true_fun], operands, "cond")


def choose(index: Tensor, branches: Sequence[Callable], operands, api: str = "switch"):
    leaves, in_tree = boxed(tuple(operands))
    staged = [stage_body(f, in_tree, [x.spec.aval for x in leaves], classes_of(leaves), "cond")
              for f in branches]
    (first, out_tree), *rest = staged
    for k, (program, tree) in enumerate(rest, 1):
        pairs = [("branch 0", branches[0], out_tree, first), (f"branch{k}", branches[k], tree,
                                                               program)]
        if api == "cond":
            pairs = [("true_fun", *pairs[1][1:]), ("false_fun", *pairs[0][1:])]
        names, functions, trees, bodies = zip(*pairs)
        check_branches(api, names, functions, trees, [b.out_avals for b in bodies])
    programs, captured = join_captured([p for p, _ in staged])
    outs = cond_p(index, *captured, *leaves, branches=programs)
    return tree_unflatten(out_tree, outs)
