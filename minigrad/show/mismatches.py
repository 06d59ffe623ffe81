"""Structures, types and sizes that should agree and do not, in the words of JAX's errors: of
loops' carries, of branches, of the arguments that `vmap` maps."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minigrad.core import Aval, aval_of
from minigrad.show.origins import argument_names, mismatch, shown
from minigrad.tree import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from minigrad.tree.treedef import node_of


class Leaf:
    """Stands for a leaf of either tree; `name` is what it is called."""

    def __init__(self, name: str):
        self.name = name


def kind_of(tree) -> str:
    return tree.name if isinstance(tree, Leaf) else str(type(tree))


def differences(a, b, path=()) -> Iterator[tuple[tuple, str, str, str]]:
    """(path, what the first is, what the second is, why they differ), outermost first."""
    if isinstance(a, Leaf) and isinstance(b, Leaf):
        return
    if type(a) is not type(b):
        yield path, kind_of(a), kind_of(b), "their Python types differ"
        return
    if isinstance(a, (list, tuple)) and len(a) != len(b):
        yield (path, *(f"{type(x).__name__} of length {len(x)}" for x in (a, b)),
               "the lengths do not match")
        return
    node: Any = node_of(type(a))
    if node is None:  # None
        return
    (ours, meta), (theirs, other) = node.flatten(a), node.flatten(b)
    ours, theirs, keys = list(ours), list(theirs), list(node.keys(a))
    if len(ours) != len(theirs):
        apart = {getattr(k, "key", None) for k in keys} ^ {
            getattr(k, "key", None) for k in node.keys(b)}
        note = f", with the symmetric difference of key sets: {{{' '.join(map(repr, apart))}}}" \
            if apart - {None} else ""
        yield (path, *(f"{type(x)} with {len(n)} child{'ren' if len(n) > 1 else ''}"
                       for x, n in ((a, ours), (b, theirs))),
               f"the numbers of children do not match{note}")
        return
    if meta != other:
        yield (path, f"{type(a)} with pytree metadata {meta}",
               f"{type(b)} with pytree metadata {other}", "the pytree node metadata does not match")
        return
    for key, x, y in zip(keys, ours, theirs):
        yield from differences(x, y, (*path, key))


def of_trees(a, b, leaf: str) -> list[tuple[tuple, str, str, str]]:
    return list(differences(*(tree_unflatten(t, [Leaf(leaf) for _ in range(t.num_leaves)])
                              for t in (a, b))))


def listed(lines: Sequence[str], capital: bool = True) -> str:
    if len(lines) == 1:
        return f"{lines[0][0].upper() + lines[0][1:] if capital else lines[0]}.\n"
    return "\n".join(f"  * {line};\n" for line in lines[:-1]) + f"  * {lines[-1]}.\n"


def check_carry(loop: str, f: Callable, tree, avals: Sequence[Aval], out_tree,
                got: Sequence[Aval]) -> None:
    """Raise TypeError unless a loop's carry comes out as it went in."""
    try:
        name = f" {next(iter(inspect.signature(f).parameters))}"
    except (ValueError, TypeError, StopIteration):
        name = ""

    def component(path) -> str:
        if not name:
            return f"the input carry at path {keystr(path)}" if path else "the input carry"
        part = f" component{name}{keystr(path)}" if path else name
        return f"the input carry{part}"

    start = f"{loop} function carry input and carry output must have"
    if tree != out_tree:
        lines = [f"{component(path)} is a {a} but the corresponding component of the carry output "
                 f"is a {b}, so {why}" for path, a, b, why in of_trees(
                     tree, out_tree, "<class 'jax._src.core.ShapedArray'>")]
        if lines:
            raise TypeError(f"{start} the same pytree structure, but they differ:\n\n"
                            f"{listed(lines)}\nRevise the function so that the carry output has "
                            "the same pytree structure as the carry input.")
    paths = [path for path, _ in tree_flatten_with_path(tree_unflatten(tree, avals))[0]]
    lines = [f"{component(path)} has type {shown(a)} but the corresponding output carry component "
             f"has type {shown(b)}{mismatch(a, b)}"
             for path, a, b in zip(paths, avals, got) if mismatch(a, b)]
    if lines:
        raise TypeError(f"{start} equal types, but they differ:\n\n{listed(lines)}\nRevise the "
                        "function so that all output types match the corresponding input types.")


