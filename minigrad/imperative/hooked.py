"""Hooks in the middle of a backward pass: gradients are shown to the user as Tensors of the face,
and taken back as the tape carries them."""

from __future__ import annotations

from typing import Any

from minigrad import core
from minigrad.core import aval_of, box
from minigrad.graph import Node, conjugated, node_class
from minigrad.imperative.hooks import run_node_hooks


def shown(g, node: Node, raw: bool) -> Any:
    """A gradient as the user's hook sees it."""
    if g is None:
        return None
    cls = node_class(node)
    g = conjugated(g, cls, aval_of(g).dtype, raw)
    return box(g, cls) if raw else g


def hidden(g, node: Node, raw: bool) -> Any:
    if g is None:
        return None
    g = core.unbox_value(g) if raw else g
    return conjugated(g, node_class(node), aval_of(g).dtype, raw)


def change_gradients(node: Node, g, raw: bool):
    """The node's pre-hooks, on the gradients of all its outputs."""
    given = tuple(shown(x, node, raw) for x in (g if type(g) is tuple else (g,)))
    given = tuple(hidden(x, node, raw) for x in run_node_hooks(node.hooks.pre, given))
    return given if type(g) is tuple else given[0]


def change_results(node: Node, parts: tuple, g, raw: bool) -> tuple:
    """The node's post-hooks, on the gradients of all its inputs (None where none is wanted)."""
    entry = node.entry
    given = tuple(shown(x, node, raw) for x in (g if type(g) is tuple else (g,)))
    full: list = [None] * len(entry.in_specs)
    for i, part in zip(entry.wanted, parts):
        full[i] = shown(part, node, raw)
    changed = run_node_hooks(node.hooks.post, tuple(full), given)
    return tuple(hidden(changed[i], node, raw) for i in entry.wanted)
