"""Programs whose kernels are checked: each primitive that kernels know on each dtype, reductions of
every kind, normalizations with their gradients, optimizers, and the benchmark's steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

import minigrad.numpy  # noqa: F401  (fills the table)
from minigrad.compiler.scalar import body
from minigrad.core import make_aval, table
from minigrad.ops.elementwise import RoundingMethod
from minigrad.program import Jaxpr, stage
from tests.bench import jax_programs, torch_programs

BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = (*map(np.dtype, ("f4", "f8", "f2")), BF16)
INTEGERS = tuple(map(np.dtype, ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")))
DTYPES = (*FLOATS, *INTEGERS, np.dtype(bool))
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e-3, 88.0, -88.0)
PARAMETERS: dict[str, dict[str, Any]] = {
    "integer_pow": {"y": 3}, "round": {"rounding_method": RoundingMethod.AWAY_FROM_ZERO},
    "mul": {"out_dtype": None}, "name": {"name": "here"},
}


@dataclass
class Program:
    """A program and its operands. ulp: how far apart an element may be from the reference's;
    floor: where both are smaller, in the ulp of that (a function's zeros). tolerance: or, of a
    program that adds up much, relative to the largest element."""

    name: str
    program: Jaxpr
    operands: list
    ulp: float | None = None
    tolerance: float | None = None
    floor: float = 0.0


def numbers(shape, dtype, seed: int = 0, edges: bool = True) -> np.ndarray:
    """Random numbers of both signs and several sizes, with the edges of the dtype among them."""
    rng = np.random.default_rng([seed, *shape])
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        small = rng.integers(max(info.min, -9), 9, shape).astype(dtype)
        return np.where(rng.random(shape) < 0.5, x, small)
    x = rng.standard_normal(shape) * 10 ** rng.uniform(-2, 1, shape)
    x = np.asarray(x)
    if edges and x.size:
        flat = x.reshape(-1)
        places = rng.integers(0, x.size, min(x.size, len(EDGES)))
        flat[places] = EDGES[:len(places)]
    return x.astype(dtype)


# ------------------------------------------------------------------ elementwise

SHAPES = [((37,),), ((256,),), ((3, 1, 8), (1, 5, 8)), ((6, 16), ()), ((2, 3, 5), (2, 1, 5))]
# erfc: the reference (SciPy's) loses digits far out; lgamma, digamma: left of 0 both reflect, and
# lose as many digits of pi * x as x is large
MATHS = {"pow": 8, "lgamma": 64, "digamma": 64, "erf_inv": 8, "erfc": 64, "tan": 8, "atanh": 8,
         "logistic": 8, "sinh": 8, "cosh": 8, "expm1": 8, "log1p": 8, "asinh": 8, "acosh": 8,
         "exp2": 8, "rem": 8, "integer_pow": 4}


def elementwise() -> Iterator[Program]:
    for name, primitive in sorted(table.items()):
        if primitive.family != "elementwise" or not primitive.arity:
            continue
        for k, dtype in enumerate(DTYPES):
            shapes = SHAPES[k % 3:][:2] if dtype.itemsize != 4 or dtype.kind != "f" else SHAPES
            for shape in shapes:
                found = one(name, primitive, dtype, shape)
                if found is not None:
                    yield found


def one(name: str, primitive, dtype, shapes) -> Program | None:
    """A primitive on operands of these shapes; None where kernels do not know it."""
    count = primitive.arity
    shapes = list(shapes[:count]) + [shapes[0]] * (count - len(shapes))
    dtypes = [dtype] * count
    if name == "select_n":
        dtypes[0], shapes = np.dtype(bool), [shapes[0]] * count
    if name == "clamp":
        shapes = [shapes[1]] * count
    avals = [make_aval(s, d) for s, d in zip(shapes, dtypes)]
    try:
        program = stage(lambda *xs: [primitive(*xs, **PARAMETERS.get(name, {}))], avals)
    except (TypeError, ValueError):  # not for this dtype, or not for these shapes
        return None
    if len(program.eqns) != 1 or body(program.eqns[0]) is None:
        return None
    operands = [numbers(s, d, k) for k, (s, d) in enumerate(zip(shapes, dtypes))]
    ulp = MATHS.get(name, 4) if dtype.itemsize > 2 and dtype.kind == "f" else 1
    words = "x".join(map(str, shapes[0])) or "scalar"
    floor = 1.0 if name in ("lgamma", "digamma") else 0.0
    return Program(f"{name} {dtype.name} {words}", program, operands, ulp, floor=floor)


def conversions() -> Iterator[Program]:
    for source in DTYPES:
        for target in DTYPES:
            program = stage(lambda x, d=target: [table["convert_element_type"](
                x, new_dtype=d, weak_type=False, sharding=None)], [make_aval((24,), source)])
            if program.eqns and body(program.eqns[0]) is not None:
                yield Program(f"convert {source.name} to {target.name}", program,
                              [numbers((24,), source, edges=target.kind == "f")], 0)


# ------------------------------------------------------------------ reductions

REDUCED = [((700,), (0,)), ((40000,), (0,)), ((5, 48), (1,)), ((3, 2100), (1,)), ((300, 12), (0,)),
           ((70, 33), (0,)), ((4, 60, 8), (1,)), ((6, 7, 10), (0, 2)), ((2, 3, 4, 5), (1, 3))]


def reductions() -> Iterator[Program]:
    for name in ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and",
                 "reduce_or"):
        dtypes: tuple = (np.dtype(bool),)
        if name in ("reduce_sum", "reduce_max"):
            dtypes = tuple(map(np.dtype, ("f4", "f8", "i4", "u1", "i8")))
        elif name in ("reduce_prod", "reduce_min"):
            dtypes = (np.dtype("f4"),)
        if name == "reduce_max":
            dtypes += (np.dtype("f2"), BF16)
        for k, dtype in enumerate(dtypes):
            for shape, axes in REDUCED if k == 0 else REDUCED[k % 2::2]:
                params = {"axes": axes, **({"out_sharding": None} if name == "reduce_sum" else {})}
                program = stage(lambda x, n=name, p=params: [table[n](x, **p)],
                                [make_aval(shape, dtype)])
                x = numbers(shape, dtype, edges=False)
                if name == "reduce_prod":
                    x = np.exp(0.1 * np.sin(x)).astype(dtype)
                elif name == "reduce_max" and dtype == np.float32:
                    x.reshape(-1)[-1] = np.nan
                words = "x".join(map(str, shape))
                # a product of n factors is off by up to n roundings, a sum by fewer
                allowed = 1e-4 if name == "reduce_prod" else 2e-6 if dtype.itemsize < 8 else 1e-14
                yield Program(f"{name} {dtype.name} {words} over {axes}", program, [x],
                              tolerance=allowed)


# ------------------------------------------------------------------ programs of the faces


class Recorder:
    """A jax face whose `jit` notes the functions that it stages, and what they are called on."""

    def __init__(self, face: Any):
        self.face, self.calls = face, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.face, name)

    def jit(self, function: Callable, **_) -> Callable:
        def call(*args):
            self.calls.append((function, args))
            return self.face.jit(function)(*args)

        return call


def recorded(name: str, build: Callable, tolerance: float) -> Iterator[Program]:
    import compat.jax as jax

    recorder = Recorder(jax)
    build(recorder)()
    for function, args in recorder.calls:
        program = jax.make_jaxpr(function)(*args)
        yield Program(name, program, [np.asarray(x) for x in jax.tree.leaves(args)],
                      tolerance=tolerance)


def of_jax(function: Callable, *arrays, name: str, tolerance: float = 2e-6) -> Program:
    import compat.jax as jax

    operands = [np.asarray(a) for a in arrays]
    return Program(name, jax.make_jaxpr(function)(*map(jax.numpy.asarray, operands)), operands,
                   tolerance=tolerance)


def formulas() -> Iterator[Program]:
    """What networks are made of, forward and backward, at widths that do and do not divide."""
    import compat.jax as jax

    jnp = jax.numpy

    def layer_norm(x, scale, shift):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift

    def batch_norm(x):
        mean = x.mean((0, 2), keepdims=True)
        return (x - mean) / jnp.sqrt(((x - mean) ** 2).mean((0, 2), keepdims=True) + 1e-5)

    def squares(f):
        return lambda *xs: jnp.sum(f(*xs) ** 2)

    for rows, width in ((5, 3), (64, 100), (9, 2048), (3, 5001)):
        x, y, s = (numbers(shape, "f4", k, edges=False) for k, shape in
                   enumerate([(rows, width), (width,), (width,)]))
        words = f"{rows}x{width}"
        yield of_jax(jax.nn.softmax, x, name=f"softmax {words}")
        yield of_jax(jax.nn.log_softmax, x, name=f"log_softmax {words}")
        yield of_jax(layer_norm, x, s, y, name=f"layer_norm {words}")
        yield of_jax(jax.grad(squares(jax.nn.softmax)), x, name=f"softmax gradient {words}",
                     tolerance=2e-5)
        yield of_jax(jax.grad(squares(layer_norm), (0, 1, 2)), x, s, y,
                     name=f"layer_norm gradient {words}", tolerance=2e-5)
        picked = np.random.default_rng(0).integers(0, width, rows).astype(np.int32)

        def cross_entropy(x, labels):
            return jax_programs.cross_entropy_of(jax, x, labels)

        yield of_jax(jax.value_and_grad(cross_entropy), x, picked, name=f"cross_entropy {words}",
                     tolerance=2e-5)
    x = numbers((6, 5, 28), "f4", edges=False)
    yield of_jax(batch_norm, x, name="batch_norm")
    yield of_jax(jax.grad(lambda x, y: jnp.sum(batch_norm(x) * y)), x,
                 numbers(x.shape, "f4", 1, edges=False), name="batch_norm gradient", tolerance=2e-5)
    a, b = numbers((33, 20), "f4", edges=False), numbers((20,), "f4", 1, edges=False)
    yield of_jax(jax.grad(lambda a, b: jnp.sum(jax.nn.gelu(a + b)), (0, 1)), a, b,
                 name="bias gradient", tolerance=2e-5)
    yield of_jax(lambda x: jnp.transpose(x, (2, 0, 1)) * 2, x, name="transpose")
    yield of_jax(lambda x: jnp.pad(x[:, ::-1, 1:], ((0, 0), (1, 2), (0, 3))) + 1, x, name="pad")
    yield of_jax(lambda x: jnp.concatenate([x[0], 2 * x[1], x[2] - 1], 1), x, name="concatenate")
    yield of_jax(lambda x: jnp.concatenate([x, x[:0] + 1, 2 * x]), a, name="nothing")
    yield of_jax(lambda x, i: x[i] * 2, a, np.array([3, -1, 40, 0], np.int32), name="gather")
    yield of_jax(lambda x: jnp.where(jnp.arange(20) > 7, jnp.cumsum(x, 0), 0.5), a, name="where")
    yield of_jax(lambda x: (x.astype("float32") ** 2).sum(1).astype("float16"),
                 numbers((12, 64), "f2", edges=False), name="half rows", tolerance=1e-3)
    for dtype in (np.dtype("f2"), BF16):
        half = numbers((9, 130), dtype, edges=False)
        yield of_jax(jax.nn.softmax, half, name=f"softmax {dtype.name}", tolerance=8e-3)
        yield of_jax(lambda x: jax.grad(lambda x: jnp.sum(jax.nn.log_softmax(x)[:, 3]))(x), half,
                     name=f"log_softmax gradient {dtype.name}", tolerance=8e-3)
    yield of_jax(lambda x, y: (x * y + 1).astype("bfloat16"), numbers((8, 32), BF16, edges=False),
                 numbers((32,), BF16, 1, edges=False), name="bfloat16", tolerance=1e-2)
    yield of_jax(lambda x: jax.lax.fori_loop(0, 5, lambda i, x: jnp.sin(x) + i, x), a, name="loop")
    yield of_jax(lambda x: jax.lax.while_loop(lambda x: jnp.sum(x) < 100, lambda x: x * 2 + 1, x),
                 a, name="while")
    yield of_jax(lambda x: jax.lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x), a, name="cond")
    yield of_jax(lambda x: jax.lax.scan(lambda c, x: (jnp.tanh(c + x), c * 2), x[0], x), a,
                 name="scan")


def steps() -> Iterator[Program]:
    """The benchmark's programs, the larger ones made small."""
    jaxs, torches = jax_programs, torch_programs
    for name in ("gelu", "chain", "adam", "axpy", "relu"):
        yield from recorded(f"{name}", lambda j, n=name: getattr(jaxs, n)(j, 1000), 1e-5)
    yield from recorded("MLP step", jaxs.mlp, 1e-4)
    yield from recorded("CNN step", jaxs.cnn, 1e-4)
    yield from recorded("LSTM step", lambda j: jaxs.lstm(j, 5, 4, 8, 16), 1e-4)
    yield from recorded("GPT step", lambda j: jaxs.gpt(j, 1, 32, 2, 16, 2, 24), 1e-4)
    yield from recorded("per example", lambda j: jaxs.per_example(j, 4), 1e-4)
    yield from recorded("hessian", lambda j: jaxs.hessian(j, 10), 1e-4)
    yield from staged("torch MLP step", torches.mlp)
    yield from staged("torch CNN step", torches.cnn)
    yield from staged("torch LSTM step", lambda t: torches.lstm(t, 5, 4, 8, 16))
    yield from staged("torch GPT step", lambda t: torches.gpt(t, 1, 32, 2, 16, 2, 24))


def staged(name: str, build: Callable) -> Iterator[Program]:
    """A training step in torch's idiom: the program that `compile` runs from the third call on."""
    import compat.torch as torch

    step = torch.compile(build(torch))
    for _ in range(3):
        step()
    variant = list(step.variants.values())[-1]
    found, _, operands = variant.jitted.compiled_for((), {})
    yield Program(name, found.jaxpr, [np.array(x) for x in operands], tolerance=1e-4)


def corpus(every: int = 1) -> list[Program]:
    """All programs, or each `every`-th of a primitive's; those of networks are all taken."""
    return [p for part in (elementwise, conversions) for p in list(part())[::every]] + [
        p for part in (reductions, formulas, steps) for p in part()]
