"""Pooling: maxima, minima and sums over windows, and the gradient of a maximum.

A kernel is written for each size of window and stride, with its taps one after the other: inside
the image the loop along a row then vectorises; windows that hang over an edge are done tap by tap.
Axes before the window are planes, axes after it (channels last) are run through innermost.
Other windows (dilated, very large, over more than two neighbouring axes, of integers) go the long
way, as everything does until machine code pays (`kernels/heat.py`).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from kernels import heat, pool, windows
from kernels.memory import address_of, placed
from kernels.reference import is_half

WORTH = 16_000  # reads of a chunk
MOST_TAPS = 25
F32, F64 = np.dtype("f"), np.dtype("d")
COMBINE = {"max": ("maximum({m}, {x})", "-inf"), "min": ("minimum({m}, {x})", "inf"),
           "sum": ("{m} + {x}", "0.0")}

# ------------------------------------------------------------------ which windows


class Geometry(NamedTuple):
    """A window over two axes of (planes, rows, columns, inner)."""

    planes: int
    inner: int
    sizes: tuple[int, int]
    window: tuple[int, int]
    strides: tuple[int, int]
    low: tuple[int, int]
    places: tuple[int, int]

    @property
    def inside(self) -> tuple[int, int]:
        """The columns whose windows lie within the image: from, to."""
        first = -(-self.low[1] // self.strides[1])
        last = (self.sizes[1] + self.low[1] - self.window[1]) // self.strides[1] + 1
        first = min(max(first, 0), self.places[1])
        return first, min(max(last, first), self.places[1])

    @property
    def words(self) -> tuple[int, ...]:
        return (self.inner, *self.sizes, *self.places, *self.low, *self.inside)


@lru_cache(1024)
def geometry(shape, dtype, window, strides, padding, base_dilation, dilation) -> Geometry | None:
    """None where the window is not one that kernels are written for. `dtype` is that of sums."""
    ones = (1,) * len(shape)
    if (dtype not in (F32, F64) or 0 in shape or (base_dilation or ones) != ones
            or (dilation or ones) != ones):
        return None
    busy = [axis for axis in range(len(shape))
            if window[axis] > 1 or strides[axis] > 1 or any(padding[axis])]
    taps = math.prod(window)
    if not busy or busy[-1] - busy[0] > 1 or taps > MOST_TAPS:
        return None
    first = max(0, busy[-1] - 1) if len(shape) > 1 else -1
    axes = [first, first + 1]

    def pick(values, missing):
        return tuple(missing if axis < 0 else values[axis] for axis in axes)

    sizes, low = pick(shape, 1), tuple(p[0] for p in pick(padding, (0, 0)))
    window, strides = pick(window, 1), pick(strides, 1)
    ends = [n + sum(p) for n, p in zip(sizes, pick(padding, (0, 0)))]
    places = tuple(max(0, (n - w) // s + 1) for n, w, s in zip(ends, window, strides))
    if 0 in places or any(p < 0 for p in low):
        return None
    return Geometry(math.prod(shape[:max(first, 0)]), math.prod(shape[axes[1] + 1:]), sizes, window,
                    strides, low, places)


# ------------------------------------------------------------------ text

INTEGERS = "inner rows columns out_rows out_columns low_row low_column inside_first inside_stop"

FORWARD = '''
def pool_{name}(x, out, {integers}, start, stop):
    """Units are rows of the result."""
    for unit in range(start, stop):
        plane = unit // out_rows
        top = (unit - plane * out_rows) * {sh} - low_row
        source = plane * rows * columns * inner
        target = unit * out_columns * inner
        first = maximum(-top, i64(0))
        last = minimum(rows - top, i64({kh}))
        edge_first = inside_first
        edge_stop = inside_stop
        if first > 0 or last < {kh}:
            edge_first = out_columns
            edge_stop = out_columns
        base = source + (top * columns - low_column) * inner
{inside}
        for side in range(0, 2):
            j_first = i64(0)
            j_stop = edge_first
            if side == 1:
                j_first = edge_stop
                j_stop = out_columns
            for j in range(j_first, j_stop):
                left = j * {sw} - low_column
                for c in range(0, {inner}):
                    m = {dtype}({identity})
                    for a in range(first, last):
                        for b in range(maximum(-left, i64(0)), minimum(columns - left, i64({kw}))):
                            at = source + ((top + a) * columns + left + b) * inner + c
                            {step}
                    out[target + j * inner + c] = m
'''

BACKWARD = '''
def unpool_{name}(x, ct, out, {integers}, start, stop):
    """Units are planes: no two units write to one place."""
    for plane in range(start, stop):
        source = plane * rows * columns * inner
        for i in range(0, rows * columns * inner):
            out[source + i] = 0.0
        for i in range(0, out_rows):
            top = i * {sh} - low_row
            target = (plane * out_rows + i) * out_columns * inner
            first = maximum(-top, i64(0))
            last = minimum(rows - top, i64({kh}))
            edge_first = {edge_first}
            edge_stop = {edge_stop}
            if first > 0 or last < {kh}:
                edge_first = out_columns
                edge_stop = out_columns
            base = source + (top * columns - low_column) * inner
{inside}
            for side in range(0, 2):
                j_first = i64(0)
                j_stop = edge_first
                if side == 1:
                    j_first = edge_stop
                    j_stop = out_columns
                for j in range(j_first, j_stop):
                    left = j * {sw} - low_column
                    b_first = maximum(-left, i64(0))
                    b_stop = minimum(columns - left, i64({kw}))
                    for c in range(0, {inner}):
                        best = {dtype}({identity})
                        chosen = i64(-1)
                        for a in range(first, last):
                            for b in range(b_first, b_stop):
                                at = source + ((top + a) * columns + left + b) * inner + c
                                value = x[at]
                                better = not (best {prefer} value) or chosen < 0
                                best = value if better else best
                                chosen = at if better else chosen
                        if chosen >= 0:
                            out[chosen] += ct[target + j * inner + c]
'''


def loops(body: list[str], margin: int, channels: bool) -> str:
    """The body for every window inside the image, innermost along what lies together."""
    at = " " * margin
    lines = [f"{at}for j in range(edge_first, edge_stop):"]
    if channels:
        lines.append(f"{at}    for c in range(0, inner):")
    inner = at + " " * (8 if channels else 4)
    return "\n".join(lines + [inner + line for line in body])


def places_of(geometry: Geometry, channels: bool) -> list[str]:
    """Where the taps of window j (and channel c) are, from `base`."""
    pixels = [f"{a} * columns + j * {geometry.strides[1]} + {b}"
              for a, b in product(*map(range, geometry.window))]
    return [f"base + ({p}) * inner + c" if channels else f"base + {p}" for p in pixels]


def texts(op: str, dtype: str, g: Geometry, channels: bool, tiled: bool) -> dict[str, str]:
    """The kernels for such a window: `pool_...`, and for maxima and minima `unpool_...`."""
    (kh, kw), (sh, sw) = g.window, g.strides
    combine, identity = COMBINE[op]
    places = places_of(g, channels)
    result = "target + j * inner + c" if channels else "target + j"
    body = [f"m0 = x[{places[0]}]"]
    for i, place in enumerate(places[1:], 1):
        body.append(f"m{i} = " + combine.format(m=f"m{i - 1}", x=f"x[{place}]"))
    body.append(f"out[{result}] = m{len(places) - 1}")
    common = dict(name=f"{op}_{kh}x{kw}", integers=", ".join(INTEGERS.split()), kh=kh, kw=kw, sh=sh,
                  sw=sw, dtype=dtype, identity=identity, inner="inner" if channels else "1")
    made = {"pool": FORWARD.format(
        **common, inside=loops(body, 8, channels),
        step="m = " + combine.format(m="m", x="x[at]"))}
    if op == "sum":
        return made
    prefer = ">=" if op == "max" else "<="
    body = [f"best0 = x[{places[0]}]", "which0 = i32(0)", f"g = ct[{result}]"]
    for i, place in enumerate(places[1:], 1):
        body += [f"v{i} = x[{place}]", f"keep{i} = best{i - 1} {prefer} v{i}",
                 f"best{i} = best{i - 1} if keep{i} else v{i}",
                 f"which{i} = which{i - 1} if keep{i} else i32({i})"]
    body += [f"out[{place}] = g if which{len(places) - 1} == {i} else {dtype}(0.0)"
             for i, place in enumerate(places)]
    made["unpool"] = BACKWARD.format(
        **common, inside=loops(body, 12, channels) if tiled else "", prefer=prefer,
        edge_first="inside_first" if tiled else "out_columns",
        edge_stop="inside_stop" if tiled else "out_columns")
    return made


@lru_cache(256)
def kernels(op: str, letter: str, g: Geometry, channels: bool, tiled: bool) -> dict:
    from kernels.native import compile_kernels

    dtype = {"f": "f32", "d": "f64"}[letter]
    made = texts(op, dtype, g, channels, tiled)
    integers = dict.fromkeys(INTEGERS.split(), "i64")
    out = {}
    for kind, text in made.items():
        arrays = ("x", "out") if kind == "pool" else ("x", "ct", "out")
        name = text.split("(")[0].removeprefix("\ndef ")
        signature = dict.fromkeys(arrays, f"{dtype}* restrict") | integers
        out[kind] = compile_kernels(text, {name: signature})[name]
    return out


def kernel(kind: str, op: str, dtype: np.dtype, g: Geometry):
    """Sizes are arguments: what is written into a kernel is the window and its strides."""
    tiled = g.strides[0] >= g.window[0] and g.strides[1] >= g.window[1]
    shared = Geometry(0, 0, (0, 0), g.window, g.strides, (0, 0), (0, 0))
    return kernels(op, dtype.char, shared, g.inner > 1, tiled)[kind]


# ------------------------------------------------------------------ the primitives


def reduce_window(op: str, otherwise):
    def pooled(x, *, window_dimensions, window_strides, padding, base_dilation=None,
               window_dilation=None, out=None, **params):
        window = dict(window_dimensions=window_dimensions, window_strides=window_strides,
                      padding=padding, base_dilation=base_dilation, window_dilation=window_dilation)
        work = F32 if is_half(x.dtype) and op == "sum" else x.dtype
        g = geometry(x.shape, work, *(value and tuple(value) for value in
                                                window.values()))
        if g is None or not heat.ready("pooling", x.size):
            return placed(otherwise(x, **window, **params), out)
        source = np.ascontiguousarray(x, work)
        shape = tuple((n + sum(p) - w) // s + 1 for n, w, s, p in zip(
            x.shape, window_dimensions, window_strides, padding))
        into, out = out, out if out is not None and work == x.dtype else np.empty(shape, work)
        reads = g.places[1] * g.inner * math.prod(g.window)
        pool.run(kernel("pool", op, out.dtype, g).address, np.array(
            (address_of(source), address_of(out), *g.words), np.int64).tobytes(),
            g.planes * g.places[0], max(1, WORTH // reads))
        return out if work == x.dtype else placed(out.astype(x.dtype), into)

    pooled.into = True  # type: ignore[attr-defined]
    pooled.__name__, pooled.__doc__ = otherwise.__name__, otherwise.__doc__
    return pooled


reduce_window_max = reduce_window("max", windows.reduce_window_max)
reduce_window_min = reduce_window("min", windows.reduce_window_min)
reduce_window_sum = reduce_window("sum", windows.reduce_window_sum)


def select_and_scatter_add(source, operand, *, select_prim, window_dimensions, window_strides,
                           padding, out=None, **params):
    """Add each element of `source` where its window of `operand` has its largest element."""
    name = getattr(select_prim, "name", select_prim)
    g = geometry(operand.shape, operand.dtype, tuple(window_dimensions), tuple(window_strides),
                 tuple(padding), None, None)
    if g is None or source.dtype != operand.dtype or not heat.ready("pooling", operand.size):
        return placed(windows.select_and_scatter_add(
            source, operand, select_prim=select_prim, window_dimensions=window_dimensions,
            window_strides=window_strides, padding=padding, **params), out)
    x, ct = np.ascontiguousarray(operand), np.ascontiguousarray(source)
    out = np.empty(operand.shape, operand.dtype) if out is None else out
    run = kernel("unpool", {"ge": "max", "le": "min"}[name], out.dtype, g)
    reads = math.prod(g.places) * g.inner * math.prod(g.window)
    pool.run(run.address, np.array(
        (address_of(x), address_of(ct), address_of(out), *g.words), np.int64).tobytes(),
        g.planes, max(1, WORTH // reads))
    return out


select_and_scatter_add.into = True  # type: ignore[attr-defined]
