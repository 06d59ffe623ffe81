"""Random programs, and random towers of transforms, over either library.

A program is data: steps that name a primitive, its operands and its parameters. It is interpreted
over the engine or over real JAX, so that both differentiate, batch and stage the very same thing.
`tests/random_programs.py` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import jax
import numpy as np

import minigrad
from compat.differential.oracle import FAST_COMPILE, jax_function
from minigrad import core, tape
from minigrad.graph import leaf

# ------------------------------------------------------------------ programs as data


@dataclass(frozen=True)
class Step:
    """`op[params] operands`: an int names an earlier value, anything else is a constant."""

    op: str
    operands: tuple
    params: dict = field(default_factory=dict)
    output: int | None = None  # of a primitive with several results

    def __str__(self) -> str:
        params = ", ".join(f"{k}={v}" for k, v in self.params.items())
        operands = " ".join(letter(a) if type(a) is int else repr(a) for a in self.operands)
        return f"{self.op}{f'[{params}]' if params else ''} {operands}"


@dataclass(frozen=True)
class Program:
    shapes: tuple[tuple[int, ...], ...]  # of the inputs
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]

    def __call__(self, library, *inputs) -> tuple:
        values = list(inputs)
        for step in self.steps:
            operands = [values[a] if type(a) is int else constant(a, inputs[0])
                        for a in step.operands]
            act = CONTROL.get(step.op)
            out = act(library, *operands, **step.params) if act else \
                library.apply(step.op, operands, step.params)
            values.append(out if step.output is None else out[step.output])
        return tuple(values[i] for i in self.outputs)

    def __str__(self) -> str:
        count = len(self.shapes)
        head = ", ".join(f"{letter(i)}{list(s)}" for i, s in enumerate(self.shapes))
        lines = [f"  {letter(count + i)} = {step}" for i, step in enumerate(self.steps)]
        return "\n".join([head, *lines, f"  -> {' '.join(map(letter, self.outputs))}"])

    __repr__ = __str__


def letter(index: int) -> str:
    return chr(ord("a") + index)


def constant(value, like):
    """Constants take the precision of the inputs, so that a program runs in any."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(like.dtype)
    return value


# ------------------------------------------------------------------ steps with functions inside


def scan_step(lib, init, weight, xs, *, reverse: bool, stacked: bool):
    """A tiny recurrent network; its body captures `weight`."""
    def body(carry, x):
        mixed = lib.apply("add", [lib.apply("mul", [carry, weight], {}), x], {})
        new = lib.apply("tanh", [mixed], {})
        return new, lib.apply("sin", [new], {})

    carry, ys = lib.scan(body, init, xs, reverse=reverse)
    return ys if stacked else carry


def cond_step(lib, x, y, *, threshold: float):
    """A branch chosen by the data."""
    axes = tuple(range(len(x.shape)))
    total = lib.apply("reduce_sum", [x], {"axes": axes}) if axes else x
    return lib.cond(
        lib.apply("gt", [total, threshold], {}),
        lambda x, y: lib.apply("mul", [lib.apply("sin", [x], {}), y], {}),
        lambda x, y: lib.apply("sub", [x, lib.apply("tanh", [y], {})], {}),
        x, y)


def inner_function(lib, x, y):
    return lib.apply("mul", [lib.apply("sin", [lib.apply("mul", [x, y], {})], {}), x], {})


def jit_step(lib, x, y):
    return lib.jit(lambda x, y: inner_function(lib, x, y))(x, y)


def checkpoint_step(lib, x, y):
    return lib.checkpoint(lambda x, y: inner_function(lib, x, y))(x, y)


