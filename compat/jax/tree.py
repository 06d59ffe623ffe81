"""jax.tree: the functions of `jax.tree_util` by short names."""
# ruff: noqa: F401  (a namespace)

from compat.jax.tree_util import tree_all as all
from compat.jax.tree_util import register_static as static
from compat.jax.tree_util import tree_broadcast as broadcast
from compat.jax.tree_util import tree_flatten as flatten
from compat.jax.tree_util import tree_flatten_with_path as flatten_with_path
from compat.jax.tree_util import tree_leaves as leaves
from compat.jax.tree_util import tree_leaves_with_path as leaves_with_path
from compat.jax.tree_util import tree_map as map
from compat.jax.tree_util import tree_map_with_path as map_with_path
from compat.jax.tree_util import tree_reduce as reduce
from compat.jax.tree_util import tree_reduce_associative as reduce_associative
from compat.jax.tree_util import tree_structure as structure
from compat.jax.tree_util import tree_transpose as transpose
from compat.jax.tree_util import tree_unflatten as unflatten
