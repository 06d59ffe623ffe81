"""The jax face: `import compat.jax as jax` runs JAX programs on minigrad."""

from compat.jax import (
    debug, errors, lax, nn, numpy, random, scipy, tree, tree_util,
)
from compat.jax.array import CPU, Array
from compat.jax.config import config, disable_jit, enable_x64
from compat.jax.transforms import (
    ShapeDtypeStruct, block_until_ready, checkpoint, custom_jvp, custom_vjp, device_get,
    device_put, eval_shape, grad, hessian, jacfwd, jacobian, jacrev, jit, jvp, linear_transpose,
    linearize, make_jaxpr, named_call, remat, value_and_grad, vjp, vmap,
)

__version__ = "0.10.2"


def devices(backend=None) -> list:
    """The devices there are: one CPU."""
    return [CPU]


def device_count(backend=None) -> int:
    return 1


local_devices, local_device_count = devices, device_count


def default_backend() -> str:
    return "cpu"


def process_index() -> int:
    return 0


def process_count() -> int:
    return 1
