"""Random programs of JAX's own functions, under random towers of its transforms, on both faces.

`tests/random_programs.py` draws from the primitives, with sizes that it bounds itself. Here a step
is an expression as people write it - of jnp, lax, jax.nn, with control flow, custom rules, indexing
and every dtype - and real JAX says whether it may be written at all. A program is text, so what
fails can be pasted into a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import jax
import jax.scipy.special
import ml_dtypes
import numpy as np

import compat.jax
import compat.jax.nn
import compat.jax.numpy
import compat.jax.scipy.special

DTYPES = {"f2": np.float16, "bf": ml_dtypes.bfloat16, "f4": np.float32, "f8": np.float64,
          "c8": np.complex64, "c16": np.complex128, "i4": np.int32, "i8": np.int64,
          "u1": np.uint8, "b1": np.bool_}
NARROW = "f4 f4 f4 f4 c8 f2 bf i4 u1 b1".split()
WIDE = "f8 f8 f8 c16 f4 i4 i8 b1".split()
SHAPES = ((), (3,), (2, 3), (3, 3), (1, 3), (0, 3))

# ------------------------------------------------------------------ steps, as text of x and y


def calls(names: str, arguments: str) -> list[str]:
    return [f"{name}({arguments})" for name in names.split()]


def of(module: str, names: str) -> str:
    return " ".join(f"{module}.{name}" for name in names.split())


STEPS = [
    *calls(of("lax", "sin cos tanh neg sign floor ceil square abs is_finite erf logistic expm1 exp "
              "asinh population_count clz real imag conj"), "x"),
    *calls(of("lax", "exp2 sinh cosh tan bessel_i0e cbrt asin atanh erf_inv erfc"), "squash(x)"),
    *calls(of("lax", "log log1p sqrt rsqrt lgamma digamma"), "positive(x)"),
    *calls(of("jnp", "sinc cumsum cumprod sort argsort flip ravel transpose mean var std sum prod "
              "max min median any all ptp nan_to_num diff logical_not reciprocal angle isnan "
              "round trunc rint squeeze nansum count_nonzero sort_complex i0 average"), "x"),
    *calls(of("jax.nn", "relu gelu silu softplus log_softmax logsumexp elu selu celu leaky_relu "
              "hard_tanh soft_sign standardize relu6 mish squareplus"), "x"),
    *calls(of("jax.scipy.special", "gammaln expit log_ndtr ndtr entr i0 i1e"), "positive(x)"),
    *calls(of("jnp", "add subtract multiply maximum minimum arctan2 hypot logaddexp less fmax fmin "
              "greater_equal logical_and copysign heaviside matmul dot outer inner kron convolve "
              "append bitwise_xor not_equal ldexp"), "x, y"),
    *calls(of("jnp", "divide power floor_divide remainder fmod float_power"), "x, positive(y)"),
    *calls(of("lax", "add mul max atan2 pow rem complex eq ge nextafter"), "x, y"),
    *(f"jnp.{name}(x, axis={axis})" for name in "sum max prod argmax cumsum sort std".split()
      for axis in (0, -1)),
    "jnp.expand_dims(x, -1)", "jnp.moveaxis(x, 0, -1)", "jnp.roll(x, 1, axis=0)",
    "jnp.tile(x, 2)", "jnp.repeat(x, 2, axis=-1)", "jnp.pad(x, 1)", "jnp.tril(x)",
    "lax.pad(x, jnp.zeros((), x.dtype), [(-1, 1, 1)] + [(0, 0, 0)] * (x.ndim - 1))",
    "lax.dynamic_slice_in_dim(x, jnp.int32(1), max(1, x.shape[-1] - 1), axis=-1)",
    "jnp.take(x, jnp.array([0, -1, 5]), axis=0, mode='clip')",
    "jnp.take_along_axis(x, jnp.argsort(x, axis=0), axis=0)", "x[::-1]", "x[..., ::2]",
    "jnp.concatenate([x, x[::-1]], axis=-1)", "jnp.stack([x, x], axis=-1)", "jnp.diagonal(x)",
    "jnp.where(jnp.abs(x) > 0.5, x, 0)", "x[jnp.array([[0], [1]])]", "x.at[0].set(x[-1])",
    "x.at[jnp.array([0, 1, 0])].add(x[jnp.array([0, 0, 0])])", "x.at[..., 0].multiply(2)",
    "x.at[jnp.array([0, 5])].min(x[0], mode='drop')", "x.reshape(x.shape[::-1], order='F')",
    "lax.dynamic_update_slice_in_dim(x, x[:1], jnp.int32(1), axis=0)",
    "jnp.broadcast_to(x, (2, 3))",
    *(f"x.astype('{dtype}')" for dtype in ("float16", "bfloat16", "float32")),
    "jnp.abs(jnp.round(squash(x.real) * 3)).astype('int32')", "(x.real > 0.2)",
    "x + 2", "0.5 - x", "x * 1.5j", "x * True", "x * np.float32(0.5)", "x + np.int8(2)",
    "jnp.linalg.cholesky(definite(x))", "jnp.linalg.inv(definite(x))",
    "jnp.linalg.det(squash(x))", "jnp.linalg.solve(definite(x), x)",
    "jnp.linalg.eigvalsh(definite(x))", "jnp.linalg.matrix_power(squash(x), 3)",
    "lax.reduce_window(x, -jnp.inf, lax.max, (2,) + (1,) * (x.ndim - 1), (1,) * x.ndim, 'SAME')",
    "jnp.fft.fft(x)", "lax.top_k(x, 2)[0]", "jnp.einsum('i,j->ij', x, jnp.conj(x))",
    "lax.cumlogsumexp(x)", "lax.associative_scan(jnp.multiply, squash(x))",
    "lax.cond(size(x) > 1, lambda a, b: bounded(a * b), lambda a, b: a, x, y)",
    "lax.switch(jnp.int32(size(x)) % 3, [lambda a, b: a, lambda a, b: bounded(b), "
    "lambda a, b: a * b], x, y)",
    "lax.scan(lambda c, t: (bounded(c * t), (c, t)), y, jnp.stack([x, y, x]), reverse=True, "
    "unroll=2)[0]",
    "lax.scan(lambda c, t: (jnp.where(t > 1, c, bounded(c * y)), c), x, jnp.arange(3))[1]",
    "lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, bounded(s[1] * y)), (0, x))[1]",
    "lax.fori_loop(0, 3, lambda k, c: bounded(c * x), y)",
    "lax.fori_loop(0, jnp.int32(size(x)) % 3, lambda k, c: bounded(c * y), x)",
    "lax.map(lambda a: bounded(a) * a, jnp.stack([x, y]))",
    "lax.cond(size(x) > 0.7, lambda a: lax.scan(lambda c, t: (bounded(c * y), None), a, None, "
    "length=2)[0], lambda a: a, x)",
    "lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, lax.cond(s[0] > 0, lambda c: c * y, "
    "bounded, s[1])), (0, x))[1]",
    "jax.checkpoint(lambda a, b: bounded(bounded(a) * b))(x, y)",
    "jax.checkpoint(lambda a, b: bounded(a @ b), "
    "policy=jax.checkpoint_policies.dots_saveable)(x, y)",
    "jax.jit(lambda a, b, k: bounded(a) * k + b, static_argnums=2)(x, y, 2)",
    "jax.vmap(lambda a, b: bounded(a) * b, in_axes=(0, None))(jnp.stack([x, y]), x)",
    "jax.jvp(lambda a: jnp.sin(a) * y, (x,), (y,))[1]",
    "jax.grad(lambda a: jnp.sum(jnp.sin(a * y)))(x)", "lax.stop_gradient(x) * y",
    "with_jvp(x, y)", "with_vjp(x, y)",
]


def helpers(module) -> dict[str, Any]:
    """What the steps call beside the library itself."""
    jnp = module.numpy

    def bounded(x):
        return jnp.tanh(x).astype(x.dtype) if jnp.issubdtype(x.dtype, jnp.inexact) else x

    def squash(x):
        return jnp.tanh(x) * 0.9

    @module.custom_jvp
    def with_jvp(a, b):
        return jnp.tanh(a) * b

    @with_jvp.defjvp
    def with_jvp_rule(primals, tangents):
        (a, b), (s, t) = primals, tangents
        return with_jvp(a, b), s * b + t

    @module.custom_vjp
    def with_vjp(a, b):
        return jnp.tanh(a) * b

    with_vjp.defvjp(lambda a, b: (with_vjp(a, b), (a, b)),
                    lambda saved, ct: (ct * saved[1], ct * saved[0]))
    return {"jax": module, "jnp": jnp, "lax": module.lax, "np": np, "bounded": bounded,
            "squash": squash, "positive": lambda x: squash(x) + 1.5, "with_jvp": with_jvp,
            "with_vjp": with_vjp, "size": lambda x: jnp.sum(jnp.abs(x).astype("float32")),
            "definite": lambda x: squash(x) @ jnp.conj(squash(x)).T + 2 * jnp.eye(len(x))}


SIDES = {"jax": helpers(jax), "ours": helpers(compat.jax)}

# ------------------------------------------------------------------ programs


@dataclass
class Program:
    inputs: list[tuple[tuple[int, ...], str]]  # shape and dtype of each
    lines: list[str]

    def on(self, side: str) -> Callable:
        """A function of the inputs, to the list of the last two values."""
        space: dict = {}
        exec(str(self), SIDES[side], space)
        return space["f"]

    def __str__(self) -> str:
        count = len(self.inputs)
        names = [letter(i) for i in range(count + len(self.lines))]
        body = [f"    {n} = {line}" for n, line in zip(names[count:], self.lines)]
        returned = ", ".join(names[count:][-2:])
        return "\n".join([f"def f({', '.join(names[:count])}):", *body, f"    return [{returned}]"])


def letter(i: int) -> str:
    return f"v{i}"


def random_program(random: Random, wide: bool) -> Program | None:
    """Up to six steps that real JAX accepts; None where it accepted none of those tried."""
    inputs = [(random.choice(SHAPES[:4] if random.random() < 0.9 else SHAPES),
               random.choice(WIDE if wide else NARROW)) for _ in range(random.randint(1, 3))]
    avals = [jax.ShapeDtypeStruct(shape, DTYPES[dtype]) for shape, dtype in inputs]
    lines: list[str] = []
    for _ in range(40):
        if len(lines) == 6:
            break
        template, x, y = random.choice(STEPS), *random.choices(range(len(avals)), k=2)
        if random.random() < 0.5:
            x = len(avals) - 1
        line = re.sub(r"\bx\b", letter(x), re.sub(r"\by\b", letter(y), template))
        step = eval(f"lambda x, y: {template}", SIDES["jax"])
        try:
            out = jax.eval_shape(step, avals[x], avals[y])
        except Exception:
            continue
        if isinstance(out, jax.ShapeDtypeStruct) and np.prod(out.shape) <= 60:
            lines.append(line)
            avals.append(out)
    return Program(inputs, lines) if lines else None


# ------------------------------------------------------------------ transforms

Transform = Callable[[Any, Callable], Callable]  # of a library and a function


def inexact(x) -> bool:
    return np.dtype(x.dtype).kind in "fcV"


def of_floats(f: Callable, xs) -> tuple[Callable, list]:
    """`f` as a function of its floating arguments to its floating results, and the arguments."""
    places = [i for i, x in enumerate(xs) if inexact(x)]

    def g(*floats):
        full = list(xs)
        for i, x in zip(places, floats):
            full[i] = x
        return [out for out in f(*full) if inexact(out)]

    return g, [xs[i] for i in places]


def derivative(ask: Callable) -> Transform:
    """A transform of the floating arguments; a program without any stays as it is."""
    def transform(lib, f):
        def g(*xs):
            function, floats = of_floats(f, xs)
            return list(ask(lib, function, floats)) if floats else list(f(*xs))

        return g

    return transform


def total(lib, outs):
    """A real number that depends on every result."""
    parts = [lib.numpy.sum(lib.numpy.sin(out).real.astype("float32")) for out in outs]
    return sum(parts, start=lib.numpy.float32(0))


def mapped(axes: tuple, out_axis: int) -> Transform:
    return lambda lib, f: lib.vmap(lambda *xs: list(f(*xs)), in_axes=axes, out_axes=out_axis)


def repeated(lib, f):
    def g(*xs):
        outs = lib.lax.map(lambda a: list(f(*a)), tuple(lib.numpy.stack([x, x]) for x in xs))
        return [out[0] for out in outs]

    return g


def chosen(lib, f):
    def g(*xs):
        return lib.lax.cond(lib.numpy.sum(lib.numpy.abs(xs[0])) > 0.3, lambda a: list(f(*a)),
                            lambda a: list(map(lib.numpy.zeros_like, f(*a))), xs)

    return g


TRANSFORMS: dict[str, Transform] = {
    "jit": lambda lib, f: lib.jit(f), "checkpoint": lambda lib, f: lib.checkpoint(f),
    "jvp": derivative(lambda lib, f, xs: lib.jvp(
        f, tuple(xs), tuple(map(lib.numpy.sin, xs)))[1]),
    "vjp": derivative(lambda lib, f, xs: (lambda outs, pull: pull(
        list(map(lib.numpy.cos, outs))))(*lib.vjp(f, *xs))),
    "linearize": derivative(lambda lib, f, xs: lib.linearize(f, *xs)[1](*xs)),
    "grad": derivative(lambda lib, f, xs: lib.grad(
        lambda *a: total(lib, f(*a)), argnums=tuple(range(len(xs))))(*xs)),
    "value_and_grad": derivative(lambda lib, f, xs: (lambda value, slopes: [*value[1], *slopes])(
        *lib.value_and_grad(lambda *a: (lambda outs: (total(lib, outs), outs))(f(*a)),
                            argnums=tuple(range(len(xs))), has_aux=True)(*xs))),
    "jacfwd": derivative(lambda lib, f, xs: lib.jacfwd(
        lambda *a: [out.real for out in f(*a)])(*[x.real for x in xs])),
    "jacrev": derivative(lambda lib, f, xs: lib.jacrev(
        lambda *a: [out.real for out in f(*a)])(*[x.real for x in xs])),
    "map": repeated, "cond": chosen,
}


def random_tower(random: Random, shapes: list) -> tuple[list[tuple[str, Transform]], list]:
    """Up to three transforms with their names, and the shapes that the outermost one takes."""
    tower: list[tuple[str, Transform]] = []
    for _ in range(random.randint(0, 3)):
        kind = random.choice([*TRANSFORMS, "vmap", "vmap"])
        if kind != "vmap":
            tower.append((kind, TRANSFORMS[kind]))
            continue
        size, axes = random.choice((2, 3)), [random.choice((0, len(s), -1, None)) for s in shapes]
        if all(axis is None for axis in axes):
            axes[0] = 0
        out_axis = random.choice((0, -1))
        shapes = [s if axis is None else (*s, size) if axis == -1
                  else (*s[:axis], size, *s[axis:]) for s, axis in zip(shapes, axes)]
        tower.append((f"vmap{tuple(axes)}->{out_axis}", mapped(tuple(axes), out_axis)))
    return tower, shapes


def under(tower, lib, f: Callable) -> Callable:
    for _, transform in tower:
        f = transform(lib, f)
    return f


def numbers(seed: int, shapes, dtypes) -> list[np.ndarray]:
    rng, arrays = np.random.default_rng(seed), []
    for shape, dtype in zip(shapes, dtypes):
        if dtype[0] in "iu" or dtype == "b1":
            x = rng.integers(0, 2 if dtype == "b1" else 5, shape)
        else:
            x = rng.uniform(-1, 1, shape) + (1j * rng.uniform(-1, 1, shape) if dtype[0] == "c"
                                             else 0)
        arrays.append(np.asarray(x).astype(DTYPES[dtype]))
    return arrays
