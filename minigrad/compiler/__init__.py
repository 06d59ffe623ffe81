"""`jit` as a compiler: a program becomes kernels, and a driver runs them without Python.

    prepare      the program, simplified
    fuse         which equations run in one loop nest       (index, access: views as arithmetic)
    emit         each nest as a readable function in the kernels' subset      (scalar: its bodies)
    plan         steps and buffers
    executable   kernels compiled, memory taken, tables filled
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from kernels import heat
from kernels.grammar import KernelError
from minigrad.devices import alike, on_place
from minigrad.eager.runner import IGNORE, LOUD, QUIET
from minigrad.ops import calls
from minigrad.program import Jaxpr, effects_of
from minigrad.programs.source import array_function

__all__ = ["Overlap", "compiled", "wants_compiler"]


class Overlap(Exception):
    """Operands that a program writes share memory with others: nothing has been done."""


def wants_compiler() -> bool:
    """Is there LLVM? `MINIGRAD_COMPILER=none` asks for the NumPy kernels instead."""
    return heat.available()


def compiled(program: Jaxpr, into: dict[int, int] | None = None,
             place: Any = True) -> Callable[[Sequence], list]:
    """A function of a list of arrays that runs the program. `into`: results that are written in
    the place of operands (result -> operand). `place`: where the arrays are, True for the host.
    It is made once for each program and kept with it."""
    key = "compiled", place, tuple(sorted((into or {}).items()))
    if key not in program.cache:
        if place is not True:
            program.cache[key] = on_device(program, into, place)
            return program.cache[key]
        # effects happen in the order of the program, which a plan need not keep
        make = build if wants_compiler() and not effects_of(program) else by_numpy
        program.cache[key] = make(program, into)
    return program.cache[key]


def on_device(program: Jaxpr, into: dict[int, int] | None, place) -> Callable[[Sequence], list]:
    """The program as kernels of a device, or, one after the other, by those of its primitives."""
    from kernels.cuda.machine import Machine
    from minigrad.compiler.device import DeviceExecutable, device_plan

    if effects_of(program) or not heat.wanted():  # effects happen in the order of the program
        return one_by_one(program, into, place)
    try:
        return DeviceExecutable(device_plan(program, into), Machine(place.index),
                                place.world.implementation)
    except (NotImplementedError, KernelError) as error:
        warnings.warn(f"a program was not compiled for {place}, and runs one primitive after "
                      f"another: {error}", RuntimeWarning, stacklevel=2)
        return one_by_one(program, into, place)


def one_by_one(program: Jaxpr, into: dict[int, int] | None, place) -> Callable[[Sequence], list]:
    function, asarray = array_function(program, True, place.world), place.world.asarray

    def run(operands):
        outs = [asarray(o) for o in function(*map(asarray, operands))]
        for result, operand in (into or {}).items():
            operands[operand][...] = alike(outs[result], operands[operand])
        return outs

    return on_place(place, run)


def build(program: Jaxpr, into: dict[int, int] | None) -> Any:
    # LLVM is loaded when the first program is compiled, not with minigrad
    from minigrad.compiler.executable import Executable
    from minigrad.compiler.plan import make_plan

    try:
        return Executable(make_plan(program, into))
    except (NotImplementedError, KernelError) as error:
        warnings.warn(f"a program was not compiled, and runs its NumPy kernels: {error}",
                      RuntimeWarning, stacklevel=2)
        return by_numpy(program, into)


def by_numpy(program: Jaxpr, into: dict[int, int] | None) -> Callable[[Sequence], list]:
    function = array_function(program, owned=True)

    def run(operands):
        token = QUIET(IGNORE)
        try:
            outs = function(*operands)
        finally:
            LOUD(token)
        for result, operand in (into or {}).items():
            operands[operand][...] = outs[result]
        return outs

    return run


calls.compile_program = compiled
