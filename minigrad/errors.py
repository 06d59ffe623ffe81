"""Error messages: each names the user's file and line, the value, and the remedy."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import lru_cache
from typing import Any

from minigrad.show import origins

OWN_PACKAGES = tuple(
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), name) + os.sep
    for name in ("minigrad", "compat", "kernels"))


@lru_cache(4096)
def is_own(filename: str) -> bool:
    return filename.startswith((*OWN_PACKAGES, "<minigrad"))


def user_place() -> tuple[str, int, str]:
    """(file, line, function) of the innermost frame outside this project: what the user wrote."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if not is_own(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back
    return "<unknown>", 0, "<unknown>"


def user_line() -> str:
    return "{}:{} ({})".format(*user_place())


def at_user_line(error: Exception) -> Exception:
    """Add the user's line to an error of a shape or dtype rule."""
    if sys.version_info >= (3, 11) and not getattr(error, "__notes__", None):
        error.add_note(f"At {user_line()}")
    return error


# JAX's classes, by its names. They are what users catch.


class JAXTypeError(TypeError):
    pass


class ConcretizationTypeError(JAXTypeError):
    """A traced value was used where a concrete one is needed."""


class TracerBoolConversionError(ConcretizationTypeError):
    pass


class TracerIntegerConversionError(JAXTypeError):
    pass


class TracerArrayConversionError(JAXTypeError):
    pass


class JAXIndexError(IndexError):
    """An index that cannot be used."""


class NonConcreteBooleanIndexError(JAXIndexError):
    """A traced mask whose result would have an unknown size."""


class UnexpectedTracerError(JAXTypeError):
    """A traced value outlived the function it belongs to."""


def concretization_error(tracer, context: str = "") -> Exception:
    if not tracer.trace.alive:
        return leaked_tracer_error(tracer)
    return ConcretizationTypeError(
        origins.needed_concrete(tracer, context or f"It was used at {user_line()}."))


def leaked_tracer_error(tracer) -> Exception:
    return at_user_line(UnexpectedTracerError(origins.escaped(tracer)))


def no_rule(primitive, kind: str) -> Exception:
    return NotImplementedError(f"{kind.capitalize()} rule for '{primitive}' not implemented")


def check_not_shadowed() -> None:
    """Raise ImportError if the `kernels` or `compat` that import finds is not minigrad's own.

    Both names are common, and a published package `kernels` exists: installed beside an editable
    install of minigrad it comes first, and importing it fails far from the cause.
    """
    home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in ("kernels", "compat"):
        spec = importlib.util.find_spec(name)
        if spec is None:
            continue  # Python's own ModuleNotFoundError says all there is to say
        places = list(spec.submodule_search_locations or [spec.origin or "an unknown place"])
        if os.path.join(home, name) not in [os.path.realpath(place) for place in places]:
            raise ImportError(
                f"minigrad needs its own package {name!r}, but `import {name}` finds a foreign "
                f"one:\n    {places[0]}\n"
                f"Uninstall that package from this environment, or give minigrad's folder "
                f"precedence:\n    PYTHONPATH={home}",
                name=name,
                path=places[0],
            )
