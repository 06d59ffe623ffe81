"""jax.extend.source_info_util: where equations come from."""

from __future__ import annotations


def summarize(source_info) -> str:
    """The user's line of an equation."""
    return "{}:{} ({})".format(*source_info) if source_info else "<unknown>"
