"""What an entry runs at level zero: one generated function that takes boxes, runs the kernels with
NumPy's warnings off, boxes the results and builds the node in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import Spec
from minigrad.derive import Entry, argument_names
from minigrad.devices import Device
from minigrad.program import Eqn
from minigrad.programs.source import (
    CHEAP, identifier, instantiate_source, owned_results, write_program,
)
from minigrad.tree import tree_flatten


def runner(entry: Entry, program: Callable | None = None) -> Callable:
    """A function of boxes for one entry: kernels inlined (or one call of the compiled `program`),
    the node built in place."""
    text, constants = runner_text(entry, program)
    constants = RUNTIME | {"entry": entry, "cls": entry.cls} | constants
    return instantiate_source(text, constants, entry.world)


def runner_text(entry: Entry, compiled: Callable | None) -> tuple[str, dict[str, Any]]:
    program, name = entry.forward, identifier(entry.name)
    arguments = argument_names(len(program.invars))
    names = dict(zip(program.invars, arguments))
    consts = {f"c{i}": (v, c) for i, (v, c) in enumerate(zip(program.constvars, program.consts))}
    names.update((v, n) for n, (v, _) in consts.items())
    lines, results, constants = write_program(program.eqns, program.outvars, names, strict=False)
    constants |= {n: getattr(c, "value", c) for n, (_, c) in consts.items()}
    constants |= {s.dtype.name: s.dtype for s in entry.in_specs}  # of scalars: bfloat16 too
    if entry.cls.mutable:
        results = results if entry.view else owned_results(program, results, names)
    n_out = len(entry.out_avals)
    recorded = entry.backward is not None
    outs = ["out"] if n_out == 1 else [f"out{j}" for j in range(n_out)]
    outs += [f"r{i}" for i in range(len(results) - n_out)]
    body = [f"{a} = {unboxed(a, s, entry)}" for a, s in zip(arguments, entry.in_specs)]
    if entry.place is not True:
        results = [f"asarray({r})" for r in results]
    work = [*lines, *(f"{o} = {r}" for o, r in zip(outs, results))]
    if compiled is not None:
        constants = {"program": compiled, "asarray": np.asarray}
        constants |= {s.dtype.name: s.dtype for s in entry.in_specs}
        given = [a if s.shape else f"asarray({a})" for a, s in zip(arguments, entry.in_specs)]
        body.append(f"{', '.join(outs)}{',' * (len(outs) == 1)} = program([{', '.join(given)}])")
        body += [f"{o} = {o}[()]" for o, v in zip(outs, program.outvars) if not v.aval.shape]
    elif entry.place is True and any(warns(e) for e in program.eqns):
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
        at_home = entry.place is True or type(spec.concrete) is Device
        return f"{argument}_box.value" if at_home else f"constant({argument}_box.value)"
    if entry.place is True and any(a.shape for a in entry.out_avals):
        return f"array({argument}_box, {spec.dtype.name})"
    return f"{spec.dtype.name}.type({argument}_box)"


def warns(eqn: Eqn) -> bool:
    """Can NumPy complain about a floating-point event here? Moving numbers raises none."""
    return not eqn.primitive.view and eqn.primitive.name not in CHEAP - {"convert_element_type"}


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
    "quiet": QUIET, "loud": LOUD, "IGNORE": IGNORE, "new": object.__new__,
} | {dtype.name: dtype for dtype in map(np.dtype, "?bBhHiIqQefdFD")}


def register_runtime(**names) -> None:
    """The tape and the views tell generated code their names."""
    RUNTIME.update(names)
