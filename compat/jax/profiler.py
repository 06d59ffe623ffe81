"""jax.profiler: names for parts of a program, which Python's own profilers show."""

from __future__ import annotations

import functools
from contextlib import contextmanager


@contextmanager
def TraceAnnotation(name: str, **kwargs):  # noqa: N802
    """A name for what runs inside."""
    yield


def StepTraceAnnotation(name: str, **kwargs):  # noqa: N802
    """A name for a step."""
    return TraceAnnotation(name)


def annotate_function(func=None, name=None, **kwargs):
    """A function under a name."""
    return func if func is not None else functools.partial(annotate_function, name=name)
