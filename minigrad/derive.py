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

import keyword
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad import debug
from minigrad.core import (
    NO_GRAD, Aval, Spec, Tensor, box, make_aval, make_box, make_spec, table, using,
)
from minigrad.forward import is_differentiable
from minigrad.ops.families import instantiate
from minigrad.program import Atom, Eqn, Jaxpr, Literal, Var, dead_code, simplify, stage
from minigrad.reverse import vjp_flat
from minigrad.tree import tree_flatten

# ------------------------------------------------------------------ writing a program as source


def identifier(primitive_name: str) -> str:
    """The name of a primitive in source: `scatter_add`, `while_`."""
    name = primitive_name.replace("-", "_")
    return name + "_" if keyword.iskeyword(name) else name


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
            return self.constant(a)
        if a in self.inline:
            return f"({self.inline[a]})" if nested and a in self.infix else self.inline[a]
        return self.names[a]

    def constant(self, literal: Literal) -> str:
        value = literal.value.item() if hasattr(literal.value, "item") else literal.value
        name = self.bind(f"k{len(self.constants)}", literal)
        return f"«{name}:{value!r}»"

    def bind(self, name: str, value) -> str:
        self.constants[name] = value
        return name

    def write(self, eqn: Eqn) -> None:
        p = eqn.primitive
        texts = [self.atom(a, nested=bool(p.infix)) for a in eqn.invars]
        infix = None
        if p.infix and (p.name != "div" or is_differentiable(eqn.outvars[0].aval)):
            text = infix = p.infix.format(*texts)
        else:
            text = f"{identifier(p.name)}({', '.join(texts + self.params(eqn))}{hidden_axes(eqn)})"
        if p.multiple_results:
            names = ", ".join(self.new_name(v) for v in eqn.outvars)
            self.lines.append(f"{names}{',' * (len(eqn.outvars) == 1)} = {text}")
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
        for key, value in eqn.params.items():
            if value is None and key in eqn.primitive.defaults:
                continue
            if reduces_all(eqn) and key == "axes":
                continue
            shown.append(f"{key}={self.param(value)}")
        return shown

    def param(self, value) -> str:
        if isinstance(value, np.dtype) and value.name in np.sctypeDict:
            return self.bind(value.name, value)
        if type(value) in (int, str, bool, type(None)):
            return repr(value)
        if type(value) is tuple and all(type(v) in (int, bool, str) for v in value):
            return repr(value)
        return self.bind(f"p{len(self.constants)}", value)


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
        eqns = let_numpy_broadcast(eqns, outvars)
    writer = Writer(names, count_uses(eqns, outvars))
    for eqn in eqns:
        writer.write(eqn)
    return writer.lines, [writer.atom(v) for v in outvars], writer.constants


def let_numpy_broadcast(eqns: Sequence[Eqn], outvars: Sequence[Atom]) -> list[Eqn]:
    """Ufuncs take the operand of a broadcast instead of its result, where the shapes allow."""
    stretched: dict[Var, Atom] = {}
    kept = []
    for eqn in eqns:
        if eqn.primitive.name == "broadcast_in_dim" and is_trailing(eqn):
            stretched[eqn.outvars[0]] = stretched.get(eqn.invars[0], eqn.invars[0])
        elif isinstance(eqn.primitive.impl, np.ufunc):
            plain = [stretched.get(a, a) if type(a) is Var else a for a in eqn.invars]
            shapes = [a.aval.shape for a in plain]
            if np.broadcast_shapes(*shapes) == eqn.outvars[0].aval.shape:
                eqn = eqn.replace(invars=plain)
        kept.append(eqn)
    uses = count_uses(kept, outvars)
    return [e for e in kept if e.outvars[0] not in stretched or e.outvars[0] in uses]


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


def refresh_worlds() -> None:
    for name, primitive in table.items():
        ARRAYS[identifier(name)] = primitive.impl
        TENSORS[identifier(name)] = primitive


@lru_cache(maxsize=4096)
def compiled(text: str):
    debug.show(3, text)
    return compile(text, f"<minigrad {text.split('(')[0].removeprefix('def ')}>", "exec")


def instantiate_source(text: str, constants: dict[str, Any], world: dict) -> Callable:
    """The function that `text` defines, in one of the two worlds."""
    if "add_any" not in world:
        refresh_worlds()
    namespace = {**world, **{k: constant_in(v, world) for k, v in constants.items()}}
    exec(compiled(executable(text)), namespace)
    return namespace[text[4:text.index("(")]]


