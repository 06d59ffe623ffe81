"""Grad modes: whether the tape of the current level records."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np

from minigrad.core import EAGER, EVAL, INFERENCE, NO_GRAD, Mode, get_mode, reset_mode, set_mode


class grad_mode:
    """`no_grad`, `enable_grad` and `inference_mode`: context managers and decorators.

    A decorated generator function has the mode while its own lines run, and its caller's
    between them.
    """

    def __init__(self, grad: bool, inference: bool = False):
        self.grad, self.inference = grad, inference
        self.tokens: list = []

    def __enter__(self):
        mode = with_grad(get_mode(), self.grad, self.inference)
        if mode.trace is not EVAL and not self.grad:
            mode = SilentMode(mode.trace, False, self.inference)
        self.tokens.append(set_mode(mode))

    def __exit__(self, *error):
        reset_mode(self.tokens.pop())

    def __call__(self, function: Callable) -> Callable:
        if inspect.isgeneratorfunction(function):
            return self.around_generator(function)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with grad_mode(self.grad, self.inference):
                return function(*args, **kwargs)

        return wrapped

    def around_generator(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            running = function(*args, **kwargs)
            step, given = running.send, None
            while True:
                try:
                    with grad_mode(self.grad, self.inference):
                        item = step(given)
                except StopIteration as stop:
                    return stop.value
                try:
                    given, step = (yield item), running.send
                except GeneratorExit:
                    with grad_mode(self.grad, self.inference):
                        running.close()
                    raise
                except BaseException as error:
                    given, step = error, running.throw

        return wrapped


# While someone watches what runs, other singletons are current: see imperative/watching.py.
WATCHED = {grad: Mode(EVAL, grad, watched=True) for grad in (True, False)}


def with_grad(mode: Mode, grad: bool, inference: bool = False) -> Mode:
    """The same level with recording on or off. Those of level zero are singletons."""
    if mode.trace is EVAL:
        if mode.watched:
            return WATCHED[grad]
        return INFERENCE if inference else EAGER if grad else NO_GRAD
    return (Mode if grad else type(mode))(mode.trace, grad, inference)


class SilentMode(Mode):
    """The user's `no_grad` on a traced level: neither its tape nor any level below records, and
    a functional gradient sees constants."""

    __slots__ = ()

    @staticmethod
    def below(mode: Mode) -> Mode:
        return NO_GRAD if mode.trace is EVAL else SilentMode(mode.trace, False, mode.inference)


class backward_mode:
    """The mode of a backward pass: recording goes on only if the pass is to be differentiated
    itself. At level zero NumPy's floating-point warnings are off: IEEE results are wanted."""

    def __init__(self, create_graph: bool):
        mode = get_mode()
        self.mode = with_grad(mode, create_graph)
        self.errors = np.errstate(all="ignore") if mode.trace is EVAL else None

    def __enter__(self):
        if self.errors is not None:
            self.errors.__enter__()
        self.token = set_mode(self.mode)

    def __exit__(self, *error):
        reset_mode(self.token)
        if self.errors is not None:
            self.errors.__exit__(*error)