def custom_jvp_step(lib, x, y):
    """Its rule is wrong on purpose, so that a transform which ignored it would show."""
    function = lib.custom_jvp(lambda x, y: inner_function(lib, x, y))

    @function.defjvp
    def rule(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        doubled = lib.apply("mul", [lib.apply("cos", [x], {}), lib.apply("add", [dx, dx], {})], {})
        return function(x, y), lib.apply("add", [doubled, dy], {})

    return function(x, y)


def custom_vjp_step(lib, x, y):
    """Reverse mode only: both libraries refuse to push a tangent through."""
    function = lib.custom_vjp(lambda x, y: inner_function(lib, x, y))
    function.defvjp(
        lambda x, y: (inner_function(lib, x, y), x),
        lambda x, ct: (lib.apply("mul", [lib.apply("sin", [x], {}), ct], {}), ct))
    return function(x, y)


def while_step(lib, x, y):
    """Doubles until the sum is large: in a batch, each example has its own number of steps."""
    axes = tuple(range(len(x.shape)))

    def running(carry):
        total = lib.apply("reduce_sum", [lib.apply("mul", [carry, carry], {})], {"axes": axes})
        return lib.apply("lt", [total, 10.0], {})

    return lib.while_loop(running, lambda c: lib.apply("add", [c, lib.apply("exp", [y], {})], {}),
                          x)


def fori_step(lib, x, y, *, count: int):
    """A loop of known length: a scan inside, so that it has a gradient."""
    def body(i, carry):
        pushed = lib.apply("mul", [lib.apply("sin", [carry], {}), y], {})
        return lib.apply("add", [pushed, x], {})

    return lib.fori_loop(0, count, body, x)


def switch_step(lib, x, y, *, index: int):
    """Three branches; the index is computed, so that nothing can choose at once."""
    axes = tuple(range(len(x.shape)))
    total = lib.apply("reduce_sum", [x], {"axes": axes}) if axes else x
    above = lib.apply("gt", [total, 0.0457], {})
    chosen = lib.apply("select_n", [above, np.int32(index), np.int32(2 - index)], {})
    return lib.switch(chosen, [
        lambda x, y: lib.apply("mul", [x, y], {}),
        lambda x, y: lib.apply("sin", [lib.apply("add", [x, y], {})], {}),
        lambda x, y: lib.apply("sub", [lib.apply("tanh", [y], {}), x], {})], x, y)


CONTROL: dict[str, Callable] = {
    "scan": scan_step, "cond": cond_step, "jit": jit_step, "checkpoint": checkpoint_step,
    "custom_jvp": custom_jvp_step, "fori": fori_step, "switch": switch_step,
    "while": while_step, "custom_vjp": custom_vjp_step,
}
REVERSE, FORWARD = ("vjp", "grad", "tape"), ("jvp", "linearize")


def allowed(transforms: Sequence[Transform]) -> list[str]:
    """The kinds of control flow that JAX differentiates so: `while` forwards only, `custom_vjp`
    backwards only, but what its rules consist of in any way. Under a second derivative the tape
    asks for the rule again, as PyTorch's double backward does, where JAX's vjp of vjp
    differentiates the user's forward: with a rule that is wrong on purpose, they differ."""
    kinds = [t.kind for t in transforms]
    derivatives = [kind for kind in kinds if kind in REVERSE + FORWARD]
    refused = set()
    if any(kind in (*REVERSE, "linearize") for kind in kinds):
        refused.add("while")
    if derivatives and derivatives[0] in FORWARD or "tape" in derivatives[:-1]:
        refused.add("custom_vjp")
    return [name for name in CONTROL if name not in refused]

# ------------------------------------------------------------------ the two libraries


def on_tape(f: Callable, inputs: Sequence) -> tuple[tuple, Callable]:
    """vjp by the engine's tape, on whatever level is current. Where the arguments already stand
    on that tape, the pullback is recorded too (`create_graph`)."""
    outer = any(x.requires_grad for x in inputs)
    boxes = [x if x.requires_grad else core.make_box(type(x), x.value, x.spec) for x in inputs]
    for x in boxes:
        if not x.requires_grad:
            leaf(x)
    outs = f(*boxes)

    def pullback(cts) -> tuple:
        wanted = [(o, ct) for o, ct in zip(outs, cts) if o.requires_grad]
        if not wanted:
            found: Sequence = [None] * len(boxes)
        else:
            found = tape.grad([o for o, _ in wanted], boxes, [ct for _, ct in wanted],
                              create_graph=outer, allow_unused=True)
        return tuple(core.box(np.zeros(x.shape, x.dtype)) if g is None else g
                     for x, g in zip(boxes, found))

    return tuple(o if outer else detached(o) for o in outs), pullback


def detached(x):
    return core.make_box(type(x), x.value, core.make_spec(x.aval, False, x.spec.concrete))


def engine() -> SimpleNamespace:
    return SimpleNamespace(
        apply=lambda name, args, params: core.table[name](*args, **params),
        jvp=minigrad.jvp, vjp=minigrad.vjp, grad=minigrad.grad, linearize=minigrad.linearize,
        tape=lambda f, *xs: on_tape(f, xs), vmap=minigrad.vmap, jit=minigrad.jit,
        scan=minigrad.scan, cond=minigrad.cond, while_loop=minigrad.while_loop,
        fori_loop=minigrad.fori_loop, switch=minigrad.switch,
        checkpoint=minigrad.checkpoint, custom_jvp=minigrad.custom_jvp,
        custom_vjp=minigrad.custom_vjp)


def real_jax() -> SimpleNamespace:
    return SimpleNamespace(
        apply=lambda name, args, params: jax_function(name, params)(*args),
        jvp=jax.jvp, vjp=jax.vjp, grad=jax.grad, linearize=jax.linearize, tape=jax.vjp,
        vmap=jax.vmap, jit=jax.jit, scan=jax.lax.scan, cond=jax.lax.cond,
        while_loop=jax.lax.while_loop, fori_loop=jax.lax.fori_loop, switch=jax.lax.switch,
        checkpoint=jax.checkpoint, custom_jvp=jax.custom_jvp,
        custom_vjp=jax.custom_vjp)


def compiled(fn: Callable) -> Callable:
    """One compilation rather than one a primitive."""
    return jax.jit(fn, compiler_options=FAST_COMPILE)


# ------------------------------------------------------------------ towers of transforms


@dataclass(frozen=True)
class Transform:
    """A function of arrays to another; tangents and cotangents depend on the arguments, so that
    nested derivatives which mixed their perturbations up would show."""

    kind: str
    in_axes: tuple | None = None  # of vmap
    size: int = 0

    def __call__(self, lib, f: Callable) -> Callable:
        return TRANSFORMS[self.kind](lib, f, self)

    def batch(self, shapes: Sequence[tuple]) -> list[tuple]:
        """The shapes of the arguments outside of this transform."""
        if self.in_axes is None:
            return list(shapes)
        return [s if a is None else (*s[:a], self.size, *s[a:])
                for s, a in zip(shapes, self.in_axes, strict=True)]

    def __repr__(self) -> str:
        return self.kind if self.in_axes is None else f"vmap{self.in_axes}"


def jvp_of(lib, f, _):
    def pushed(*xs):
        return lib.jvp(f, xs, tuple(lib.apply("sin", [x], {}) for x in xs))[1]

    return pushed


def vjp_of(name: str):
    def transform(lib, f, _):
        def pulled(*xs):
            outs, pullback = getattr(lib, name)(f, *xs)
            return tuple(pullback(tuple(lib.apply("cos", [o], {}) for o in outs)))

        return pulled

    return transform


def grad_of(lib, f, _):
    def total(*xs):
        sums = [lib.apply("reduce_sum", [lib.apply("sin", [o], {})],
                          {"axes": tuple(range(len(o.shape)))}) for o in f(*xs)]
        result = sums[0]
        for more in sums[1:]:
            result = lib.apply("add", [result, more], {})
        return result

    return lambda *xs: tuple(lib.grad(total, argnums=tuple(range(len(xs))))(*xs))


def linearized(lib, f, _):
    return lambda *xs: tuple(lib.linearize(f, *xs)[1](*xs))


TRANSFORMS: dict[str, Callable] = {
    "jvp": jvp_of, "vjp": vjp_of("vjp"), "tape": vjp_of("tape"), "grad": grad_of,
    "linearize": linearized,
    "jit": lambda lib, f, _: lib.jit(f),
    "vmap": lambda lib, f, t: lib.vmap(f, in_axes=t.in_axes),
}


def tower(lib, program: Callable, transforms: Sequence[Transform]) -> Callable:
    """The program under all transforms, the first one innermost."""
    def f(*xs):
        return program(lib, *xs)

    for transform in transforms:
        f = transform(lib, f)
    return f


def arguments(shapes: Sequence[tuple], transforms: Sequence[Transform], seed: int,
              dtype=np.float64) -> list[np.ndarray]:
    """Arguments between -1 and 1 for a program of these input shapes under the transforms."""
    for transform in transforms:
        shapes = transform.batch(shapes)
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(-1, 1, s)).astype(dtype) for s in shapes]
