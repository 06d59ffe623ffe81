"""JAX's transformations: minigrad's, with arguments and results that are `Array`s."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable
from contextlib import contextmanager

import numpy as np

import minigrad
from compat.jax.array import Array, ShapedArray, as_array
from compat.jax.devices import CudaDevice, Device, all_devices, moved
from compat.jax.face import result_of_face, with_array_leaf
from compat.jax.sharding import PartitionSpec, Sharding, as_sharding
from minigrad import core, forward, reverse
from minigrad.batch import vmap as batch_vmap
from minigrad.core import Tensor, aval_of, make_box
from minigrad.tree import flatten_axes, tree_flatten, tree_map, tree_unflatten


def arrays(tree):
    """Every array or number in a tree as an Array."""
    return tree_map(with_array_leaf, tree)


def results(out):
    """Results in the face; a function among them (a pullback) is wrapped likewise."""
    return tree_map(lambda x: wrap(x) if callable(x) and not isinstance(x, Tensor)
                    else result_of_face(x), out)


def wrap(fn: Callable) -> Callable:
    """`fn` with all arguments made Arrays, and its results too."""

    @functools.wraps(fn)
    def call(*args, **kwargs):
        return results(fn(*arrays(args), **arrays(kwargs)))

    return call


# ------------------------------------------------------------------ differentiation


def differentiating(transform: Callable) -> Callable:
    """For grad and its kin: the arguments in `argnums` become Arrays, others stay as they are."""

    @functools.wraps(transform)
    def transformed(fun, argnums=0, has_aux=False, **options):
        check_callable(fun)
        derivative = transform(fun, argnums, has_aux, **options)

        @functools.wraps(fun)
        def call(*args, **kwargs):
            chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
            chosen = {i % len(args) if args and -len(args) <= i < 0 else i for i in chosen}
            args = [arrays(a) if i in chosen else a for i, a in enumerate(args)]
            return tree_map(result_of_face, derivative(*args, **kwargs))

        return call

    return transformed


def check_callable(fun) -> None:
    if not callable(fun):
        raise TypeError(f"Expected a callable value, got {fun}")


grad = differentiating(reverse.grad)
value_and_grad = differentiating(reverse.value_and_grad)
jacfwd, jacrev = differentiating(reverse.jacfwd), differentiating(reverse.jacrev)
hessian = differentiating(reverse.hessian)
jacobian = jacrev


def jvp(fun: Callable, primals, tangents, has_aux: bool = False):
    """`(fun(*primals), tangent)`: forward mode."""
    check_callable(fun)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        return forward.jvp(fun, primals, tangents)  # raises
    return results(forward.jvp(fun, arrays(tuple(primals)), arrays(tuple(tangents)), has_aux))


def vjp(fun: Callable, *primals, has_aux: bool = False):
    """`(fun(*primals), pullback)`: reverse mode."""
    check_callable(fun)
    value, pullback, *aux = reverse.vjp(fun, *arrays(primals), has_aux=has_aux)
    return tuple(tree_map(result_of_face, x) if i != 1 else wrap(pullback)
                 for i, x in enumerate((value, pullback, *aux)))


def linearize(fun: Callable, *primals, has_aux: bool = False):
    """`(fun(*primals), f_lin)`: the derivative at a point, computed once."""
    value, f_lin, *aux = forward.linearize(fun, *arrays(primals), has_aux=has_aux)
    return (tree_map(result_of_face, value), wrap(f_lin),
            *(tree_map(result_of_face, a) for a in aux))


def linear_transpose(fun: Callable, *primals):
    """The transpose of a linear function, for arguments of the given types."""
    leaves, tree = tree_flatten(primals)
    flat, seen = forward.flatten_fun(fun, tree)
    program = minigrad.program.stage(flat, [aval_of(x) for x in leaves], Array)

    def transpose(cotangent):
        cts = arrays(tree_flatten(cotangent)[0])
        grads = reverse.backward_pass(program, [True] * len(leaves), program.invars, cts)
        return tree_unflatten(tree, [as_array(forward.instantiate_tangent(g, x))
                                     for g, x in zip(grads, leaves)])

    return transpose


# ------------------------------------------------------------------ vmap


def vmap(fun: Callable, in_axes=0, out_axes=0, axis_name=None, axis_size=None,
         spmd_axis_name=None) -> Callable:
    """Map `fun` over an axis of its arguments."""
    check_callable(fun)
    mapped = batch_vmap(fun, in_axes, out_axes, axis_name, axis_size, spmd_axis_name)
    return wrap(mapped)


# ------------------------------------------------------------------ the rest


def device_put(x, device=None, *, src=None, donate=False, may_alias=None):
    """Every leaf as an Array, on a device or cut by a sharding (a tree of them is a prefix)."""
    if device is None:
        return arrays(x)
    leaves, tree = tree_flatten(arrays(x))
    whole = isinstance(device, (Device, Sharding, PartitionSpec))
    placed = [device] * len(leaves) if whole else flatten_axes("device_put", tree, device)
    return tree_unflatten(tree, [on_device(v, p) for v, p in zip(leaves, placed)])


def on_device(x: Array, device) -> Array:
    sharding = as_sharding(device)
    if sharding is None or not x.spec.concrete:
        return x
    sharding.shard_shape(x.shape)  # raises where the parts do not come out even
    own = next(iter(sharding.device_set)) if sharding.num_devices == 1 else None
    x = moved(x, own) if own is not None else x
    if isinstance(own, CudaDevice):
        return x
    out = make_box(Array, x.value, x.spec, x.node)
    out.placed = sharding
    return out


def device_get(x):
    """Every Array as a NumPy array."""
    return tree_map(lambda v: np.asarray(v) if isinstance(v, Tensor) else v, x)


def block_until_ready(x):
    """Nothing here is asynchronous."""
    return x


def named_call(fun: Callable, *, name: str | None = None) -> Callable:
    """`fun` under a name, which programs do not show."""
    return fun


@contextmanager
def named_scope(name: str):
    """A name for what is traced inside, which programs do not show."""
    if not isinstance(name, str):
        raise TypeError("named_scope name argument must be a string.")
    yield


def fwd_and_bwd(fun: Callable, argnums, has_aux: bool = False, jitted: bool = True):
    """(a function that gives the value and residuals, one that turns residuals and a cotangent
    into gradients)."""
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def fwd(*args):
        def of_chosen(*given):
            full = list(args)
            for i, x in zip(chosen, given):
                full[i] = x
            return fun(*full)

        out, pullback, *aux = vjp(of_chosen, *[args[i] for i in chosen], has_aux=has_aux)
        return (out, *aux, minigrad.tree.Partial(pullback))

    def bwd(residuals, cotangent):
        grads = residuals(cotangent)
        return grads[0] if isinstance(argnums, int) else grads

    return fwd, bwd


def typeof(x) -> ShapedArray:
    """The type of a value."""
    return ShapedArray(aval_of(x))


def ds(start, size=None, stride=None) -> slice:
    """A slice by its start and size."""
    return slice(start, start + size, stride) if size is not None else slice(0, start, stride)


def copy_to_host_async(x):
    """Nothing to do: values are on the host."""
    return x


def effects_barrier() -> None:
    """Nothing here is asynchronous."""


def live_arrays(platform: str | None = None) -> list[Array]:
    """The concrete Arrays that somebody holds."""
    return [x for x in gc.get_objects() if isinstance(x, Array) and x.spec.concrete is True]


def print_environment_info(return_string: bool = False) -> str | None:
    """The versions of what computes here."""
    text = "\n".join(["jax:    0.10.2 (minigrad)",
                      f"numpy:  {np.__version__}", f"python: {sys.version}",
                      f"device info: cpu-{len(all_devices())}"])
    if return_string:
        return text
    print(text)
    return None


def clear_caches() -> None:
    """Forget programs and derived operations."""
    for clear in core.caches_to_clear:
        clear()
