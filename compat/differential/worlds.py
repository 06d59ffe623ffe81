"""What a user's function sees on each side: one text, run over minigrad's faces and over the
real frameworks.

    xp, np, and bare names such as `sin`    the array functions of whichever side runs
    jnp, jax, lax                           JAX's names, from compat.jax or from real JAX
    torch, F, nn                            PyTorch's, from compat.torch or from real PyTorch

A text with PyTorch's names runs on the two torch sides only. Any other runs on the jax sides, and
also on the torch sides where PyTorch knows all the names (`axis` is understood as `dim`).
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

JAX_NAMES, TORCH_NAMES = {"jax", "jnp", "lax"}, {"torch", "F", "nn"}
SEARCHED = {"jax": ("jax.numpy", "jax.nn", "jax.lax", "jax.scipy.special"),
            "torch": ("torch", "torch.nn.functional", "torch.special", "torch.linalg")}
OTHER_NAMES = {"power": "pow", "fabs": "abs", "arctan2": "atan2", "expand_dims": "unsqueeze",
               "transpose": "permute", "concatenate": "cat", "astype": "to", "max": "amax",
               "min": "amin", "true_divide": "div", "mod": "remainder", "invert": "bitwise_not",
               "gammaln": "lgamma", "swapaxes": "transpose", "var": "var", "take": "take"}
KEYWORDS = {"axis": "dim", "keepdims": "keepdim", "ddof": "correction"}


class Unknown(LookupError):
    """The other framework has no function of that name: nothing to compare."""


def module(name: str, ours: bool) -> ModuleType:
    return importlib.import_module(f"compat.{name}" if ours else name)


@dataclass(frozen=True)
class Names:
    """The functions of one library, found in any of its modules."""

    library: str  # "jax" or "torch"
    ours: bool
    translated: bool = False  # names and keywords are JAX's, the functions PyTorch's

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        if self.translated and name in ("linalg", "nn", "lax", "numpy", "special", "scipy"):
            return self
        wanted = OTHER_NAMES.get(name, name) if self.translated else name
        for where in SEARCHED[self.library]:
            try:
                found = getattr(module(where, self.ours), wanted, None)
            except ImportError:
                continue
            if found is not None:
                return renamed(found) if self.translated and callable(found) else found
        raise Unknown(f"{self.library} has no {name}")


def renamed(function: Callable) -> Callable:
    """A function of PyTorch that understands JAX's keywords."""
    if isinstance(function, type):
        return function

    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **{KEYWORDS.get(k, k): v for k, v in kwargs.items()})

    return call


def namespace(library: str, ours: bool, texts_own: bool) -> dict:
    """The names a text may use on one side. texts_own: it was written for this library."""
    names = Names(library, ours, translated=library == "torch" and not texts_own)
    seen: dict[str, Any] = {"xp": names, "np": names}
    if library == "jax":
        seen |= {"jax": module("jax", ours), "jnp": module("jax.numpy", ours),
                 "lax": module("jax.lax", ours), "np": module("jax.numpy", ours)}
    else:
        seen |= {"torch": module("torch", ours), "nn": module("torch.nn", ours),
                 "F": module("torch.nn.functional", ours)}
    if library == "torch" and not texts_own:
        func = module("torch.func", ours)
        seen |= {"jnp": names, "lax": names, "nn": names, "jax": SimpleNamespace(
            numpy=names, nn=names, lax=names, grad=func.grad, vmap=func.vmap, jvp=func.jvp,
            vjp=func.vjp, jacfwd=func.jacfwd, jacrev=func.jacrev, jit=lambda f: f)}
    return seen


def loaded(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@dataclass
class Text:
    """A user's source: an expression, or a file of functions."""

    source: str
    name: str = "<expression>"

    @functools.cached_property
    def tree(self) -> ast.AST:
        return ast.parse(self.source, self.name, "eval" if self.is_expression else "exec")

    is_expression = property(lambda self: self.name == "<expression>")

    @property
    def languages(self) -> set[str]:
        """Whose names it uses: {"jax"}, {"torch"}, both, or none."""
        used = loaded(self.tree) | imported(self.tree)
        return {"jax"} & {"jax" for n in used & JAX_NAMES} | {"torch" for n in used & TORCH_NAMES}

    def run(self, library: str, ours: bool):
        """The value of the expression, or the file's global names, on one side."""
        seen = namespace(library, ours, library in self.languages)
        seen["__name__"] = "differential"
        seen["__builtins__"] = vars(builtins) | {"__import__": importer(ours)}
        for name in loaded(self.tree) - set(seen) - set(vars(builtins)):
            try:
                seen[name] = getattr(seen["xp"], name)
            except LookupError:
                continue  # a variable of the text's own, or Python will say what is missing
        code = compile(self.tree, self.name, "eval" if self.is_expression else "exec")
        if self.is_expression:
            return eval(code, seen)
        exec(code, seen)
        return seen


def importer(ours: bool) -> Callable:
    """`import jax` and `import torch` in a user's file mean the faces on our sides."""
    def load(name, globals=None, locals=None, fromlist=(), level=0):
        if ours and level == 0 and name.split(".")[0] in ("jax", "torch"):
            found = importlib.import_module(f"compat.{name}")
            for item in fromlist or ():
                if not hasattr(found, item):
                    importlib.import_module(f"compat.{name}.{item}")
            return found if fromlist else importlib.import_module(f"compat.{name.split('.')[0]}")
        return builtins.__import__(name, globals, locals, fromlist, level)

    return load


def libraries(texts: Iterable[Text]) -> dict[str, Text]:
    """Which text runs on which library: the first that is written for it, or else for neither."""
    chosen: dict[str, Text] = {}
    for library in ("jax", "torch"):
        other = "torch" if library == "jax" else "jax"
        for text in texts:
            own, foreign = library in text.languages, other in text.languages
            if own or not foreign or library == "torch" and not foreign:
                chosen.setdefault(library, text)
        if library == "torch" and "torch" not in chosen:  # JAX's names, as far as they go
            chosen.setdefault("torch", next(iter(texts)))
    return chosen


def functions_of(path: Path) -> tuple[Text, list[str]]:
    """The public functions that a file defines."""
    text = Text(path.read_text(encoding="utf-8"), str(path))
    names = [node.name for node in text.tree.body
             if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return text, names
