"""`minigrad.tree` against `jax.tree_util`: values, printed forms, errors."""

import collections
import dataclasses
import doctest
import pickle

import jax
import jax.tree_util as theirs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad.tree as ours
import minigrad.tree.treedef

BOTH = (theirs, ours)

Point = collections.namedtuple("Point", "x y")
Empty = collections.namedtuple("Empty", "")


class Pair:
    """A node without keys, with metadata and as many children as it is given."""

    def __init__(self, children, tag):
        self.children, self.tag = tuple(children), tag

    def __eq__(self, other):
        return type(other) is type(self) and vars(self) == vars(other)

    def __repr__(self):
        return f"{type(self).__name__}({self.children}, {self.tag!r})"


class Keyed(Pair):
    pass


@dataclasses.dataclass
class Layer:
    weight: object
    bias: object
    activation: str = dataclasses.field(default="relu", metadata=dict(static=True))
    count: int = dataclasses.field(default=0, init=False, metadata=dict(static=True))


@dataclasses.dataclass(frozen=True)
class Mode:
    name: str


for library in BOTH:
    library.register_pytree_node(
        Pair, lambda tree: (tree.children, tree.tag), lambda tag, children: Pair(children, tag)
    )
    library.register_pytree_with_keys(
        Keyed,
        lambda tree, key=library.GetAttrKey: (
            [(key(f"c{i}"), child) for i, child in enumerate(tree.children)],
            tree.tag,
        ),
        lambda tag, children: Keyed(children, tag),
    )
    library.register_dataclass(Layer, ["weight", "bias"], ["activation"])
    library.register_static(Mode)


def outcome(function):
    """What a call gives, or the class and text of what it raises."""
    try:
        return "value", function()
    except Exception as error:
        text = str(error)
        if "symmetric difference" in text:  # JAX prints a set, in the order of its hashes
            *lines, difference = text.split("\n")
            text = "\n".join([*lines, *sorted(difference.split())])
        return type(error), text


def same(function):
    """Both libraries give equal values, or errors of one class and one text."""
    expected, actual = outcome(lambda: function(theirs)), outcome(lambda: function(ours))
    assert actual == expected
    return expected


def keys_of(pairs):
    return [(str(path), ours.keystr(path, simple=True, separator="/")) for path, _ in pairs]


def containers(children):
    names = st.sampled_from("abcd")
    items = st.dictionaries(names, children, max_size=3)
    some = st.lists(children, max_size=3)
    return st.one_of(
        some,
        some.map(tuple),
        items,
        st.dictionaries(st.integers(0, 3), children, max_size=2),
        items.map(collections.OrderedDict),
        items.map(lambda d: collections.defaultdict(int, d)),
        st.builds(Pair, some, names),
        st.builds(Keyed, some, names),
        st.builds(Layer, children, children, names),
    )


def containers_and_points(children):
    return st.one_of(containers(children), st.builds(Point, children, children))


leaves = st.one_of(st.integers(0, 9), st.none(), st.just(Mode("train")), st.just(Empty()))
trees = st.recursive(leaves, containers_and_points, max_leaves=8)


@st.composite
def two_trees(draw):
    """Two trees that differ in one place: a mismatch, or the first a prefix of the second.

    Without namedtuples: in the path of an error JAX 0.10.2 gives each child the first field's name.
    """
    without_points = st.recursive(leaves, containers, max_leaves=8)
    flat, treedef = ours.tree_flatten(draw(without_points))
    place = draw(st.integers(0, max(len(flat) - 1, 0)))
    pair = []
    for _ in range(2):
        flat[place : place + 1] = [draw(without_points)] if flat else []
        pair.append(treedef.unflatten(flat))
    return pair


def test_documentation_examples_run():
    for module in (ours, minigrad.tree.treedef):
        assert doctest.testmod(module).failed == 0


@given(trees)
def test_structure_and_leaves(tree):
    for is_leaf in (None, lambda node: node is None, lambda node: isinstance(node, list)):
        expected, structure = theirs.tree_flatten(tree, is_leaf)
        actual, treedef = ours.tree_flatten(tree, is_leaf)
        assert actual == expected
        assert repr(treedef) == repr(structure)
        assert treedef.num_leaves == structure.num_leaves == len(actual)
        assert treedef.num_nodes == structure.num_nodes
        assert treedef.node_data() == structure.node_data()
        assert repr(treedef.children()) == repr(structure.children())
        assert ours.treedef_is_leaf(treedef) == theirs.treedef_is_leaf(structure)
    assert ours.tree_leaves(tree) == theirs.tree_leaves(tree)
    assert ours.tree_all(tree) == theirs.tree_all(tree)


