"""jax.experimental.shard_map: the older place of `jax.shard_map`."""

from compat.jax.parallel import shard_map as over_mesh


def shard_map(f, mesh, in_specs, out_specs, check_rep: bool = True, auto=frozenset()):
    """`f` for each device of a mesh."""
    return over_mesh(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=check_rep)
