"""jax.tree_util: pytrees."""
# ruff: noqa: F401  (a namespace)

from minigrad.tree import (
    DictKey, FlattenedIndexKey, GetAttrKey, Partial, PyTreeDef, SequenceKey, keystr,
    register_dataclass, register_pytree_node, register_pytree_node_class,
    register_pytree_with_keys, register_pytree_with_keys_class, register_static, tree_all,
    tree_flatten, tree_flatten_with_path, tree_leaves, tree_map, tree_map_with_path, tree_reduce,
    tree_structure, tree_transpose, tree_unflatten, treedef_is_leaf,
)
from minigrad.tree import broadcast_prefix as tree_broadcast_prefix


def tree_leaves_with_path(tree, is_leaf=None):
    """The pairs (path, leaf)."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def treedef_tuple(treedefs):
    """The structure of a tuple of trees of these structures."""
    return tree_structure(tuple(t.unflatten([0] * t.num_leaves) for t in treedefs))


def treedef_children(treedef):
    """The structures one level down."""
    return treedef.children()
