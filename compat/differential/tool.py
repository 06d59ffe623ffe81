"""The differential tool as functions: texts or functions in, a `Comparison` out."""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable, Sequence

import ml_dtypes
import numpy as np

from compat.differential.comparison import Comparison, compare
from compat.differential.investigate import investigate
from compat.differential.oracle import random_array
from compat.differential.sides import QUESTIONS
from compat.differential.worlds import Names, Text, libraries
from minigrad import core
from minigrad.show.derived import parse_aval

INTS = (0, 5)


def parse_operand(text: str, dtype: str = "float32") -> tuple[tuple[int, ...], np.dtype]:
    """`3x4`, `7`, `scalar`, or an aval such as `i32[4]`.

    >>> parse_operand("3x4")
    ((3, 4), dtype('float32'))
    """
    if "[" in text:
        aval = parse_aval(text)
        return aval.shape, aval.dtype
    sizes = [] if text in ("", "()", "scalar") else text.replace(",", "x").strip("()").split("x")
    try:
        return tuple(int(n) for n in sizes if n), dtype_of(dtype)
    except ValueError:
        raise ValueError(f"not a shape: {text!r}. A shape is spelled 3x4, 7, scalar, or with its "
                         "dtype: f32[3,4].") from None


def dtype_of(name: str) -> np.dtype:
    """A dtype by its name or its short spelling: float32 or f32, bfloat16 or bf16."""
    try:
        return parse_aval(f"{name}[]").dtype
    except (ValueError, TypeError):
        return np.dtype(getattr(ml_dtypes, name, name))


def inputs_for(text: str, dtype: str, position: int) -> np.ndarray:
    """Random numbers between -2 and 2, the same on every run."""
    shape, kind = parse_operand(text, dtype)
    rng = np.random.default_rng(zlib.crc32(repr((text, position)).encode()))
    return random_array(rng, shape, kind, -2.0, 2.0, INTS)


def functions_from(texts: Sequence[Text], name: str | None = None) -> tuple[dict, list[str]]:
    """({(library, ours): function}, the libraries the text was only translated for)"""
    chosen = libraries(texts)
    functions = {}
    for library, text in chosen.items():
        for ours in (True, False):
            found = text.run(library, ours)
            functions[library, ours] = found if name is None else found[name]
    translated = [library for library, text in chosen.items() if library not in text.languages]
    return functions, [lib for lib in translated if lib == "torch" or texts[0].languages]


def run_texts(sources: Sequence[str | Text], arrays: Sequence[np.ndarray],
              questions: Sequence[str] = QUESTIONS, name: str | None = None,
              timing: bool = False, shrink: bool = True) -> Comparison:
    """Compare an expression (or two: JAX's and PyTorch's), or function `name` of a file."""
    texts = [s if isinstance(s, Text) else Text(s) for s in sources]
    functions, optional = functions_from(texts, name)
    title = name or "  |  ".join(t.source for t in texts)
    return finished(functions, arrays, questions, title, timing, optional, shrink)


def run_functions(function: Callable, torch: Callable | None, arrays, questions=QUESTIONS,
                  shrink: bool = True) -> Comparison:
    """Compare a function whose first parameter is `xp`, the array functions of a side."""
    functions = {}
    for library in ("jax", "torch"):
        fn = torch or function if library == "torch" else function
        for ours in (True, False):
            names = Names(library, ours, translated=library == "torch" and torch is None)
            functions[library, ours] = functools.partial(fn, names) if takes_names(fn) else fn
    optional = () if torch else ("torch",)
    return finished(functions, arrays, questions, getattr(function, "__name__", ""), False,
                    optional, shrink)


def takes_names(fn: Callable) -> bool:
    return next(iter(inspect.signature(fn).parameters), None) == "xp"


def finished(functions, arrays, questions, title, timing, optional, shrink) -> Comparison:
    result = compare(functions, arrays, questions, title, timing, optional)
    if shrink and not result.ok:
        investigate(result, functions, arrays)
    return result


def default_operands(function: Callable, shapes: Sequence[str], dtype: str) -> list[np.ndarray]:
    """Operands for every parameter: the shapes given, or those of the annotations
    (`x: "f32[3,4]"`), or 3x4; the last shape given serves all that follow."""
    parameters = [p for p in inspect.signature(function).parameters.values()
                  if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
                  and (p.default is p.empty or isinstance(p.default, np.ndarray))]
    operands = []
    for k, p in enumerate(parameters):
        if isinstance(p.default, np.ndarray):
            operands.append(p.default)
            continue
        annotated = p.annotation if isinstance(p.annotation, str) else None
        text = shapes[min(k, len(shapes) - 1)] if shapes else annotated or "3x4"
        operands.append(inputs_for(text.strip("'\""), dtype, k))
    return operands


def canonical(arrays: Sequence[np.ndarray]) -> str:
    return ", ".join(repr(core.make_aval(a.shape, a.dtype)) for a in arrays)
