"""`torch.utils._pytree`: nests of lists, tuples and dicts. Unlike JAX's, None is a leaf and a dict
keeps its order."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NODES: dict[type, tuple[Callable, Callable]] = {}


@dataclass(frozen=True)
class TreeSpec:
    """The structure of a nest: a type, what it needs besides its children, and theirs."""

    type: Any
    context: Any
    children: tuple

    @property
    def num_leaves(self) -> int:
        return 1 if self.type is None else sum(c.num_leaves for c in self.children)

    def is_leaf(self) -> bool:
        return self.type is None

    def unflatten(self, leaves):
        return tree_unflatten(leaves, self)


LEAF = TreeSpec(None, None, ())


def register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, **_) -> None:
    """`flatten_fn(x)` gives (children, context); `unflatten_fn(children, context)` goes back."""
    NODES[cls] = flatten_fn, unflatten_fn


def of_mapping(x):
    return list(x.values()), list(x)


register_pytree_node(list, lambda x: (list(x), None), lambda c, _: list(c))
register_pytree_node(tuple, lambda x: (list(x), None), lambda c, _: tuple(c))
register_pytree_node(dict, of_mapping, lambda c, keys: dict(zip(keys, c, strict=True)))
register_pytree_node(OrderedDict, of_mapping,
                     lambda c, keys: OrderedDict(zip(keys, c, strict=True)))
register_pytree_node(
    defaultdict, lambda x: (list(x.values()), [x.default_factory, list(x)]),
    lambda c, context: defaultdict(context[0], zip(context[1], c, strict=True)))
NAMED = (lambda x: (list(x), type(x))), (lambda c, cls: cls(*c))


def node_of(x):
    """(flatten, unflatten) of a container; None of a leaf."""
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return NAMED
    return NODES.get(type(x))


def tree_is_leaf(tree, is_leaf=None) -> bool:
    return bool(is_leaf and is_leaf(tree)) or node_of(tree) is None


def tree_flatten(tree, is_leaf=None) -> tuple[list, TreeSpec]:
    """The leaves, and the structure that puts them together again."""
    if tree_is_leaf(tree, is_leaf):
        return [tree], LEAF
    children, context = node_of(tree)[0](tree)
    leaves, specs = [], []
    for child in children:
        found, spec = tree_flatten(child, is_leaf)
        leaves += found
        specs.append(spec)
    return leaves, TreeSpec(type(tree), context, tuple(specs))


def tree_unflatten(leaves, treespec: TreeSpec) -> Any:
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but "
                         f"the spec refers to a pytree that holds {treespec.num_leaves} items")
    return build(iter(leaves), treespec)


def build(leaves, spec: TreeSpec):
    if spec.is_leaf():
        return next(leaves)
    children = [build(leaves, child) for child in spec.children]
    unflatten = NODES[spec.type][1] if spec.type in NODES else NAMED[1]
    return unflatten(children, spec.context)


def tree_leaves(tree, is_leaf=None) -> list:
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree, is_leaf=None):
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree, is_leaf=None) -> TreeSpec:
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree, *rests, is_leaf=None):
    """`func` of each leaf, and of the leaves of further trees at its place."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(rest, is_leaf) for rest in rests]
    return tree_unflatten([func(*row) for row in zip(leaves, *others, strict=True)], spec)


def tree_map_(func: Callable, tree, *rests, is_leaf=None):
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kinds, func, tree=None, is_leaf=None):
    """`func` of the leaves of these types."""
    return tree_map(lambda x: func(x) if isinstance(x, kinds) else x, tree, is_leaf=is_leaf)


def tree_all(pred, tree, is_leaf=None) -> bool:
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None) -> bool:
    return any(map(pred, tree_leaves(tree, is_leaf)))
