"""Functions of jax.numpy that take any number of arrays where minigrad's take one."""

from __future__ import annotations

from compat.jax.face import eager
from minigrad.numpy import joining


def of_each(name: str):
    single = eager(getattr(joining, name))

    def function(*arys):
        return single(arys[0]) if len(arys) == 1 else [single(a) for a in arys]

    function.__name__, function.__doc__ = name, single.__doc__
    return function


atleast_1d, atleast_2d, atleast_3d = map(of_each, ("atleast_1d", "atleast_2d", "atleast_3d"))
