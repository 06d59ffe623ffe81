"""`from_torch`: a PyTorch module or function, exported by the real PyTorch, run on `compat.torch`.

The real framework traces (`torch.export`, decomposed to core ATen operators); its parameters and
buffers become a module of `compat.torch`, and the graph runs on them: forward, backward, under
`torch.func` and under `jit`, as any module here does.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import compat.torch as torch
from compat.bridges import aten
from compat.bridges.arrays import from_real_torch, is_real_torch, to_real_torch
from compat.torch import nn
from minigrad.tree import tree_flatten, tree_unflatten

BATCHES = 2  # how many examples a dynamic first dimension is traced with, at least


class Program:
    """An exported graph: what it reads, its steps, what it returns."""

    def __init__(self, exported):
        signature = exported.graph_signature
        self.state = {spec.arg.name: spec.target for spec in signature.input_specs
                      if spec.kind.name in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR")}
        self.inputs = [spec.arg.name for spec in signature.input_specs
                       if spec.kind.name == "USER_INPUT"]
        self.mutations = [(i, spec.target) for i, spec in enumerate(signature.output_specs)
                          if spec.kind.name == "BUFFER_MUTATION"]
        self.results = [i for i, spec in enumerate(signature.output_specs)
                        if spec.kind.name == "USER_OUTPUT"]
        self.out_spec = exported.call_spec.out_spec
        self.shapes: dict[str, list] = {}
        self.steps: list[tuple] = []  # (name, function, args, kwargs); names are strings of `Name`
        for node in exported.graph.nodes:
            self.add(node)

    def add(self, node) -> None:
        if node.op == "placeholder":
            value = node.meta.get("val")
            if node.name in self.inputs and hasattr(value, "shape"):
                self.shapes[node.name] = [n if isinstance(n, int) else None for n in value.shape]
        elif node.op == "call_function":
            kwargs = {k: v for k, v in node.kwargs.items() if k not in aten.LEFT_OUT}
            try:
                function = aten.resolve(node.target, only_first(node))
            except NotImplementedError as error:
                where = (node.stack_trace or "").strip().splitlines()
                raise NotImplementedError(
                    f"{error}" + (f"\nIt comes from {where[-2].strip()}: {where[-1].strip()}"
                                  if len(where) > 1 else "")) from None
            self.steps.append((node.name, function, written(node.args), written(kwargs)))
        elif node.op == "output":
            self.outputs = written(node.args[0])
        else:
            raise NotImplementedError(f"an exported program with a node {node.op!r}")

    def fits(self, leaves: Sequence) -> bool:
        """Was it traced for these shapes? A dimension of None takes any size."""
        return len(leaves) == len(self.inputs) and all(
            len(shape) == len(x.shape) and all(n in (None, m) for n, m in zip(shape, x.shape))
            for name, x in zip(self.inputs, leaves)
            if hasattr(x, "shape") and (shape := self.shapes.get(name)) is not None)

    def run(self, state: dict[str, Any], leaves: Sequence) -> Any:
        """The user's results; changed buffers are written to `state`."""
        values = {name: state[target] for name, target in self.state.items()}
        values.update(zip(self.inputs, leaves))
        for name, function, args, kwargs in self.steps:
            values[name] = function(*read(args, values), **read(kwargs, values))
        outs = read(self.outputs, values)
        with torch.no_grad():
            for i, target in self.mutations:
                state[target].copy_(outs[i])
        return unflattened(self.out_spec, [outs[i] for i in self.results])


def only_first(node) -> bool:
    """Is the first of its results all that the program asks for?"""
    return all(getattr(user.target, "__name__", "") == "getitem" and user.args[1] == 0
               for user in node.users)


class Name(str):
    """The name of a value among the arguments of a step."""


def written(x):
    """Arguments of a node with names for nodes."""
    if isinstance(x, (tuple, list)):
        return [written(v) for v in x]
    if isinstance(x, dict):
        return {k: written(v) for k, v in x.items()}
    if type(x).__name__ == "Node":
        return Name(x.name)
    return aten.argument(x)


def read(x, values: dict):
    if type(x) is Name:
        return values[x]
    if type(x) is list:
        return [read(v, values) for v in x]
    if type(x) is dict:
        return {k: read(v, values) for k, v in x.items()}
    return x


def unflattened(spec, leaves: Sequence):
    from torch.utils import _pytree

    return _pytree.tree_unflatten(list(leaves), spec)


