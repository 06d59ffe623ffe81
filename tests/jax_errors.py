"""Calls that JAX refuses, and what it says: our face says the same, class and text.

    python -m tests.jax_errors          how many are equal
    python -m tests.jax_errors --all    the others, both texts
"""

from __future__ import annotations

import re
import sys
import warnings

import jax
import numpy as np

import compat.jax as face

WORLDS = [{"jax": j, "jnp": j.numpy, "lax": j.lax, "np": np} for j in (jax, face)]

PRELUDE = """
x3, i3, m = jnp.arange(3.0), jnp.arange(3), jnp.ones((2, 3))
key = jax.random.key(0)
leaked = []
def one(x, y): return x
def branch(x):
    if x > 0: return x
    return -x
def loop(x, y):
    z = x + 1
    w = z * y
    while w > 0: w = w - 1
    return w
def keep(x):
    leaked.append(x * 2)
    return x
def keep_carry(c, x):
    leaked.append(c)
    return c, x
def generator():
    yield 1
def vjp_with(fwd, bwd):
    f = jax.custom_vjp(lambda x: x)
    if fwd: f.defvjp(fwd, bwd)
    return f
def jvp_with(rule):
    f = jax.custom_jvp(lambda x: x)
    if rule: f.defjvp(rule)
    return f
def deleted():
    y = jnp.ones(3) + 0
    y.delete()
    return y
class Node: pass
def registered():
    jax.tree_util.register_pytree_node(Node, lambda a: ((), None), lambda a, c: Node())
"""

