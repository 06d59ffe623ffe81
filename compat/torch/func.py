"""`torch.func`: JAX's transforms on functions of Tensors, over minigrad's."""

from __future__ import annotations

import contextlib
import functools
import itertools

import minigrad
from compat.torch import random
from compat.torch.joining import cat, stack
from compat.torch.nn.module import Module
from compat.torch.promotion import is_floating
from compat.torch.tensor import Tensor, of_face
from minigrad.tree import tree_flatten, tree_leaves, tree_map, tree_unflatten


def conjugated(tree):
    """PyTorch's gradients of complex values point uphill: JAX's, conjugated."""
    return tree_map(lambda x: x.conj() if isinstance(x, Tensor) and x.is_complex() else x,
                    faced(tree))


def faced(tree):
    """Results of a transform as this face's Tensors: what depends on no argument is a bare one."""
    return tree_map(of_face, tree)


def facing(transformed):
    return functools.wraps(transformed)(lambda *args, **kwargs: faced(transformed(*args, **kwargs)))


def in_order(result, like):
    """`result` with its dicts in the order of those in `like`: trees have theirs sorted."""
    if isinstance(like, dict) and isinstance(result, dict) and like.keys() == result.keys():
        return type(result)((k, in_order(result[k], v)) for k, v in like.items())
    if type(like) is type(result) and type(like) in (tuple, list) and len(like) == len(result):
        return type(like)(map(in_order, result, like))
    return result


def grad(func, argnums=0, has_aux=False):
    """The gradient of a function with a scalar result."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def grad_and_value(func, argnums=0, has_aux=False):
    """(gradient, value); with has_aux, (gradient, (value, aux)). Raises RuntimeError for integer
    arguments, and for results that are no real scalar."""
    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        def checked(*given, **named):
            out = func(*in_order(given, args), **named)
            check_scalar(out[0] if has_aux else out)
            return out

        both = minigrad.value_and_grad(checked, argnums, has_aux=has_aux)
        for i in (argnums,) if isinstance(argnums, int) else argnums:
            if any(isinstance(x, Tensor) and not is_floating(x.spec.dtype)
                   for x in tree_leaves(args[i]) if -len(args) <= i < len(args)):
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
        value, gradient = both(*args, **kwargs)
        like = args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in argnums)
        return in_order(conjugated(gradient), like), value

    return wrapped


def check_scalar(out) -> None:
    call = "grad_and_value(f)(*args): Expected f(*args) to return a"
    if not isinstance(out, Tensor):
        raise RuntimeError(f"{call} Tensor, got {type(out)}")
    if out.dim():
        raise RuntimeError(f"{call} scalar Tensor, got tensor with {out.dim()} dims. Maybe you "
                           "wanted to use the vjp or jacrev APIs instead?")
    if out.is_complex():
        raise RuntimeError("grad can be implicitly created only for real scalar outputs but got "
                           f"{out.dtype}")


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """`func` over a batch dimension of its arguments. Random numbers inside are an error, or
    different (or the same) for each example."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError("Only allowed values for randomness are 'error', 'different', or 'same'."
                           f" Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        token = random.RANDOMNESS.set(randomness)
        try:
            seen = []

            def once(*given):
                given = in_order(tree_map(  # numbers stay numbers
                    lambda x, own: x if isinstance(own, Tensor) else own, given, args), args)
                seen[:] = [func(*given, **kwargs)]
                return seen[0]

            run = minigrad.vmap(once, in_dims, out_dims)
            out = run(*args) if chunk_size is None else in_chunks(run, args, in_dims, out_dims,
                                                                  chunk_size)
            return in_order(faced(out), seen[0])
        finally:
            random.RANDOMNESS.reset(token)

    return mapped


def in_chunks(run, args, in_dims, out_dims, size: int):
    """A batch in pieces of `size`, one after the other."""
    dims = in_dims if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
    pieces = [itertools.repeat(a) if d is None else tree_pieces(a, d, size)
              for a, d in zip(args, dims)]
    outs = [tree_flatten(run(*piece)) for piece in zip(*pieces)]
    axes = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(outs[0][0])
    return tree_unflatten(outs[0][1], [cat([leaves[i] for leaves, _ in outs], axis)
                                       for i, axis in enumerate(axes)])


def tree_pieces(x, dim, size: int):
    leaves, tree = tree_flatten(x)
    return (tree_unflatten(tree, parts) for parts in zip(*(v.split(size, dim) for v in leaves)))


def linearize(func, *primals):
    """(func(*primals), the linear function from tangents to the tangent of the result)."""
    out, linear = minigrad.linearize(func, *primals)
    return faced(out), lambda *tangents: faced(linear(*tangents))


def functionalize(func, *, remove="mutations"):
    """`func` itself: writes are pure on every traced level here."""
    return func


def replace_all_batch_norm_modules_(root):
    """Give every batch norm the batch's own statistics, which `vmap` can map over."""
    for module in root.modules():
        if hasattr(module, "running_mean") and hasattr(module, "track_running_stats"):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


def vjp(func, *primals, has_aux=False):
    """(value, function from cotangents to gradients[, aux])."""
    result = minigrad.vjp(func, *primals, has_aux=has_aux)
    value, pull, *aux = result

    def pulled(*cotangents, **kwargs):
        given = conjugated(cotangents[0] if len(cotangents) == 1 else cotangents)
        gradients = in_order(conjugated(pull(given)), primals)
        return gradients if len(primals) > 1 else (gradients[0],)

    return (faced(value), pulled, *aux)


def jvp(func, primals, tangents, *, strict=False, has_aux=False):
    """(value, tangent[, aux])."""
    return faced(minigrad.jvp(func, primals, tangents, has_aux=has_aux) if has_aux else
                 minigrad.jvp(func, primals, tangents))


def jacrev(func, argnums=0, *, has_aux=False, chunk_size=None):
    """The Jacobian, row by row."""
    return facing(minigrad.jacrev(func, argnums, has_aux=has_aux))


def jacfwd(func, argnums=0, has_aux=False, *, randomness="error"):
    """The Jacobian, column by column."""
    return facing(minigrad.jacfwd(func, argnums, has_aux=has_aux))


def hessian(func, argnums=0):
    """Second derivatives."""
    return facing(minigrad.hessian(func, argnums))


@contextlib.contextmanager
def swapped(module: Module, values: dict):
    """`module` with other Tensors under some names, for the length of a block."""
    before = []
    for name, value in values.items():
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        store = owner._parameters if leaf in owner._parameters else owner._buffers
        if leaf not in store:
            raise AttributeError(f"{type(owner).__name__} has no attribute `{leaf}`")
        before.append((store, leaf, store[leaf]))
        store[leaf] = value
    try:
        yield
    finally:
        for store, leaf, value in reversed(before):
            store[leaf] = value


def functional_call(module: Module, parameter_and_buffer_dicts, args=None, kwargs=None, *,
                    tie_weights=True, strict=False):
    """The module's result with the given parameters in place of its own."""
    values = parameter_and_buffer_dicts
    if isinstance(values, (list, tuple)):
        values = {k: v for d in values for k, v in d.items()}
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with swapped(module, values):
        return module(*args, **(kwargs or {}))


def stack_module_state(models):
    """(parameters, buffers) of several models, stacked along a new first dimension."""
    def stacked(kind):
        return {name: stack([dict(getattr(m, kind)())[name].detach() for m in models])
                .requires_grad_(of_first.requires_grad)
                for name, of_first in getattr(models[0], kind)()}

    return stacked("named_parameters"), stacked("named_buffers")