class Exported(nn.Module):
    """A module of `compat.torch` that runs the graphs of a real module: one for each mode
    (training or not) and, where a dimension is no variable of the graph, for each shape."""

    def __init__(self, module, example_inputs: Sequence, example_kwargs: dict, dynamic_shapes):
        super().__init__()
        self.__dict__["real"] = module
        self.example_kwargs, self.dynamic_shapes = example_kwargs, dynamic_shapes
        self.__dict__["state"] = {}
        self.__dict__["programs"] = {True: [], False: []}
        for name, parameter in module.named_parameters(remove_duplicate=False):
            made = nn.Parameter(torch.from_numpy(from_real_torch(parameter).copy()),
                                requires_grad=parameter.requires_grad)
            self.adopt(name, made, "register_parameter")
        for name, buffer in module.named_buffers(remove_duplicate=False):
            made = torch.from_numpy(from_real_torch(buffer).copy())
            self.adopt(name, made, "register_buffer")
        self.train(module.training)
        self.export([ours(x) for x in tree_flatten((example_inputs, example_kwargs))[0]],
                    tuple(example_inputs), example_kwargs)

    def adopt(self, path: str, value, register: str) -> None:
        """Put a parameter or buffer where it stands in the real module, so that state_dict keys
        are the same."""
        place, *names = self, *path.split(".")
        for name in names[:-1]:
            if name not in place._modules:
                place.add_module(name, nn.Module())
            place = place._modules[name]
        getattr(place, register)(names[-1], value)

    def current_state(self) -> dict[str, Any]:
        return {**dict(self.named_parameters(remove_duplicate=False)),
                **dict(self.named_buffers(remove_duplicate=False)), **self.state}

    def export(self, leaves: Sequence, args: tuple, kwargs: dict) -> Program:
        from torch import export

        self.real.train(self.training)
        shapes = self.dynamic_shapes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if shapes is None:
                shapes = automatic_shapes(self.real, args, kwargs)
            exported = export.export(self.real, args, kwargs or None, dynamic_shapes=shapes,
                                     strict=False).run_decompositions()
        for name, constant in exported.constants.items():
            if is_real_torch(constant) and name not in self.state:
                self.state[name] = torch.from_numpy(from_real_torch(constant).copy())
        program = Program(exported)
        self.programs[self.training].append(program)
        return program

    def forward(self, *args, **kwargs):
        leaves, tree = tree_flatten((args, kwargs))
        leaves = [ours(x) for x in leaves]
        program = next((p for p in self.programs[self.training] if p.fits(leaves)), None)
        if program is None:
            given = [example(x) for x in leaves]
            real_args, real_kwargs = tree_unflatten(tree, given)
            program = self.export(leaves, real_args, real_kwargs)
        return program.run(self.current_state(), leaves)


def ours(x):
    return torch.from_numpy(from_real_torch(x).copy()) if is_real_torch(x) else x


def example(x):
    """A real tensor of the shape and dtype of `x`, to trace with."""
    if not isinstance(x, torch.Tensor):
        return x
    import numpy as np

    return to_real_torch(np.zeros(tuple(x.shape), x.aval.dtype))


def automatic_shapes(module, args: tuple, kwargs: dict) -> dict:
    """The first dimension of every tensor is a variable wherever the program allows it."""
    from torch import export
    from torch.utils import _pytree

    def dims(x):
        return {0: export.Dim.AUTO} if is_real_torch(x) and x.ndim and x.shape[0] >= BATCHES \
            else None

    named = inspect.signature(module.forward).bind(*args, **kwargs).arguments
    return _pytree.tree_map(dims, named)


def from_torch(module_or_fn: Callable, example_inputs: Sequence, example_kwargs=None, *,
               dynamic_shapes=None) -> Exported:
    """A module of `compat.torch` that computes what a real PyTorch module or function does.

    example_inputs: a tuple of real torch tensors (or of arrays), to trace with. dynamic_shapes: as
    `torch.export.export` takes them; by default the first dimension of every tensor is a variable
    where the program allows it, and a program is traced anew for other shapes, and for training
    and evaluation. Parameters and buffers are copied, under the same names.
    Raises NotImplementedError that names an operator which is missing here.

    >>> import torch                                                    # doctest: +SKIP
    >>> model = from_torch(torch.nn.Linear(3, 2), (torch.zeros(4, 3),))  # doctest: +SKIP
    """
    import torch as real

    if not isinstance(example_inputs, (tuple, list)):
        raise TypeError("from_torch: example_inputs must be a tuple of tensors, one for each "
                        f"positional argument, but got {type(example_inputs).__name__}")
    if not isinstance(module_or_fn, real.nn.Module):
        function = module_or_fn

        class Wrapped(real.nn.Module):
            def forward(self, *args, **kwargs):
                return function(*args, **kwargs)

        module_or_fn = Wrapped()
    given = tuple(x if is_real_torch(x) or not hasattr(x, "shape") else to_real_torch(x)
                  for x in example_inputs)
    return Exported(module_or_fn, given, dict(example_kwargs or {}), dynamic_shapes)
