"""`torch._foreach_*`: a function on each Tensor of a list, as optimizers written by hand use it."""

from __future__ import annotations

from compat.torch import methods
from compat.torch.tensor import Tensor

UNARY = ("abs acos asin atan ceil clone cos cosh erf erfc exp expm1 floor frac lgamma log log10 "
         "log1p log2 neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc "
         "zero").split()
BINARY = ("add clamp_max clamp_min copy div lerp maximum minimum mul pow sub addcdiv "
          "addcmul").split()
SHOWN = {"maximum": "clamp_min", "minimum": "clamp_max"}  # what these are beside a number


def each(name: str, in_place: bool):
    """The method of this name, called on all; a list among the arguments has one for each."""

    def call(self, *args, **options):
        results = []
        for i, x in enumerate(self):
            row = [a[i] if isinstance(a, (list, tuple)) else a for a in args]
            own = {key: value[i] if isinstance(value, (list, tuple)) else value
                   for key, value in options.items()}
            if name in ("addcdiv", "addcmul") and len(row) > 2:
                own["value"] = row.pop()
            known = SHOWN.get(name, name) if row and not isinstance(row[0], Tensor) else name
            if name == "pow" and not isinstance(x, Tensor):
                results.append(methods.FUNCTIONS["pow"](x, *row, **own))
                continue
            results.append(getattr(x, known + "_" * in_place)(*row, **own))
        return None if in_place else tuple(results)

    call.__name__ = call.__qualname__ = f"_foreach_{name}{'_' * in_place}"
    call.__doc__ = f"`{name}` of each Tensor in a list."
    return call


def power(self, exponent):
    """One number, or a list of them, to many powers or many to one."""
    if isinstance(self, (list, tuple)):
        return each("pow", False)(self, exponent)
    return tuple(methods.FUNCTIONS["pow"](self, e) for e in exponent)


def norms(self, ord=2, dtype=None) -> tuple:
    """The vector norm of each."""
    from compat.torch.linalg import vector_norm

    return tuple(vector_norm(x, ord, dtype=dtype) for x in self)


FOREACH = {f"_foreach_{name}{'_' * in_place}": each(name, in_place)
           for name in (*UNARY, *BINARY) for in_place in (False, True)}
del FOREACH["_foreach_zero"], FOREACH["_foreach_clone_"], FOREACH["_foreach_copy"]
FOREACH |= {"_foreach_pow": power, "_foreach_norm": norms, "_foreach_max": each("max", False)}
