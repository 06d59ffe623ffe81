"""jax.tree_util: pytrees."""

from minigrad.tree import (
    tree_flatten_with_path,
    tree_structure,
)


def tree_leaves_with_path(tree, is_leaf=None):
    """The pairs (path, leaf)."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def treedef_tuple(treedefs):
    """The structure of a tuple of trees of these structures."""
    return tree_structure(tuple(t.unflatten([0] * t.num_leaves) for t in treedefs))


def treedef_children(treedef):
    """The structures one level down."""
    return treedef.children()
