"""pmap and shard_map over four host devices: prints name = numbers, for JAX and for the face.

Run with XLA_FLAGS=--xla_force_host_platform_device_count=4, the module's name as the argument.
"""

import importlib
import sys
from functools import partial

import numpy as np

jax = importlib.import_module(sys.argv[1])
jnp = importlib.import_module(f"{sys.argv[1]}.numpy")
sharding = importlib.import_module(f"{sys.argv[1]}.sharding")
lax, P = jax.lax, sharding.PartitionSpec
devices = np.array(jax.devices())
line, plane = sharding.Mesh(devices, ("x",)), sharding.Mesh(devices.reshape(2, 2), ("a", "b"))
x, m = jnp.arange(8.0), jnp.arange(16.0).reshape(4, 4)
over_line, over_plane = partial(jax.shard_map, mesh=line), partial(jax.shard_map, mesh=plane)


def show(name, make):
    try:
        value = [np.asarray(v).astype(np.float64).tolist() for v in jax.tree.leaves(make())]
    except Exception as error:
        kinds = (ValueError, TypeError, NameError)
        value = [[float(kinds.index(k)) for k in kinds if isinstance(error, k)]]
    print(name, "=", value)


def train(step_of):
    """Data parallel regression: gradients are averaged over the devices."""
    w = jnp.zeros(3)
    data = jax.random.normal(jax.random.PRNGKey(0), (4, 8, 3))
    goal = data @ jnp.array([1.0, -2.0, 0.5])
    losses = []
    for _ in range(5):
        w, loss = step_of(w, data, goal)
        losses.append(loss)
    return w, losses


def loss_fn(w, a, b):
    return jnp.mean((a @ w - b) ** 2)


def local_step(w, a, b, axis):
    loss, grads = jax.value_and_grad(loss_fn)(w, a, b)
    return w - 0.1 * lax.pmean(grads, axis), lax.pmean(loss, axis)


mapped_step = jax.pmap(partial(local_step, axis="i"), axis_name="i", in_axes=(None, 0, 0),
                       out_axes=None)
sharded_step = jax.jit(over_line(
    lambda w, a, b: local_step(w, a[0], b[0], "x"), in_specs=(P(), P("x"), P("x")),
    out_specs=P()))
ring = [(i, (i + 1) % 4) for i in range(4)]
groups = [[0, 1], [2, 3]]

show("devices", lambda: [jax.device_count(), len(jax.local_devices())])
show("pmap", lambda: jax.pmap(lambda v: v * 2)(m))
show("pmap psum", lambda: jax.pmap(lambda v: v / lax.psum(v, "i"), axis_name="i")(m))
show("pmap in_axes", lambda: jax.pmap(lambda v, w: v + w, in_axes=(0, None))(m, x[:4]))
show("pmap of columns", lambda: jax.pmap(lambda v: v.sum(), in_axes=1)(m))
show("pmap of a tree", lambda: jax.pmap(
    lambda d: {"o": lax.pmean(d["a"], "i")}, axis_name="i")({"a": m}))
show("pmap static", lambda: jax.pmap(lambda v, n: v * n, static_broadcasted_argnums=1)(m, 3))
show("pmap index", lambda: jax.pmap(lambda v: v + lax.axis_index("i"), axis_name="i")(x[:4]))
show("pmap max", lambda: jax.pmap(lambda v: lax.pmax(v, "i") - lax.pmin(v, "i"), axis_name="i")(m))
show("pmap groups", lambda: jax.pmap(
    lambda v: lax.psum(v, "i", axis_index_groups=groups), axis_name="i")(x[:4]))
show("pmap gather", lambda: jax.pmap(lambda v: lax.all_gather(v, "i"), axis_name="i")(x[:4]))
show("pmap gather groups", lambda: jax.pmap(
    lambda v: lax.all_gather(v, "i", axis_index_groups=groups), axis_name="i")(x[:4]))
