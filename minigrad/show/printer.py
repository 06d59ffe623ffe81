"""Programs as text, letter for letter what JAX 0.10.2 writes for the same program.

    { lambda ; a:f32[3]. let b:f32[3] = sin a; c:f32[3] = mul b a in (c,) }

Three steps, after Wadler ("A prettier printer") and Lindig ("Strictly Pretty"):

* programs that occur twice, or are long, are taken out and stand in front: `let f = {...} in`;
* the program becomes a *document*: text with marked places where a line may break;
* the layout breaks a group of such places when the group does not fit on the line.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from minigrad.program import Atom, Eqn, Jaxpr, Literal, Var, subprograms

WIDTH = 80
INDENT = 2
LONG = 10  # equations: an inner program with more always stands in front


def pretty(jaxpr: Jaxpr) -> str:
    """The text of a program, as `str(jax.make_jaxpr(f)(x))` gives it."""
    return layout(Printer(jaxpr).document())


def pretty_equation(eqn: Eqn) -> str:
    """The text of one equation, as `str(eqn)` gives it."""
    return layout(Printer(Jaxpr([], [], eqn.outvars, [eqn])).eqn(eqn))


# ------------------------------------------------------------------ documents and their layout


class Break(NamedTuple):
    """A place for a line break; `flat` is written where the line goes on."""

    flat: str = " "


class Nest(NamedTuple):
    """Lines that begin inside `inner` are indented."""

    inner: Doc


class Group(NamedTuple):
    """Breaks that are taken together, all or none; inner groups decide for themselves."""

    inner: Doc
    width: int  # on one line


Doc = str | Break | Nest | Group | Sequence["Doc"]


def width(doc: Doc) -> int:
    """The length of a document on one line, in bytes as JAX counts: a Greek letter has two."""
    match doc:
        case str():
            return len(doc.encode())
        case Break():
            return width(doc.flat)
        case Group():
            return doc.width
        case Nest():
            return width(doc.inner)
        case _:
            return sum(map(width, doc))


def group(*docs: Doc) -> Group:
    return Group(docs, width(docs))


def join(separator: Doc, docs: Iterable[Doc]) -> list[Doc]:
    return [part for doc in docs for part in (separator, doc)][1:]


def layout(doc: Doc) -> str:
    """Write a document on lines of `WIDTH`. A group alone must fit, not what follows it."""
    text: list[str] = []
    column = 0
    todo: list[tuple[int, bool, Doc]] = [(0, False, doc)]  # indentation, on one line?, document
    while todo:
        indent, flat, doc = todo.pop()
        match doc:
            case str():
                text.append(doc)
                column += width(doc)
            case Break() if flat:
                todo.append((indent, flat, doc.flat))
            case Break():
                text.append("\n" + " " * indent)
                column = indent
            case Nest():
                todo.append((indent + INDENT, flat, doc.inner))
            case Group():
                todo.append((indent, flat or column + doc.width <= WIDTH, doc.inner))
            case _:
                todo.extend((indent, flat, part) for part in reversed(doc))
    return "".join(text)


# ------------------------------------------------------------------ names


def letters(n: int) -> str:
    """a, b, ..., z, ba, bb, ...: n in base 26."""
    return (letters(n // 26) if n >= 26 else "") + chr(ord("a") + n % 26)


def name_for(eqn: Eqn) -> str | None:
    """What JAX calls the inner programs of an equation; it does not ask custom rules."""
    name = None if eqn.primitive.name.startswith("custom_") else eqn.params.get("name")
    return name and name.strip("<>")


def shared_jaxprs(program: Jaxpr) -> dict[Jaxpr, str]:
    """The programs to take out, with their names, outermost first.

    A program inside one that occurs twice counts twice too, as it does in JAX. Two visits settle
    everything, so that a tower of programs that each call the next twice is no exponential search.
    """
    visits: dict[Jaxpr, int] = defaultdict(int)
    names: dict[Jaxpr, str] = {}
    queue = deque([program])
    while queue:
        jaxpr = queue.popleft()
        visits[jaxpr] += 1
        if visits[jaxpr] > 2:
            continue
        for eqn in jaxpr.eqns:
            name = name_for(eqn)
            for _, inner in subprograms(eqn.params):
                queue.append(inner)
                if name is not None:
                    names.setdefault(inner, name)
    uses: dict[str, int] = defaultdict(int)
    shared = {}
    for jaxpr, seen in visits.items():
        if seen > 1 or jaxpr is not program and len(jaxpr.eqns) > LONG:
            name = base = names.get(jaxpr, "jaxpr")
            if uses[base]:  # f, f1, f2, ...
                name = f"{base}{uses[base]}"
                uses[base] += 1
            uses[name] += 1
            shared[jaxpr] = name
    return shared


# ------------------------------------------------------------------ which parameters are shown

# Never shown: the type of the result says it, or it is machinery.
HIDDEN = {
    "broadcast_in_dim": ("shape", "sharding"),
    "convert_element_type": ("sharding",),
    "custom_lin": ("out_avals",),
    "custom_vjp_call": ("out_trees",),
    "dot_general": ("out_sharding",),
    "jit": ("inline", "in_shardings", "out_shardings", "in_layouts", "out_layouts", "ctx_mesh",
            "compiler_options_kvs"),
}
# Shown unless None, 0, False, () or a tuple of False.
OPTIONAL = {
    "broadcast_in_dim": ("broadcast_dimensions",),
    "custom_jvp_call": ("num_consts",),
    "custom_vjp_call": ("num_consts",),
    "dot_general": ("precision", "preferred_element_type"),
    "jit": ("donated_invars", "keep_unused"),
    "mul": ("out_dtype",),
} | dict.fromkeys(("cbrt", "cos", "exp", "exp2", "expm1", "log", "log1p", "logistic", "rsqrt",
                   "sin", "sqrt", "tan", "tanh"), ("accuracy",))
# The functions of custom rules are shown by name: `jvp=relu_jvp`, `fwd=f_fwd bwd=f_bwd`.
FUNCTIONS = {"jvp_jaxpr_fun": "jvp", "fwd_jaxpr_thunk": "fwd", "bwd": "bwd"}
NAME_FIRST = ("jit", "custom_jvp_call", "custom_vjp_call")


def is_trivial(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(item is False for item in value)
    return value is None or isinstance(value, int) and not value


def function_name(fn: Any) -> str:
    """A function's own name; that of the inner function for a `functools.partial`."""
    if isinstance(fn, functools.partial):
        return function_name(fn.func)
    return getattr(fn, "__name__", "<unnamed function>")


