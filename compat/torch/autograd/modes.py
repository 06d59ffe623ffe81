"""Grad modes: whether the tape records."""

from __future__ import annotations

from minigrad import tape
from minigrad.core import get_mode


class Mode(tape.grad_mode):
    """A context manager and decorator; also of generators, between whose steps it rests."""

    def __call__(self, function):
        return super().__call__(function)


class Fixed(Mode):
    """A mode that needs no argument: also a decorator without parentheses."""

    recording: bool

    def __new__(cls, function=None):
        made = super().__new__(cls)
        made.__init__()
        return made if function is None else made(function)

    def __init__(self):
        super().__init__(self.recording)


class no_grad(Fixed):
    """Nothing is recorded inside."""

    recording = False


class enable_grad(Fixed):
    """Recording goes on inside, also within no_grad."""

    recording = True


class inference_mode(Mode):
    """As no_grad, for results that never meet a gradient."""

    def __init__(self, mode: bool = True):
        super().__init__(not mode, inference=mode)


class set_grad_enabled(Mode):
    """Switch recording on or off: at once, and back again if used as a context manager."""

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        super().__enter__()

    def __enter__(self):
        pass


def is_grad_enabled() -> bool:
    return get_mode().grad


def is_inference_mode_enabled() -> bool:
    return get_mode().inference
