"""The roads down which a sample is compared, one function each.

A check takes a `Case` and answers None where both sides agree, a line where they do not. It
raises `Skip` where PyTorch itself does not go down that road.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from compat.differential.opdb.entries import UNINITIALISED, tolerances


class Skip(Exception):
    """PyTorch raises here, or has nothing to compare."""


@dataclass
class Side:
    """One of the two: its module, and the sample as it has it."""

    torch: Any
    op: Callable
    args: list
    kwargs: dict
    finish: Callable  # what the database does with a result before it asks for gradients

    def call(self, args=None):
        return self.finish(self.op(*(self.args if args is None else args), **self.kwargs))

    def leaves(self, x=None) -> list:
        return leaves_of([self.args, self.kwargs] if x is None else x, self.torch.Tensor)

    def wanted(self) -> list:
        return [x for x in self.leaves() if x.requires_grad]


@dataclass
class Case:
    """A sample on both sides."""

    entry: Any
    dtype: Any
    sample: Any
    translator: Any
    theirs: Side
    ours: Side
    expected: Any  # PyTorch's result
    got: Any = None
    wants: bool = False  # gradients
    level: list | None = None  # theirs and ours: outputs and gradients that `gradgrad` goes on with

    def difference(self, got, expected) -> str | None:
        """How they differ, by PyTorch's own comparison."""
        try:
            got, expected = plain(self.translator.back(got)), plain(expected)
        except Exception as error:
            return f"result {brief(error)}"
        if self.entry.name in UNINITIALISED:
            same = shapes_only(got) == shapes_only(expected)
            return None if same else f"{shapes_only(got)}, expected {shapes_only(expected)}"
        try:
            self.theirs.torch.testing.assert_close(
                got, detached(expected), equal_nan=True, **tolerances(self.entry, self.dtype))
        except (AssertionError, TypeError, ValueError) as error:
            lines = str(error).splitlines()
            more = next((x for x in lines if "Greatest absolute" in x), "")
            return f"{lines[0][:90]} {more[:60]}".strip()
        return None

    def fresh(self) -> list:
        """The sample's arguments once more, on memory of their own, for our side."""
        return self.translator.sample([self.sample.input, *self.sample.args], self.sample.kwargs)

    def like(self, x):
        return self.translator.tensor(x)


# ------------------------------------------------------------------ value and derivatives


def forward(case: Case) -> str | None:
    case.got = case.ours.call()
    return case.difference(case.got, case.expected)


def gradient(case: Case) -> str | None:
    if not case.wants:
        raise Skip
    pairs = [(a, b) for a, b in zip(case.theirs.leaves(case.expected), case.ours.leaves(case.got))
             if a.requires_grad]
    twice = case.entry.supports_gradgrad and case.dtype.itemsize >= 8
    expected, found = backward(case, pairs, case.theirs.wanted(), case.ours.wanted(), twice)
    problem = compare(case, expected, found, case.theirs.wanted())
    case.level = None if problem or not twice else [expected, found]
    return problem


def gradgrad(case: Case) -> str | None:
    """The gradient of the gradient, in double precision."""
    if case.level is None:
        raise Skip
    pairs = [(a, b) for a, b in zip(*case.level) if a is not None and a.requires_grad]
    if any(b is None for _, b in pairs):
        return "no gradient to differentiate"
    expected, found = backward(case, pairs, case.theirs.wanted(), case.ours.wanted(), False)
    return compare(case, expected, found, case.theirs.wanted())


def backward(case: Case, pairs, leaves, mine, create_graph: bool):
    """Gradients of a weighted sum of the pairs' tensors, on both sides."""
    if not pairs or not leaves:
        raise Skip
    torch, rng = case.theirs.torch, np.random.default_rng(0)
    weights = [torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(a.shape)))).to(a.dtype)
               for a, _ in pairs]
    options = {"allow_unused": True, "create_graph": create_graph}
    try:
        expected = torch.autograd.grad([a for a, _ in pairs], leaves, weights, **options)
    except Exception:
        raise Skip from None
    live = [(b, case.like(w)) for (_, b), w in zip(pairs, weights)
            if b.requires_grad]  # no gradient is as good as a zero one
    found = case.ours.torch.autograd.grad([b for b, _ in live], mine, [w for _, w in live],
                                          **options) if live else (None,) * len(mine)
    return expected, found