def shown_params(eqn: Eqn) -> list[tuple[str, Any]]:
    """Names and values in the order of the text: sorted, but the name of a call comes first."""
    primitive = eqn.primitive.name
    hidden, optional = HIDDEN.get(primitive, ()), OPTIONAL.get(primitive, ())
    shown = {}
    for key, value in eqn.params.items():
        if key in hidden or key in optional and is_trivial(value):
            continue
        if key in FUNCTIONS:
            key, value = FUNCTIONS[key], function_name(value)
        elif key == "dimension_numbers" and primitive == "dot_general":
            value = tuple(tuple(map(list, pair)) for pair in value)
        shown[key] = value
    first = "name" if primitive in NAME_FIRST else None
    return sorted(shown.items(), key=lambda item: (item[0] != first, item[0]))


def value_text(value: Any) -> str:
    """`str`, except that sets are sorted and addresses are hidden: text must not change by run."""
    if isinstance(value, frozenset):
        return f"frozenset({{{', '.join(map(repr, sorted(value)))}}})"
    return re.sub(r"(?<= at 0x)[0-9a-fA-F]+", lambda found: "X" * len(found[0]), str(value))


# ------------------------------------------------------------------ programs to documents


class Printer:
    """Writes one program. Variables get their letters in the order in which they are met."""

    def __init__(self, program: Jaxpr):
        self.program = program
        self.shared = shared_jaxprs(program)
        taken = set(self.shared.values())
        fresh = (name for name in map(letters, count()) if name not in taken)
        self.names: dict[Var, str] = defaultdict(fresh.__next__)
        read = {atom for eqn in program.eqns for atom in eqn.invars} | set(program.outvars)
        for eqn in program.eqns:
            self.names.update((var, "_") for var in eqn.outvars if var not in read)

    def document(self) -> Doc:
        """Shared programs, each in front of those that it calls, then the program itself."""
        return [*(["let ", name, " = ", self.body(jaxpr), " in", Break()]
                  for jaxpr, name in self.shared.items()), self.jaxpr(self.program)]

    def jaxpr(self, jaxpr: Jaxpr) -> Doc:
        return self.shared.get(jaxpr) or self.body(jaxpr)

    def body(self, jaxpr: Jaxpr) -> Doc:
        constvars, invars = self.binders(jaxpr.constvars), self.binders(jaxpr.invars)
        eqns = join(Break("; "), map(self.eqn, jaxpr.eqns))
        results = self.line(map(self.atom, jaxpr.outvars), ",")
        close = ",)" if len(jaxpr.outvars) == 1 else ")"
        return group(Nest(["{ lambda ", constvars, "; ", invars, ". let", Nest([Break(), *eqns]),
                           Break(), "in (", results, close]), " }")

    def eqn(self, eqn: Eqn) -> Doc:
        if eqn.primitive.name == "jit":
            self.name_alike(eqn)
        results = [self.binders(eqn.outvars), " = "] if eqn.outvars else []
        params = [[f"{key}=", self.value(value)] for key, value in shown_params(eqn)]
        listed = self.brackets("[", "]", params) if params else ""
        return [*results, eqn.primitive.name, listed, " ", self.line(map(self.atom, eqn.invars))]

    def name_alike(self, eqn: Eqn) -> None:
        """The variables of a called function are named as at the call, where it is written out."""
        jaxpr = eqn.params["jaxpr"]
        if jaxpr in self.shared:
            return
        for inner, outer in ((jaxpr.invars, eqn.invars), (jaxpr.outvars, eqn.outvars)):
            taken: set[Var] = set()
            for ours, theirs in zip(inner, outer, strict=True):
                if isinstance(theirs, Var) and theirs not in taken \
                        and isinstance(ours, Var) and ours not in self.names:
                    taken.add(theirs)
                    self.names[ours] = self.names[theirs]

    def value(self, value: Any) -> Doc:
        if isinstance(value, Jaxpr):
            return self.jaxpr(value)
        if type(value) is tuple and all(isinstance(v, Jaxpr) for v in value):
            return self.brackets("(", ")", [self.jaxpr(v) for v in value])
        return value_text(value)

    def atom(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            value = np.asarray(atom.value).item() if atom.shown is None else atom.shown
            return f"{value}:{atom.aval}"
        return self.names[atom]

    def binders(self, variables: Sequence[Var]) -> Doc:
        return self.line(f"{self.names[v]}:{v.aval}" for v in variables)

    @staticmethod
    def line(words: Iterable[str], separator: str = "") -> Doc:
        """Words on as many lines as they need."""
        return Nest(group(*join([separator, group(Break())], words)))

    @staticmethod
    def brackets(opening: str, closing: str, items: Sequence[Doc]) -> Doc:
        return group(Nest([opening, Break(""), *join(Break(), items)]), Break(""), closing)