show("pmap permute", lambda: jax.pmap(lambda v: lax.ppermute(v, "i", ring), axis_name="i")(m))
show("pmap all_to_all", lambda: jax.pmap(
    lambda v: lax.all_to_all(v, "i", 0, 0), axis_name="i")(m))
show("pmap scatter", lambda: jax.pmap(lambda v: lax.psum_scatter(v, "i"), axis_name="i")(m))
show("pmap of grad", lambda: jax.pmap(
    jax.grad(lambda v: lax.pmean((v ** 2).sum(), "i")), axis_name="i")(m))
show("grad of pmap", lambda: jax.grad(
    lambda v: jax.pmap(lambda u: jnp.sin(u).sum())(v).sum())(m))
show("pmap of vmap", lambda: jax.pmap(jax.vmap(lambda v: v ** 2))(m))
show("pmap random", lambda: jax.pmap(
    lambda k: jax.random.uniform(k, (2,)))(jax.random.split(jax.random.PRNGKey(0), 4)))
show("pmap too many", lambda: jax.pmap(lambda v: v)(jnp.ones((8, 2))))
show("pmap no axis", lambda: jax.pmap(lambda v: v)(1.0))
show("pmap wrong keyword", lambda: jax.pmap(lambda v: v, axis=0))
show("pmap train", lambda: train(mapped_step))
show("shard", lambda: over_line(lambda v: v * 2, in_specs=P("x"), out_specs=P("x"))(x))
show("shard sum", lambda: over_line(
    lambda v: lax.psum(v.sum(), "x"), in_specs=P("x"), out_specs=P())(x))
show("shard not equal", lambda: over_line(
    lambda v: v.sum(), in_specs=P("x"), out_specs=P())(x))
show("shard unchecked", lambda: over_line(
    lambda v: v.sum(), in_specs=P("x"), out_specs=P(), check_vma=False)(x))
show("shard uneven", lambda: over_line(lambda v: v, in_specs=P("x"), out_specs=P("x"))(x[:7]))
show("shard matmul", lambda: over_plane(
    lambda a, b: lax.psum(a @ b, "b"), in_specs=(P("a", "b"), P("b", None)),
    out_specs=P("a", None))(m, m.T))
show("shard gather", lambda: over_line(
    lambda v: lax.all_gather(v, "x", tiled=True), in_specs=P("x"), out_specs=P("x"))(x))
show("shard all_to_all", lambda: over_line(
    lambda v: lax.all_to_all(v, "x", 1, 0, tiled=True), in_specs=P("x", None),
    out_specs=P("x", None))(m))
show("shard ring", lambda: over_line(
    lambda v: lax.ppermute(v, "x", ring), in_specs=P("x"), out_specs=P("x"))(x))
show("shard scatter", lambda: over_line(
    lambda v: lax.psum_scatter(v, "x", tiled=True), in_specs=P(None), out_specs=P("x"))(x))
show("shard grad", lambda: jax.jit(jax.grad(lambda v: over_line(
    lambda u: lax.psum((u ** 2).sum(), "x"), in_specs=P("x"), out_specs=P())(v)))(x))
show("shard of two axes", lambda: over_plane(
    lambda v: v + lax.axis_index("a") * 10 + lax.axis_index("b"), in_specs=P(("a", "b")),
    out_specs=P(("a", "b")))(x))
show("shard tree", lambda: over_line(
    lambda d, s: {"y": d["a"] * s}, in_specs=({"a": P("x")}, P()),
    out_specs={"y": P("x")})({"a": x}, jnp.float32(3)))
show("shard train", lambda: train(sharded_step))
placed = jax.device_put(m, sharding.NamedSharding(line, P("x")))
show("placed", lambda: [s.data for s in placed.addressable_shards])
show("jit of placed", lambda: jax.jit(lambda v: v @ v.T)(placed))
show("badly placed", lambda: jax.device_put(x[:7], sharding.NamedSharding(line, P("x"))))