def compare(case: Case, expected, found, leaves) -> str | None:
    for a, b, leaf in zip(expected, found, leaves):
        if a is None and (b is None or leaf._base is not None):
            continue  # of a leaf made as a view, PyTorch follows the base
        zeros = case.theirs.torch.zeros_like(leaf)  # zero and nothing are the same to a user
        a, b = zeros if a is None else a, case.like(zeros) if b is None else b
        if problem := case.difference(b, a):
            return problem
    return None


def forward_mode(case: Case) -> str | None:
    """The tangent, by dual numbers."""
    if not case.wants or not case.entry.supports_forward_ad:
        raise Skip
    rng = np.random.default_rng(1)
    tangents = [case.theirs.torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(x.shape)))).to(
        x.dtype) for x in case.theirs.wanted()]
    try:
        expected = dual(case.theirs, case.theirs.args, list(tangents))
    except Exception:
        raise Skip from None
    found = dual(case.ours, case.ours.args, [case.like(t) for t in tangents])
    for a, b in zip(expected, found):
        if a[1] is None and b[1] is None:
            continue
        tangent = [case.theirs.torch.zeros_like(a[0]) if a[1] is None else a[1],
                   case.like(case.theirs.torch.zeros_like(a[0])) if b[1] is None else b[1]]
        if problem := case.difference(tangent[1], tangent[0]):
            return problem
    return None


def dual(side: Side, args, tangents: list) -> list:
    ad = side.torch.autograd.forward_ad
    with ad.dual_level():
        def made(x):
            return ad.make_dual(x.detach(), tangents.pop(0)) if x.requires_grad else x

        args, kwargs = (mapped(made, x, side.torch.Tensor) for x in (args, side.kwargs))
        out = side.finish(side.op(*args, **kwargs))
        return [tuple(ad.unpack_dual(x)) for x in side.leaves(out)
                if x.is_floating_point() or x.is_complex()]


# ------------------------------------------------------------------ other ways to call


def variant(name: str) -> Callable:
    """The function that the entry names as its variant, on the same sample."""
    def check(case: Case) -> str | None:
        function = getattr(case.entry, name)
        if function is None or name.startswith("inplace") and case.sample.broadcasts_input:
            raise Skip
        torch = case.theirs.torch
        theirs = mapped(torch.clone, [case.sample.input, *case.sample.args], torch.Tensor)
        args, kwargs = case.fresh()
        args = mapped(lambda x: x.clone(), args, case.ours.torch.Tensor)
        if name.endswith("operator_variant") and (case.sample.kwargs or len(theirs) > 2):
            raise Skip
        with torch.no_grad(), case.ours.torch.no_grad():
            for side in (case.theirs, case.ours):
                side.torch.manual_seed(5)  # those that draw numbers
            try:
                expected = function(*theirs, **case.sample.kwargs)
            except Exception:
                raise Skip from None
            mine = function if function in vars(operator).values() \
                else case.translator.value(function)
            return case.difference(case.ours.finish(mine(*args, **kwargs)),
                                   case.theirs.finish(expected))

    return check


def out_variant(case: Case) -> str | None:
    """`out=`: an empty place, and one of the right size with steps of its own."""
    if not case.entry.supports_out:
        raise Skip
    torch, problem = case.theirs.torch, None
    with torch.no_grad(), case.ours.torch.no_grad():
        expected = plain_result(case.entry.op(
            case.sample.input, *case.sample.args, **case.sample.kwargs))
        for place in (empty_place, strided_place):
            args, kwargs = case.fresh()
            space = place(expected)
            theirs = dict(case.sample.kwargs, out=space)
            kwargs["out"] = case.translator.value(place(expected))
            try:
                case.entry.op(case.sample.input, *case.sample.args, **theirs)
            except Exception:
                raise Skip from None
            case.ours.op(*args, **kwargs)
            problem = problem or case.difference(case.ours.finish(kwargs["out"]),
                                                 case.theirs.finish(space))
            written, into = case.ours.leaves(kwargs["out"]), case.theirs.leaves(space)
            if place is strided_place and problem is None and case.entry.name not in UNINITIALISED:
                strides = [x.stride() for x in written], [x.stride() for x in into]
                problem = None if strides[0] == strides[1] else f"strides {strides}"
    return problem


def plain_result(x):
    return tuple(x) if isinstance(x, (list, tuple)) else x


