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
from kernels.native import compile_ir
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
    if vector_text.vector_bytes() == 32:
        return ((9, 1), (5, 2), (3, 2))
    return ((9, 2), (9, 1), (3, 2))


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
