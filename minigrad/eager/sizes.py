"""Entries for new sizes, without deriving them anew.

A text that grows by a token, sequences of many lengths, a last smaller batch: operations meet new
specs again and again that differ from earlier ones in a size. Deriving takes a millisecond; here
the code derived for three sizes becomes a template for the others.

Calls of an operation whose specs and static arguments differ in integers only are a `Family`. Two
of them suggest what varies: a number `v` among those integers, and others that follow it linearly
(`2 * v`, `v - 1`, the fixed ones). The entry for a third, much larger `v` is derived to test that:
if all three sources are the same text but for numbers that follow `v` linearly (or, of floats, are
the inverse of such a number: a mean's 1/n), that text serves for every `v` from the smallest to the
largest that was derived. Beyond, one more is derived at four times the size and compared, so that
no structure that depends on the size (a loop over its bits, a threshold) goes unnoticed.

Programs, which only a second derivative, a compiler or a reader wants, are derived when asked for.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from operator import ne
from typing import Any, NamedTuple

import numpy as np

from minigrad.core import Literal, Spec, caches_to_clear, inlining, make_aval, make_spec
from minigrad.derive import Entry, derive
from minigrad.eager.runner import RUNTIME, runner_text
from minigrad.programs.source import executable, instantiate_source

NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
PROBES = 12  # derivations at sizes that nobody asked for, in one family
SAMPLES = 16
FAMILIES = 4096
LARGEST = 1 << 24  # nothing is derived for sizes above


class Differs(Exception):
    """What was derived for one size is not like what was derived for another."""


# ------------------------------------------------------------------ the numbers of a call


def split(x, numbers: list[int]) -> Any:
    """`x` without its integers, which are appended to `numbers`."""
    kind = type(x)
    if kind is int:
        numbers.append(x)
        return int
    if kind is Spec:
        numbers.extend(x.shape)
        return (Spec, len(x.shape), x.dtype, x.aval.weak_type, x.requires_grad, x.concrete)
    if isinstance(x, tuple):
        return (kind, *(split(a, numbers) for a in x))
    return kind, x  # 1.0 is no 1, and True no int


def joined(x, numbers: Iterator[int]) -> Any:
    """`x` with other integers: the opposite of `split`."""
    kind = type(x)
    if kind is int:
        return next(numbers)
    if kind is Spec:
        if x.concrete == "python":
            return x
        shape = tuple(next(numbers) for _ in x.shape)
        return make_spec(make_aval(shape, x.dtype, x.aval.weak_type), x.requires_grad, x.concrete)
    if isinstance(x, tuple):
        parts = [joined(a, numbers) for a in x]
        return kind(*parts) if hasattr(x, "_fields") else kind(parts)
    return x


class Line(NamedTuple):
    """slope * v + offset; as it is, or its inverse rounded to a float of `dtype`."""

    slope: int
    offset: int
    inverse: Any = None

    def __call__(self, v: int) -> Any:
        value = self.slope * v + self.offset
        return value if self.inverse is None else self.inverse(1) / self.inverse(value)


def line_through(vs: Sequence[int], values: Sequence[int]) -> Line:
    slope = Fraction(values[1] - values[0], vs[1] - vs[0])
    offset = values[0] - slope * vs[0]
    if slope.denominator != 1 or any(slope * v + offset != x for v, x in zip(vs, values)):
        raise Differs
    return Line(int(slope), int(offset))


# ------------------------------------------------------------------ derived code as a template


class Text:
    """The source of a function for several sizes, as one: integers that vary are names."""

    def __init__(self, vs: Sequence[int], sources: Sequence[tuple[str, dict]], given: set[str]):
        """sources: (text, constants) for each of `vs`; `given`: constants that a use supplies."""
        texts = [executable(text) for text, _ in sources]
        pieces = [NUMBER.split(text) for text in texts]
        if any(p != pieces[0] for p in pieces):
            raise Differs
        self.lines: dict[str, Line | Callable[[int], Any]] = {}
        self.text = pieces[0][0]
        for i, (columns, piece) in enumerate(zip(
                zip(*(map(int, NUMBER.findall(text)) for text in texts)), pieces[0][1:])):
            name = str(columns[0])
            if len(set(columns)) > 1:
                name = f"n{i}_"
                self.lines[name] = line_through(vs, columns)
            self.text += name + piece
        self.constants: dict[str, Any] = {}
        names = [set(constants) - given for _, constants in sources]
        if any(n != names[0] for n in names):
            raise Differs
        for name in names[0]:
            values = [constants[name] for _, constants in sources]
            if same(values):
                self.constants[name] = values[0]
            else:
                self.lines[name] = varying(vs, values)

    def at(self, v: int, given: dict[str, Any], world: dict) -> Callable:
        values = {name: line(v) for name, line in self.lines.items()}
        return instantiate_source(self.text, self.constants | values | given, world)


def same(values: Sequence) -> bool:
    first = values[0]
    if type(first) is np.ndarray:
        return all(type(x) is np.ndarray and x.dtype == first.dtype and x.shape == first.shape
                   and x.tobytes() == first.tobytes() for x in values)
    if isinstance(first, Literal):
        return all(type(x) is type(first) and x.aval is first.aval
                   and np.asarray(x.value).tobytes() == np.asarray(first.value).tobytes()
                   for x in values)
    return all(x is first or type(x) is type(first) and bool(x == first) for x in values)


def varying(vs: Sequence[int], values: Sequence) -> Callable:
    """What gives a literal for each v."""
    first = values[0]
    if not isinstance(first, Literal) or any(x.aval is not first.aval for x in values):
        raise Differs
    numbers = [np.asarray(x.value)[()] for x in values]
    dtype = first.aval.dtype
    if dtype.kind in "iu" or dtype.kind == "f" and all(float(x).is_integer() for x in numbers):
        line = line_through(vs, [int(x) for x in numbers])
    elif dtype.kind == "f" and all(x != 0 and np.isfinite(x) for x in numbers):
        line = line_through(vs, [round(1 / float(x)) for x in numbers])._replace(
            inverse=dtype.type)
        if any(line(v) != x for v, x in zip(vs, numbers)):
            raise Differs
    else:
        raise Differs
    return lambda v: type(first)(dtype.type(line(v)), first.aval)


class SizedEntry(Entry):
    """An entry of a template. What it does not have is derived when asked for."""

    later: Callable[[], Entry]
    LATER = ("forward", "source", "backward_program", "write_strict")

    def __getattr__(self, name: str):
        if name not in self.LATER:
            raise AttributeError(name)
        full = self.later()
        self.__dict__.update((n, full.__dict__[n]) for n in self.LATER if n in full.__dict__)
        return self.__dict__[name]


class Template:
    """What three entries have in common, for every v from the smallest to the largest."""

    def __init__(self, numbers: Sequence[Sequence[int]], base: int,
                 vs: Sequence[int], entries: Sequence[Entry]):
        self.base, self.vs, self.samples = base, vs, entries
        self.numbers = [line_through(vs, column) for column in zip(*numbers)]
        self.low, self.high = min(vs), max(vs)
        first = self.entry = entries[0]
        if any((e.saved, e.wanted, e.recompute, e.out_tree, e.backward is None) != (
                first.saved, first.wanted, first.recompute, first.out_tree, first.backward is None)
                for e in entries):
            raise Differs
        self.outs = []
        for avals in zip(*(e.out_avals for e in entries)):
            kinds = {(a.dtype, a.weak_type, a.ndim) for a in avals}
            if len(kinds) > 1:
                raise Differs
            self.outs.append([line_through(vs, sizes) for sizes in zip(*(a.shape for a in avals))])
        given = {"entry", "cls", "register_view", *(f"spec{j}" for j in range(len(self.outs)))}
        self.run = Text(vs, [runner_text(e, None) for e in entries], given)
        self.backward = None if first.backward is None else Text(
            vs, [e.backward_source for e in entries], set())

    def fits(self, numbers: Sequence[int]) -> bool:
        v = numbers[self.base]
        return v >= self.low and all(line(v) == x for line, x in zip(self.numbers, numbers))

    def at(self, v: int, specs: Sequence[Spec], later: Callable[[], Entry]) -> SizedEntry:
        entry = SizedEntry.__new__(SizedEntry)
        entry.__dict__ |= self.entry.__dict__
        for name in SizedEntry.LATER:
            entry.__dict__.pop(name, None)
        entry.later, entry.plan, entry.freed, entry._lifted = later, None, None, None
        entry.in_specs = tuple(a if a.concrete == "python" else b
                               for a, b in zip(self.entry.in_specs, specs))
        entry.out_avals = [make_aval(tuple(line(v) for line in lines), a.dtype, a.weak_type)
                           for lines, a in zip(self.outs, self.entry.out_avals)]
        entry.out_specs = [make_spec(a, s.requires_grad, entry.place)
                           for a, s in zip(entry.out_avals, self.entry.out_specs)]
        entry.template, entry.v = self, v
        if self.backward is not None:
            entry.backward = self.backward.at(v, {}, entry.world)
        return entry

    def runner(self, entry: SizedEntry) -> Callable:
        given = {f"spec{j}": spec for j, spec in enumerate(entry.out_specs)}
        return self.run.at(entry.v, RUNTIME | {"entry": entry, "cls": entry.cls} | given,
                           entry.world)


# ------------------------------------------------------------------ families


class Call(NamedTuple):
    """One operation on given specs: `function(statics)` is what is derived."""

    owner: Any  # an Op or a primitive
    name: str
    cls: type
    record: bool
    specs: tuple[Spec, ...]
    statics: tuple
    function: Callable[[tuple], Callable]
    view: Callable | None

    def derived(self) -> Entry:
        entry = derive(self.function(self.statics), self.name, self.specs, self.cls, self.record)
        entry.view = self.view
        return entry

    def with_numbers(self, numbers: Sequence[int]) -> Call:
        specs, statics = joined((self.specs, self.statics), iter(numbers))
        return self._replace(specs=specs, statics=statics)


class Family:
    """Calls that differ in integers alone."""

    def __init__(self) -> None:
        self.samples: list[tuple[list[int], Entry]] = []
        self.templates: list[Template] = []
        self.probes = PROBES

    def entry(self, call: Call, numbers: list[int]) -> Entry:
        for k, template in enumerate(self.templates):
            if not template.fits(numbers):
                continue
            v = numbers[template.base]
            if v > template.high:
                grown = self.template(call, template.base, template.numbers, template.vs[:2],
                                      template.samples[:2], 4 * v + 3)
                if grown is None:
                    del self.templates[k]
                    break
                self.templates[k] = template = grown
            return template.at(v, call.specs, later(call))
        entry = call.derived()
        if self.probes > 0:
            self.learn(call, numbers, entry)
        return entry

    def learn(self, call: Call, numbers: list[int], entry: Entry) -> None:
        """Look for a template, from the third sample on."""
        before, self.samples = self.samples, self.samples[1 - SAMPLES:] + [(numbers, entry)]
        sizes = sum(len(s.shape) for s in call.specs)  # they come first among the numbers
        pairs = [(sum(map(ne, numbers, other)), -k, other, e) for k, (other, e) in enumerate(before)
                 if other[:sizes] != numbers[:sizes]]
        if len(before) < 2 or not pairs:
            return
        _, _, other, old = min(pairs)  # one of the most alike, and of those the youngest
        base = min((i for i, (a, b) in enumerate(zip(other, numbers)) if a != b),
                   key=lambda i: abs(other[i] - numbers[i]))
        vs = [other[base], numbers[base]]
        try:
            lines = [line_through(vs, column) for column in zip(other, numbers)]
        except Differs:
            return
        v = 4 * max(vs) + 3
        if min(vs) < 2 or any(line(v) < 0 <= x for line, x in zip(lines, numbers)):
            return  # axes of size 1 are stretched, and no size is negative
        self.probes -= 1
        template = self.template(call, base, lines, vs, [old, entry], v)
        if template is not None:
            self.templates.append(template)

    @staticmethod
    def template(call: Call, base: int, lines: list[Line], vs: list[int], entries: list[Entry],
                 v: int) -> Template | None:
        """The template of two entries and one that is derived for v."""
        numbers = [line(v) for line in lines]
        if max(numbers) > LARGEST:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                probe = call.with_numbers(numbers).derived()
            vs = [*vs, v]
            return Template([[line(x) for line in lines] for x in vs], base, vs, [*entries, probe])
        except Exception:  # whatever it is that a size which nobody asked for runs into
            return None


families: dict[Any, Family] = {}
caches_to_clear.append(families.clear)


def entry_for(call: Call) -> Entry:
    """The entry of a call: of a template, or derived."""
    numbers: list[int] = []
    try:
        key = (*call[:4], split((call.specs, call.statics), numbers))
        family = families.get(key)
    except TypeError:  # a static argument that cannot be hashed
        return call.derived()
    if family is None:
        if len(families) >= FAMILIES:
            families.clear()
        family = families[key] = Family()
    return family.entry(call, numbers)


def later(call: Call) -> Callable[[], Entry]:
    """Derives as it would be derived now: whether calls are inlined is what a context says."""
    inlined = inlining.get()

    def derived() -> Entry:
        token = inlining.set(inlined)
        try:
            return call.derived()
        finally:
            inlining.reset(token)

    return derived