def constant_in(value, world: dict):
    if type(value) is not Literal:
        return value
    if world is TENSORS:
        return make_box(Tensor, value.value, make_spec(value.aval))
    return np.asarray(value.value) if value.aval.dtype.kind != "V" else value.value


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

    def __init__(self, name, in_specs, cls):
        self.name, self.in_specs, self.cls = name, in_specs, cls
        self.node_name = f"{name.replace('_', ' ').title().replace(' ', '')}Backward0"
        self.view, self.recompute = None, False
        self.backward, self.source, self.saved = None, "", ()
        self._lifted: Callable | None = None

    @property
    def lifted(self) -> Callable:
        """The backward over Tensors, so that it can itself be recorded or staged."""
        if self._lifted is None:
            self._lifted = instantiate_source(self.strict_source, self.strict_constants, TENSORS)
        return self._lifted


def flat_function(fn: Callable):
    """`fn` with its output flattened; the structure is left in the list."""
    trees: list = []

    def flat(*args):
        leaves, tree = tree_flatten(fn(*args))
        trees[:] = [tree]
        return leaves

    return flat, trees


def derive(fn: Callable, name: str, specs: Sequence[Spec], cls: type, record: bool) -> Entry:
    """Stage `fn` on `specs`, with its vjp if `record`, and write the source of both halves."""
    entry = Entry(name, tuple(specs), cls)
    flat, trees = flat_function(fn)
    avals = [s.aval for s in specs]
    with using(NO_GRAD):
        entry.forward = simplify(stage(flat, avals, cls, name))
        entry.out_tree = trees[0]
        entry.out_avals = entry.forward.out_avals
        entry.wanted = tuple(i for i, s in enumerate(specs)
                             if s.requires_grad and is_differentiable(s.aval))
        differentiable = [is_differentiable(a) for a in entry.out_avals]
        if record and entry.wanted and any(differentiable):
            both = stage_both(flat, avals, entry, cls)
            split_entry(entry, both, len(avals), len(entry.out_avals))
    entry.out_specs = [make_spec(a, d and entry.backward is not None)
                       for a, d in zip(entry.out_avals, differentiable)]
    debug.show(2, name, entry.forward)
    return entry


def stage_both(flat: Callable, avals: Sequence[Aval], entry: Entry, cls: type) -> Jaxpr:
    """One program: (inputs, cotangents) -> (outputs, cotangents of the wanted inputs)."""
    wanted = [i in entry.wanted for i in range(len(avals))]
    count = len(avals)
    outs_wanted = [a for a in entry.out_avals if is_differentiable(a)]

    def both(*values):
        args, given = values[:count], iter(values[count:])
        outs, pull = vjp_flat(flat, args, wanted)
        cts = [next(given) if is_differentiable(a) else None for a in entry.out_avals]
        grads = pull(cts)
        return outs + [instantiate(g, args[i]) for g, i in zip(grads, entry.wanted)]

    return simplify(stage(both, [*avals, *(a.strong for a in outs_wanted)], cls, entry.name))


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
    names = {v: n for v, n in zip(inputs, argument_names(n_in))}
    if mids:
        names.update((v, f"r{i}") for i, v in enumerate(mids))
    for j, v in enumerate(outs):
        if type(v) is Var and v not in names:
            names[v] = "out" if n_out == 1 else f"out{j}"
    cotangents = both.invars[n_in:]
    g_names = ["g"] if n_out == 1 else [f"g{j}" for j in range(len(cotangents))]
    names.update(zip(cotangents, g_names))
    saved_names = [names[inputs[i] if kind == "in" else outs[i] if kind == "out" else mids[i]]
                   for kind, i in saved]
    consts = dict(zip(both.constvars, both.consts))
    entry.source, constants = backward_text(entry.name, backward, grads, names, saved_names,
                                            g_names, n_out, consts, strict=False)
    entry.backward = instantiate_source(entry.source, constants, ARRAYS)
    if not mids:
        entry.recompute = False
        entry.strict_source, entry.strict_constants = backward_text(
            entry.name, backward, grads, names, saved_names, g_names, n_out, consts, strict=True)
    else:  # differentiating again must see how the intermediates came about: from the inputs
        entry.recompute = True
        whole = dead_code(both.replace(outvars=grads)).eqns
        names = {v: n for v, n in names.items() if v in inputs or v in cotangents}
        entry.strict_source, entry.strict_constants = backward_text(
            entry.name, whole, grads, names, [names[v] for v in inputs], g_names, n_out, consts,
            strict=True)


CHEAP = {"broadcast_in_dim", "reshape", "transpose", "squeeze", "convert_element_type", "iota",
         "slice", "expand_dims"}


