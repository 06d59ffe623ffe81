"""dot_general and conv_general_dilated: every way of telling the axes off."""

from __future__ import annotations

import numpy as np
from jax import lax

from kernels.windows import ConvDimensionNumbers
from tests.rows.row import Row

# ------------------------------------------------------------------ dot_general


def dot(x: str, y: str, contract, batch=((), ()), note: str = "", **params) -> Row:
    numbers = contract, batch

    def through_jax(a, b):
        return lax.dot_general(a, b, numbers, **params)

    differentiable = not any(a.startswith(("i", "u", "bool")) for a in (x, y))
    return Row("dot_general", (x, y), {"dimension_numbers": numbers, **params}, jax=through_jax,
               differentiable=differentiable, note=note)


F32 = {"preferred_element_type": np.dtype(np.float32)}
MATMUL = (1,), (0,)
NONE = (), ()

ROWS = [
    dot("f32[3,4]", "f32[4,5]", MATMUL),
    dot("f64[3,4]", "f64[4,5]", MATMUL),
    dot("f16[3,4]", "f16[4,5]", MATMUL),
    dot("bf16[3,4]", "bf16[4,5]", MATMUL),
    dot("c64[3,4]", "c64[4,5]", MATMUL),
    dot("i32[3,4]", "i32[4,5]", MATMUL),
    dot("u8[3,4]", "u8[4,5]", MATMUL),
    dot("bool[3,4]", "bool[4,5]", MATMUL, note="a sum of booleans is any()"),
    dot("f32[4,3]", "f32[4,5]", ((0,), (0,)), note="left operand transposed"),
    dot("f32[3,4]", "f32[5,4]", ((1,), (1,)), note="right operand transposed: torch's linear"),
    dot("f32[4,3]", "f32[5,4]", ((0,), (1,)), note="both transposed"),
    dot("f32[4]", "f32[4]", ((0,), (0,)), note="inner product"),
    dot("f32[3,4]", "f32[4]", MATMUL, note="matrix times vector"),
    dot("f32[4]", "f32[4,5]", ((0,), (0,)), note="vector times matrix"),
    dot("f32[3]", "f32[5]", NONE, note="outer product"),
    dot("f32[]", "f32[]", NONE, note="a product of scalars"),
    dot("f32[]", "f32[2,3]", NONE),
    dot("f32[2,3,4]", "f32[4,5]", ((2,), (0,)), note="a linear layer over batch and time"),
    dot("f32[2,3,4]", "f32[2,4,5]", ((2,), (1,)), ((0,), (0,)), note="batched matmul"),
    dot("i32[3,4]", "i32[3,4]", ((1,), (1,)), ((0,), (0,)), note="a batch of inner products"),
    dot("f32[2,5,3,4]", "f32[2,6,3,4]", ((3,), (3,)), ((0, 2), (0, 2)), note="attention scores"),
    dot("f32[4,3,2]", "f32[5,2,3]", ((1, 2), (2, 1)), note="two axes, crossed"),
    dot("f32[3,4,2]", "f32[2,5,4]", ((1,), (2,)), ((2,), (0,)), note="batch axes elsewhere"),
    dot("f32[3,4]", "f32[3,4]", ((0, 1), (0, 1)), note="everything is contracted"),
    dot("f32[3,4]", "f32[3,4]", NONE, ((0, 1), (0, 1)), note="everything is batch"),
    dot("f32[0,4]", "f32[4,5]", MATMUL, note="no rows"),
    dot("f32[3,0]", "f32[0,5]", MATMUL, note="an empty sum is zero"),
    dot("f32[0,3,4]", "f32[0,4,5]", ((2,), (1,)), ((0,), (0,))),
    dot("f32[3,4]", "f32[4,5]", MATMUL, **F32),
    dot("f16[3,4]", "f16[4,5]", MATMUL, **F32, note="accumulate in, and return, float32"),
    dot("i8[3,4]", "i8[4,5]", MATMUL, preferred_element_type=np.dtype(np.int32)),
    dot("f32[3,4]", "bf16[4,5]", MATMUL, note="mixed dtypes: the wider one"),
]

