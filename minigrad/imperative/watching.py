"""Watching what runs at level zero: hooks on saved Tensors, anomaly mode, the profiler.

While someone watches, another mode is current, and the operations' tables hold other runs for it.
Where nobody does, nothing is paid.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from minigrad.core import EVAL, Tensor, get_mode, using
from minigrad.graph import Node, Pick
from minigrad.imperative.modes import WATCHED

watchers: ContextVar[tuple] = ContextVar("minigrad_watchers", default=())


class Watcher:
    """Is told of every operation that runs at level zero."""

    def ran(self, entry, node: Node | None, started: int) -> None:
        """`entry` has run, and left `node` behind if it is to be differentiated."""


@contextmanager
def watching(watcher: Watcher):
    """`watcher` sees what runs inside, beside those that watch already."""
    token = watchers.set((*watchers.get(), watcher))
    mode = get_mode()
    try:
        with using(WATCHED[mode.grad] if mode.trace is EVAL else mode):
            yield watcher
    finally:
        watchers.reset(token)


def watched(run: Callable, entry) -> Callable:
    """`run`, which tells the watchers of the moment."""
    def call(*boxes):
        started = time.perf_counter_ns()
        out = run(*boxes)
        node = node_behind(out) if entry.backward is not None else None
        for watcher in watchers.get():
            watcher.ran(entry, node, started)
        return out

    return call


def node_behind(out: Any) -> Node | None:
    """The node of a result, or of the first of several that has one."""
    while isinstance(out, (tuple, list)):
        out = next((o for o in out if isinstance(o, Tensor) and o.node is not None), None)
    node = None if out is None else out.node
    return node.edges if type(node) is Pick else node


def around_backward(node: Node, wrapper: Callable) -> None:
    """Give this node a backward of its own: `wrapper(backward, *arguments)`."""
    entry = node.entry = copy.copy(node.entry)
    backward, lifted = entry.backward, entry.lifted
    entry.backward = lambda g, saved: wrapper(backward, g, saved)
    entry._lifted = lambda g, saved: wrapper(lifted, g, saved)
