"""Which types are containers, and the structure of a nest of them.

`minigrad.tree` has the functions that work on trees, and offers all that is public here.
"""

import dataclasses
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

# --- Path entries: how a child is reached from its parent ---------------------------------------


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """The position of a child in a tuple or list."""

    idx: int
    __str__ = lambda self: f"[{self.idx!r}]"


@dataclasses.dataclass(frozen=True)
class DictKey:
    """The key of a child in a dictionary."""

    key: Any
    __str__ = lambda self: f"[{self.key!r}]"


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """The attribute that holds a child."""

    name: str
    __str__ = lambda self: f".{self.name}"


@dataclasses.dataclass(frozen=True)
class FlattenedIndexKey:
    """The position of a child in a custom node that does not name its children."""

    key: int
    __str__ = lambda self: f"[<flat index {self.key}>]"


def keystr(keys: Iterable, *, simple: bool = False, separator: str = "") -> str:
    """Print a path: `['layers'][0].w`, or with `simple` and the separator "/": `layers/0/w`."""
    return separator.join([simple_keystr(key) if simple else str(key) for key in keys])


def simple_keystr(key: Any) -> str:
    """What a path entry holds, printed without its brackets or dot."""
    match key:
        case SequenceKey(value) | DictKey(value) | GetAttrKey(value) | FlattenedIndexKey(value):
            return str(value)
    return str(key)


# --- Container types ----------------------------------------------------------------------------


class _Node(NamedTuple):
    """How one type of container comes apart and is put together."""

    flatten: Callable[[Any], tuple[Sequence, Any]]  # tree -> children, hashable data
    unflatten: Callable[[Any, tuple], Any]  # data, children -> tree
    keys: Callable[[Any], Iterable]  # tree -> one path entry a child


def _flatten_dict(tree):
    try:
        keys = tuple(sorted(tree))
    except TypeError as error:
        message = "Comparator raised exception while sorting pytree dictionary keys."
        raise ValueError(message) from error
    return [tree[key] for key in keys], keys


def _flatten_defaultdict(tree):
    children, keys = _flatten_dict(tree)
    return children, (tree.default_factory, keys)


_sequence_keys = lambda tree: map(SequenceKey, range(len(tree)))
_dict_keys = lambda tree: map(DictKey, _flatten_dict(tree)[1])

_registry: dict[type, _Node] = {
    tuple: _Node(lambda tree: (tree, None), lambda _, children: children, _sequence_keys),
    list: _Node(lambda tree: (tree, None), lambda _, children: list(children), _sequence_keys),
    type(None): _Node(lambda tree: ((), None), lambda _, children: None, lambda tree: ()),
    dict: _Node(_flatten_dict, lambda keys, children: dict(zip(keys, children)), _dict_keys),
    defaultdict: _Node(
        _flatten_defaultdict,
        lambda data, children: defaultdict(data[0], zip(data[1], children)),
        _dict_keys,
    ),
    OrderedDict: _Node(
        lambda tree: (tuple(tree.values()), tuple(tree)),
        lambda keys, children: OrderedDict(zip(keys, children)),
        lambda tree: map(DictKey, tree),
    ),
}


_foreign: list[Callable[[type], tuple[Callable, Callable] | None]] = []  # see register_foreign


@functools.lru_cache(maxsize=256)  # the registry would keep every namedtuple class for ever
def _namedtuple_node(kind: Any) -> _Node:
    return _Node(
        lambda tree: (tree, None),
        lambda _, children: kind(*children),
        lambda tree: map(GetAttrKey, kind._fields),
    )


def _container(kind: type) -> _Node:
    return _registry.get(kind) or _namedtuple_node(kind)


def node_of(kind: type) -> _Node | None:
    """How the type comes apart and is put together; None for the type of a leaf.

    A subclass of a container is a leaf: its constructor is unknown. A namedtuple's is known.
    """
    if kind in _registry or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
        return _container(kind)
    for lookup in _foreign:
        if (functions := lookup(kind)) is not None:
            register_pytree_node(kind, *functions)
            return _registry[kind]
    return None


# --- Structure ----------------------------------------------------------------------------------