def recompute_cheap(backward: list[Eqn], made: dict[Var, Eqn], outs: set) -> list[Eqn]:
    """Copy equations that move or stretch values into the backward rather than save their results."""
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
    for n, (_, value) in captured.items():
        if re.search(rf"\b{n}\b", text):
            constants[n] = value if strict else getattr(value, "value", value)
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


# ------------------------------------------------------------------ for people


def parse_aval(text: str) -> Aval:
    """`"f32[3,4]"` -> the aval."""
    match = re.fullmatch(r"(\w+)\[([\d,\s]*)\]", text)
    if not match:
        raise ValueError(f"cannot read {text!r} as an aval such as 'f32[3,4]'")
    kind, dims = match.groups()
    import ml_dtypes

    names = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
    if kind == "bf16":
        dtype = np.dtype(ml_dtypes.bfloat16)
    elif kind == "bool":
        dtype = np.dtype(bool)
    else:
        dtype = np.dtype(names[kind[0]] + kind[1:])
    return make_aval(tuple(int(d) for d in dims.split(",") if d.strip()), dtype)


def backward_source(operation, *avals: str, **params) -> str:
    """The derived backward of a primitive (by name) or of any function of Tensors, as source.

    Args: one aval such as `"f32[3,4]"` for each operand; the primitive's parameters by keyword.
    Raises KeyError for an unknown primitive, TypeError where the operands do not fit.
    """
    if isinstance(operation, str):
        primitive = table[operation]
        name = operation

        def fn(*args):
            return primitive(*args, **params)
    else:
        fn, name = operation, getattr(operation, "__name__", "function")
    specs = [make_spec(parse_aval(a), True) for a in avals]
    entry = derive(fn, name, specs, Tensor, True)
    return display(entry.source).rstrip()


_ = box


# ------------------------------------------------------------------ what runs at level zero


def runner(entry: Entry) -> Callable:
    """A function of boxes for one entry: kernels inlined, the node built in place."""
    text, constants = runner_text(entry)
    namespace = {"entry": entry, "cls": entry.cls, "specs": entry.out_specs, **RUNTIME}
    constants |= {k: v for k, v in namespace.items() if re.search(rf"\b{k}\b", text)}
    return instantiate_source(text, constants, ARRAYS)


def runner_text(entry: Entry) -> tuple[str, dict[str, Any]]:
    program, name = entry.forward, identifier(entry.name)
    arguments = argument_names(len(program.invars))
    names = dict(zip(program.invars, arguments))
    consts = {f"c{i}": (v, c) for i, (v, c) in enumerate(zip(program.constvars, program.consts))}
    names.update((v, n) for n, (v, _) in consts.items())
    lines, results, constants = write_program(program.eqns, program.outvars, names, strict=False)
    constants |= {n: getattr(c, "value", c) for n, (_, c) in consts.items()}
    if entry.cls.mutable:
        results = [f"own({r}, {names[root]})" if (root := alias_of(program, v)) is not None
                   and not entry.view else r for r, v in zip(results, program.outvars)]
    n_out = len(entry.out_avals)
    recorded = entry.backward is not None
    outs = ["out"] if n_out == 1 else [f"out{j}" for j in range(n_out)]
    outs += [f"r{i}" for i in range(len(results) - n_out)]
    body = [f"{a} = {unboxed(a, s, entry)}" for a, s in zip(arguments, entry.in_specs)]
    work = [*lines, *(f"{o} = {r}" for o, r in zip(outs, results))]
    if any(warns(e) for e in program.eqns):
        body += ["token = quiet(IGNORE)", "try:", *(f"    {w}" for w in work),
                 "finally:", "    loud(token)"]
    else:
        body += work
    boxes = ["t"] if n_out == 1 else [f"t{j}" for j in range(n_out)]
    for j, (t, o) in enumerate(zip(boxes, outs)):
        body += [f"{t} = new(cls)", f"{t}.value = {o}", f"{t}.spec = spec{j}"]
        if not (recorded and entry.out_specs[j].requires_grad):
            body.append(f"{t}.node = None")
        constants[f"spec{j}"] = entry.out_specs[j]
    if recorded:
        body += node_lines(entry, arguments, outs, boxes)
    if entry.view:
        body.append("register_view(t, x_box, entry.view)")
        constants["register_view"] = RUNTIME["register_view"]
    body.append(f"return {result_text(entry, boxes, constants)}")
    head = f"def run_{name}({', '.join(a + '_box' for a in arguments)}):\n"
    return head + "".join(f"    {b}\n" for b in body), constants


