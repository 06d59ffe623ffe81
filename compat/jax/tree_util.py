"""jax.tree_util: pytrees."""
# ruff: noqa: F401  (a namespace)

import sys
from typing import Any

from minigrad.tree import (
    DictKey, FlattenedIndexKey, GetAttrKey, Partial, PyTreeDef, SequenceKey, keystr,
    register_dataclass, register_pytree_node, register_pytree_node_class,
    register_pytree_with_keys, register_pytree_with_keys_class, register_static, tree_all,
    tree_flatten, tree_flatten_with_path, tree_leaves, tree_map, tree_map_with_path, tree_reduce,
    tree_structure, tree_transpose, tree_unflatten, treedef_is_leaf,
)
from minigrad.tree import broadcast_prefix
from minigrad.tree.treedef import node_of


def tree_leaves_with_path(tree, is_leaf=None):
    """The pairs (path, leaf)."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_broadcast(prefix_tree, full_tree, is_leaf=None):
    """The prefix, with a leaf for every leaf of the full tree."""
    return tree_unflatten(tree_structure(full_tree, is_leaf),
                          broadcast_prefix(prefix_tree, full_tree, is_leaf))


def all_leaves(iterable, is_leaf=None) -> bool:
    """Is every element a leaf?"""
    return all(treedef_is_leaf(tree_structure(x, is_leaf)) and x is not None for x in iterable)


def tree_reduce_associative(operation, tree, *, identity=None, is_leaf=None):
    """The leaves combined in pairs, then the pairs, and so on."""
    leaves = tree_leaves(tree, is_leaf)
    if not leaves:
        return identity
    while len(leaves) > 1:
        pairs = [operation(a, b) for a, b in zip(leaves[::2], leaves[1::2])]
        leaves = pairs + leaves[len(pairs) * 2:]
    return leaves[0]


def flatten_one_level(tree):
    """(children, what is needed to put them together) of one node, or None for a leaf."""
    node = node_of(type(tree))
    if node is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    children, data = node.flatten(tree)
    return list(children), data


def flatten_one_level_with_keys(tree):
    """The same with (key, child) pairs."""
    children, data = flatten_one_level(tree)
    return list(zip(node_of(type(tree)).keys(tree), children)), data


def is_tree_node(cls) -> bool:
    """Is a type a container of the registry?"""
    return cls is type(None) or node_of(cls) is not None


KeyEntry, KeyPath = Any, tuple
default_registry = sys.modules["minigrad.tree"]  # types are registered for all trees


def treedef_tuple(treedefs):
    """The structure of a tuple of trees of these structures."""
    return tree_structure(tuple(t.unflatten([0] * t.num_leaves) for t in treedefs))


def treedef_children(treedef):
    """The structures one level down."""
    return treedef.children()
