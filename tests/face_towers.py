"""The programs of `tests/compositions.py`, through the jax face: towers of its own transforms.

    python -m tests.face_towers            2,000 of them
    python -m tests.face_towers 0 100      those of seeds 0 to 99
"""

from __future__ import annotations

import sys
from random import Random
from types import SimpleNamespace

import jax
import numpy as np

import compat.jax as face
from compat.differential.agreement import difference
from compat.jax.extend.core import bind
from minigrad import core
from tests import compositions as co
from tests import random_programs

KINDS = tuple(kind for kind in co.TRANSFORMS if kind != "tape")
ULPS = np.finfo(np.float64).eps ** -0.25  # a tower of four derivatives amplifies rounding


def through_the_face() -> SimpleNamespace:
    lax = face.lax
    return SimpleNamespace(
        apply=lambda name, args, params: bind(core.table[name], *args, **params),
        jvp=face.jvp, vjp=face.vjp, grad=face.grad, linearize=face.linearize, vmap=face.vmap,
        jit=face.jit, scan=lax.scan, cond=lax.cond, while_loop=lax.while_loop,
        fori_loop=lax.fori_loop, switch=lax.switch, checkpoint=face.checkpoint,
        custom_jvp=face.custom_jvp, custom_vjp=face.custom_vjp)


def drawn(seed: int) -> tuple:
    random = Random(seed)
    shapes = random_programs.random_shapes(random)
    transforms = random_programs.random_tower(random, shapes, 4, KINDS)
    program = random_programs.random_program(random, shapes, co.allowed(transforms))
    return program, transforms


def compare(program: co.Program, transforms, seed: int) -> str | None:
    """What differs, in words."""
    inputs = co.arguments(program.shapes, transforms, seed)
    with jax.enable_x64(True):
        expected = co.compiled(co.tower(co.real_jax(), program, transforms))(*inputs)
    with face.enable_x64(True):
        arrays = [face.numpy.asarray(x) for x in inputs]
        results = co.tower(through_the_face(), program, transforms)(*arrays)
    problems = [f"result {k}: {p}" for k, (a, b) in enumerate(zip(results, expected, strict=True))
                if (p := difference(np.asarray(a), np.asarray(b), ULPS, least=1.0))
                or (p := None if isinstance(a, face.Array) else f"of class {type(a)}")]
    return "\n".join(problems) or None


def main(first: int = 0, last: int = 2000) -> None:
    wrong = 0
    for seed in range(first, last):
        program, transforms = drawn(seed)
        try:
            problem = compare(program, transforms, seed)
        except Exception as error:
            problem = repr(error)
        if problem:
            wrong += 1
            print(f"seed {seed}: {transforms}\n{program}\n{problem}", flush=True)
        if (seed + 1 - first) % 100 == 0:
            print(f"{seed + 1 - first} compared, {wrong} differ", flush=True)
    print(f"{last - first} compositions through the face: {wrong} differ")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