def node_lines(entry: Entry, arguments, outs, boxes) -> list[str]:
    mids = [f"r{i}" for i in range(len(entry.saved))]
    where = {"in": arguments, "out": outs, "mid": mids}
    saved = [where[kind][i] for kind, i in entry.saved]
    edges = [f"{arguments[i]}_box.node" for i in entry.wanted]
    lines = ["n = new(Node)", "n.entry = entry", "n.seq = next_seq()",
             f"n.edges = {edges[0] if len(edges) == 1 else '(' + ', '.join(edges) + ')'}",
             f"n.saved = ({', '.join(saved)},)" if saved else "n.saved = None"]
    if entry.recompute:
        lines.append(f"n.inputs = ({', '.join(arguments)},)")
    if len(boxes) == 1:
        return [*lines, "t.node = n"]
    return lines + [f"t{j}.node = pick(n, {j})" for j, s in enumerate(entry.out_specs)
                    if s.requires_grad]


def result_text(entry: Entry, boxes, constants) -> str:
    if len(boxes) == 1 and entry.out_tree.num_nodes == 1:
        return "t"
    if entry.out_tree == tree_flatten([0] * len(boxes))[1]:
        return f"[{', '.join(boxes)}]"
    constants["tree"] = entry.out_tree
    return f"tree.unflatten([{', '.join(boxes)}])"


def unboxed(argument: str, spec: Spec, entry: Entry) -> str:
    """How the array comes out of the box; a Python scalar becomes one where arrays are met."""
    if spec.concrete != "python":
        return f"{argument}_box.value"
    if any(a.shape for a in entry.out_avals):
        return f"array({argument}_box, {spec.dtype.name})"
    return f"{spec.dtype.name}.type({argument}_box)"


def warns(eqn: Eqn) -> bool:
    """Can NumPy complain about a floating-point event here? Moving numbers raises none."""
    return not eqn.primitive.view and eqn.primitive.name not in CHEAP - {"convert_element_type"}


def alias_of(program: Jaxpr, var: Atom) -> Var | None:
    """The input whose memory an output may share."""
    made = {v: e for e in program.eqns for v in e.outvars}
    while type(var) is Var and var in made and made[var].primitive.view:
        var = made[var].invars[0]
    return var if type(var) is Var and var not in made else None


def own(result, source):
    """A result that shares no memory with the operand."""
    if isinstance(result, np.ndarray) and np.may_share_memory(result, source):
        return result.copy()
    return result


def quiet_state():
    """NumPy keeps its warning state in a context variable; setting it costs a tenth of
    `np.errstate`. Elsewhere the public context manager serves."""
    try:
        from numpy._core import _multiarray_umath as umath

        variable = umath._extobj_contextvar
        return variable.set, variable.reset, umath._make_extobj(all="ignore")
    except (ImportError, AttributeError):
        return (lambda ignore: np.seterr(**ignore)), (lambda old: np.seterr(**old)), \
            {"all": "ignore"}


QUIET, LOUD, IGNORE = quiet_state()
RUNTIME: dict[str, Any] = {
    "quiet": QUIET, "loud": LOUD, "IGNORE": IGNORE, "new": object.__new__, "own": own,
    "array": np.array, "float32": np.dtype("f4"), "float64": np.dtype("f8"),
    "int64": np.dtype("i8"), "int32": np.dtype("i4"), "bool": np.dtype("?"),
    "complex64": np.dtype("c8"), "complex128": np.dtype("c16"),
}


def register_runtime(**names) -> None:
    """The tape and the views tell generated code their names."""
    RUNTIME.update(names)


def array_function(program: Jaxpr) -> Callable[..., list]:
    """A program as a function of bare arrays: its source, with kernels for names. Kept with the
    program. (The reference path of `jit`, scan, while and cond.)"""
    if "arrays" not in program.cache:
        small = simplify(program)
        arguments = [f"x{i}" for i in range(len(small.invars))]
        names = dict(zip(small.invars, arguments))
        names.update((v, f"c{i}") for i, v in enumerate(small.constvars))
        lines, results, constants = write_program(small.eqns, small.outvars, names, strict=False)
        constants |= {f"c{i}": getattr(c, "value", c) for i, c in enumerate(small.consts)}
        body = [*lines, f"return [{', '.join(results)}]"]
        text = (f"def run_program({', '.join(arguments)}):\n"
                + "".join(f"    {b}\n" for b in body))
        program.cache["arrays"] = instantiate_source(text, constants, ARRAYS)
    return program.cache["arrays"]
