"""Modules as rows: the text of a signature, the function that is called, what the repr tells."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from compat.torch import creation
from compat.torch.dtypes import DEFAULTS
from compat.torch.nn import functional as F
from compat.torch.nn.module import Module
from compat.torch.tensor import Parameter
from compat.torch.written import parameters_of, written

NOT_KEPT = {"device", "dtype", "size_average", "reduce"}  # no attributes in PyTorch either


class Layer(Module):
    """A module that is declared: `class ELU(Layer, settings="alpha=1.0", shown="alpha=", ...)`.

    settings: the signature of `__init__`. The arguments that `_build` names are handed to it, after
        all others were kept as attributes (those in `buffers` as buffers).
    function: `forward` calls it with the `inputs` and with what was kept, by name.
    shown: what the repr tells: `alpha` the value of an attribute, `alpha=` its name as well,
        `alpha!` the value as Python writes it, `alpha?` only a value that is not the default.
    """

    _settings: Any = {}  # name -> parameter of the signature
    _shown = ""

    def __init_subclass__(cls, settings: str | None = None, function: Callable | None = None,
                          inputs: str = "input", shown: str | None = None, buffers: str = "",
                          **kwargs):
        super().__init_subclass__(**kwargs)
        if shown is not None:
            cls._shown = shown
        if settings is not None:
            write_init(cls, settings, buffers.split())
        if function is not None and cls.forward is Module.forward:
            write_forward(cls, function, inputs)

    def _build(self, *args: Any, **kwargs: Any) -> None:
        """Make of the arguments what is not just kept."""

    def extra_repr(self) -> str:
        return ", ".join(filter(None, map(self._told, self._shown.split())))

    def _told(self, word: str) -> str:
        name = word.rstrip("=!?")
        value = getattr(self, name)
        if name == "bias" and not isinstance(value, bool):
            value = value is not None
        if word == name:
            return str(value)
        if word.endswith("?"):
            usual = self._settings[name].default if name in self._settings else 0
            if value in (usual, (usual,) * len(value) if isinstance(value, tuple) else usual):
                return ""
        return f"{name}={value!r}" if word.endswith("!") else f"{name}={value}"


def write_init(cls: type, settings: str, buffers: list[str]) -> None:
    """`self.alpha = alpha` for every argument."""
    cls._settings = parameters_of(settings, F=F)
    handed = [n for n in inspect.signature(cls._build).parameters if n in cls._settings]
    kept = [n for n in cls._settings if n not in (*handed, *NOT_KEPT, *buffers)]
    cls.__init__ = written("__init__", f"self, {settings}", [
        "start(self)", *(f"self.{n} = {n}" for n in kept),
        *(f"self.register_buffer('{n}', {n})" for n in buffers if n in cls._settings),
        f"build(self, {', '.join(f'{n}={n}' for n in handed)})",
        *(["if device is not None or DEFAULTS: placed(self, device)"]
          if "device" in cls._settings else [])],
        DEFAULTS=DEFAULTS, placed=placed, F=F, start=Module.__init__, build=cls._build)
    cls.__init__.__qualname__ = f"{cls.__name__}.__init__"


def placed(module: Module, device) -> None:
    """A new module with its parameters on the device that it is told, or on the default one."""
    module.to(DEFAULTS[-1] if device is None else device)


def write_forward(cls: type, function: Callable, inputs: str) -> None:
    """`forward`: the function of the inputs and of every setting that was kept."""
    handed = inspect.signature(cls._build).parameters
    kept = [n for n in cls._settings if n not in NOT_KEPT and n not in handed]
    if "training" in inspect.signature(function).parameters:
        kept.append("training")
    given = "".join(f", {n}=self.{n}" for n in kept)
    cls.forward = written("forward", f"self, {inputs}", [f"return function({inputs}{given})"],
                          function=function)


def layer(name: str, function: Callable, settings: str = "", shown: str = "", base: type = Layer,
          inputs: str = "input", buffers: str = "", **attributes) -> type:
    """A class for one row."""
    return type(name, (base,), {
        "__doc__": f"{function.__name__} as a module.", "__module__": "compat.torch.nn",
        **attributes}, settings=settings, shown=shown, function=function, inputs=inputs,
        buffers=buffers)


def of_ranks(name: str, function: str, *row, **attributes) -> dict[str, type]:
    """The classes of a row for one, two and three dimensions of space."""
    return {name.format(r): layer(name.format(r), getattr(F, function.format(r)), *row, rank=r,
                                  **attributes) for r in (1, 2, 3)}


def add_parameters(module: Module, dtype, **sizes) -> None:
    """A parameter of each name, of the given sizes; None where there are none."""
    for name, size in sizes.items():
        module.register_parameter(name, Parameter(
            creation.empty(*size, dtype=dtype)) if size else None)
