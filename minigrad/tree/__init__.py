"""Pytrees: nested containers of leaves, as in `jax.tree_util`.

A transform sees a function of a flat list of leaves. This file takes any nest of containers apart
into that list and a `PyTreeDef`, and puts it together again:

>>> leaves, treedef = tree_flatten({"b": 1, "a": (2, None)})
>>> leaves, treedef
([2, 1], PyTreeDef({'a': (*, None), 'b': *}))
>>> treedef.unflatten(["x", "y"])
{'a': ('x', None), 'b': 'y'}

Names, arguments, printed forms and error texts are those of `jax.tree_util`.
"""

import difflib
import functools
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minigrad.tree.treedef import (
    LEAF, DictKey, FlattenedIndexKey, GetAttrKey, Partial, PyTreeDef, SequenceKey, flatten_into,
    keystr, node_of, register_dataclass, register_foreign, register_pytree_node,
    register_pytree_node_class, register_pytree_with_keys, register_pytree_with_keys_class,
    register_static, simple_keystr,
    treedef_is_leaf,
)

# --- Functions of trees -------------------------------------------------------------------------
# `is_leaf` is asked about every node on the way down; where it says True the node is a leaf.


def tree_flatten(tree: Any, is_leaf=None) -> tuple[list, PyTreeDef]:
    """The leaves of a tree, from left to right, and its structure."""
    if is_leaf is not None:
        pairs, treedef = tree_flatten_with_path(tree, is_leaf)
        return [leaf for _, leaf in pairs], treedef
    leaves: list[Any] = []
    treedef = flatten_into(tree, leaves)
    return leaves, treedef


def tree_flatten_with_path(tree: Any, is_leaf=None, is_leaf_takes_path: bool = False):
    """The pairs (path, leaf), where a path is a tuple of keys, and the structure."""
    pairs: list[tuple[tuple, Any]] = []

    def visit(path: tuple, subtree: Any) -> PyTreeDef:
        arguments = (path, subtree) if is_leaf_takes_path else (subtree,)
        kind = type(subtree)
        node = None if is_leaf is not None and is_leaf(*arguments) else node_of(kind)
        if node is None:
            pairs.append((path, subtree))
            return LEAF
        children, data = node.flatten(subtree)
        before = len(pairs)
        treedefs = [visit((*path, key), c) for key, c in zip(node.keys(subtree), children)]
        return PyTreeDef((kind, data, tuple(treedefs), len(pairs) - before))

    return pairs, visit((), tree)


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable) -> Any:
    """The tree of this structure that holds `leaves`: the inverse of `tree_flatten`."""
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf=None) -> list:
    """The leaves of a tree, from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf=None) -> PyTreeDef:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(f: Callable, tree: Any, *rest: Any, is_leaf=None) -> Any:
    """The tree of `f(leaf, *others)`; the structure of `tree` is a prefix of each of `rest`."""
    leaves, treedef = tree_flatten(tree, is_leaf)
    others = _flatten_rest("tree_map tree", treedef, tree, rest, is_leaf)
    return treedef.unflatten(map(f, leaves, *others))


def tree_map_with_path(f: Callable, tree, *rest, is_leaf=None, is_leaf_takes_path=False) -> Any:
    """`tree_map` of a function whose first argument is the leaf's path."""
    pairs, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    stop = None if is_leaf_takes_path else is_leaf
    others = _flatten_rest("tree_map_with_path tree", treedef, tree, rest, stop)
    return treedef.unflatten([f(*pair, *other) for pair, *other in zip(pairs, *others)])


def _flatten_rest(name: str, treedef: PyTreeDef, tree: Any, rest: tuple, is_leaf) -> Iterator:
    for other in rest:
        try:
            yield treedef.flatten_up_to(other)
        except ValueError as error:
            messages = prefix_errors(name, tree, other, is_leaf)
            raise ValueError(next(messages, str(error))) from None


def tree_all(tree: Any, *, is_leaf=None) -> bool:
    """Whether every leaf is true."""
    return all(tree_leaves(tree, is_leaf))


_MISSING = object()


def tree_reduce(function: Callable, tree: Any, initializer: Any = _MISSING, is_leaf=None) -> Any:
    """`functools.reduce` over the leaves."""
    start = () if initializer is _MISSING else (initializer,)
    return functools.reduce(function, tree_leaves(tree, is_leaf), *start)


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None, tree: Any) -> Any:
    """Turn a tree of structure outer-of-inner into one of structure inner-of-outer.

    >>> tree_transpose(tree_structure([0, 0]), None, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    {'a': [1, 3], 'b': [2, 4]}
    """
    leaves, treedef = tree_flatten(tree)
    if inner_treedef is None:
        inner_treedef = tree_structure(outer_treedef.flatten_up_to(tree)[0])
    inner, outer = inner_treedef.num_leaves, outer_treedef.num_leaves
    if len(leaves) != inner * outer:
        raise TypeError(f"Mismatch\n{treedef}\n != \n{outer_treedef.compose(inner_treedef)}")
    rows = [leaves[row * inner : (row + 1) * inner] for row in range(outer)]
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in zip(*rows)])


