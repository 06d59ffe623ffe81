"""The inner loops of convolution, written as LLVM vectors.

`correlate` is a matrix product without the matrix: a block of output features times a few vectors
of neighbouring pixels stays in registers while features and taps go by. Where a tap finds its
pixels is one offset from a table, so one kernel serves every size of window, stride and hole.
`sum_pixels` is the gradient of the weights: a few taps times a few vectors of features stay in
registers while images and pixels go by. `kernels/convolution.py` fills the tables.

Blocks are (features, vectors or taps): with 8 and 3 there are 24 sums, 3 vectors of pixels and one
of a weight in the 32 registers of AVX-512, and 11 loads for 24 multiplications.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kernels import vectors as vector_text
from kernels.native import compile_ir, compile_kernels
from kernels.vectors import TYPES, Text, Vectors, lanes, module

@lru_cache(1)
def shapes() -> tuple[tuple[int, int], ...]:
    """Blocks to choose from: many features, a few, or one (a convolution of single channels)."""
    if vector_text.vector_bytes() == 32:
        return ((4, 3), (1, 8))
    return ((8, 3), (8, 2), (4, 6), (1, 8))


def block_for(features: int, vectors: int) -> tuple[int, int]:
    """The block that does so many features and vectors of pixels in the fewest steps. A step takes
    as long as its sums or its loads, of which many lie across two lines of the cache."""
    def steps(block):
        f, v = block
        return -(-features // f) * -(-vectors // v) * (max(f * v, f + 2 * v) + 2)

    return min(shapes(), key=steps)


@lru_cache(1)
def sum_shapes() -> tuple[tuple[int, int], ...]:
    """(taps, vectors of features) for sums over pixels."""
    return ((9, 2), (9, 1), (3, 2)) if vector_text.vector_bytes() != 32 else ((9, 1), (5, 2), (3, 2))


def words(text: Text, names, pointers: str) -> dict[str, str]:
    """The words of the table that a kernel gets, by name."""
    found = {name: text.word("%table", i) for i, name in enumerate(names)}
    for name in pointers.split():
        found[name] = text.let(f"inttoptr i64 {found[name]} to ptr")
    return found


def images_of(text: Text, w: dict[str, str], part: str) -> tuple[str, str]:
    """(first, one past the last) image of a part of the images."""
    first = text.let(f"mul i64 {part}, {w['images_each']}")
    stop = text.let(f"add i64 {first}, {w['images_each']}")
    return first, text.let(f"call i64 @llvm.smin.i64(i64 {stop}, i64 {w['images']})")


# ------------------------------------------------------------------ the image times the window

CORRELATE = ("pixels weights out vectors taps first_segment segments blocks block_count "
             "vector_blocks features tap_count plane image out_image out_feature lane_step").split()


def correlate_ir(name: str, scalar: str, n: int, features: int, vectors: int) -> str:
    """out[image, features, block of vectors] for units (image, block of vectors) in [start, stop):
    the pixels that a unit needs stay in the cache while weights stream by.

    vectors[vector_blocks * V]: where each vector of pixels begins in a plane; taps[tap_count]: what
    a tap adds to that; segments: (vector of the block, place in the output plane, mask of lanes),
    those of vector block b from first_segment[b] on; blocks: (first pixel of the first input
    feature, place of the first output feature, how many). Weights: (block, feature, tap, F).
    """
    text = Text()
    v = Vectors(text, scalar, n)
    w = words(text, CORRELATE, "pixels weights out vectors taps first_segment segments blocks")
    kept = text.let(f"alloca [{features * vectors} x {v.type}], align 64")
    steps = "<" + ", ".join(f"i64 {i}" for i in range(n)) + ">"
    spread = text.let(f"insertelement <{n} x i64> poison, i64 {w['lane_step']}, i32 0")
    spread = text.let(f"shufflevector <{n} x i64> {spread}, <{n} x i64> poison, "
                      f"<{n} x i32> zeroinitializer")
    spread = text.let(f"mul <{n} x i64> {spread}, {steps}")
    dense = text.let(f"icmp eq i64 {w['lane_step']}, 1")
    weights_of_block = text.let(f"mul i64 {w['features']}, {w['tap_count']}")
    weights_of_block = text.let(f"mul i64 {weights_of_block}, {features}")
    with text.loop("u", "%start", "%stop") as unit:
        image = text.let(f"udiv i64 {unit.index}, {w['vector_blocks']}")
        vector_block = text.let(f"urem i64 {unit.index}, {w['vector_blocks']}")
        at = text.let(f"mul i64 {vector_block}, {vectors}")
        first = text.word(w["first_segment"], vector_block)
        last = text.word(w["first_segment"], text.let(f"add i64 {vector_block}, 1"))
        with text.loop("b", "0", w["block_count"]) as block:
            row = text.let(f"mul i64 {block.index}, 3")
            first_in = text.word(w["blocks"], row)
            first_out = text.word(w["blocks"], text.let(f"add i64 {row}, 1"))
            count = text.word(w["blocks"], text.let(f"add i64 {row}, 2"))
            x0 = v.at(w["pixels"], text.madd(image, w["image"], first_in))
            w0 = v.at(w["weights"], text.let(f"mul i64 {block.index}, {weights_of_block}"))
            out0 = v.at(w["out"], text.madd(image, w["out_image"], first_out))
            places = [v.at(x0, text.word(w["vectors"], text.let(f"add i64 {at}, {i}")))
                      for i in range(vectors)]
            sums = [(v.type, "zeroinitializer")] * (features * vectors)
            with text.loop("c", "0", w["features"], [("ptr", w0), ("i64", "0"), *sums]) as c:
                wc, xc, *acc = c.values
                with text.loop("t", "0", w["tap_count"],
                               [("ptr", wc), *((v.type, a) for a in acc)]) as t:
                    wt, *acc = t.values
                    tap = text.let(f"add i64 {xc}, {text.word(w['taps'], t.index)}")
                    xs = [v.load(v.at(p, tap)) for p in places]
                    new = []
                    for f in range(features):
                        weight = v.splat(v.at(wt, str(f)))
                        new += [v.fma(weight, x, acc[f * vectors + i]) for i, x in enumerate(xs)]
                    t.next = [v.at(wt, str(features)), *new]
                c.next = [t.next[0], text.let(f"add i64 {xc}, {w['plane']}"), *t.next[1:]]
            for i, value in enumerate(c.next[2:]):
                place = text.let(f"getelementptr {v.type}, ptr {kept}, i64 {i}")
                text.add(f"store {v.type} {value}, ptr {place}, align 64")
            with text.loop("s", first, last) as s:
                row = text.let(f"mul i64 {s.index}, 3")
                which = text.word(w["segments"], row)
                place = text.word(w["segments"], text.let(f"add i64 {row}, 1"))
                lanes_of = text.word(w["segments"], text.let(f"add i64 {row}, 2"))
                mask = v.mask(lanes_of)
                whole = text.let(f"icmp eq i64 {lanes_of}, {(1 << n) - 1}")
                with text.loop("f", "0", count) as f:
                    value = text.let(f"getelementptr {v.type}, ptr {kept}, i64 "
                                     f"{text.madd(f.index, vectors, which)}")
                    value = text.let(f"load {v.type}, ptr {value}, align 64")
                    target = v.at(out0, text.madd(f.index, w["out_feature"], place))
                    text.add(f"br i1 {dense}, label %dense, label %strided")
                    text.label("dense")
                    text.add(f"br i1 {whole}, label %whole, label %part")
                    text.label("whole")
                    text.add(f"store {v.type} {value}, ptr {target}, align {v.align}")
                    text.add("br label %stored")
                    text.label("part")
                    text.add(f"call void @llvm.masked.store.{v.suffix}.p0({v.type} {value}, "
                             f"ptr {target}, i32 {v.align}, <{n} x i1> {mask})")
                    text.add("br label %stored")
                    text.label("strided")
                    targets = text.let(f"getelementptr {scalar}, ptr {target}, "
                                       f"<{n} x i64> {spread}")
                    text.add(f"call void @llvm.masked.scatter.{v.suffix}.v{n}p0({v.type} {value}, "
                             f"<{n} x ptr> {targets}, i32 {v.align}, <{n} x i1> {mask})")
                    text.add("br label %stored")
                    text.label("stored")
    return module(name, text, v)


# ------------------------------------------------------------------ the image times the cotangent

SUMS = ("pixels cotangent out taps blocks block_count features tap_blocks plane image rows columns "
        "row_length ct_image width images images_each").split()


def sum_pixels_ir(name: str, scalar: str, n: int, taps: int, vectors: int) -> str:
    """Sums over pixels for units (part of the images, block, feature) in [start, stop).

    The cotangent is (image, block, pixel, feature): a vector is features of it, times one pixel of
    the image for each tap. blocks: (first pixel of the first feature of the image, place of the
    block in the cotangent); the result is (unit, tap, vectors * n features).
    """
    text = Text()
    v = Vectors(text, scalar, n)
    w = words(text, SUMS, "pixels cotangent out taps blocks")
    ct_row = text.let(f"mul i64 {w['width']}, {w['columns']}")
    size = text.let(f"mul i64 {w['tap_blocks']}, {taps * vectors * n}")
    with text.loop("u", "%start", "%stop") as unit:
        feature = text.let(f"urem i64 {unit.index}, {w['features']}")
        rest = text.let(f"udiv i64 {unit.index}, {w['features']}")
        block = text.let(f"urem i64 {rest}, {w['block_count']}")
        part = text.let(f"udiv i64 {rest}, {w['block_count']}")
        row = text.let(f"mul i64 {block}, 2")
        first_in = text.word(w["blocks"], row)
        first_ct = text.word(w["blocks"], text.let(f"add i64 {row}, 1"))
        first_image, last = images_of(text, w, part)
        x0 = text.madd(feature, w["plane"], first_in)
        out0 = v.at(w["out"], text.let(f"mul i64 {unit.index}, {size}"))
        with text.loop("b", "0", w["tap_blocks"]) as b:
            at = text.let(f"mul i64 {b.index}, {taps}")
            shifts = [text.word(w["taps"], text.let(f"add i64 {at}, {i}")) for i in range(taps)]
            shifts = [text.let(f"add i64 {x0}, {shift}") for shift in shifts]
            sums = [(v.type, "zeroinitializer")] * (taps * vectors)
            with text.loop("i", first_image, last, sums) as image:
                x1 = text.let(f"mul i64 {image.index}, {w['image']}")
                ct1 = text.madd(image.index, w["ct_image"], first_ct)
                with text.loop("r", "0", w["rows"], [(v.type, s) for s in image.values]) as r:
                    x2 = text.madd(r.index, w["row_length"], x1)
                    places = [v.at(w["pixels"], text.let(f"add i64 {x2}, {s}")) for s in shifts]
                    ct2 = v.at(w["cotangent"], text.madd(r.index, ct_row, ct1))
                    with text.loop("p", "0", w["columns"],
                                   [("ptr", ct2), *((v.type, s) for s in r.values)]) as p:
                        ct, *acc = p.values
                        cts = [v.load(v.at(ct, str(i * n))) for i in range(vectors)]
                        p.next = [v.at(ct, w["width"])]
                        for t, place in enumerate(places):
                            x = v.splat(v.at(place, p.index))
                            p.next += [v.fma(x, c, acc[t * vectors + i])
                                       for i, c in enumerate(cts)]
                    r.next = p.next[1:]
                image.next = r.next
            out1 = v.at(out0, text.let(f"mul i64 {b.index}, {taps * vectors * n}"))
            for i, total in enumerate(image.next):
                text.add(f"store {v.type} {total}, ptr {v.at(out1, str(i * n))}, align {v.align}")
    return "declare i64 @llvm.smin.i64(i64, i64)\n" + module(name, text, v)


FEW = ("pixels cotangent out vectors taps vector_count features outs tap_blocks plane image "
       "ct_image ct_feature images images_each").split()


def sum_few_ir(name: str, scalar: str, n: int, taps: int) -> str:
    """The same sums where few features of the cotangent go with each feature of the image: a vector
    is pixels. Units are (part of the images, feature of the cotangent).

    vectors: (first pixel in a plane of the image, in one of the cotangent, mask of lanes);
    feature o of the cotangent meets the `features` features of the image from
    o // outs * features on; the result is (unit, feature of the image, tap).
    """
    text = Text()
    v = Vectors(text, scalar, n)
    w = words(text, FEW, "pixels cotangent out vectors taps")
    cts = text.let(f"udiv i64 {w['ct_image']}, {w['ct_feature']}")
    row_of_taps = text.let(f"mul i64 {w['tap_blocks']}, {taps}")
    with text.loop("u", "%start", "%stop") as unit:
        feature = text.let(f"urem i64 {unit.index}, {cts}")
        part = text.let(f"udiv i64 {unit.index}, {cts}")
        group = text.let(f"udiv i64 {feature}, {w['outs']}")
        first_image, last = images_of(text, w, part)
        ct0 = v.at(w["cotangent"], text.let(f"mul i64 {feature}, {w['ct_feature']}"))
        with text.loop("c", "0", w["features"]) as c:
            channel = text.madd(group, w["features"], c.index)
            x0 = v.at(w["pixels"], text.let(f"mul i64 {channel}, {w['plane']}"))
            with text.loop("b", "0", w["tap_blocks"]) as b:
                at = text.let(f"mul i64 {b.index}, {taps}")
                shifts = [text.word(w["taps"], text.let(f"add i64 {at}, {i}"))
                          for i in range(taps)]
                sums = [(v.type, "zeroinitializer")] * taps
                with text.loop("i", first_image, last, sums) as image:
                    x1 = v.at(x0, text.let(f"mul i64 {image.index}, {w['image']}"))
                    places = [v.at(x1, shift) for shift in shifts]
                    ct1 = v.at(ct0, text.let(f"mul i64 {image.index}, {w['ct_image']}"))
                    with text.loop("p", "0", w["vector_count"],
                                   [(v.type, s) for s in image.values]) as p:
                        row = text.let(f"mul i64 {p.index}, 3")
                        x_at = text.word(w["vectors"], row)
                        ct_at = text.word(w["vectors"], text.let(f"add i64 {row}, 1"))
                        mask = v.mask(text.word(w["vectors"], text.let(f"add i64 {row}, 2")))
                        ct = v.masked_load(v.at(ct1, ct_at), mask)
                        p.next = [v.fma(ct, v.masked_load(v.at(place, x_at), mask), total)
                                  for place, total in zip(places, p.values)]
                    image.next = p.next
                first = text.let(f"mul i64 {unit.index}, {w['features']}")
                first = text.madd(text.let(f"add i64 {first}, {c.index}"), row_of_taps, at)
                for i, total in enumerate(image.next):
                    value = text.let(f"call reassoc {scalar} @llvm.vector.reduce.fadd.{v.suffix}"
                                     f"({scalar} 0.0, {v.type} {total})")
                    place = v.at(w["out"], text.let(f"add i64 {first}, {i}"))
                    text.add(f"store {scalar} {value}, ptr {place}, align {v.align}")
    return "declare i64 @llvm.smin.i64(i64, i64)\n" + module(name, text, v)


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
def correlate(letter: str, features: int, vectors: int):
    """The kernel for dtype "f" or "d" with such a block."""
    name = f"correlate_{letter}_{features}x{vectors}"
    n = lanes(np.dtype(letter))
    return compile_ir(correlate_ir(name, TYPES[letter][0], n, features, vectors), name)[name]


@lru_cache
def sum_pixels(letter: str, taps: int, vectors: int):
    name = f"sum_pixels_{letter}_{taps}x{vectors}"
    n = lanes(np.dtype(letter))
    return compile_ir(sum_pixels_ir(name, TYPES[letter][0], n, taps, vectors), name)[name]


@lru_cache
def sum_few(letter: str, taps: int):
    name = f"sum_few_{letter}_{taps}"
    n = lanes(np.dtype(letter))
    return compile_ir(sum_few_ir(name, TYPES[letter][0], n, taps), name)[name]


@lru_cache
def turn(letter: str):
    name = f"turn_{letter}"
    text = turn_ir(name, TYPES[letter][0], lanes(np.dtype(letter)))
    return compile_ir(text, name, vectors=True)[name]


# ------------------------------------------------------------------ getting ready

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