@given(trees)
def test_unflatten_inverts_flatten_and_rebuilds_as_jax_does(tree):
    flat, treedef = ours.tree_flatten(tree)
    rebuilt, expected = treedef.unflatten(iter(flat)), theirs.tree_map(lambda leaf: leaf, tree)
    assert rebuilt == expected == tree
    assert repr(rebuilt) == repr(expected)  # the order of a dictionary's keys, too
    assert ours.tree_structure(rebuilt) == treedef
    assert hash(ours.tree_structure(rebuilt)) == hash(treedef)


@given(trees)
def test_paths(tree):
    expected, structure = theirs.tree_flatten_with_path(tree)
    actual, treedef = ours.tree_flatten_with_path(tree)
    assert [leaf for _, leaf in actual] == [leaf for _, leaf in expected]
    assert repr([path for path, _ in actual]) == repr([path for path, _ in expected])
    for (path, _), (their_path, _) in zip(actual, expected, strict=True):
        assert ours.keystr(path) == theirs.keystr(their_path)
        simple = dict(simple=True, separator="/")
        assert ours.keystr(path, **simple) == theirs.keystr(their_path, **simple)
    assert repr(treedef) == repr(structure)
    same(lambda lib: lib.tree_map_with_path(lambda path, x: (lib.keystr(path), x), tree))


@given(trees, trees)
def test_equality_of_structures(first, second):
    assert (ours.tree_structure(first) == ours.tree_structure(second)) == (
        theirs.tree_structure(first) == theirs.tree_structure(second)
    )
    composed = ours.tree_structure(first).compose(ours.tree_structure(second))
    expected = theirs.tree_structure(first).compose(theirs.tree_structure(second))
    assert repr(composed) == repr(expected)
    assert composed.num_leaves == expected.num_leaves


def same_but_for_keys(function):
    """`same`, except where JAX 0.10.2 fails in writing its error: it takes every key for a
    DictKey when two custom nodes have different numbers of children."""
    assume("has no attribute 'key'" not in str(outcome(lambda: function(theirs))))
    return same(function)


@given(two_trees())
def test_map_of_two_trees(pair):
    same_but_for_keys(lambda lib: lib.tree_map(lambda *leaves: leaves, *pair))
    same_but_for_keys(lambda lib: lib.tree_map_with_path(lambda path, *leaves: leaves, *pair))


@given(two_trees())
def test_broadcast_prefix(pair):
    libraries = {theirs: jax._src.tree_util, ours: ours}  # JAX does not export it
    same_but_for_keys(lambda lib: libraries[lib].broadcast_prefix(*pair))


MISMATCHES = [
    ((1, 2), (1,)),
    ((1, 2), [1, 2]),
    ([1], [1, 2]),
    ((1, 2), 3),
    (1, (1, 2)),
    (None, 3),
    (3, None),
    ({"a": 1}, {"b": 1}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": 1, "b": 2}, {"a": 1}),
    ({"a": (1, 2)}, {"a": (1, 2, 3)}),
    ({1: 2}, {1: 2, "a": 3}),
    ({"a": 1}, collections.OrderedDict(a=1)),
    (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=1, a=2)),
    (collections.OrderedDict(a=1), 3),
    (collections.defaultdict(int, a=1), collections.defaultdict(list, a=1)),
    (Point(1, 2), (1, 2)),
    ((1, 2), Point(1, 2)),
    (Pair([1], "x"), Pair([1], "y")),
    (Pair([1], "x"), Pair([1, 2], "x")),
    (Keyed([1], "{name}"), Keyed([1], "y")),
    (Layer(1, 2, "relu"), Layer(1, 2, "gelu")),
    (Mode("train"), Mode("test")),
]


