"""Programs as Python source, and the two worlds it runs in: kernels on bare arrays, or primitives
on Tensors. Backwards, forwards and the reference path of `jit` are all written here."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad import debug
from minigrad.core import Primitive, Tensor, make_box, make_spec, table, world_of
from minigrad.ops.families import dtype_kind
from minigrad.program import Atom, Eqn, Jaxpr, Literal, Var
from minigrad.programs.simplify import inline_calls, simplify

# ------------------------------------------------------------------ writing a program as source


# primitives that move, stretch or reinterpret values: cheaper to repeat than to save
CHEAP = {"broadcast_in_dim", "reshape", "transpose", "squeeze", "convert_element_type", "iota",
         "slice", "expand_dims"}


def identifier(primitive_name: str) -> str:
    """The name of a primitive in source: `scatter_add`, `while_`."""
    name = primitive_name.replace("-", "_").replace(".", "_")
    return name + "_" if keyword.iskeyword(name) else name


LEFT_OUT = {"update_jaxpr", "update_consts"}  # scatters are named after what they do


def kernel_params(primitive: Primitive, params: dict) -> dict:
    """The parameters that a kernel is called with: not those that only XLA would read."""
    return {key: value for key, value in params.items()
            if key not in LEFT_OUT and value is not primitive.defaults.get(key, ...)}


class Number(Literal):
    """A literal beside an operator: over Tensors, a Python number that takes their dtype."""

    __slots__ = ()


class Writer:
    """Writes equations as Python expressions; a value used once is written into its use."""

    def __init__(self, names: dict[Var, str], uses: dict[Var, int]):
        self.names, self.uses = dict(names), uses
        self.inline: dict[Var, str] = {}
        self.infix: set[Var] = set()  # those written with an operator
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {}

    def atom(self, a: Atom, nested: bool = False) -> str:
        if type(a) is Literal:
            return self.constant(a, nested)
        if a in self.inline:
            return f"({self.inline[a]})" if nested and a in self.infix else self.inline[a]
        return self.names[a]

    def constant(self, literal: Literal, beside_operator: bool) -> str:
        value = literal.value.item() if hasattr(literal.value, "item") else literal.value
        bound = Number(literal.value, literal.aval) if beside_operator else literal
        name = self.bind(f"k{len(self.constants)}", bound)
        return f"«{name}:{value!r}»"

    def bind(self, name: str, value) -> str:
        self.constants[name] = value
        return name

    def write(self, eqn: Eqn) -> None:
        p = eqn.primitive
        texts = [self.atom(a, nested=bool(p.infix)) for a in eqn.invars]
        infix = None
        if p.infix and (p.name != "div" or dtype_kind(eqn.outvars[0].aval.dtype) in "fc"):
            text = infix = p.infix.format(*texts)
        else:
            text = f"{identifier(p.name)}({', '.join(texts + self.params(eqn))}{hidden_axes(eqn)})"
        if p.multiple_results:
            names = ", ".join(self.new_name(v) for v in eqn.outvars)
            left = f"{names}{',' * (len(eqn.outvars) == 1)} = " if names else ""
            self.lines.append(left + text)
            return
        (out,) = eqn.outvars
        if self.uses.get(out, 0) == 1 and len(display(text)) < 60 and out not in self.names:
            self.inline[out] = text
            if text == infix:
                self.infix.add(out)
        elif self.uses.get(out, 0):
            self.lines.append(f"{self.new_name(out)} = {text}")

    def new_name(self, var: Var) -> str:
        if var not in self.names:
            self.names[var] = f"t{len(self.names)}"
        return self.names[var]

    def params(self, eqn: Eqn) -> list[str]:
        shown = []
        for key, value in kernel_params(eqn.primitive, eqn.params).items():
            if reduces_all(eqn) and key == "axes":
                continue
            shown.append(f"{key}={self.param(value)}")
        return shown

    def param(self, value) -> str:
        if isinstance(value, np.dtype) and value.name in np.sctypeDict:
            return self.bind(value.name, value)
        value = plain(value)
        if is_plain(value):
            return repr(value)
        return self.bind(f"p{len(self.constants)}", value)


def plain(value):
    """NumPy's integers, which rules compute sizes with, as Python's."""
    if type(value) is tuple:
        return tuple(map(plain, value))
    return int(value) if isinstance(value, np.integer) else value


def is_plain(value) -> bool:
    """Does `repr` write it as source?"""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in (int, str, bool, type(None))


def reduces_all(eqn: Eqn) -> bool:
    return eqn.primitive.family == "reduction" \
        and len(eqn.params["axes"]) == len(eqn.invars[0].aval.shape)


def hidden_axes(eqn: Eqn) -> str:
    """`reduce_sum(x)` reads as the sum over all axes; what runs names them."""
    return f"«, axes={tuple(eqn.params['axes'])!r}»" if reduces_all(eqn) else ""


def count_uses(eqns: Sequence[Eqn], outvars: Sequence[Atom]) -> dict[Var, int]:
    uses: dict[Var, int] = {}
    for a in [a for e in eqns for a in e.invars] + list(outvars):
        if type(a) is Var:
            uses[a] = uses.get(a, 0) + 1
    return uses


def write_program(eqns: Sequence[Eqn], outvars: Sequence[Atom], names: dict[Var, str],
                  strict: bool) -> tuple[list[str], list[str], dict[str, Any]]:
    """(statements, result expressions, constants by name) of a list of equations.

    strict: every broadcast is spelled out, as primitives on Tensors want it. On bare arrays
            NumPy broadcasts by itself, so there the stretched operand is used as it is.
    """
    if not strict:
        eqns, outvars = for_arrays(eqns, outvars)
    writer = Writer(names, count_uses(eqns, outvars))
    for eqn in eqns:
        writer.write(eqn)
    return writer.lines, [writer.atom(v) for v in outvars], writer.constants


def for_arrays(eqns: Sequence[Eqn], outvars: Sequence[Atom]) -> tuple[list[Eqn], list[Atom]]:
    """What bare arrays need not be told: elementwise kernels take the operand of a broadcast where
    NumPy broadcasts by itself, and a conversion that only drops a weak type is none."""
    stretched: dict[Var, Atom] = {}
    same: dict[Var, Atom] = {}
    kept = []
    for eqn in eqns:
        eqn = eqn.replace(invars=[same.get(a, a) if type(a) is Var else a for a in eqn.invars])
        if eqn.primitive.name == "convert_element_type" \
                and eqn.invars[0].aval.dtype == eqn.outvars[0].aval.dtype:
            same[eqn.outvars[0]] = eqn.invars[0]
            continue
        if eqn.primitive.name == "broadcast_in_dim" and is_trailing(eqn):
            stretched[eqn.outvars[0]] = stretched.get(eqn.invars[0], eqn.invars[0]) \
                if type(eqn.invars[0]) is Var else eqn.invars[0]
        elif eqn.primitive.family == "elementwise":
            plain = [stretched.get(a, a) if type(a) is Var else a for a in eqn.invars]
            shapes = [a.aval.shape for a in plain]
            if np.broadcast_shapes(*shapes) == eqn.outvars[0].aval.shape:
                eqn = eqn.replace(invars=plain)
        kept.append(eqn)
    outvars = [same.get(v, v) if type(v) is Var else v for v in outvars]
    uses = count_uses(kept, outvars)
    return [e for e in kept if not e.outvars or e.outvars[0] not in stretched
            or e.outvars[0] in uses], outvars


def is_trailing(eqn: Eqn) -> bool:
    """Is this the broadcast that NumPy does by itself?"""
    dims, shape = eqn.params["broadcast_dimensions"], eqn.params["shape"]
    return tuple(dims) == tuple(range(len(shape) - len(dims), len(shape)))


LITERAL = re.compile(r"«(\w+):([^»]*)»")
HIDDEN = re.compile(r"«([^»]*)»")


def display(text: str) -> str:
    """Source as people read it: literals in place, self-evident parameters left out."""
    return HIDDEN.sub("", LITERAL.sub(r"\2", text))


def executable(text: str) -> str:
    """Source as it runs: literals are names, bound to constants of the right dtype."""
    return HIDDEN.sub(r"\1", LITERAL.sub(r"\1", text))


# ------------------------------------------------------------------ the two worlds a source runs in

ARRAYS: dict[str, Any] = {"__name__": "minigrad.derived"}  # names -> kernels on bare arrays
TENSORS: dict[str, Any] = {"__name__": "minigrad.derived"}  # names -> primitives on Tensors


def names_on(world) -> dict[str, Any]:
    """The same names for kernels on the arrays of a device (`minigrad.devices.World`)."""
    if len(world.names) <= len(table):
        asarray, array = world.asarray, world.kernels.copy
        world.names.update(
            {identifier(n): world.implementation(p) for n, p in table.items()},
            __name__="minigrad.derived", constant=world.constant, asarray=asarray,
            array=lambda x: array(asarray(x)), own=lambda x, source: world.kernels.own(x, source))
    return world.names


def refresh_worlds() -> None:
    for name, primitive in table.items():
        ARRAYS[identifier(name)] = primitive.impl
        TENSORS[identifier(name)] = primitive


@lru_cache(maxsize=4096)
def compiled(text: str):
    debug.show(3 if "_backward(" in text.split("\n", 1)[0] else 4, text)
    return compile(text, f"<minigrad {text.split('(')[0].removeprefix('def ')}>", "exec")


def instantiate_source(text: str, constants: dict[str, Any], world: dict,
                       cls: type = Tensor) -> Callable:
    """The function that `text` defines, in one of the two worlds; `cls` is the class of literals
    over Tensors."""
    if len(TENSORS) <= len(table):  # primitives were added since
        refresh_worlds()
    namespace = {**world, **{k: constant_in(v, world, cls) for k, v in constants.items()}}
    exec(compiled(executable(text)), namespace)
    return namespace[text[4:text.index("(")]]


def constant_in(value, world: dict, cls: type):
    if "constant" in world:
        return world["constant"](value)
    if not isinstance(value, Literal):
        return value
    if type(value) is Number and world is TENSORS:
        return value.value.item()
    if world is TENSORS:
        made = make_box(cls, value.value, make_spec(value.aval))
        made.mutable = False  # a literal of whatever is traced, no state from outside
        return made
    return np.asarray(value.value) if value.aval.dtype.kind != "V" else value.value


def owned_results(program: Jaxpr, results: list[str], names: dict[Var, str]) -> list[str]:
    """Result expressions that share no memory with inputs or constants."""
    made = {v: e for e in program.eqns for v in e.outvars}
    owned, seen = [], set()
    for text, atom in zip(results, program.outvars):
        again = atom in seen
        seen.add(atom)
        while type(atom) is Var and atom in made and made[atom].primitive.view:
            atom = made[atom].invars[0]
        if again or type(atom) is Literal:
            text = f"array({text})"
        elif atom not in made:
            text = f"own({text}, {names[atom]})"
        owned.append(text)
    return owned


def own(result, source):
    if isinstance(result, np.ndarray) and np.may_share_memory(result, source):
        return result.copy()
    return result


ARRAYS |= {"own": own, "array": np.array}


def array_function(program: Jaxpr, owned: bool = False, world=None) -> Callable[..., list]:
    """A program as a function of bare arrays: its source, with kernels for names. Kept with the
    program. (The reference path of `jit`, scan, while and cond.) `owned`: results share no memory
    with operands, which a caller may write afterwards. `world`: of the arrays, if not NumPy's."""
    key = "arrays", owned, world
    if key not in program.cache:
        small = simplify(inline_calls(program))
        arguments = [f"x{i}" for i in range(len(small.invars))]
        names = dict(zip(small.invars, arguments))
        names.update((v, f"c{i}") for i, v in enumerate(small.constvars))
        lines, results, constants = write_program(small.eqns, small.outvars, names, strict=False)
        if owned:
            results = owned_results(small, results, names)
        constants |= {f"c{i}": getattr(c, "value", c) for i, c in enumerate(small.consts)}
        body = [*lines, f"return [{', '.join(results)}]"]
        text = (f"def run_program({', '.join(arguments)}):\n"
                + "".join(f"    {b}\n" for b in body))
        program.cache[key] = instantiate_source(
            text, constants, ARRAYS if world is None else names_on(world))
    return program.cache[key]


def run_program(program: Jaxpr, arrays: Sequence, owned: bool = False) -> list:
    """A program on bare arrays, with the kernels that their types ask for."""
    return array_function(program, owned, world_of(arrays))(*arrays)
