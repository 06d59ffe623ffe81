"""Drawing: the tape behind a Tensor as a picture, in SVG, with nothing but the standard library.

Layers are the method of Sugiyama, Tagawa and Toda (1981): a node stands below everything that
sends it a gradient, the order within a row is that of the neighbours' mean position, and boxes
then move as close to their neighbours as the order allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean

import numpy as np

from minigrad.core import Tensor
from minigrad.derive import argument_names
from minigrad.graph import AccumulateGrad, Node, Pick, current, producer
from minigrad.programs.source import display
from minigrad.tape import collect

LARGEST = 400  # nodes: beyond, nobody can read the picture
CHARACTER, LINE, PADDING = 7.25, 17, 9  # pixels, for monospaced text of 12 pixels
GAP, ROW_GAP, MARGIN = 22, 44, 24
# What gives way: a leaf to an operation, and that to a long edge, which should be straight.
WEIGHTS = {"leaf": 1, "operation": 4, "bend": 16}

STYLE = """
  text { font: 12px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2933 }
  .name { font-weight: bold } .saved { fill: #52606d } .shape, .caption { fill: #7b8794 }
  .shape, .caption { font-size: 11px } .shape { paint-order: stroke; stroke: #fff; stroke-width: 4 }
  rect { stroke-width: 1.25 } path { fill: none; stroke: #9aa5b1; stroke-width: 1.25 }
  .operation { fill: #eef4fb; stroke: #5b8bc0 } .leaf { fill: #edf7ed; stroke: #5a9e5f }
"""


class Box:
    """A node in the picture, or a bend: the place where a long edge crosses a row."""

    def __init__(self, lines: Sequence[str] = (), kind: str = "bend", tooltip: str = ""):
        self.lines, self.kind, self.tooltip = lines, kind, tooltip
        longest = max(map(len, lines), default=0)
        self.width = longest * CHARACTER + 2 * PADDING if lines else 4
        self.height = len(lines) * LINE + 2 * PADDING - 4 if lines else 0
        self.weight = WEIGHTS[kind]
        self.above: list[Box] = []
        self.below: list[Box] = []
        self.row = 0
        self.x = self.y = 0.0  # the middle, and the upper edge


def tape_svg(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> str:
    """The graph that `tensor.backward()` would walk, as the text of an SVG picture.

    Boxes are nodes with the values they saved (hover: the derived backward); arrows carry gradients
    of the shape beside them. names: leaves by name, such as `dict(model.named_parameters())`.
    Raises RuntimeError where `tensor` wants no gradient, ValueError where the graph is too large.
    """
    tensor = current(tensor)
    if not tensor.spec.requires_grad:
        raise RuntimeError("there is no tape to draw: the tensor does not require grad")
    nodes = [n for n in collect([tensor.node]) if type(n) is not Pick]
    if len(nodes) > LARGEST:
        raise ValueError(f"the tape has {len(nodes)} nodes; a picture of more than {LARGEST} "
                         "cannot be read: draw the tape of a part, or of fewer steps")
    titles = {current(t).node: name for name, t in (names or {}).items()}
    boxes = {node: node_box(node, titles.get(node)) for node in nodes}
    edges = [(boxes[node], boxes[receiver], shape)
             for node in nodes for receiver, shape in gradients(node)]
    rows, routes = arrange(list(boxes.values()), [(a, b) for a, b, _ in edges])
    place(rows)
    return write(rows, routes, [shape for *_, shape in edges])


# ------------------------------------------------------------------ what the tape says


def node_box(node: Node, title: str | None) -> Box:
    if isinstance(node, AccumulateGrad):
        lines = [f"AccumulateGrad {shape_text(node.leaf.shape)}"]
        return Box([title, *lines] if title else lines, "leaf", repr(node.leaf.aval))
    return Box([node.name(), *saved_lines(node)], "operation",
               display(getattr(node.entry, "source", "")).rstrip())


def saved_lines(node: Node) -> list[str]:
    """`saves x (32, 64)`, one line a value."""
    entry = node.entry
    if not node.saved:
        return [] if hasattr(entry, "saved") else ["freed"]
    count = len(entry.out_avals)
    names = {"in": argument_names(len(entry.in_specs)),
             "out": ["out"] if count == 1 else [f"out{j}" for j in range(count)],
             "mid": [f"r{k}" for k in range(len(entry.saved))]}
    return [f"saves {names[kind][i]} {shape_text(np.shape(value))}"
            for (kind, i), value in zip(entry.saved, node.saved)]


def gradients(node: Node) -> list[tuple[Node, str]]:
    """The nodes that a node sends gradients to, and their shapes (the box of a leaf tells it)."""
    found = []
    for i, parent in zip(node.entry.wanted, node.parents):
        receiver, _ = producer(parent)
        leaf = isinstance(receiver, AccumulateGrad)
        found.append((receiver, "" if leaf else shape_text(node.entry.in_specs[i].shape)))
    return found


def shape_text(shape: tuple) -> str:
    return str(tuple(shape))


# ------------------------------------------------------------------ layout


def arrange(boxes: Sequence[Box], edges: Sequence[tuple[Box, Box]]):
    """Rows of boxes, and for each edge the boxes it passes, bends included.

    `boxes` come youngest first, so whoever sends a gradient stands before whoever receives it."""
    below: dict[Box, list[Box]] = {box: [] for box in boxes}
    for sender, receiver in edges:
        below[sender].append(receiver)
    for box in boxes:
        for receiver in below[box]:
            receiver.row = max(receiver.row, box.row + 1)
    rows: list[list[Box]] = [[] for _ in range(max(b.row for b in boxes) + 1)]
    for box in boxes:
        rows[box.row].append(box)
    routes = []
    for sender, receiver in edges:
        bends = [Box() for _ in range(sender.row + 1, receiver.row)]
        for row, bend in enumerate(bends, sender.row + 1):
            bend.row = row
            rows[row].append(bend)
        route = [sender, *bends, receiver]
        for upper, lower in zip(route, route[1:]):
            upper.below.append(lower)
            lower.above.append(upper)
        routes.append(route)
    return order_rows(rows), routes


def order_rows(rows: list[list[Box]], sweeps: int = 12) -> list[list[Box]]:
    """Sort each row by where its neighbours stand, down and up; keep what crosses least."""
    best, fewest = rows, crossings(rows)
    for sweep in range(sweeps):
        down = sweep % 2 == 0
        rows = [list(row) for row in rows]
        for row in rows if down else rows[::-1]:
            where = {box: i for line in rows for i, box in enumerate(line)}
            row.sort(key=lambda b: fmean([where[n] for n in (b.above if down else b.below)]
                                         or [where[b]]))
        count = crossings(rows)
        if count < fewest:
            best, fewest = rows, count
    return best


def crossings(rows: Sequence[Sequence[Box]]) -> int:
    total = 0
    for upper, lower in zip(rows, rows[1:]):
        where = {box: i for i, box in enumerate(lower)}
        ends = [where[receiver] for box in upper for receiver in sorted(box.below, key=where.get)]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1:])
    return total


def place(rows: list[list[Box]], rounds: int = 24) -> None:
    """Give every box its coordinates."""
    y = MARGIN
    for row in rows:
        for box in row:
            box.y = y
        y += max(box.height for box in row) + ROW_GAP
        spread(row, [0.0] * len(row))
    for number in range(rounds):
        down = number % 2 == 0
        for row in rows if down else rows[::-1]:
            spread(row, [pull(box) for box in row])
    left = min(box.x - box.width / 2 for row in rows for box in row) - MARGIN
    for row in rows:
        for box in row:
            box.x -= left


def pull(box: Box) -> float:
    """Where its neighbours want a box."""
    neighbours = box.above + box.below
    return average([(n.x, n.weight) for n in neighbours]) if neighbours else box.x


def spread(row: Sequence[Box], wanted: Sequence[float]) -> None:
    """The places nearest to the wanted ones, in weighted least squares, where no boxes overlap.

    Without the room that boxes need this is isotonic regression: places that come in the wrong
    order form a block, which stands at its mean."""
    room = [0.0]
    for a, b in zip(row, row[1:]):
        room.append(room[-1] + (a.width + b.width) / 2 + GAP)
    blocks: list[list[tuple[float, float]]] = []
    for box, place, offset in zip(row, wanted, room):
        blocks.append([(place - offset, box.weight)])
        while len(blocks) > 1 and average(blocks[-2]) > average(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    places = [average(block) for block in blocks for _ in block]
    for box, place, offset in zip(row, places, room):
        box.x = place + offset


def average(weighted: Sequence[tuple[float, float]]) -> float:
    return sum(x * w for x, w in weighted) / sum(w for _, w in weighted)


# ------------------------------------------------------------------ text

CAPTION = "gradients flow along the arrows; a box holds what its backward needs"


def write(rows: Sequence[Sequence[Box]], routes: Sequence[Sequence[Box]],
          shapes: Sequence[str]) -> str:
    """Every part of the picture as SVG elements: arrows first, so that boxes stand on them."""
    boxes = [box for row in rows for box in row if box.lines]
    width = max(max(b.x + b.width / 2 for b in boxes), len(CAPTION) * CHARACTER) + MARGIN
    bottom = max(b.y + b.height for b in boxes)
    height = bottom + 2 * MARGIN
    labels = {route[-1]: label(route, shape) for route, shape in zip(routes, shapes) if shape}
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f"<style>{STYLE}</style>",
        '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><polygon points="0 0.5, 8 4, 0 7.5" fill="#7b8794"/></marker>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        *(arrow(route, rows) for route in routes),
        *labels.values(),
        *map(drawn, boxes),
        f'<text class="caption" x="{MARGIN}" y="{bottom + MARGIN + 4:.0f}">{CAPTION}</text>',
        "</svg>", ""])


def arrow(route: Sequence[Box], rows: Sequence[Sequence[Box]]) -> str:
    """A smooth line, upright where it leaves, arrives, and passes a row."""
    start = route[0]
    x, y = start.x, start.y + start.height
    path = f"M{x:.1f} {y:.1f}"
    for box in route[1:]:
        middle = box.y - ROW_GAP / 2
        path += (f" V{middle - ROW_GAP / 2:.1f}"
                 f" C{x:.1f} {middle:.1f} {box.x:.1f} {middle:.1f} {box.x:.1f} {box.y:.1f}")
        x = box.x
    return f'<path d="{path}" marker-end="url(#arrow)"/>'


def label(route: Sequence[Box], shape: str) -> str:
    """The gradient's shape, beside the head of its arrow, on the side where the line is not."""
    before, end = route[-2:]
    side, anchor = (-7, "end") if before.x > end.x + 1 else (7, "start")
    return (f'<text class="shape" x="{end.x + side:.1f}" y="{end.y - 7:.1f}" '
            f'text-anchor="{anchor}">{escape(shape)}</text>')


def drawn(box: Box) -> str:
    left = box.x - box.width / 2
    lines = [f'<rect class="{box.kind}" x="{left:.1f}" y="{box.y:.1f}" rx="5" '
             f'width="{box.width:.1f}" height="{box.height:.1f}"/>']
    for i, line in enumerate(box.lines):
        style = "saved" if i else "name"
        lines.append(f'<text class="{style}" x="{left + PADDING:.1f}" '
                     f'y="{box.y + PADDING + 10 + i * LINE:.1f}">{escape(line)}</text>')
    return f'<g><title>{escape(box.tooltip)}</title>{"".join(lines)}</g>'