@pytest.mark.parametrize("tree, other", MISMATCHES, ids=str)
def test_mismatch(tree, other):
    same(lambda lib: lib.tree_map(lambda *leaves: leaves, tree, other))
    same(lambda lib: lib.tree_map(lambda *leaves: leaves, [0, tree], [0, other]))
    if not isinstance(tree, Layer | Point | None):  # where JAX has other words, or more of them
        same(lambda lib: lib.tree_structure(tree).flatten_up_to(other))


def test_mismatch_where_ours_says_more_than_jax():
    with pytest.raises(ValueError, match="^Expected None, got 3.$"):
        ours.tree_structure(None).flatten_up_to(3)
    with pytest.raises(ValueError, match=r"tree_map tree\.y\n"):
        ours.tree_map(lambda *leaves: leaves, Point(0, None), Point(0, 1))
    with pytest.raises(ValueError, match="1 child keys\n    c0\n(.|\n)* 2 child keys\n    c0 c1\n"):
        ours.tree_map(lambda *leaves: leaves, Keyed([1], "x"), Keyed([1, 2], "x"))
    with pytest.raises(ValueError, match=r"node data: \('relu',\) != \('gelu',\); value: Layer"):
        ours.tree_structure(Layer(1, 2, "relu")).flatten_up_to(Layer(1, 2, "gelu"))


@pytest.mark.parametrize(
    "axes, tree",
    [
        ((0, None), (1, {"a": 2, "b": (3, 4)})),
        ((0, (1, None)), (1, (2, (3, 4)))),
        (0, (1, 2)),
        ((), ()),
        ((0, 1), (1, 2, 3)),
        ([0, 1], (1, 2)),
        ((0, (1,)), (1, 2)),
        (((0,), {"a": 1}), ((1, 2), {"b": 2})),
        ((0, {"a": 1, "b": 2}), (1, {"a": 2})),
    ],
    ids=str,
)
@pytest.mark.parametrize("tupled_args", [False, True])
def test_axes(axes, tree, tupled_args):
    reference = jax._src.api_util.flatten_axes
    expected = outcome(
        lambda: reference(
            "vmap in_axes", theirs.tree_structure(tree), axes, tupled_args=tupled_args
        )
    )
    actual = outcome(
        lambda: ours.flatten_axes(
            "vmap in_axes", ours.tree_structure(tree), axes, tupled_args=tupled_args
        )
    )
    # The stand-in for a leaf is a private class, whose name the text shows.
    clean = lambda result: str(result).replace("jax._src.api_util.PytreeLeaf", "<leaf>")
    assert clean(actual).replace("minigrad.tree._PytreeLeaf", "<leaf>") == clean(expected)


def test_only_exact_container_types_are_nodes():
    class Numbers(list):
        pass

    class Coordinates(Point):
        pass

    for tree in (Numbers([1]), Coordinates(1, 2), (1, Numbers()), type("T", (tuple,), {})((1,))):
        same(lambda lib, tree=tree: repr(lib.tree_structure(tree)))


def test_a_type_met_as_a_leaf_can_still_be_registered():
    class Late:
        pass

    assert ours.tree_leaves([Late(), Late()]) != []
    ours.register_pytree_node(Late, lambda tree: ((1, 2), None), lambda data, children: Late())
    assert ours.tree_leaves([Late()]) == [1, 2]


def test_many_leaf_types():
    classes = [type(f"Leaf{i}", (), {}) for i in range(1000)]
    tree = [cls() for cls in classes]
    assert ours.tree_leaves((tree, tree)) == tree + tree


def test_registration_errors():
    flatten, unflatten = (lambda tree: ((), None)), (lambda data, children: None)
    same(lambda lib: lib.register_pytree_node(tuple, flatten, unflatten))
    same(lambda lib: lib.register_pytree_node(Pair, flatten, unflatten))
    for returned in ((1, 2), ((1, 2), 3, 4), 5, (5, None)):
        cls = type("Broken", (), {})
        for lib in BOTH:
            lib.register_pytree_node(cls, lambda tree, value=returned: value, unflatten)
        same(lambda lib, cls=cls: lib.tree_leaves(cls()))
    with pytest.raises(TypeError):
        ours.register_pytree_node(type("Unusable", (), {}), None, None)