CALLS = """
lax.scan(lambda c, x: ((c, c), x), 0., x3)
lax.scan(lambda c, x: (c.astype(jnp.int32), x), 0., x3)
lax.scan(lambda c, x: (jnp.ones(2) * c, x), jnp.float32(0.), x3)
lax.scan(lambda c, x: ({'a': c['a'], 'b': m}, x), {'a': 0., 'b': jnp.zeros(())}, x3)
lax.scan(lambda c, x: c, 0., x3)
lax.scan(lambda c, x: (c, x), 0., (x3, jnp.ones(4)))
lax.scan(lambda c, x: (c, x), 0., 3.)
lax.scan(lambda c, x: (c, x), 0., None)
lax.scan(lambda c, x: (c, x), 0., x3, length=4)
lax.while_loop(lambda c: c < 3, lambda c: jnp.complex64(c) + 1, 0)
lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0],), (0, 1))
lax.while_loop(lambda c: c, lambda c: c, 0.)
lax.while_loop(lambda c: jnp.ones(2) > 0, lambda c: c, 0.)
lax.while_loop(lambda c: (c > 0, c), lambda c: c, 0.)
lax.fori_loop(0, 3, lambda i, c: c[None], x3)
lax.cond(True, lambda x: x, lambda x: x.astype(int), x3)
lax.cond(True, lambda x: (x, x), lambda x: x, x3)
lax.cond(True, lambda x: x, lambda x: x[:2], x3)
lax.cond(x3, lambda x: x, lambda x: x, x3)
lax.cond('a', lambda x: x, lambda x: x, x3)
lax.cond(True, 1., 2.)
lax.switch(0, [], 1.)
lax.switch(x3, [lambda x: x, lambda x: x], 1.)
lax.switch(1.5, [lambda x: x, lambda x: x], 1.)
lax.switch(1, [lambda x: x, lambda x: x > 0], 1.)
lax.map(lambda x: x, 1.)
lax.associative_scan(lambda a, b: a, (x3, jnp.ones(2)))
jax.grad(lambda x: lax.while_loop(lambda c: c < 3, lambda c: c * 2, x))(1.)
jax.vmap(one)(x3, jnp.ones(4))
jax.vmap(one)({'a': x3, 'b': jnp.ones(3)}, jnp.ones(4))
jax.vmap(lambda x, y, z: x)(x3, x3, jnp.ones((4, 2)))
jax.vmap(one)(x3, y=jnp.ones(4))
jax.vmap(lambda x: x)(1.)
jax.vmap(lambda x: x, in_axes=None)(1.)
jax.vmap(one, in_axes=(0,))(x3, x3)
jax.vmap(lambda x: x, in_axes=(0, 1))(x3)
jax.vmap(lambda x: x, in_axes=5)(x3)
jax.vmap(lambda x: x, in_axes=({'a': 0},))({'b': x3})
jax.vmap(lambda x: x, in_axes=True)(x3)
jax.vmap(lambda x: x, out_axes=(0, 0))(x3)
jax.vmap(lambda x: x, out_axes=None)(x3)
jax.vmap(one, in_axes=[0, 0])(x3, x3)
jax.vmap(lambda: 1)()
jax.vmap(lambda x: lax.psum(x, 'j'), axis_name='i')(x3)
jax.jit(lambda n: jnp.zeros(n))(3)
jax.jit(lambda n: jnp.arange(n))(3)
jax.jit(lambda x, n: x.reshape(n))(x3, 3)
jax.jit(lambda x, n: x.reshape(n, -1))(x3, 3)
jax.jit(branch)(1.)
jax.jit(loop)(1., 2.)
jax.jit(lambda x, y: x > 0 and y > 0)(1., 2.)
jax.jit(lambda x: range(x))(3)
jax.jit(lambda x: int(x))(3)
jax.jit(lambda x: float(x))(3.)
jax.jit(lambda x: complex(x))(3.)
jax.jit(lambda i: [1, 2, 3][i])(1)
jax.jit(lambda x: np.sin(x))(1.)
jax.jit(lambda x: np.asarray(x))(x3)
jax.vmap(lambda x: np.asarray(x))(x3)
jax.jit(lambda x: x.item())(1.)
jax.jit(lambda x: x.tolist())(x3)
jax.jit(lambda x: [i for i in x])(1.)
hash(x3)
jax.jit(lambda x: hash(x))(1.)
jax.jit(lambda x: x[x > 0])(x3)
jax.jit(jnp.nonzero)(x3)
jax.jit(jnp.unique)(x3)
jax.jit(lambda x: jnp.where(x > 0))(x3)
jax.jit(lambda x, i: x[:i])(x3, 2)
jax.jit(lambda x, i: x[i:i + 2])(x3, 1)
jax.jit(lambda x, i: jnp.split(x, i))(x3, 1)
jax.jit(lambda x, i: jnp.sum(x, axis=i))(x3, 0)
(jax.jit(keep)(1.), leaked[-1] + 1)
(jax.jit(keep)(x3), jnp.cos(leaked[-1]))
(jax.vmap(keep)(x3), leaked[-1] + 1)
(lax.scan(keep_carry, 0., x3), leaked[-1] + 1)
(jax.jit(keep)(x3), jax.jit(lambda y: y + leaked[-1])(x3))
jax.jit(one, static_argnums=1)(1., [1])
jax.jit(one, static_argnums=1)(1., np.ones(2))
jax.jit(one, static_argnames='y')(1., y=x3)
jax.jit(lambda x: x, static_argnums=3)(1.)
jax.jit(lambda x: x, static_argnums=-3)(1.)
jax.jit(lambda x: x, static_argnames='foo')(1.)
jax.jit(lambda x: x, static_argnums='a')(1.)
jax.jit(lambda x: x, static_argnames=1)(1.)
jax.jit(one, static_argnums=0, donate_argnums=0)(1., 2.)
jax.jit(one, donate_argnums=5)(1., 2.)
jax.jit(one, donate_argnames='z')(1., 2.)
jax.jit(lambda x: x)('a')
jax.jit(one)({'a': object}, 1)
jax.jit(lambda x: 'foo')(1.)
jax.jit(lambda x: {'a': x, 'b': [1, 'q']})(1.)
jax.jit(3)
jax.jit(generator)
jax.jit(one)(1.)
jax.grad(lambda x: x * 2)(x3)
jax.grad(lambda x: x * 2)(3)
jax.grad(lambda x: jnp.int32(x))(3.)
jax.grad(lambda x: x * 1j)(3.)
jax.grad(lambda x: x)(3.j)
jax.grad(lambda x: (x, x))(3.)
jax.grad(lambda x: x, has_aux=True)(3.)
jax.grad(lambda x: (x, x, x), has_aux=True)(3.)
jax.grad(lambda x: None)(3.)
jax.grad(lambda x: x, argnums=1)(3.)
jax.grad(lambda x: x, argnums='a')(3.)
jax.grad(lambda x: x)('a')
jax.grad(lambda x: x)(x=1.)
jax.grad(lambda x: x, holomorphic=True)(1.)
jax.jvp(jnp.sin, (x3,), (jnp.ones(2),))
jax.jvp(jnp.sin, (x3,), (jnp.ones(3, int),))
jax.jvp(lambda x: x * 2, (i3,), (i3,))
jax.jvp(jnp.sin, (x3,), (x3, x3))
jax.jvp(jnp.sin, x3, x3)
jax.vjp(jnp.sin, x3)[1](jnp.ones(2))
jax.vjp(jnp.sin, x3)[1]((x3, x3))
jax.vjp(jnp.sin, x3)[1](i3)
jax.vjp(lambda x: (x, x), x3)[1](x3)
jax.linearize(jnp.sin, x3)[1](jnp.ones(2))
jax.jacfwd(lambda x: x)(3)
jax.jacrev(lambda x: x)(3)
jax.grad(vjp_with(None, None))(1.)
jax.grad(vjp_with(lambda x: (x, None), lambda r, g: g))(1.)
jax.grad(vjp_with(lambda x: (x, None), lambda r, g: (g, g)))(1.)
jax.grad(vjp_with(lambda x: x, lambda r, g: (g,)))(1.)
jax.grad(vjp_with(lambda x: (x, None), lambda r, g: (jnp.ones(3),)))(1.)
jax.grad(vjp_with(lambda x: ((x, x), None), lambda r, g: (g,)))(1.)
jax.jvp(jvp_with(None), (1.,), (1.,))
jax.jvp(jvp_with(lambda p, t: p[0]), (1.,), (1.,))
jax.jvp(jvp_with(lambda p, t: (p[0], jnp.ones(3))), (1.,), (1.,))
jax.jvp(jvp_with(lambda p, t: (p[0], (t[0], t[0]))), (1.,), (1.,))
x3 + jnp.ones(4)
jnp.ones((2, 3)) * jnp.ones((3, 2))
jnp.ones((2, 3)) @ jnp.ones((2, 3))
jnp.dot(x3, jnp.ones(4))
jnp.matmul(x3, 1.)
jnp.einsum('ij,jk->ik', m, m)
jnp.concatenate([m, x3])
jnp.concatenate([])
jnp.concatenate([m, jnp.ones((2, 4))], axis=0)
jnp.stack([m, x3])
m.reshape(4, 2)
m.reshape(-1, 4)
m.reshape(-1, -1)
jnp.squeeze(m, 0)
m.sum(2)
m.sum((0, 0))
jnp.sum([1, 2])
jnp.sin('a')
jnp.sin([1., 2.])
jnp.add([1.], [2.])
x3 + 'a'
x3 + None
m.transpose(0, 0)
m.transpose(0)
jnp.expand_dims(m, 5)
jnp.broadcast_to(m, (4, 3))
jnp.split(jnp.ones(5), 2)
m[0, 0, 0]
x3[1.5]
x3['a']
x3[[0, 1]]
m[jnp.ones(3, bool)]
x3[x3]
x3.__setitem__(0, 1)
x3.at[0].set(jnp.ones(2))
x3.at[0].set(1., mode='foo')
bool(x3)
bool(jnp.zeros(0))
int(x3)
float(m)
len(jnp.float32(1))
list(jnp.float32(1))
[1][jnp.float32(0)]
[1][i3]
lax.add(x3, i3)
lax.add(x3, jnp.ones(4))
lax.add(m, x3)
lax.dot(x3, jnp.ones(4))
lax.dot_general(m, m, (((1,), (0,)), ((), ())))
lax.slice(x3, (0,), (5,))
lax.slice(x3, (0, 0), (1, 1))
lax.dynamic_slice(x3, (0,), (5,))
lax.dynamic_slice(x3, (0, 0), (1,))
lax.dynamic_update_slice(x3, m, (0,))
lax.broadcast_in_dim(x3, (2, 2), (1,))
lax.broadcast_in_dim(x3, (2, 3), (5,))
lax.conv_general_dilated(jnp.ones((1, 3, 5, 5)), jnp.ones((4, 2, 3, 3)), (1, 1), 'SAME')
lax.conv_general_dilated(jnp.ones((1, 3, 5, 5)), jnp.ones((4, 3, 3)), (1, 1), 'SAME')
lax.reshape(x3, (4,))
lax.transpose(m, (0,))
lax.concatenate([m, x3], 0)
lax.concatenate([x3, i3], 0)
lax.pad(x3, 0, [(1, 1, 0)])
lax.select(x3, x3, x3)
lax.select(x3 > 0, x3, jnp.ones(2))
lax.clamp(jnp.ones(2), x3, jnp.ones(3))
lax.sin(i3)
lax.bitwise_and(x3, x3)
lax.neg(x3 > 0)
lax.top_k(x3, 5)
lax.squeeze(m, (0,))
lax.rev(x3, (1,))
lax.psum(x3, 'i')
lax.axis_index('i')
jax.random.normal(1, (2,))
jax.random.normal(x3, (2,))
jax.random.normal(jax.random.split(key), (2,))
jax.random.normal(key, (2,), dtype=int)
jax.random.uniform(key, (2,), dtype=int)
jax.random.randint(key, (2,), 0, 3, dtype=float)
jax.random.choice(key, 3, (5,), replace=False)
jax.random.choice(key, 0, (5,))
jax.random.bernoulli(key, 1)
key + 1
jax.random.key(1.5)
jax.random.PRNGKey(x3)
np.asarray(key)
jax.tree.map(one, {'a': 1}, {'b': 1})
jax.tree.map(one, (1, 2), [1, 2])
jax.tree.map(one, (1, 2), (1, 2, 3))
jax.tree.map(one, {'a': (1, 2)}, {'a': 1})
jax.tree.map(one, None, 1)
jax.tree.unflatten(jax.tree.structure((1, 2)), [1])
jax.tree.unflatten(jax.tree.structure((1, 2)), [1, 2, 3])
jax.tree.flatten({1: 1, 'a': 2})
jax.tree.transpose(jax.tree.structure((0, 0)), jax.tree.structure([0]), {'a': 1})
(registered(), registered())
jnp.linalg.cholesky(m)
jnp.linalg.inv(m)
jnp.linalg.solve(m, m)
jnp.linalg.det(x3)
jnp.linalg.norm(x3, ord='foo')
jnp.array(object())
jnp.array([[1, 2], [3]])
jnp.array('abc')
jnp.array([None, 1])
jnp.asarray(np.array([1, 'a'], object))
jnp.zeros(3, 'foo')
jnp.zeros(-1)
jnp.zeros(1.5)
jnp.zeros((2., 3))
jnp.clip(x3, 1j, 2)
jnp.sort(m, axis=3)
jnp.take(x3, jnp.array([0]), mode='foo')
jnp.add(jnp.ones(2, jnp.float8_e4m3fn), jnp.ones(2))
x3.astype('foo')
x3.foo
jax.jit(lambda x: x.foo)(1.)
jnp.foo
jax.config.update('jax_foo', 1)
jax.jit(lambda x: x).lower(x3).compile()(jnp.ones(4))
jax.jit(one).lower(x3, x3).compile()(x3)
deleted() + 1
print(deleted())
jax.jit(lambda x: x)(deleted())
np.asarray(deleted())
deleted().block_until_ready()
jax.grad(lambda x: jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), jnp.float32), x))(1.)
jax.checkpoint(lambda x, y: x if y else -x)(1., True)
jax.eval_shape(lambda x: x @ x, jax.ShapeDtypeStruct((2, 3), jnp.float32))
jax.ShapeDtypeStruct((2,), None)
len(jax.ShapeDtypeStruct((), jnp.float32))
""".strip().split("\n")