# --- Prefixes: `in_axes=(0, None)` speaks of two arguments, each perhaps a tree ------------------


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf=None) -> list:
    """The leaves of `prefix_tree`, each repeated once for every leaf of `full_tree` below it.

    >>> broadcast_prefix((0, 1), ({"a": "x", "b": "y"}, "z"))
    [0, 0, 1]
    """
    leaves, prefix = tree_flatten(prefix_tree, is_leaf)
    try:
        subtrees = prefix.flatten_up_to(full_tree)
    except ValueError:
        errors = prefix_errors("broadcast_prefix prefix_tree", prefix_tree, full_tree, is_leaf)
        raise ValueError(next(errors)) from None
    counts = [tree_structure(subtree).num_leaves for subtree in subtrees]
    return [leaf for leaf, count in zip(leaves, counts) for _ in range(count)]


class _PytreeLeaf:
    """Stands for any leaf in a tree that is rebuilt from its structure."""

    __repr__ = lambda self: "pytree leaf"


def flatten_axes(name: str, treedef: PyTreeDef, axes: Any, *, tupled_args: bool = False) -> list:
    """Broadcast a prefix of axes (integers and None) to every leaf of `treedef`.

    The error says whose axes they are by `name` ("vmap in_axes"). `tupled_args`: the full tree is
    the tuple of a function's arguments.
    """
    is_leaf = lambda node: node is None
    full_tree = treedef.unflatten([_PytreeLeaf()] * treedef.num_leaves)
    try:
        return broadcast_prefix(axes, full_tree, is_leaf)
    except ValueError:
        messages = list(prefix_errors(name, axes, full_tree, is_leaf))
        hint = (
            f" Note that {name} that are non-trivial pytrees should always be wrapped in a tuple "
            "representing the argument list."
        )
        raise ValueError(
            f"{name} specification must be a tree prefix of the corresponding value; "
            f"{hint if tupled_args else ''}\n  Mismatch details ({len(messages)} found):\n  "
            + "\n  ".join(messages)
        ) from None


def prefix_errors(name: str, prefix: Any, full: Any, is_leaf=None, path=()) -> Iterator[str]:
    """One text for each place where the tree `prefix`, called `name`, is no prefix of `full`."""
    kind = type(prefix)
    node = node_of(kind)
    if node is None or (is_leaf is not None and is_leaf(prefix)):
        return

    def error(problem: str, details: str) -> str:
        return (
            f"pytree structure error: different {problem} at key path\n    {name}{keystr(path)}\n"
            f"At that key path, the prefix pytree {name} has a subtree of type{details}"
        )

    if type(full) is not kind:
        same_path = "but at the same key path the full pytree has a subtree of different type"
        yield error("types", f"\n    {kind}\n{same_path}\n    {type(full)}.")
        return
    same_type = "but at the same key path the full pytree has a subtree of the same type but with"
    children, data = node.flatten(prefix)
    full_children, full_data = node.flatten(full)
    keys, full_keys = list(node.keys(prefix)), list(node.keys(full))
    if len(keys) != len(full_keys) and kind in (tuple, list):
        yield error(
            f"lengths of {kind.__name__}",
            f" {kind.__name__} of length {len(keys)}, but the full pytree has a subtree of the "
            f"same type but of length {len(full_keys)}.",
        )
    elif len(keys) != len(full_keys):
        difference = [key for key in keys + full_keys if (key in keys) != (key in full_keys)]
        show = lambda some: " ".join([simple_keystr(key) for key in some])
        yield error(
            "numbers of pytree children",
            f"\n    {kind}\nwith {len(keys)} child keys\n    {show(keys)}\n"
            f"{same_type} {len(full_keys)} child keys\n    {show(full_keys)}\n"
            f"so the symmetric difference on key sets is\n    {show(difference)}",
        )
    elif data != full_data:
        lines = difflib.ndiff(str(data).splitlines(), str(full_data).splitlines())
        diff = textwrap.indent("\n".join(lines), "    ")
        yield error(
            "pytree metadata",
            f"\n    {kind}\nwith metadata\n    {data}\n{same_type} metadata\n    {full_data}\n"
            f"so the diff in the metadata at these pytree nodes is\n{diff}",
        )
    else:
        for key, child, full_child in zip(keys, children, full_children):
            yield from prefix_errors(name, child, full_child, is_leaf, (*path, key))
