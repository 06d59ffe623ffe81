"""State dicts of modules, with PyTorch's hooks and messages."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Mapping

from compat.torch.autograd import no_grad
from compat.torch.nn.hooks import Hooked
from compat.torch.tensor import Parameter, Tensor

IncompatibleKeys = namedtuple("IncompatibleKeys", "missing_keys unexpected_keys")
IncompatibleKeys.__repr__ = lambda self: "<All keys matched successfully>" if not any(self) \
    else f"_IncompatibleKeys(missing_keys={self[0]}, unexpected_keys={self[1]})"
EXTRA = "_extra_state"


class Stateful(Hooked):
    """The part of a module that gives its state and takes it back."""

    _parameters: dict
    _buffers: dict
    _modules: dict
    _non_persistent_buffers_set: set
    _version: int = 1

    def get_extra_state(self):
        raise RuntimeError("Reached a code path in Module.get_extra_state() that should never be "
                           "called.")

    def set_extra_state(self, state) -> None:
        raise RuntimeError("Reached a code path in Module.set_extra_state() that should never be "
                           "called.")

    def has_extra_state(self) -> bool:
        return type(self).get_extra_state is not Stateful.get_extra_state

    def _state(self):
        """(name, tensor) of what state_dict holds of this module alone."""
        yield from ((n, p) for n, p in self._parameters.items() if p is not None)
        yield from ((n, b) for n, b in self._buffers.items()
                    if b is not None and n not in self._non_persistent_buffers_set)

    def _save_to_state_dict(self, destination, prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._state():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self.has_extra_state():
            destination[prefix + EXTRA] = self.get_extra_state()

    def state_dict(self, *args, destination=None, prefix: str = "", keep_vars: bool = False):
        """Names and values of all parameters and persistent buffers."""
        if args:  # PyTorch's positional order of old
            destination, prefix, keep_vars = (*args, destination, prefix, keep_vars)[:3]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=destination, prefix=f"{prefix}{name}.",
                                 keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, metadata)
            destination = destination if result is None else result
        return destination

    def _load_from_state_dict(self, state_dict, prefix: str, local_metadata, strict: bool,
                              missing_keys, unexpected_keys, error_msgs) -> None:
        """Take what belongs to this module alone."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                 error_msgs)
        own = dict(self._state())
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                message = self.load_value(name, tensor, state_dict[key], key,
                                          local_metadata.get("assign_to_params_buffers", False))
                error_msgs.extend([message] if message else [])
            elif strict:
                missing_keys.append(key)
        if self.has_extra_state():
            if prefix + EXTRA in state_dict:
                self.set_extra_state(state_dict[prefix + EXTRA])
            elif strict:
                missing_keys.append(prefix + EXTRA)
        for key in state_dict if strict else ():
            if key.startswith(prefix):
                name, *rest = key[len(prefix):].split(".", 1)
                known = name in (self._modules if rest else own)
                if not known and not (name == EXTRA and self.has_extra_state()):
                    unexpected_keys.append(key)

    def load_value(self, name: str, tensor, given, key: str, assign: bool) -> str | None:
        """Copy one value in (or take it over); returns PyTorch's complaint, or None."""
        if not isinstance(given, Tensor):
            return (f'While copying the parameter named "{key}", expected torch.Tensor or '
                    f"Tensor-like object from checkpoint but received {type(given)}")
        if not tensor.dim() and given.shape == (1,):
            given = given[0]
        if given.shape != tensor.shape:
            return (f"size mismatch for {key}: copying a param with shape {given.shape} from "
                    f"checkpoint, the shape in current model is {tensor.shape}.")
        with no_grad():
            if not assign:
                tensor.copy_(given)
            elif isinstance(tensor, Parameter):
                self._parameters[name] = given if isinstance(given, Parameter) else \
                    Parameter(given, tensor.requires_grad)
            else:
                self._buffers[name] = given
        return None

    def load_state_dict(self, state_dict, strict: bool = True, assign: bool = False):
        """Copy values in by name. Raises RuntimeError for other names (if strict) and shapes."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing, unexpected, errors = [], [], []
        metadata = getattr(state_dict, "_metadata", None) or {}

        def load(module, values: dict, prefix: str) -> None:
            known = dict(metadata.get(prefix[:-1], {}))
            if assign:
                known["assign_to_params_buffers"] = True
            module._load_from_state_dict(values, prefix, known, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    path = f"{prefix}{name}."
                    load(child, {k: v for k, v in values.items() if k.startswith(path)}, path)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, IncompatibleKeys(missing, unexpected)) is not None:
                    raise AssertionError("Hooks registered with "
                                         "``register_load_state_dict_post_hook`` are not expected "
                                         "to return new values, if incompatible_keys need to be "
                                         "modified, it should be done inplace.")

        load(self, OrderedDict(state_dict), "")
        if strict:
            for what, names in (("Unexpected", unexpected), ("Missing", missing)):
                if names:
                    listed = ", ".join(f'"{n}"' for n in names)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            raise RuntimeError("Error(s) in loading state_dict for {}:\n\t{}".format(
                type(self).__name__, "\n\t".join(errors)))
        return IncompatibleKeys(missing, unexpected)


def consume_prefix_in_state_dict_if_present(state_dict, prefix: str) -> None:
    """Take a prefix, such as DistributedDataParallel's "module.", off the keys, in place."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        state_dict[key[len(prefix):]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    for key in list(metadata or ()):
        if key == prefix.replace(".", "") or key.startswith(prefix):
            metadata[key[len(prefix):]] = metadata.pop(key)
