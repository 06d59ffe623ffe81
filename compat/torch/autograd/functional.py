"""`torch.autograd.functional`: Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

import math

import minigrad
from compat.torch.autograd import modes
from compat.torch.joining import stack
from compat.torch.tensor import Tensor
from minigrad import tape
from minigrad.tree import tree_map


def as_tuple(x, what: str, name: str) -> tuple:
    given = x if isinstance(x, tuple) else (x,)
    if len(given) == 1 and given[0] is x and not isinstance(x, Tensor):
        raise TypeError(f"The {what} given to {name} must be either a Tensor or a tuple of Tensors "
                        f"but the given {what} has type {type(x)}.")
    for i, v in enumerate(given):
        if not isinstance(v, Tensor):
            raise TypeError(f"The {what} given to {name} must be either a Tensor or a tuple of "
                            f"Tensors but the value at index {i} has type {type(v)}.")
    return given


def fresh(inputs, create_graph: bool) -> tuple:
    """Inputs to differentiate with respect to; on the outer graph if that is to go on."""
    if create_graph:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
                     for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def grads(outputs, inputs, vectors, create_graph: bool, strict: bool = False, name: str = ""):
    """Gradients, zeros where an output does not depend on an input (an error if strict)."""
    live = [(o, v) for o, v in zip(outputs, vectors) if o.requires_grad]
    found = tape.grad([o for o, _ in live], inputs, [v for _, v in live], True, create_graph,
                      True) if live else (None,) * len(inputs)
    if strict and any(g is None for g in found):
        i = next(i for i, g in enumerate(found) if g is None)
        raise RuntimeError(f"The output of the user-provided function is independent of input {i}. "
                           f"This is not allowed in strict mode.")
    return tuple(x.new_zeros(x.shape) if g is None else g for g, x in zip(found, inputs))


def single(values, like):
    return values if isinstance(like, (tuple, list)) else values[0]


def check_vectors(v, like, name: str) -> tuple:
    """`v` beside the inputs or outputs it belongs to; ones for a single element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError("The vector v can only be None if the user-provided function "
                               "returns a single Tensor with a single element.")
        return (like[0].detach() * 0 + 1,)
    given = as_tuple(v, "v", name)
    if len(given) != len(like):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got "
                           f"{len(given)}.")
    for i, (a, b) in enumerate(zip(given, like)):
        if a.shape != b.shape:
            raise RuntimeError(f"Entry {i} in v has invalid size: should be {b.shape} but got "
                               f"{a.shape}.")
    return given


def detached(x, create_graph: bool):
    return x if create_graph else tree_map(lambda t: t.detach(), x)


def run(func, inputs, create_graph: bool, name: str):
    xs = fresh(as_tuple(inputs, "inputs", name), create_graph)
    out = func(*xs)
    return xs, out, as_tuple(out, "outputs of the user-provided function", name)


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v times the Jacobian)."""
    with modes.enable_grad():
        xs, out, outs = run(func, inputs, create_graph, "vjp")
        vectors = check_vectors(v, outs, "vjp")
        found = grads(outs, xs, vectors, create_graph, strict)
    return detached(out, create_graph), detached(single(found, inputs), create_graph)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), the Jacobian times v), in forward mode."""
    xs = as_tuple(inputs, "inputs", "jvp")
    vectors = check_vectors(v, xs, "jvp")
    with modes.enable_grad():
        out, tangent = minigrad.jvp(func, xs, vectors)
    return detached(out, create_graph), detached(tangent, create_graph)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False,
             strategy="reverse-mode"):
    """All derivatives: for each output and input a tensor of shape output + input."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    with modes.enable_grad():
        xs, out, outs = run(func, inputs, create_graph, "jacobian")
        rows = []
        for o in outs:
            flat = o.reshape(-1)
            parts = [grads([flat[j]], xs, [None], create_graph, strict, "jacobian")
                     for j in range(flat.numel())]
            rows.append(tuple(
                stack([p[i] for p in parts]).reshape(o.shape + x.shape) if parts
                else x.new_zeros(o.shape + x.shape) for i, x in enumerate(xs)))
    shaped = tuple(single(row, inputs) for row in rows)
    return detached(single(shaped, out), create_graph)


def scalar_output(func):
    def checked(*xs):
        out = func(*xs)
        if not isinstance(out, Tensor):
            raise RuntimeError("The function given to hessian should return a single Tensor")
        if math.prod(out.shape) != 1:
            raise RuntimeError("The Tensor returned by the function given to hessian should "
                               "contain a single element")
        return out.squeeze()

    return checked


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False,
            outer_jacobian_strategy="reverse-mode"):
    """Second derivatives of a scalar function."""
    xs = as_tuple(inputs, "inputs", "hessian")
    inner = scalar_output(func)

    def gradient(*given):
        found = jacobian(inner, given, create_graph=True)
        return found if len(given) > 1 else found[0]

    rows = jacobian(gradient, xs, create_graph, strict)
    if isinstance(inputs, (tuple, list)):
        return rows if len(xs) > 1 else (rows,)
    return rows[0]


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v times the Hessian)."""
    with modes.enable_grad():
        xs, out, _ = run(scalar_output(func), inputs, True, "vhp")
        vectors = check_vectors(v, xs, "vhp")
        first = grads([out], xs, [None], True, strict)
        second = grads(first, xs, vectors, create_graph, strict)
    return detached(out, create_graph), detached(single(second, inputs), create_graph)


hvp = vhp  # a Hessian is symmetric