def test_dataclass_registration():
    plain = type("Plain", (), {})
    same(lambda lib: lib.register_dataclass(plain))
    same(lambda lib: lib.register_dataclass(plain, ["a"]))
    same(lambda lib: lib.register_dataclass(plain, ["a"], ["a"]))
    same(lambda lib: lib.register_dataclass(Layer, ["weight"], ["activation"]))
    same(lambda lib: lib.register_dataclass(Layer, ["weight", "bias", "x"], ["activation"]))

    @dataclasses.dataclass
    class Options:
        rate: float
        name: str = dataclasses.field(metadata=dict(static=True))

    for lib in BOTH:
        assert lib.register_dataclass(Options) is Options
    same(lambda lib: (repr(lib.tree_structure(Options(1.0, "a"))), lib.tree_leaves(Options(2, ""))))


def test_class_registration():
    @theirs.register_pytree_with_keys_class
    @ours.register_pytree_node_class
    class Box:
        def __init__(self, item):
            self.item = item

        def tree_flatten(self):
            return (self.item,), "aux"

        def tree_flatten_with_keys(self):
            return ((theirs.DictKey("item"), self.item),), "aux"

        @classmethod
        def tree_unflatten(cls, data, children):
            assert data == "aux"
            return cls(*children)

    same(lambda lib: lib.tree_map(lambda x: x + 1, Box(1)).item)
    assert ours.keystr(ours.tree_flatten_with_path(Box(1))[0][0][0]) == "[<flat index 0>]"

    Crate = type("Crate", (Box,), {})
    ours.register_pytree_with_keys_class(Crate)
    assert ours.keystr(ours.tree_flatten_with_path(Crate(1))[0][0][0]) == "['item']"


def test_unflatten_with_a_wrong_number_of_leaves():
    for count in (0, 1, 3):
        same(lambda lib, n=count: lib.tree_unflatten(lib.tree_structure((1, [2])), range(n)))


def test_is_leaf_that_takes_the_path():
    def shallow(path, node):
        return len(path) == 1

    def run(lib):
        pairs, treedef = lib.tree_flatten_with_path([(1, 2), {"a": 3}], shallow, True)
        return [(str(path), leaf) for path, leaf in pairs], repr(treedef)

    same(run)
    same(
        lambda lib: lib.tree_map_with_path(
            lambda path, x: repr(x), [(1, 2)], is_leaf=shallow, is_leaf_takes_path=True
        )
    )


def test_reduce():
    add = lambda a, b: a + b
    for arguments in (([1, (2, 3)],), ([],), ([], 0), ([1], 5), ([None, 1], "")):
        assert same(lambda lib, args=arguments: lib.tree_reduce(add, *args))


def test_transpose():
    def transpose(outer, inner, tree):
        def run(lib):
            treedef = None if inner is None else lib.tree_structure(inner)
            return lib.tree_transpose(lib.tree_structure(outer), treedef, tree)

        return same(run)

    transpose([0, 0], {"a": 0, "b": 0}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    transpose((0, 0), None, ([1, 2], [3, 4]))
    transpose((0, 0), [0], ([1], [2, 3]))
    transpose((0, 0), [], ([], []))
    transpose((), [0], ())


def test_treedef_is_a_key():
    treedef = ours.tree_structure({"a": (1, None), "b": Point(1, [2])})
    assert {treedef: "compiled"}[ours.tree_structure({"b": Point(3, [4]), "a": (5, None)})]
    assert treedef != 3
    assert pickle.loads(pickle.dumps(treedef)) == treedef
    assert pickle.loads(pickle.dumps(treedef)).unflatten([1, 2, 3])["b"] == Point(2, [3])
    with pytest.raises(TypeError, match="unhashable"):
        hash(ours.tree_structure(Pair([1], tag=[])))


def test_partial_is_a_tree_of_its_arguments():
    def run(lib):
        add = lib.Partial(pow, 2, mod=7)
        nested = lib.Partial(lib.Partial(max, 1), 2)
        plus = lambda x: x + 1
        return (
            lib.tree_leaves(add),
            repr(lib.tree_structure(add)),
            lib.tree_map(plus, add)(3),
            lib.tree_leaves(nested),
            lib.tree_map(plus, nested)(-5),
            lib.tree_structure(nested) == lib.tree_structure(nested),
        )

    same(run)
    inner = ours.Partial(max, 1)
    one, two = ours.Partial(inner, 2), ours.Partial(inner, 3)
    assert ours.tree_structure(one) == ours.tree_structure(two)
