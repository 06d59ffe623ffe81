"""The tape as a picture: what it says, and that it can be read."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minigrad import core, tape
from minigrad.show import drawing
from minigrad.core import box
from minigrad.show.drawing import Box, tape_svg

SVG = "{http://www.w3.org/2000/svg}"
p = core.table


def leaf(*shape):
    x = box(np.random.default_rng(0).random(shape, np.float32))
    tape.leaf(x)
    return x


def total(x):
    return p["reduce_sum"](x, axes=tuple(range(x.ndim)))


def texts(svg):
    return [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def groups(svg):
    """(class, texts, tooltip, rectangle) of each box."""
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        x, y, width, height = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        yield (rect.get("class"), [t.text for t in group.iter(f"{SVG}text")],
               group.find(f"{SVG}title").text, (x, y, x + width, y + height))


def arrows(svg):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}path"))


def overlapping(svg):
    rects = [rect for *_, rect in groups(svg)]
    return [(a, b) for i, a in enumerate(rects) for b in rects[:i]
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]]


def test_boxes_arrows_and_what_they_say():
    w = leaf(64, 32)
    svg = tape_svg(total(p["mul"](p["tanh"](w), w)))
    boxes = {lines[0]: (kind, lines[1:], tip) for kind, lines, tip, _ in groups(svg)}
    assert list(boxes) == ["ReduceSumBackward0", "MulBackward0", "TanhBackward0",
                           "AccumulateGrad (64, 32)"]
    assert boxes["MulBackward0"][:2] == ("operation", ["saves x (64, 32)", "saves y (64, 32)"])
    assert boxes["TanhBackward0"][1] == ["saves out (64, 32)"]
    assert boxes["AccumulateGrad (64, 32)"][0] == "leaf"
    assert boxes["MulBackward0"][2].startswith("def mul_backward(g, saved):")
    assert len(arrows(svg)) == 4
    assert texts(svg).count("(64, 32)") == 2  # into mul and tanh; the leaf tells its own shape


def test_leaves_by_name_in_escaped_text():
    w = leaf(3)
    svg = tape_svg(total(p["sin"](w)), {"a<b": w})
    assert ["a<b", "AccumulateGrad (3,)"] in [lines for _, lines, *_ in groups(svg)]


def test_an_operation_with_several_results():
    w = leaf(3, 3)
    values, vectors = p["sort"](w, p["sin"](w), dimension=0, is_stable=True, num_keys=1)
    svg = tape_svg(total(p["add"](values, vectors)))
    names = [lines[0] for _, lines, *_ in groups(svg)]
    assert names.count("SortBackward0") == 1
    assert len(arrows(svg)) == 1 + 2 + 2 + 1  # sum, add, sort, sin


def test_a_leaf_and_a_freed_graph():
    w = leaf(2)
    assert [lines for _, lines, *_ in groups(tape_svg(w))] == [["AccumulateGrad (2,)"]]
    loss = total(p["mul"](w, w))
    tape.backward(loss)
    lines = {lines[0]: lines[1:] for _, lines, *_ in groups(tape_svg(loss))}
    assert lines["MulBackward0"] == ["freed"]


def test_no_boxes_overlap_and_arrows_point_down():
    rng = np.random.default_rng(1)
    for _ in range(10):
        values = [leaf(2, 2) for _ in range(3)]
        for _ in range(25):
            a, b = rng.integers(max(0, len(values) - 8), len(values), 2)
            values.append(p[rng.choice(["add", "mul", "sub"])](values[a], values[b]))
        svg = tape_svg(total(values[-1]))
        assert overlapping(svg) == []
        for arrow in arrows(svg):
            ends = re.findall(r"[\d.]+", arrow.get("d"))
            assert float(ends[-1]) > float(ends[1])
        assert svg == tape_svg(total(values[-1]))


def test_what_cannot_be_drawn():
    with pytest.raises(RuntimeError, match="does not require grad"):
        tape_svg(box(np.ones(3, np.float32)))
    x = leaf()
    for _ in range(drawing.LARGEST):
        x = p["sin"](x)
    with pytest.raises(ValueError, match=f"the tape has {drawing.LARGEST + 1} nodes"):
        tape_svg(x)


def row_of(widths, weights=(1,) * 8):
    row = []
    for width, weight in zip(widths, weights):
        row.append(Box())
        row[-1].width, row[-1].weight = width, weight
    return row


numbers = st.floats(-1000, 1000)


@given(st.lists(st.tuples(st.floats(1, 200), st.integers(1, 16), numbers), min_size=1, max_size=8))
def test_boxes_are_spread_as_near_as_possible(drawn):
    widths, weights, wanted = zip(*drawn)
    row = row_of(widths, weights)
    drawing.spread(row, wanted)
    for a, b in pairwise(row):
        assert b.x - a.x >= (a.width + b.width) / 2 + drawing.GAP - 1e-6
    def cost(places):
        return sum(w * (x - y) ** 2 for w, x, y in zip(weights, places, wanted))

    places = [b.x for b in row]
    for i in range(len(row)):  # moving one end of the row outwards never helps
        left = [x - 0.01 for x in places[:i + 1]] + places[i + 1:]
        right = places[:i] + [x + 0.01 for x in places[i:]]
        assert min(cost(left), cost(right)) >= cost(places) - 1e-6


def test_boxes_that_fit_stand_where_they_want():
    row = row_of([10, 10])
    drawing.spread(row, [0, 500])
    assert [b.x for b in row] == [0, 500]


def test_rows_are_sorted_until_nothing_crosses():
    upper, lower = row_of([4] * 4), row_of([4] * 4)
    for a, b in zip(upper, reversed(lower)):
        a.below.append(b)
        b.above.append(a)
    assert drawing.crossings([upper, lower]) == 6
    assert drawing.crossings(drawing.order_rows([upper, lower])) == 0