def empty_place(x):
    return tuple(map(empty_place, x)) if isinstance(x, tuple) else x.new_empty(0)


def strided_place(x):
    """Rows of twice the length, of which the first half is the place."""
    if isinstance(x, tuple):
        return tuple(map(strided_place, x))
    wide = x.new_zeros((*x.shape[:-1], 2 * x.shape[-1])) if x.dim() else x.new_zeros(())
    return wide[..., :x.shape[-1]] if x.dim() else wide


def noncontiguous(case: Case) -> str | None:
    """The same numbers with gaps between them."""
    sample = case.sample.noncontiguous()
    args, kwargs = case.translator.sample([sample.input, *sample.args], sample.kwargs)
    for side in (case.theirs, case.ours):
        side.torch.manual_seed(5)
    try:
        expected = case.theirs.finish(case.entry.op(sample.input, *sample.args, **sample.kwargs))
    except Exception:
        raise Skip from None
    return case.difference(case.ours.finish(case.ours.op(*args, **kwargs)), expected)


def vmap(case: Case) -> str | None:
    """A batch of the sample and its negative, over all tensors, and over the first alone."""
    torch = case.theirs.torch
    args = [case.sample.input, *case.sample.args]
    leaves = leaves_of(args, torch.Tensor)
    if not leaves or leaves_of(case.sample.kwargs, torch.Tensor):
        raise Skip
    ran = False
    for batched in {len(leaves), 1}:
        def one(side, args, tensors):
            rest = list(tensors)
            made = mapped(lambda x: rest.pop(0), args, side.torch.Tensor)
            out = side.op(*made, **side.kwargs)
            return tuple(out) if isinstance(out, (list, tuple)) else out

        dims = tuple(0 if i < batched else None for i in range(len(leaves)))
        given = [torch.stack([x, x.flip(0) if x.dim() else x]).detach() if d == 0 else x.detach()
                 for x, d in zip(leaves, dims)]
        try:
            expected = torch.func.vmap(lambda *t: one(case.theirs, args, t), in_dims=dims)(*given)
        except Exception:
            continue
        ran = True
        found = case.ours.torch.func.vmap(lambda *t: one(case.ours, case.ours.args, t),
                                          in_dims=dims)(*map(case.like, given))
        if problem := case.difference(case.ours.finish(found), case.theirs.finish(expected)):
            return problem
    if not ran:
        raise Skip
    return None


def strides(case: Case) -> str | None:
    """The layout of the result, which `stride()` shows."""
    theirs, ours = case.theirs.leaves(case.expected), case.ours.leaves(case.got)
    for a, b in zip(theirs, ours):
        if a.numel() > 1 and a.dim() > 1 and a.stride() != b.stride():
            return f"strides {b.stride()}, expected {a.stride()}"
    return None


CHECKS: dict[str, Callable] = {
    "forward": forward, "gradient": gradient, "gradgrad": gradgrad, "forward mode": forward_mode,
    "method": variant("method_variant"), "in-place": variant("inplace_variant"),
    "operator": variant("operator_variant"),
    "in-place operator": variant("inplace_operator_variant"), "out": out_variant,
    "noncontiguous": noncontiguous, "vmap": vmap, "strides": strides,
}


# ------------------------------------------------------------------ nested values


def leaves_of(x, tensor: type) -> list:
    """The Tensors of a nested value, in order."""
    if isinstance(x, tensor):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [leaf for part in x for leaf in leaves_of(part, tensor)] \
        if isinstance(x, (list, tuple)) else []


def mapped(f: Callable, x, tensor: type):
    """`x` with `f` of each Tensor in it."""
    if isinstance(x, tensor):
        return f(x)
    if isinstance(x, dict):
        return {k: mapped(f, v, tensor) for k, v in x.items()}
    return type(x)(mapped(f, v, tensor) for v in x) if type(x) in (list, tuple) else x


def plain(x):
    """Named tuples and sizes as lists, so that structure alone is compared."""
    return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x


def shapes_only(x):
    return [shapes_only(v) for v in x] if isinstance(x, list) else (str(x.dtype), tuple(x.shape))


def detached(x):
    return [detached(v) for v in x] if isinstance(x, list) else \
        x.detach().resolve_conj().resolve_neg() if hasattr(x, "detach") else x


def brief(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:110] if lines else ''}"