def check_branches(api: str, names: Sequence[str], functions: Sequence[Callable], trees: Sequence,
                   avals: Sequence[Sequence[Aval]]) -> None:
    """Raise TypeError unless two branches give results of the same structure and types."""
    (one, two), (f, g) = names, functions
    who = f"{one} is {name_at(f)}\n{two} is {name_at(g)}\n\n"
    if trees[0] != trees[1]:
        lines = [f"{one} output{at(path)} is a {a} but {two} output{at(path)} is a {b}, so {why}"
                 for path, a, b, why in of_trees(*trees, "pytree leaf")]
        if lines:
            raise TypeError(
                f"{api} branch outputs must have the same pytree structure, but they differ:\n\n"
                f"{who}{listed(lines, False)}\nRevise {one} and/or {two} so that they have the "
                "same pytree structure.")
    paths = [path for path, _ in tree_flatten_with_path(tree_unflatten(trees[0], avals[0]))[0]]
    lines = [f"the output of {one}{at(path)} has type {shown(a)} but the corresponding output of "
             f"{two} has type {shown(b)}{mismatch(a, b)}"
             for path, a, b in zip(paths, *avals) if mismatch(a, b)]
    if lines:
        raise TypeError(f"{api} branches must have equal output types but they differ.\n\n{who}"
                        f"{listed(lines)}\nRevise {one} and/or {two} so that all output types "
                        "match.")


def at(path) -> str:
    return f" at path {keystr(path)}" if path else ""


def name_at(f: Callable) -> str:
    f = inspect.unwrap(f)
    code = getattr(f, "__code__", None)
    name = getattr(f, "__name__", "<unnamed function>")
    return f"{name} at {code.co_filename}:{code.co_firstlineno}" if code else name


IN_AXES = ("vmap in_axes must be an int, None, or a tuple of entries corresponding to the "
           "positional arguments passed to the function, but got {}")
OUT_AXES = "vmap out_axes: axis {} is out of bounds for array of dimension {}"
UNMAPPED = "at vmap out_axes, got axis spec None but output was batched on axis {}"


def axis_sizes(f: Callable, tree, leaves, dims, axis_size: int | None) -> str:
    """Which arguments of a mapped function have which sizes, or that none has any."""
    args, kwargs = tree_unflatten(tree, leaves)
    if not leaves and axis_size is None:
        return ("vmap wrapped function must be passed at least one argument containing an array or "
                f"axis_size must be specified, got empty *args={args} and **kwargs={kwargs}")
    if all(d is None for d in dims):
        return ("vmap must have at least one non-None value in in_axes or axis_size must be "
                "specified")
    names = [f"argument {n}" for n in argument_names(f, tree)]
    positional = len(tree_flatten(args)[0])
    paths = [p for p, _ in tree_flatten_with_path(tree_unflatten(tree, leaves))[0]]
    names[positional:] = [f"kwargs{keystr(p[1:])}" for p in paths[positional:]]
    found = [(aval_of(x).shape[d], f"axis {d} of {name} of type {shown(aval_of(x))}")
             for x, d, name in zip(leaves, dims, names) if d is not None]
    counts = Counter(size for size, _ in found)
    lines = [] if axis_size is None else [f"the `axis_size` argument was {axis_size}"]
    for rank, (size, count) in enumerate(counts.most_common()):
        example = next(text for s, text in found if s == size)
        if count == 1:
            lines.append(f"one axis had size {size}: {example}")
        else:
            most = "some" if rank else "most"
            lines.append(f"{most} axes ({count} of them) had size {size}, e.g. {example}")
    return ("vmap got inconsistent sizes for array axes to be mapped:\n"
            + ";\n".join(f"  * {line}" for line in lines))


def axis_beyond(axis: int, shape: tuple[int, ...]) -> str:
    """An argument that has no such axis to map."""
    return (f"vmap was requested to map its argument along axis {axis}, which implies that its "
            f"rank should be at least {axis + 1 if axis >= 0 else -axis}, but is only {len(shape)} "
            f"(its shape is {shape})")
