"""The jax face: `import compat.jax as jax` runs JAX programs on minigrad."""

from __future__ import annotations

import importlib

from compat import substitution
from compat.jax import (
    debug, errors, lax, nn, numpy, random, tree, tree_util,
)
from compat.jax.array import Array
from compat.jax.callbacks import pure_callback
from compat.jax.config import (
    DEFAULTS, checking_leaks, config, disable_jit, enable_x64,
    ensure_compile_time_eval,
)
from compat.jax.custom import (
    checkpoint, closure_convert, custom_gradient, custom_jvp, custom_vjp, remat,
)
from compat.jax.devices import (
    Device, default_backend, device_count, devices, local_device_count, local_devices,
    process_count, process_index, process_indices,
)
from compat.jax.jitting import ShapeDtypeStruct, eval_shape, jit, make_jaxpr
from compat.jax.parallel import pmap, shard_map, smap
from compat.jax.sharding import NamedSharding, P, Shard, make_mesh, reshard, set_mesh
from compat.jax.transforms import (
    block_until_ready, clear_caches, copy_to_host_async, device_get, device_put, ds,
    effects_barrier, fwd_and_bwd, grad, hessian, jacfwd, jacobian, jacrev, jvp, linear_transpose,
    linearize, live_arrays, named_call, named_scope, print_environment_info,
    typeof, value_and_grad, vjp, vmap,
)
from minigrad.forward import FLOAT0 as float0

substitution.install()

__version__ = "0.10.2"
__version_info__ = (0, 10, 2)

# Namespaces that a program may not need: imported when they are first asked for.
LAZY = set("ad_checkpoint core custom_batching custom_derivatives dlpack dtypes example_libraries "
           "experimental extend flatten_util image interpreters ops profiler scipy sharding stages "
           "test_util typing".split())
# What JAX offers from one of these under its own name too.
FROM = {"checkpoint_policies": "ad_checkpoint"}


def __getattr__(name: str):
    if name in LAZY:
        return importlib.import_module(f"compat.jax.{name}")
    if name in FROM:
        return getattr(importlib.import_module(f"compat.jax.{FROM[name]}"), name)
    if f"jax_{name}" in DEFAULTS:  # jax.debug_nans(True)
        return getattr(importlib.import_module("compat.jax.config"), name)
    raise AttributeError(f"module 'jax' has no attribute {name!r}")
