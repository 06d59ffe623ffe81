"""Texts of arrays: `compat.torch.printing` against torch, `compat.jax.printing` against jax."""

import contextlib

import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import jax
import ml_dtypes
import numpy as np
import pytest
import torch

from compat.jax import printing as jax_printing
from compat.torch import printing as torch_printing

bfloat16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(t) for t in (np.float32, np.float64, np.float16)] + [bfloat16]
INTEGERS = [np.dtype(t) for t in (np.uint8, np.int8, np.int16, np.int32, np.int64)]
COMPLEX = [np.dtype(t) for t in (np.complex64, np.complex128)]
DTYPES = [*FLOATS, *INTEGERS, *COMPLEX, np.dtype(np.bool_)]


@st.composite
def printable(draw, dtypes=DTYPES, max_dims=4, max_side=6):
    """Arrays with numbers that decide formats: tiny, huge, integral, 0, nan, inf."""
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=max_dims, min_side=0, max_side=max_side))
    if dtype.kind not in "fcV":
        return draw(arrays.arrays(dtype, shape))
    numbers = st.one_of(
        st.integers(-12, 12).map(float),
        st.floats(-10, 10, width=32),
        st.floats(-1e9, 1e9),
        st.floats(0, 2e-4),
        st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 1e8, 1e-4, 1000.0]),
        st.floats(),
    )
    # A few kinds of numbers at a time, so that plain formats are met as well.
    numbers = draw(st.lists(numbers, min_size=1, max_size=4).map(st.sampled_from))
    with np.errstate(over="ignore"):
        if dtype.kind == "c":
            parts = draw(arrays.arrays(np.float64, (*shape, 2), elements=numbers))
            return parts.view(np.complex128)[..., 0].astype(dtype)
        return draw(arrays.arrays(np.float64, shape, elements=numbers)).astype(dtype)


def as_torch(array):
    array = np.array(array)  # a writable copy
    if array.dtype == bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def assert_prints_as_torch(array, **keywords):
    assert torch_printing.tensor_str(array, **keywords) == repr(as_torch(array))


@contextlib.contextmanager
def both_options(**changes):
    with torch_printing.printoptions(**changes):
        before = torch._tensor_str.get_printoptions()
        torch.set_printoptions(**changes)
        try:
            assert torch_printing.get_printoptions() == torch._tensor_str.get_printoptions()
            yield
        finally:
            torch.set_printoptions(**before)


# torch


@hypothesis.given(printable())
@hypothesis.settings(max_examples=400, deadline=None)
def test_tensor(array):
    assert_prints_as_torch(array)


@hypothesis.given(
    printable(max_dims=3),
    st.fixed_dictionaries(
        {},
        optional={
            "precision": st.integers(0, 8),
            "threshold": st.integers(0, 20),
            "edgeitems": st.integers(0, 4),
            "linewidth": st.integers(1, 120),
            "profile": st.sampled_from(["default", "short", "full"]),
            "sci_mode": st.sampled_from([None, True, False]),
        },
    ),
)
@hypothesis.settings(max_examples=400, deadline=None)
def test_tensor_with_options(array, changes):
    with both_options(**changes):
        assert_prints_as_torch(array)
    assert torch_printing.get_printoptions() == torch._tensor_str.get_printoptions()


@pytest.mark.parametrize(
    "shape", ((1000,), (1001,), (40, 50), (2, 600), (7, 7, 30), (3, 4, 5, 20))
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_tensor(shape, dtype):
    numbers = np.random.default_rng(0).normal(0, 30, shape)
    assert_prints_as_torch(numbers.astype(dtype))


def test_wrapping_leaves_room_for_suffixes():
    for size in range(1, 40):
        assert_prints_as_torch(np.arange(size, dtype=np.int32))
        array = np.arange(size, dtype=np.float32)
        tensor = as_torch(array).requires_grad_()
        assert torch_printing.tensor_str(array, requires_grad=True) == repr(tensor)
        text = torch_printing.tensor_str(array * 2, grad_fn_name="MulBackward0")
        assert text == repr(tensor * 2)


def test_both_suffixes():
    tensor = torch.zeros(0, 3, dtype=torch.float64, requires_grad=True)
    text = torch_printing.tensor_str(np.zeros((0, 3)), requires_grad=True)
    assert text == repr(tensor)
    text = torch_printing.tensor_str(np.zeros((0, 3)), grad_fn_name="ExpBackward0")
    assert text == repr(tensor.exp())


@pytest.mark.parametrize("default", (torch.float64, torch.float16, torch.bfloat16))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", ((2,), (0,)), ids=str)
def test_default_dtype(default, dtype, shape):
    name = str(default).removeprefix("torch.")
    torch.set_default_dtype(default)
    try:
        assert_prints_as_torch(np.ones(shape, dtype), default_dtype=np.dtype(name))
    finally:
        torch.set_default_dtype(torch.float32)


def test_parameter_and_subclass():
    class Measurement(torch.Tensor):
        pass

    array = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    parameter = torch.nn.Parameter(as_torch(array))
    assert torch_printing.parameter_str(array, requires_grad=True) == repr(parameter)
    text = torch_printing.tensor_str(array, class_prefix="Measurement(")
    assert text == repr(as_torch(array).as_subclass(Measurement))


def test_device():
    assert torch_printing.tensor_str(np.ones(2, np.float32), device="cuda:0") == (
        "tensor([1., 1.], device='cuda:0')"
    )


# jax


def assert_prints_as_jax(array):
    with jax.enable_x64(True):
        theirs = jax.numpy.asarray(array)
        assert theirs.dtype == array.dtype
        assert jax_printing.array_repr(array) == repr(theirs)
        assert jax_printing.array_str(array) == str(theirs)
        assert jax_printing.array_format(array, "") == format(theirs, "")


@hypothesis.given(printable())
@hypothesis.settings(max_examples=200, deadline=None)
def test_array(array):
    assert_prints_as_jax(array)


@pytest.mark.parametrize("shape", ((0,), (0, 3), (1000,), (1001,), (40, 50), (2, 600), (7, 7, 30)))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_large_array(shape, dtype):
    assert_prints_as_jax(np.random.default_rng(0).normal(0, 30, shape).astype(dtype))


def test_array_wrapping():
    for size in range(1, 40):
        assert_prints_as_jax(np.arange(size, dtype=np.int32))
        assert_prints_as_jax(np.arange(size) / np.float32(7))


@pytest.mark.parametrize(
    "options", ({"linewidth": 40}, {"precision": 2}, {"threshold": 5}), ids=str
)
def test_array_follows_numpys_options(options):
    with np.printoptions(**options):
        assert_prints_as_jax(np.arange(30) / np.float32(7))


def test_weak_type():
    for number in (1, 1.0, 1j, 2.5):
        theirs = jax.numpy.asarray(number)
        assert theirs.weak_type
        assert jax_printing.array_repr(np.asarray(theirs), weak_type=True) == repr(theirs)


@pytest.mark.parametrize("shape", ((), (3,), (2, 0), (20, 30)), ids=str)
def test_key_array(shape):
    keys = jax.random.split(jax.random.key(0), shape)
    assert jax_printing.key_array_repr(np.asarray(jax.random.key_data(keys))) == repr(keys)


def test_array_format_spec():
    assert jax_printing.array_format(np.float32(0.25), ".3f") == f"{jax.numpy.float32(0.25):.3f}"
    with pytest.raises(TypeError):
        jax_printing.array_format(np.ones(2), ".3f")