def said(call: str, world: dict) -> str:
    """The class and text of the error, without what differs from run to run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            eval(call, world)
        except Exception as error:
            text = re.sub(r"0x[0-9a-f]+", "0x", f"{type(error).__name__}: {error}")
            text = re.sub(r"(:\d+):\d+ \(", r"\1 (", text)
            text = re.sub(r"object id \d+", "object id N", text)
            return re.sub(r" at (0x|<string>:\d+)", "", text)
    return "no error"


def pairs() -> dict[str, tuple[str, str]]:
    """What JAX says and what we say, for every call."""
    for world in WORLDS:
        exec(PRELUDE, world)
    return {call: tuple(said(call, world) for world in WORLDS) for call in CALLS}


if __name__ == "__main__":
    found = pairs()
    different = {c: p for c, p in found.items() if p[0] != p[1]}
    classes = [c for c, (a, b) in different.items() if a.split(":")[0] != b.split(":")[0]]
    print(f"{len(found)} calls that JAX refuses: {len(found) - len(different)} texts and "
          f"{len(found) - len(classes)} classes equal")
    for call, (theirs, ours) in different.items() if "--all" in sys.argv else ():
        print(f"== {'(CLASS) ' if call in classes else ''}{call}\n   jax  {theirs}\n   ours {ours}")
