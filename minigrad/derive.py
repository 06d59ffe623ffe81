"""Deriving: from an operation and its specs to the Python source of its forward and backward.

PyTorch keeps a file of backward formulas. Here the first time an operation meets a combination
of specs, it is staged together with its `vjp` into one program; what depends on the cotangent, or
is only needed by it, becomes the backward; what crosses from forward to backward is what the tape
saves. Both halves are written out as plain Python:

>>> import minigrad
>>> print(minigrad.backward_source("mul", "f32[3]", "f32[]"))
def mul_backward(g, saved):
    x, y = saved
    return g * y, reduce_sum(g * x)

The same text runs over bare arrays (a plain backward) and over Tensors (`create_graph=True`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad import debug
from minigrad.core import (
    NO_GRAD, Spec, aval_of, box, level, make_box, make_spec, python_spec, using,
)
from minigrad.devices import common_place
from minigrad.forward import is_differentiable
from minigrad.ops.families import instantiate
from minigrad.program import Eqn, Jaxpr, StageTrace, Var
from minigrad.reverse import vjp_flat
from minigrad.programs.simplify import dead_code, simplify
from minigrad.programs.source import (
    ARRAYS, CHEAP, TENSORS, display, identifier, instantiate_source, names_on, write_program,
)
from minigrad.tree import tree_flatten

# ------------------------------------------------------------------ entries

ARGUMENT_NAMES = "xyzwuv"


def argument_names(count: int) -> list[str]:
    return list(ARGUMENT_NAMES[:count]) if count <= 6 else [f"x{i}" for i in range(count)]


class Entry:
    """What the tape needs to know of an operation on given specs: how to run it, what to save,
    and the derived backward."""

    name: str
    forward: Jaxpr  # inputs -> outputs, then the saved intermediates
    saved: tuple  # ("in", i) | ("out", j) | ("mid", k): where each saved value comes from
    wanted: tuple[int, ...]  # positions of the inputs that get a gradient
    source: str  # the backward, as text
    backward: Callable | None  # ... over bare arrays
    backward_program: Jaxpr  # ... as a program: cotangents, then what was saved
    write_strict: Callable  # () -> the source over Tensors, and its constants
    backward_source: tuple[str, dict]  # the text and the constants that `backward` was made of

    def __init__(self, name, in_specs, cls):
        self.name, self.in_specs, self.cls = name, in_specs, cls
        stem, _, overload = name.partition(".")  # "sum.1" is SumBackward1
        camel = stem.replace("_", " ").title().replace(" ", "")
        self.node_name = f"{camel}Backward{overload or 0}"
        self.view, self.recompute = None, False
        self.place = common_place(in_specs)  # True, or the device whose kernels it runs
        self.world = ARRAYS if self.place is True else names_on(self.place.world)
        self.backward, self.source, self.saved = None, "", ()
        self._lifted: Callable | None = None
        self.input_places = [("in", i) for i in range(len(in_specs))]
        self.plan: tuple | None = None  # how saved values become Tensors again (graph.unpack)
        self.freed = None  # what stands for the entry in a node that gave up its saved values

    @property
    def lifted(self) -> Callable:
        """The backward over Tensors, so that it can itself be recorded or staged."""
        if self._lifted is None:
            function = instantiate_source(*self.write_strict(), TENSORS, self.cls)
            self._lifted = as_operation[0](self, function) if as_operation else function
        return self._lifted


as_operation: list[Callable] = []  # `minigrad/eager` makes one operation of a derived backward


def flat_function(fn: Callable):
    """`fn` with its output flattened; the structure is left in the list."""
    trees: list = []

    def flat(*args):
        leaves, tree = tree_flatten(fn(*args))
        trees[:] = [tree]
        return leaves

    return flat, trees


@debug.timed("derivation")
def derive(fn: Callable, name: str, specs: Sequence[Spec], cls: type, record: bool) -> Entry:
    """Stage `fn` on `specs`, with its vjp if `record`, and write the source of both halves."""
    entry = Entry(name, tuple(specs), cls)
    flat, trees = flat_function(fn)
    wanted = tuple(i for i, s in enumerate(specs) if s.requires_grad and is_differentiable(s.aval))
    entry.wanted = wanted
    program, n_out = stage_both(flat, specs, entry, record)
    if settled := settled_scalars(program, specs):
        again, _ = stage_both(flat, settled, entry, record)
        if again.out_avals == program.out_avals:  # int32 / 2 is no weak float32
            program, entry.in_specs = again, settled
    entry.out_tree, entry.out_avals = trees[0], program.out_avals[:n_out]
    if n_out < len(program.outvars):
        split_entry(entry, program, len(specs), n_out)
    else:
        entry.forward = program
    recorded = entry.backward is not None
    entry.out_specs = [make_spec(a, recorded and is_differentiable(a), entry.place)
                       for a in entry.out_avals]
    debug.show(2, name, entry.forward)
    return entry


def stage_both(flat: Callable, specs: Sequence[Spec], entry: Entry,
               record: bool) -> tuple[Jaxpr, int]:
    """One program, inputs -> outputs, and how many these are. Where a gradient is to be recorded
    it goes on: the cotangents of the outputs are inputs too, those of the wanted inputs outputs."""
    trace, count = StageTrace(entry.name), len(specs)
    with using(NO_GRAD), level(trace, grad=False):
        args = [make_box(entry.cls, trace.new_input(s.aval), make_spec(s.aval, False, False))
                for s in specs]
        if not (record and entry.wanted):
            outs = flat(*args)
            return simplify(trace.program(outs)), len(outs)
        outs, pull = vjp_flat(flat, args, [i in entry.wanted for i in range(count)])
        cts = [box(trace.new_input(aval_of(o).strong), entry.cls)
               if is_differentiable(aval_of(o)) else None for o in outs]
        grads = [] if all(ct is None for ct in cts) else pull(cts)
        grads = [instantiate(g, args[i]) for g, i in zip(grads, entry.wanted)]
        return simplify(trace.program(outs + grads)), len(outs)


def settled_scalars(program: Jaxpr, specs: Sequence[Spec]) -> tuple[Spec, ...] | None:
    """Where all that is done with a Python scalar is to convert it to one dtype, it can come in
    that dtype: `x * 0.1` then runs one kernel, not two."""
    targets = {}
    for i, (var, spec) in enumerate(zip(program.invars, specs)):
        uses = [e for e in program.eqns if var in e.invars]
        dtypes = {e.params.get("new_dtype") for e in uses}
        if spec.concrete == "python" and len(dtypes) == 1 and var not in program.outvars \
                and all(e.primitive.name == "convert_element_type" for e in uses):
            targets[i] = python_spec(dtypes.pop())
    return tuple(targets.get(i, s) for i, s in enumerate(specs)) if targets else None


def split_entry(entry: Entry, both: Jaxpr, n_in: int, n_out: int) -> None:
    """Cut the program in two: outputs need the forward half; the rest is the backward."""
    outs, grads = both.outvars[:n_out], both.outvars[n_out:]
    forward = dead_code(both.replace(outvars=outs)).eqns
    made = {v: e for e in forward for v in e.outvars}
    in_forward = set(map(id, forward))
    backward = [e for e in dead_code(both.replace(outvars=grads)).eqns if id(e) not in in_forward]
    inputs = both.invars[:n_in]
    backward = recompute_cheap(backward, made, set(outs))
    own = {v for e in backward for v in e.outvars}
    needed = list(dict.fromkeys(
        a for a in [a for e in backward for a in e.invars] + grads
        if type(a) is Var and a not in own and (a in made or a in inputs)))
    saved, mids = [], []
    for var in sorted(needed, key=lambda v: save_order(v, inputs, outs)):
        if var in inputs:
            saved.append(("in", inputs.index(var)))
        elif var in outs:
            saved.append(("out", outs.index(var)))
        else:
            saved.append(("mid", len(mids)))
            mids.append(var)
    entry.saved = tuple(saved)
    entry.forward = Jaxpr(both.constvars, inputs, outs + mids, forward, both.consts)
    names = dict(zip(inputs, argument_names(n_in)))
    if mids:
        names.update((v, f"r{i}") for i, v in enumerate(mids))
    for j, v in enumerate(outs):
        if type(v) is Var and v not in names:
            names[v] = "out" if n_out == 1 else f"out{j}"
    cotangents = both.invars[n_in:]
    g_names = ["g"] if n_out == 1 else [f"g{j}" for j in range(len(cotangents))]
    names.update(zip(cotangents, g_names))
    values = [(inputs if kind == "in" else outs if kind == "out" else mids)[i] for kind, i in saved]
    saved_names = [names[v] for v in values]
    consts = dict(zip(both.constvars, both.consts))
    text, constants = backward_text(entry.name, backward, grads, names, saved_names,
                                            g_names, n_out, consts, strict=False)
    entry.source = display(text).rstrip()
    entry.backward_source = text, constants
    entry.backward = instantiate_source(text, constants, entry.world)
    entry.backward_program = Jaxpr(both.constvars, cotangents + values, grads, backward,
                                   both.consts)
    entry.recompute = bool(mids)
    if mids:  # differentiating again must see how the intermediates came about: from the inputs
        backward = dead_code(both.replace(outvars=grads)).eqns
        names = {v: n for v, n in names.items() if v in inputs or v in cotangents}
        saved_names = [names[v] for v in inputs]
    entry.write_strict = lambda: backward_text(entry.name, backward, grads, names, saved_names,
                                               g_names, n_out, consts, strict=True)


def recompute_cheap(backward: list[Eqn], made: dict[Var, Eqn], outs: set) -> list[Eqn]:
    """Equations that move or stretch values are copied into the backward rather than saved."""
    while True:
        used = {a for e in backward for a in e.invars if type(a) is Var}
        own = {v for e in backward for v in e.outvars}
        again = [made[v] for v in used - own - outs
                 if v in made and made[v].primitive.name in CHEAP]
        if not again:
            return backward
        backward = list(dict.fromkeys(again)) + backward


def save_order(var: Var, inputs: list[Var], outs: list) -> tuple[int, int]:
    if var in inputs:
        return 0, inputs.index(var)
    return (1, outs.index(var)) if var in outs else (2, 0)


def backward_text(name, eqns, grads, names, saved_names, g_names, n_out, consts, strict):
    """The source of a backward function and the constants it refers to."""
    eqns = [cotangent_first(e, names) for e in order_equations(eqns)]
    names = dict(names)
    captured = {f"c{i}": (v, value) for i, (v, value) in enumerate(consts.items())}
    names.update((v, n) for n, (v, _) in captured.items())
    lines, results, constants = write_program(eqns, grads, names, strict)
    body = []
    if saved_names:
        body.append(f"{', '.join(saved_names)}{',' * (len(saved_names) == 1)} = saved")
    if n_out != 1:
        body.append(f"{', '.join(g_names)}{',' * (len(g_names) == 1)} = g")
    body += [*lines, f"return {', '.join(results)}"]
    text = f"def {identifier(name)}_backward(g, saved):\n" + "".join(f"    {b}\n" for b in body)
    constants |= {n: value if strict else getattr(value, "value", value)
                  for n, (_, value) in captured.items()}
    return text, constants


def cotangent_first(eqn: Eqn, names: dict[Var, str]) -> Eqn:
    """Read `g * x`, not `x * g`."""
    if eqn.primitive.name in ("mul", "add", "add_any") \
            and names.get(eqn.invars[-1], "").startswith("g"):
        return eqn.replace(invars=eqn.invars[::-1])
    return eqn


def order_equations(eqns: Sequence[Eqn]) -> list[Eqn]:
    """Dependencies first (recomputed equations were put in front in any order)."""
    made = {v: e for e in eqns for v in e.outvars}
    done: dict[int, Eqn] = {}

    def visit(eqn: Eqn) -> None:
        if id(eqn) in done:
            return
        for a in eqn.invars:
            if type(a) is Var and a in made and made[a] is not eqn:
                visit(made[a])
        done[id(eqn)] = eqn

    for eqn in eqns:
        visit(eqn)
    return list(done.values())
