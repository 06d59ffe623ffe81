"""Copies that a convolution makes first: an image with zeros around, weights in blocks, features
of a cotangent side by side."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kernels.direct import words
from kernels.native import compile_ir, compile_kernels
from kernels.vectors import TYPES, Text, Vectors, lanes, module

TURN = "source out features pixels blocks source_image source_feature out_image width".split()


def turn_ir(name: str, scalar: str, n: int) -> str:
    """(image, feature, pixel) to (image, width of features, pixel, feature), n x n at a time; units
    (image, block of n features). Features that are missing in the last block are zero."""
    text = Text()
    v = Vectors(text, scalar, n)
    w = words(text, TURN, "source out")
    kept = text.let(f"alloca [{n} x {v.type}], align 64")
    with text.loop("u", "%start", "%stop") as unit:
        image = text.let(f"udiv i64 {unit.index}, {w['blocks']}")
        block = text.let(f"urem i64 {unit.index}, {w['blocks']}")
        first = text.let(f"mul i64 {block}, {n}")
        source = v.at(w["source"], text.madd(image, w["source_image"],
                                             text.let(f"mul i64 {first}, {w['source_feature']}")))
        inside = text.let(f"urem i64 {first}, {w['width']}")
        before = text.let(f"sub i64 {first}, {inside}")
        inside = text.madd(before, w["pixels"], inside)
        target = v.at(w["out"], text.madd(image, w["out_image"], inside))
        some = text.let(f"add i64 {w['pixels']}, {n - 1}")
        with text.loop("p", "0", text.let(f"udiv i64 {some}, {n}")) as p:
            at = text.let(f"mul i64 {p.index}, {n}")
            left = text.let(f"sub i64 {w['pixels']}, {at}")
            count = text.let(f"call i64 @llvm.smin.i64(i64 {left}, i64 {n})")
            ones = text.let(f"shl i64 1, {count}")
            lanes_here = text.let(f"sub i64 {ones}, 1")
            rows = []
            for i in range(n):
                number = text.let(f"add i64 {first}, {i}")
                there = text.let(f"icmp slt i64 {number}, {w['features']}")
                some_lanes = text.let(f"select i1 {there}, i64 {lanes_here}, i64 0")
                place = text.madd(w["source_feature"], i, at)
                rows.append(v.masked_load(v.at(source, place), v.mask(some_lanes)))
            step = 1
            while step < n:  # swap the squares beside the diagonal, small to large
                low = ", ".join(f"i32 {j + n - step if j & step else j}" for j in range(n))
                high = ", ".join(f"i32 {j + n if j & step else j + step}" for j in range(n))
                for i in range(n):
                    if not i & step:
                        a, c = rows[i], rows[i + step]
                        for k, lanes_of in ((i, low), (i + step, high)):
                            rows[k] = text.let(f"shufflevector {v.type} {a}, {v.type} {c}, "
                                               f"<{n} x i32> <{lanes_of}>")
                step *= 2
            for i, value in enumerate(rows):
                place = text.let(f"getelementptr {v.type}, ptr {kept}, i64 {i}")
                text.add(f"store {v.type} {value}, ptr {place}, align 64")
            with text.loop("j", "0", count) as j:
                value = text.let(f"getelementptr {v.type}, ptr {kept}, i64 {j.index}")
                value = text.let(f"load {v.type}, ptr {value}, align 64")
                pixel = text.let(f"mul i64 {text.let(f'add i64 {at}, {j.index}')}, "
                                 f"{w['width']}")
                text.add(f"store {v.type} {value}, ptr {v.at(target, pixel)}, align {v.align}")
    return "declare i64 @llvm.smin.i64(i64, i64)\n" + module(name, text, v)


PAD = ("source out vectors vector_count features x_image x_feature x_row rows low_row low_column "
       "out_rows out_columns full").split()


def pad_ir(name: str, scalar: str, n: int) -> str:
    """`pad_planes` for rows without gaps, a vector at a time; units (image, feature).

    vectors: (what to add to the first pixel of a row, lanes that are read, lanes that are written:
    all of them if `full`, as storing some lanes takes AMD's AVX2 twenty cycles).
    """
    text = Text()
    v = Vectors(text, scalar, n)
    w = words(text, PAD, "source out vectors")
    plane = text.let(f"mul i64 {w['out_rows']}, {w['out_columns']}")
    full = text.let(f"icmp eq i64 {w['full']}, 1")
    with text.loop("u", "%start", "%stop") as unit:
        image = text.let(f"udiv i64 {unit.index}, {w['features']}")
        feature = text.let(f"urem i64 {unit.index}, {w['features']}")
        first = text.madd(image, w["x_image"], text.let(f"mul i64 {feature}, {w['x_feature']}"))
        target = v.at(w["out"], text.let(f"mul i64 {unit.index}, {plane}"))
        with text.loop("i", "0", w["out_rows"]) as i:
            row = text.let(f"sub i64 {i.index}, {w['low_row']}")
            there = text.let(f"icmp ult i64 {row}, {w['rows']}")
            source = v.at(w["source"], text.madd(row, w["x_row"], first))
            line = v.at(target, text.let(f"mul i64 {i.index}, {w['out_columns']}"))
            with text.loop("j", "0", w["vector_count"]) as j:
                at = text.let(f"mul i64 {j.index}, 3")
                shift = text.word(w["vectors"], at)
                read = text.word(w["vectors"], text.let(f"add i64 {at}, 1"))
                read = text.let(f"select i1 {there}, i64 {read}, i64 0")
                written = v.mask(text.word(w["vectors"], text.let(f"add i64 {at}, 2")))
                pixels = v.masked_load(v.at(source, shift), v.mask(read))
                place = v.at(line, text.let(f"add i64 {shift}, {w['low_column']}"))
                text.add(f"br i1 {full}, label %full, label %part")
                text.label("full")
                text.add(f"store {v.type} {pixels}, ptr {place}, align {v.align}")
                text.add("br label %stored")
                text.label("part")
                text.add(f"call void @llvm.masked.store.{v.suffix}.p0({v.type} {pixels}, "
                         f"ptr {place}, i32 {v.align}, <{n} x i1> {written})")
                text.add("br label %stored")
                text.label("stored")
    return module(name, text, v)


@lru_cache
def pad_vectors(letter: str):
    name = f"pad_vectors_{letter}"
    text = pad_ir(name, TYPES[letter][0], lanes(np.dtype(letter)))
    return compile_ir(text, name, vectors=True)[name]


@lru_cache
def turn(letter: str):
    name = f"turn_{letter}"
    text = turn_ir(name, TYPES[letter][0], lanes(np.dtype(letter)))
    return compile_ir(text, name, vectors=True)[name]


PAD_PLANES = '''
def pad_planes(x, out, features, x_image, x_feature, x_row, x_column, rows, columns,
               stride_row, stride_column, low_row, low_column, out_rows, out_columns, parts,
               part_rows, part_columns, start, stop):
    """Planes (image, feature) of x with zeros around, one for each part of a stride."""
    for unit in range(start, stop):
        image = unit // features
        source = image * x_image + (unit - image * features) * x_feature
        for k in range(0, parts):
            b = part_columns[k]
            count = (columns - b + stride_column - 1) // stride_column
            left = minimum(maximum(low_column, i64(0)), out_columns)
            right = maximum(minimum(count + low_column, out_columns), left)
            step = stride_column * x_column
            for i in range(0, out_rows):
                row = (i - low_row) * stride_row + part_rows[k]
                at = ((unit * parts + k) * out_rows + i) * out_columns
                first = left
                last = right
                if row < 0 or row >= rows:
                    first = out_columns
                    last = out_columns
                base = source + row * x_row + b * x_column - low_column * step
                for j in range(0, first):
                    out[at + j] = 0.0
                if step == 1:
                    for j in range(first, last):
                        out[at + j] = x[base + j]
                else:
                    if step == 2:
                        for j in range(first, last):
                            out[at + j] = x[base + j * 2]
                    else:
                        for j in range(first, last):
                            out[at + j] = x[base + j * step]
                for j in range(last, out_columns):
                    out[at + j] = 0.0
'''

PACK_WEIGHTS = '''
def pack_weights(w, out, places, counts, taps, tap_count, features, w_out, w_in, block,
                 start, stop):
    """Blocks of output features side by side: (block of outputs, input, tap, output)."""
    for unit in range(start, stop):
        for c in range(0, features):
            for t in range(0, tap_count):
                source = places[unit] + c * w_in + taps[t]
                target = ((unit * features + c) * tap_count + t) * block
                for f in range(0, block):
                    if f < counts[unit]:
                        out[target + f] = w[source + f * w_out]
                    else:
                        out[target + f] = 0.0
'''
COPIES = {
    "pad_planes": (PAD_PLANES, "x out", "features x_image x_feature x_row x_column rows columns "
                   "stride_row stride_column low_row low_column out_rows out_columns parts "
                   "part_rows* part_columns*"),
    "pack_weights": (PACK_WEIGHTS, "w out", "places* counts* taps* tap_count features w_out w_in "
                     "block"),
}


@lru_cache
def copying(name: str, letter: str):
    """`pad_planes` or `pack_weights` for a dtype."""
    source, arrays, integers = COPIES[name]
    signature = dict.fromkeys(arrays.split(), f"{TYPES[letter][1]}* restrict")
    for i in integers.split():
        signature[i.rstrip("*")] = "i64*" if i.endswith("*") else "i64"
    return compile_kernels(source, {name: signature})[name]
