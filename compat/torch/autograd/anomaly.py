"""Anomaly mode: every node remembers the line that made it, and nan gradients are errors."""

from __future__ import annotations

import traceback
import warnings

import numpy as np

from minigrad.core import get_mode, reset_mode, set_mode, unbox_value
from minigrad.imperative.modes import WATCHED, with_grad
from minigrad.imperative.watching import Watcher, around_backward, watchers

SETTINGS = {"enabled": False, "check_nan": True}


class Anomalies(Watcher):
    """Names the forward call behind an error of a backward pass."""

    def ran(self, entry, node, started) -> None:
        if node is None:
            return
        stack = "".join(traceback.format_list(
            [f for f in traceback.extract_stack()[:-2] if "/minigrad/" not in f.filename
             and "/compat/torch/" not in f.filename and not f.filename.startswith("<")]))
        around_backward(node, lambda backward, g, saved: guarded(node, stack, backward, g, saved))


def guarded(node, stack: str, backward, g, saved):
    try:
        parts = backward(g, saved)
    except Exception:
        report(node, stack)
        raise
    given = parts if isinstance(parts, tuple) else (parts,)
    for i, part in enumerate(given if SETTINGS["check_nan"] else ()):
        value = unbox_value(part)
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fc" \
                and np.isnan(value).any():
            report(node, stack)
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
    return parts


def report(node, stack: str) -> None:
    warnings.warn(f"Error detected in {node.name()}. Traceback of forward call that caused the "
                  f"error:\n{stack}", stacklevel=4)


class set_detect_anomaly:
    """Switch anomaly mode on or off: at once, and back at the end of a `with` block."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self.before = dict(SETTINGS)
        SETTINGS.update(enabled=mode, check_nan=check_nan)
        watching = tuple(w for w in watchers.get() if not isinstance(w, Anomalies))
        current = get_mode()
        if mode:
            self.token = watchers.set((*watching, Anomalies()))
            self.mode = set_mode(WATCHED[current.grad]) if current.trace.outer is None else None
        else:
            self.token, self.mode = watchers.set(watching), None
            if current.watched and not watching:
                from minigrad.core import EAGER

                self.mode = set_mode(with_grad(EAGER, current.grad))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        SETTINGS.update(self.before)
        watchers.reset(self.token)
        if self.mode is not None:
            reset_mode(self.mode)


class detect_anomaly(set_detect_anomaly):
    """Anomaly mode for the length of a `with` block."""

    def __init__(self, check_nan: bool = True):
        self.check_nan = check_nan
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime and "
                      "should only be enabled for debugging.", stacklevel=2)

    def __enter__(self):
        set_detect_anomaly.__init__(self, True, self.check_nan)
        return self


def is_anomaly_enabled() -> bool:
    return SETTINGS["enabled"]


def is_anomaly_check_nan_enabled() -> bool:
    return SETTINGS["check_nan"]


def set_anomaly_enabled(enabled, check_nan=True) -> None:
    set_detect_anomaly(enabled, check_nan)