class PyTreeDef(tuple):
    """The structure of a pytree: its containers, with the leaves left out.

    It is a tuple (type, data, children, number of leaves), so that `==` and `hash`, which every
    call of a jitted function needs, run in C. A leaf has the type None; None itself has NoneType.
    """

    __slots__ = ()
    num_leaves = property(itemgetter(3), doc="How many leaves the tree has.")

    @property
    def num_nodes(self) -> int:
        """How many leaves and containers the tree has."""
        return 1 + sum([child.num_nodes for child in self[2]])

    def node_data(self) -> tuple[type, Any] | None:
        """The root's type and data (a dictionary's keys, a custom node's metadata)."""
        kind, data, _, _ = self
        return None if kind is None else (kind, list(data) if kind is dict else data)

    def children(self) -> list["PyTreeDef"]:
        """The structures of the root's children."""
        return list(self[2])

    def unflatten(self, leaves: Iterable) -> Any:
        """The tree of this structure that holds `leaves`."""
        leaves, expected = list(leaves), self[3]
        if len(leaves) != expected:
            few = len(leaves) < expected
            message = f"Too {'few' if few else 'many'} leaves for PyTreeDef; expected {expected}"
            raise ValueError(message + (f", got {len(leaves)}" if few else "."))
        return _unflatten(self, iter(leaves))

    def flatten_up_to(self, tree: Any) -> list:
        """The subtrees of `tree` that stand where this structure has leaves."""
        kind, data, treedefs, _ = self
        if kind is None:
            return [tree]
        name = kind.__name__ if kind in (tuple, list, dict) else None
        if type(tree) is not kind:
            if name or kind is type(None):
                raise ValueError(f"Expected {name}, got {tree!r}.")
            message = f"Custom node type mismatch: expected type: {kind}, value: {tree!r}."
            raise ValueError(message)
        children, tree_data = _container(kind).flatten(tree)
        if kind is dict and tree_data != data:
            message = f"expected keys: {list(data)}; present keys: {list(tree_data)}"
            raise ValueError(f"Dict key mismatch; {message}.")
        if tree_data != data:
            message = f"Mismatch custom node data: {data!r} != {tree_data!r}"
            raise ValueError(f"{message}; value: {tree!r}.")
        if len(children) != len(treedefs):
            message = f"arity mismatch: {len(children)} != {len(treedefs)}; {name or 'value'}"
            raise ValueError(f"{(name or 'custom type').capitalize()} {message}: {tree!r}.")
        subtrees = []
        for treedef, child in zip(treedefs, children):
            subtrees += treedef.flatten_up_to(child)
        return subtrees

    def compose(self, inner: "PyTreeDef") -> "PyTreeDef":
        """This structure with `inner` in the place of every leaf."""
        kind, data, children, num_leaves = self
        if kind is None:
            return inner
        parts = tuple([child.compose(inner) for child in children])
        return PyTreeDef((kind, data, parts, num_leaves * inner.num_leaves))

    def __repr__(self):
        return f"PyTreeDef({self._describe()})"

    def _describe(self) -> str:
        kind, data, children, _ = self
        parts = [child._describe() for child in children]
        body = ", ".join(parts)
        if kind is None or kind is type(None):
            return "*" if kind is None else "None"
        if kind is tuple:
            return f"({body},)" if len(parts) == 1 else f"({body})"
        if kind is list:
            return f"[{body}]"
        if kind is dict:
            return f"{{{', '.join([f'{key!r}: {part}' for key, part in zip(data, parts)])}}}"
        root = f"{kind.__name__}[{data}]" if kind in _registry else f"namedtuple[{kind.__name__}]"
        return f"CustomNode({root}, [{body}])"


LEAF = PyTreeDef((None, None, (), 1))  # the structure of a leaf

# Types met as leaves: one look-up tells the commonest child. Bounded, so that classes made in a
# loop are not kept alive for ever.
_leaf_types: set[type] = set()


def flatten_into(tree: Any, leaves: list) -> PyTreeDef:
    """Append the leaves of `tree` to `leaves` and return its structure.

    Every call of a jitted function comes through here.
    """
    kind = type(tree)
    node = _registry.get(kind) or node_of(kind)
    if node is None:
        if len(_leaf_types) >= 256:
            _leaf_types.clear()
        _leaf_types.add(kind)
        leaves.append(tree)
        return LEAF
    children, data = node.flatten(tree)
    before = len(leaves)
    treedefs = []
    for child in children:
        if type(child) in _leaf_types:
            leaves.append(child)
            treedefs.append(LEAF)
        else:
            treedefs.append(flatten_into(child, leaves))
    return PyTreeDef((kind, data, tuple(treedefs), len(leaves) - before))


