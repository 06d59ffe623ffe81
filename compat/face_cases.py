"""JAX's own cases for its primitives, written for the real JAX, read again over the face.

`test_harnesses` builds its cases as it is imported, from `lax.add_p.bind`, `lax.dynamic_slice`,
`jnp.take` and the like. Here its text runs a second time, with `compat.jax` behind its imports, so
that each case calls the functions of the face (`python -m compat.harness --direct`).
"""

from __future__ import annotations

import builtins
import sys
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import numpy as np

import compat.jax
import compat.jax.lax
import compat.jax.numpy
import compat.jax.random
from minigrad.core import table

WINDOW = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")


def select_and_gather_add(tangents, operand, select_prim, *window):
    return table["select_and_gather_add"](tangents, operand, select_prim=select_prim,
                                          **dict(zip(WINDOW, window)))


def select_and_scatter_add(source, operand, select_prim, *window):
    return table["select_and_scatter_add"](source, operand, select_prim=select_prim,
                                           **dict(zip(WINDOW, window)))


def device_put(x, **_):
    return [compat.jax.device_put(x)]


# What the cases import from JAX's private modules, beside names that both sides share.
IN_PLACE_OF: dict[str, Any] = {
    "jax._src": SimpleNamespace(
        api=compat.jax, lax=compat.jax.lax, numpy=compat.jax.numpy, random=compat.jax.random,
        ad_util=SimpleNamespace(add_any_p=table["add_any"], add_jaxvals_p=table["add_any"],
                                stop_gradient_p=table["stop_gradient"]),
        dispatch=SimpleNamespace(device_put_p=SimpleNamespace(bind=device_put),
                                 ArrayCopySemantics=SimpleNamespace(REUSE_INPUT=0))),
    "jax._src.lax": SimpleNamespace(
        control_flow=compat.jax.lax, windowed_reductions=SimpleNamespace(
            _select_and_gather_add=select_and_gather_add,
            _select_and_scatter_add=select_and_scatter_add)),
    "jax._src.numpy": SimpleNamespace(linalg=compat.jax.numpy.linalg),
    "jax._src.random": SimpleNamespace(
        prng=SimpleNamespace(iota_2x32_shape_p=table["iota_2x32_shape"]))}


def import_face(name, namespace=None, local=None, names=(), level=0):
    """The import statement of the second reading."""
    ours = IN_PLACE_OF.get(name)
    if ours is not None and names and all(hasattr(ours, n) for n in names):
        return ours
    return builtins.__import__(name, namespace, local, names, level)


@cache
def face_functions() -> dict[str, Any]:
    """The case of the same place in the second reading, by the full name of JAX's."""
    from jax._src.internal_test_util import test_harnesses as theirs

    path = Path(str(theirs.__file__))
    ours = ModuleType("compat.face_cases.cases")
    sys.modules[ours.__name__] = ours  # its dataclasses look for it
    vars(ours)["__builtins__"] = vars(builtins) | {"__import__": import_face}
    with jax.enable_x64(False):  # as the first time: some lists of dtypes depend on it
        exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(ours))
    pairs = list(zip(theirs.all_harnesses, ours.all_harnesses, strict=True))
    for real, face in pairs:  # arrays that are random numbers are those of the first reading
        face.arg_descriptors = [
            b._replace(value=a.value) if isinstance(getattr(b, "value", None), np.ndarray) else b
            for a, b in zip(real.arg_descriptors, face.arg_descriptors, strict=True)]
    return {real.fullname: face.dyn_fun for real, face in pairs}
