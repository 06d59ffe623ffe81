"""What rules of the user must return, checked: those of custom_jvp and custom_vjp.

The texts are JAX's, since a program that catches one of these errors reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad.core import Aval, aval_of, box
from minigrad.forward import is_differentiable, tangent_aval
from minigrad.show.origins import mismatch, shown
from minigrad.tree import keystr, tree_flatten, tree_flatten_with_path, tree_map, tree_unflatten


def name_of(fn: Callable | None) -> str:
    return getattr(fn, "__name__", "<unnamed function>")


def checked_pair(out, rule: str, meaning: str):
    """The two parts of what a rule returned. Raises TypeError if it is no pair."""
    if not isinstance(out, (list, tuple)) or len(out) != 2:
        raise TypeError(f"{rule} must produce a pair (list or tuple of length two) {meaning}{out}.")
    return out


def jvp_outputs(out, fun: Callable, jvp: Callable) -> tuple[list, list, object]:
    """(values, tangents, their structure) of a jvp rule. A tangent of None is zero."""
    rule = f"Custom JVP rule {name_of(jvp)} for function {name_of(fun)}"
    primals, tangents = checked_pair(out, rule, "representing primal and tangent outputs, but got ")
    leaves, tree = tree_flatten(primals)
    found, tangent_tree = tree_flatten(tangents)
    if tree != tangent_tree and tree == tree_flatten(tangents, is_leaf=lambda x: x is None)[1]:
        found = tree_flatten(tangents, is_leaf=lambda x: x is None)[0]
    elif tree != tangent_tree:
        raise TypeError(f"{rule} must produce primal and tangent outputs with equal container "
                        f"(pytree) structures, but got {tree} and {tangent_tree} respectively.")
    for x, t in zip(leaves, found):
        expected = tangent_aval(aval_of(x))
        if t is not None and (aval_of(t).shape, aval_of(t).dtype) != (
                expected.shape, expected.dtype):
            raise TypeError(
                "Custom JVP rule must produce primal and tangent outputs with corresponding shapes "
                f"and dtypes. Expected {shown(expected)} (tangent type of {shown(aval_of(x))}) but "
                f"got {shown(aval_of(t))}.")
    return [box(x) for x in leaves], [t if t is None else box(t) for t in found], tree


def fwd_outputs(out, fun: Callable, fwd: Callable) -> tuple:
    """(values, residuals) of a forward rule."""
    name = name_of(fun)
    return tuple(checked_pair(
        out, f"Custom VJP fwd rule {name_of(fwd)} for function {name}",
        "where the first element represents the primal output (equal to those of the "
        f"custom_vjp-decorated function {name}) and the second element represents residuals (i.e. "
        "values stored from the forward pass for use on the backward pass), but instead of a pair "
        f"the fwd rule {name_of(fwd)} produced "))


def cotangents(grads, in_tree, avals: Sequence[Aval]) -> list:
    """What a backward rule returned, a leaf for each leaf of the arguments: None, for zeros, may
    stand for a whole argument or for a part of one."""
    if isinstance(grads, list) and len(grads) == len(in_tree.children()):
        grads = tuple(grads)
    arguments = tree_unflatten(in_tree, avals)
    found: list = []

    def append(grad, part):
        found.extend([grad] * len(tree_flatten(part)[0]))

    try:
        if not isinstance(grads, tuple):
            raise ValueError
        tree_map(append, grads, arguments, is_leaf=lambda x: x is None)
    except ValueError:
        raise TypeError(
            "Custom VJP bwd rule must produce an output with the same container (pytree) structure "
            "as the args tuple of the primal function, and in particular must produce a tuple of "
            "length equal to the number of arguments to the primal function, but got bwd output "
            f"structure {tree_flatten(grads)[1]} for primal input structure {in_tree}.") from None
    paths = [path for path, _ in tree_flatten_with_path(arguments)[0]]
    return [checked_cotangent(g, a, path) for g, a, path in zip(found, avals, paths)]


def checked_cotangent(grad, aval: Aval, path):
    if grad is None or not is_differentiable(aval):
        return None
    own = aval_of(grad)
    if own.shape != aval.shape:
        raise ValueError(
            "Custom VJP bwd rule must produce an output with the same type as the args tuple of "
            f"the primal function, but at output{keystr(path)} the bwd rule produced an output of "
            f"type {shown(own)} corresponding to an input of type {shown(aval)}"
            f"{mismatch(aval, own)}")
    return box(grad)