def _unflatten(treedef: PyTreeDef, leaves: Iterator) -> Any:
    kind, data, children, count = treedef
    if kind is None:
        return next(leaves)
    if children.count(LEAF) == count == len(children):  # the commonest node holds only leaves
        parts = tuple(islice(leaves, count))
    else:
        parts = tuple([_unflatten(child, leaves) for child in children])
    return _container(kind).unflatten(data, parts)


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is one node: a leaf or, as JAX has it, an empty container."""
    return not treedef[2]


# --- Registering container types ----------------------------------------------------------------


def register_pytree_node(
    nodetype: Any, flatten_func: Callable, unflatten_func: Callable, flatten_with_keys_func=None
) -> None:
    """Make a class a container: `flatten_func(tree)` gives (children, hashable data) and
    `unflatten_func(data, children)` a tree; `flatten_with_keys_func` gives (pairs (key, child),
    data), for paths."""
    if nodetype in _registry:
        raise ValueError(f"Duplicate custom PyTreeDef type registration for {nodetype}.")
    if not callable(flatten_func) or not callable(unflatten_func):
        raise TypeError(f"{nodetype} needs functions to flatten and unflatten it")

    def flatten(tree):
        result = flatten_func(tree)
        expected = (
            "The to_iterable function for a custom PyTree node should return a (children, "
            "aux_data) tuple"
        )
        if not isinstance(result, tuple) or len(result) != 2:
            raise ValueError(f"{expected}, got {result!r}")
        if not isinstance(result[0], Iterable):
            raise ValueError(f"{expected} where 'children' is iterable, got {result!r}")
        return tuple(result[0]), result[1]

    def keys(tree):
        if flatten_with_keys_func is None:
            return map(FlattenedIndexKey, range(len(flatten(tree)[0])))
        return [key for key, _ in flatten_with_keys_func(tree)[0]]

    _registry[nodetype] = _Node(flatten, unflatten_func, keys)
    _leaf_types.discard(nodetype)


def register_foreign(lookup: Callable[[type], tuple[Callable, Callable] | None]) -> None:
    """Ask another library about classes unknown here: `lookup(class)` gives the functions that
    `register_pytree_node` takes, or None."""
    _foreign.append(lookup)
    _leaf_types.clear()


def register_pytree_with_keys(
    nodetype: Any, flatten_with_keys: Callable, unflatten_func: Callable, flatten_func=None
) -> None:
    """`register_pytree_node` for a class whose children have keys."""

    def without_keys(tree):
        pairs, data = flatten_with_keys(tree)
        return [child for _, child in pairs], data

    register_pytree_node(nodetype, flatten_func or without_keys, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: Any) -> Any:
    """Register a class that has `tree_flatten()` and the classmethod `tree_unflatten`."""
    register_pytree_node(cls, lambda tree: tree.tree_flatten(), cls.tree_unflatten)
    return cls


def register_pytree_with_keys_class(cls: Any) -> Any:
    """Register a class that has `tree_flatten_with_keys()` and the classmethod `tree_unflatten`."""
    flatten = getattr(cls, "tree_flatten", None)
    register_pytree_with_keys(cls, cls.tree_flatten_with_keys, cls.tree_unflatten, flatten)
    return cls


def register_dataclass(nodetype: Any, data_fields=None, meta_fields=None, drop_fields=()) -> Any:
    """Register a class whose `data_fields` are children and whose `meta_fields` are metadata.

    For a dataclass both may be left out: `field(metadata=dict(static=True))` marks metadata.
    """
    is_dataclass = dataclasses.is_dataclass(nodetype)
    fields = dataclasses.fields(nodetype) if is_dataclass else ()
    if (data_fields is None) != (meta_fields is None):
        raise TypeError(
            "register_dataclass: data_fields and meta_fields must both be specified when either "
            f"is specified. Got {data_fields=} {meta_fields=}."
        )
    if data_fields is None:
        if not is_dataclass:
            raise TypeError(
                "register_dataclass: data_fields and meta_fields are required when nodetype is "
                f"not a dataclass. Got {nodetype=}."
            )
        data_fields = [field.name for field in fields if not field.metadata.get("static")]
        meta_fields = [field.name for field in fields if field.metadata.get("static")]
    data, meta = tuple(data_fields), tuple(meta_fields)  # copies: the caller may change the lists
    given, expected = {*data, *meta}, {field.name for field in fields if field.init}
    expected.difference_update(drop_fields)
    if is_dataclass and given != expected:
        missing, unexpected = expected - given, given - expected
        hint = f" Missing fields: {missing}. Add them to drop_fields to suppress this error."
        raise ValueError(
            "data_fields and meta_fields must include all dataclass fields with ``init=True`` and "
            f"only them.{hint if missing else ''}"
            f"{f' Unexpected fields: {unexpected}.' if unexpected else ''}"
        )
    if overlap := {*data} & {*meta}:
        message = "data_fields and meta_fields must not overlap. Overlapping fields:"
        raise ValueError(f"{message} {overlap}.")

    def flatten_with_keys(tree):
        pairs = [(GetAttrKey(name), getattr(tree, name)) for name in data]
        return pairs, tuple([getattr(tree, name) for name in meta])

    def unflatten(values, children):
        return nodetype(**dict(zip(meta + data, (*values, *children))))

    register_pytree_with_keys(nodetype, flatten_with_keys, unflatten)
    return nodetype


def register_static(cls: Any) -> Any:
    """Register a hashable class as a node without leaves: an instance is its own metadata."""
    register_pytree_node(cls, lambda tree: ((), tree), lambda data, children: data)
    return cls


# --- Partial ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Opaque:
    """A function that `functools.partial` cannot look into."""

    function: Callable

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


class Partial(functools.partial):
    """A `functools.partial` that is a pytree: its arguments are the children.

    `functools.partial` would merge `Partial(Partial(f, x), y)` into `Partial(f, x, y)` and so
    make children of the inner one's arguments, which are data here: hence the wrapper.
    """

    def __new__(cls, func, /, *args, **kwargs):
        inner = _Opaque(func) if isinstance(func, functools.partial) else func
        return super().__new__(cls, inner, *args, **kwargs)


register_pytree_node(
    Partial,
    lambda partial: ((partial.args, partial.keywords), partial.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
)