# ------------------------------------------------------------------ conv_general_dilated

NCW, NCHW, NCDHW = (ConvDimensionNumbers(*[tuple(range(n))] * 3) for n in (3, 4, 5))
NHWC = ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))


def conv(x: str, y: str, numbers=NCHW, strides=None, padding=None, x_dilation=None,
         y_dilation=None, note: str = "", second: bool = True, **params) -> Row:
    ones = (1,) * (len(numbers.lhs_spec) - 2)
    strides, padding = strides or ones, padding or ((0, 0),) * len(ones)
    x_dilation, y_dilation = x_dilation or ones, y_dilation or ones

    def through_jax(a, b):
        spec = lax.ConvDimensionNumbers(*numbers)
        return lax.conv_general_dilated(a, b, strides, padding, x_dilation, y_dilation, spec,
                                        **params)

    return Row("conv_general_dilated", (x, y), {
        "window_strides": strides, "padding": padding, "lhs_dilation": x_dilation,
        "rhs_dilation": y_dilation, "dimension_numbers": numbers, **params,
    }, jax=through_jax, differentiable=not x.startswith("i"), second=second, note=note)


ROWS += [
    conv("f32[2,3,6,5]", "f32[4,3,3,2]"),
    conv("f64[2,3,6,5]", "f64[4,3,3,2]"),
    conv("bf16[1,2,5,5]", "bf16[2,2,3,3]"),
    conv("i32[1,2,5,5]", "i32[2,2,3,3]"),
    conv("c64[1,2,4,4]", "c64[2,2,3,3]"),
    conv("f32[2,6,5,3]", "f32[3,2,3,4]", NHWC, padding=((1, 1), (0, 1))),
    conv("f32[2,3,7,6]", "f32[4,3,3,3]", strides=(2, 3), padding=((1, 1), (2, 0))),
    conv("f32[1,2,6,6]", "f32[2,2,2,2]", strides=(3, 3), note="some pixels are in no window"),
    conv("f32[1,2,5,5]", "f32[2,2,3,3]", padding=((-1, 0), (1, -2)), note="padding that crops"),
    conv("f32[1,2,5,5]", "f32[2,2,2,2]", padding=((3, 3), (4, 2)),
         note="padding wider than the window: the gradient crops"),
    conv("f32[1,2,3,4]", "f32[2,2,3,3]", x_dilation=(2, 3), padding=((2, 2), (1, 1)),
         note="a transposed convolution"),
    conv("f32[1,2,7,8]", "f32[2,2,2,3]", y_dilation=(3, 2), note="holes in the kernel"),
    conv("f32[2,2,5,6]", "f32[3,2,2,2]", strides=(2, 1), x_dilation=(1, 2), y_dilation=(2, 1),
         padding=((1, 0), (0, 2))),
    conv("f32[2,4,5,5]", "f32[6,2,3,3]", feature_group_count=2),
    conv("f32[1,3,5,5]", "f32[6,1,3,3]", feature_group_count=3, strides=(2, 2), note="depthwise"),
    conv("f32[4,2,5,5]", "f32[6,2,3,3]", batch_group_count=2, padding=((1, 1), (1, 1))),
    conv("f32[2,5,5,4]", "f32[3,3,2,6]", NHWC, feature_group_count=2),
    conv("f32[2,3,8]", "f32[4,3,3]", NCW, strides=(2,), padding=((1, 1),)),
    conv("f32[1,2,4,3,4]", "f32[2,2,2,2,2]", NCDHW, strides=(1, 1, 2)),
    conv("f32[2,3]", "f32[4,3]", ConvDimensionNumbers((0, 1), (0, 1), (0, 1)),
         note="no spatial axes: a matmul"),
    conv("f32[0,3,5,5]", "f32[4,3,3,3]", second=False, note="an empty batch"),
    conv("f32[1,2,2,2]", "f32[2,2,3,3]", second=False, note="no window fits"),
    conv("f16[1,2,5,5]", "f16[2,2,3,3]", **F32),
    conv("i8[1,2,5,5]", "i8[2,2,3,3]", preferred_element_type=np.dtype(np.int32)),
]
