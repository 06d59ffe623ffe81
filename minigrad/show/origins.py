"""Where a traced value comes from, in words: which function was being traced, where that function
stands, and which of its arguments the value depends on. For error messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

DOCS = "https://docs.jax.dev/en/latest/errors.html#jax.errors."


class Traced:
    """What was traced: a function, for which transformation, with arguments by these names."""

    def __init__(self, function: Callable, transformation: str, names: Callable[[], list[str]]):
        self.function, self.transformation, self.names = function, transformation, names

    def place(self) -> str:
        """`name at file:line`."""
        function: Any = inspect.unwrap(self.function)
        code = getattr(getattr(function, "func", function), "__code__", None)
        name = getattr(function, "__name__", "<unnamed function>")
        return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code else name


def argument_names(function: Callable, tree, positions: Sequence[int] | None = None) -> list[str]:
    """A name for each leaf of the arguments: `x`, `params['w']`, `args[0]`. `tree` is that of
    (positional arguments, keyword arguments); `positions` are those of the positional ones."""
    from minigrad.tree import keystr, tree_flatten_with_path

    try:
        listed = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        listed = []
    single = [p.name for p in listed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in listed if p.kind is p.VAR_POSITIONAL), "args")
    names = []
    for path, _ in tree_flatten_with_path(tree.unflatten(range(tree.num_leaves)))[0]:
        first, key = path[0].idx, path[1]
        if first == 1:
            name = key.key
        else:
            k = positions[key.idx] if positions is not None else key.idx
            name = single[k] if k < len(single) else f"{rest}[{k - len(single)}]"
        names.append(name + keystr(path[2:]))
    return names


def sentence(tracer) -> str:
    """How the value became a traced one."""
    from minigrad import errors

    while hasattr(tracer, "primal") and hasattr(getattr(tracer.primal, "value", None), "trace"):
        tracer = tracer.primal.value
    trace = tracer.trace
    described = getattr(trace, "described", None)
    if described is None:
        return (f"This {type(tracer).__name__} with object id {id(tracer)} was met on line:\n  "
                f"{errors.user_line()}")
    text = (f"The error occurred while tracing the function {described.place()} for "
            f"{described.transformation}. ")
    needed, made = {tracer.var}, []
    for eqn in reversed(trace.eqns):
        if needed & set(eqn.outvars):
            needed.update(a for a in eqn.invars if not hasattr(a, "value"))
            made.append(eqn)
    names = [n for v, n in zip(trace.invars, described.names()) if v in needed]
    if names:
        several = len(names) > 1
        listed = names[0] if not several else " and ".join(names) if len(names) == 2 else \
            f"{', '.join(names[:-1])}, and {names[-1]}"
        return (f"{text}This concrete value was not available in Python because it depends on the "
                f"value{'s' * several} of the argument{'s' * several} {listed}.")
    lines = [f"  operation {e.primitive.name} that gives {e.outvars[0].aval}\n    from line "
             f"{e.source}\n" for e in made[:5] if e.outvars]
    return f"{text}This value became a tracer due to JAX operations on these lines:\n\n" \
        + "\n".join(lines)


def shown(aval) -> str:
    """The type of a value, dtypes at full length: `float32[3]`."""
    return f"{aval.dtype.name}[{','.join(map(str, aval.shape))}]"


def mismatch(a, b) -> str:
    """How two types differ, as a clause."""
    different = [f"the {what}s do not match" for what in ("dtype", "shape")
                 if getattr(a, what) != getattr(b, what)]
    return f", so {', and '.join(different)}" if different else ""


def birth(tracer) -> str:
    """Where a staged value was made, and while which function was traced."""
    described = getattr(tracer.trace, "described", None)
    if described is None:
        return ""
    sources = [e.source for e in tracer.trace.eqns if tracer.var in e.outvars and e.source]
    line = "{}:{} ({})".format(*sources[0]) if sources else ""
    rule = "-" * 30
    return (f"The function being traced when the value leaked was {described.place()} traced for "
            f"{described.transformation}.\n{rule}\nThe leaked intermediate value was created on "
            f"line {line}. \n{rule}\nWhen the value was created, the final 5 stack frames (most "
            f"recent last) excluding JAX-internal frames were:\n{rule}\n{line}\n{rule}\n\n")


def needed_concrete(tracer, context: str) -> str:
    """A traced value where only a concrete one will do."""
    return ("Abstract tracer value encountered where concrete value is expected: traced array with "
            f"shape {shown(tracer.aval)}\n{context}\n{sentence(tracer)}\n\n"
            f"See {DOCS}ConcretizationTypeError")


def escaped(tracer) -> str:
    """A traced value met after its function has returned."""
    kind = {"StageTracer": "DynamicJaxprTracer"}.get(type(tracer).__name__, type(tracer).__name__)
    return ("Encountered an unexpected tracer. A function transformed by JAX had a side effect, "
            "allowing for a reference to an intermediate value with type "
            f"{shown(tracer.aval)} wrapped in a {kind} to escape the scope of the "
            "transformation.\nJAX transformations require that functions explicitly return their "
            "outputs, and disallow saving intermediate values to global state.\n"
            f"{birth(tracer)}To catch the leak earlier, try setting the environment variable "
            "JAX_CHECK_TRACER_LEAKS or using the `jax.checking_leaks` context manager.\n"
            f"See {DOCS}UnexpectedTracerError")
