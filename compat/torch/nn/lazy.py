"""Lazy modules: the first input tells the size that was left open."""

from __future__ import annotations

import inspect

from compat.torch.nn import layers, norms
from compat.torch.nn.module import Module
from compat.torch.tensor import Buffer, Parameter, Tensor



class Uninitialized:
    """A Tensor without a shape yet."""

    final: type

    @property
    def shape(self):
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer. This "
                           "error usually happens in `load_state_dict` when trying to load an "
                           "uninitialized parameter into an initialized one. Call `forward` to "
                           "initialize the parameters before accessing their attributes.")

    def materialize(self, value: Tensor) -> None:
        """Become a Tensor with this value, the very object that optimizers may hold."""
        self.__class__ = self.final
        self.data = value.detach()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape is not known yet."""

    final = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return Parameter.__new__(cls, None, requires_grad)


class UninitializedBuffer(Uninitialized, Buffer):
    """A buffer whose shape is not known yet."""

    final = Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        return Buffer.__new__(cls, None, persistent=persistent)


def is_lazy(tensor) -> bool:
    return isinstance(tensor, Uninitialized)


class Lazy(Module):
    """Holds the arguments until the first call, when it becomes a module of the class `final`."""

    final: type
    size: str  # the argument that is left open
    axis: int  # the dimension of the input that tells it
    switched_on: tuple[str, ...]  # options that are on in every lazy norm

    def __init__(self, *args, **kwargs):
        for position, name in enumerate(self.switched_on, 2):
            if len(args) <= position:
                kwargs.setdefault(name, True)
        super().__init__(0, *args, **kwargs)
        self.__dict__["arguments"] = args, kwargs
        for store, kind in ((self._parameters, UninitializedParameter),
                            (self._buffers, UninitializedBuffer)):
            for name, value in store.items():
                if value is not None and value.dim():
                    store[name] = kind()
        self.__dict__["hook"] = self.register_forward_pre_hook(Lazy._infer_parameters)

    def reset_parameters(self) -> None:
        if not self.has_uninitialized_params():
            super().reset_parameters()

    def has_uninitialized_params(self) -> bool:
        return getattr(self, self.size, 0) == 0

    def _infer_parameters(self, args) -> None:
        self.initialize_parameters(args[0])

    def initialize_parameters(self, input) -> None:
        """Draw the initial values, as a module made with the size would."""
        self.take(self.final(input.spec.shape[self.axis], *self.arguments[0],
                             **self.arguments[1]))

    def take(self, made: Module) -> None:
        for store in ("_parameters", "_buffers"):
            for name, value in getattr(self, store).items():
                if is_lazy(value):
                    value.materialize(getattr(made, store)[name])
        setattr(self, self.size, getattr(made, self.size))
        self.hook.remove()
        del self.__dict__["hook"], self.__dict__["arguments"]
        self.__class__ = self.final

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        """Values that have a shape give this module its size."""
        given = state_dict.get(prefix + ("weight" if self.weight is not None else "running_mean"))
        if given is not None and not is_lazy(given):
            transposed = getattr(self, "transposed", False) or given.dim() == 1
            n = given.shape[0] if transposed else given.shape[1] * getattr(self, "groups", 1)
            self.take(self.final(n, *self.arguments[0], **self.arguments[1]))
            return self._load_from_state_dict(state_dict, prefix, *rest)
        return super()._load_from_state_dict(state_dict, prefix, *rest)


def lazy(name: str, size: str, axis: int) -> type:
    final = getattr(norms if "Norm" in name else layers, name)
    on = ("affine", "track_running_stats") if "Norm" in name else ()
    signature = inspect.signature(final)
    _, *parameters = signature.parameters.values()
    return type(f"Lazy{name}", (Lazy, final), {
        "__signature__": signature.replace(parameters=[
            p.replace(default=True) if p.name in on else p for p in parameters]),
        "final": final, "size": size, "axis": axis, "__module__": __name__, "switched_on": on,
        "__doc__": f"{name} that takes `{size}` from its first input."})


LazyLinear = lazy("Linear", "in_features", -1)
(LazyConv1d, LazyConv2d, LazyConv3d, LazyConvTranspose1d, LazyConvTranspose2d,
 LazyConvTranspose3d) = (lazy(f"{kind}{r}d", "in_channels", -r - 1)
                         for kind in ("Conv", "ConvTranspose") for r in (1, 2, 3))
(LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyInstanceNorm1d, LazyInstanceNorm2d,
 LazyInstanceNorm3d) = (lazy(f"{kind}{r}d", "num_features", 1)
                        for kind in ("BatchNorm", "InstanceNorm") for r in (1, 2, 3))
