"""Rows of the differential suite: one module beside each file of `minigrad/ops`."""

from __future__ import annotations

import importlib
import pkgutil

from tests.rows.row import Row


def all_rows() -> list[Row]:
    """The rows of every module of this package, in the order of the modules' names."""
    rows: list[Row] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        rows += getattr(importlib.import_module(f"{__name__}.{module}"), "ROWS", [])
    return rows


__all__ = ["Row", "all_rows"]
