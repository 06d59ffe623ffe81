"""Random bits: `kernels.mersenne` against torch, `kernels.threefry` against jax."""

import functools

import jax
import ml_dtypes
import numpy as np
import pytest
import torch

from kernels import mersenne, threefry

SIZES = (0, 1, 2, 15, 16, 17, 31, 32, 1000)
SEEDS = (0, 1, 42, 2**31, 2**32 - 1, 2**32, 2**40 + 7, 2**63, 2**64 - 1, -1, -(2**63))
FLOATS = {
    np.dtype(np.float32): torch.float32,
    np.dtype(np.float64): torch.float64,
    np.dtype(np.float16): torch.float16,
    np.dtype(ml_dtypes.bfloat16): torch.bfloat16,
}
floats = pytest.mark.parametrize("dtype", FLOATS, ids=str)


def pair(seed=0):
    return mersenne.Generator(seed), torch.Generator().manual_seed(seed)


def as_numpy(tensor):
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def assert_same(ours, theirs):
    theirs = as_numpy(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)
    assert ours.tobytes() == theirs.tobytes()  # the sign of zero as well


def assert_in_step(ours, theirs):
    """The two generators are in the same state, so whatever follows agrees too."""
    np.testing.assert_array_equal(ours.get_state(), theirs.get_state().numpy())


def check_sizes(our_draw, torch_draw, sizes=SIZES, seed=5):
    """One sequence of draws over all sizes from one pair of generators."""
    ours, theirs = pair(seed)
    for size in sizes:
        assert_same(our_draw(ours, size), torch_draw(theirs, size))
        assert_in_step(ours, theirs)


# Mersenne: state.


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds(seed):
    ours, theirs = pair(seed)
    assert ours.initial_seed() == theirs.initial_seed()
    assert_in_step(ours, theirs)
    assert_same(mersenne.uniform(ours, (3,), np.float32), torch.rand(3, generator=theirs))


def test_default_seed_and_fresh_seed():
    assert mersenne.Generator().initial_seed() == torch.Generator().initial_seed()
    generator = mersenne.Generator(0)
    assert generator.seed() == generator.initial_seed() != 0


@pytest.mark.parametrize("count", (0, 1, 3, 623, 624, 625, 1248, 1300))
def test_state_is_torchs_state(count):
    ours, theirs = pair(3)
    mersenne.uniform(ours, (count,), np.float32)
    torch.rand(count, generator=theirs)
    mersenne.normal(ours, (3,), np.float32)  # leaves a spare value
    torch.randn(3, generator=theirs)
    assert_in_step(ours, theirs)

    resumed = mersenne.Generator().set_state(theirs.get_state().numpy())
    torch_resumed = torch.Generator().set_state(torch.from_numpy(ours.get_state()))
    assert resumed.initial_seed() == 3
    assert_same(mersenne.normal(resumed, (4,), np.float32), torch.randn(4, generator=theirs))
    mersenne.normal(ours, (4,), np.float32)
    torch.randn(4, generator=torch_resumed)
    assert_in_step(ours, torch_resumed)
    assert_in_step(resumed, theirs)


def test_a_state_of_another_form_is_refused():
    with pytest.raises(ValueError, match=r"uint8\[5056\].* got int64\[3\]"):
        mersenne.Generator().set_state(np.arange(3))


# Mersenne: distributions, all to the bit.


@floats
@pytest.mark.parametrize("bounds", ((0.0, 1.0), (-0.3, 0.7), (1.3, 17.9), (-1e-3, 1e-3)))
def test_uniform(dtype, bounds):
    check_sizes(
        lambda g, n: mersenne.uniform(g, (n,), dtype, *bounds),
        lambda g, n: torch.empty(n, dtype=FLOATS[dtype]).uniform_(*bounds, generator=g),
    )


@floats
@pytest.mark.parametrize("moments", ((0.0, 1.0), (0.3, 1.7), (-5.0, 0.02)))
def test_normal(dtype, moments):
    check_sizes(
        lambda g, n: mersenne.normal(g, (n,), dtype, *moments),
        lambda g, n: torch.empty(n, dtype=FLOATS[dtype]).normal_(*moments, generator=g),
    )


@floats
def test_normal_of_many(dtype):
    check_sizes(
        lambda g, n: mersenne.normal(g, (n, 7), dtype),
        lambda g, n: torch.randn(n, 7, dtype=FLOATS[dtype], generator=g),
        sizes=(3001, 2400),
    )


@floats
def test_normal_serial_fills_what_is_not_contiguous(dtype):
    check_sizes(
        lambda g, n: mersenne.normal_serial(g, (n,), dtype, 0.3, 1.7),
        lambda g, n: torch.empty(n, 2, dtype=FLOATS[dtype])[:, 0].normal_(0.3, 1.7, generator=g),
    )


@pytest.mark.parametrize("dtype", (np.complex64, np.complex128))
def test_complex(dtype):
    torch_dtype = torch.from_numpy(np.zeros(1, dtype)).dtype
    check_sizes(
        lambda g, n: mersenne.normal(g, (n,), dtype),
        lambda g, n: torch.randn(n, dtype=torch_dtype, generator=g),
    )
    check_sizes(
        lambda g, n: mersenne.uniform(g, (n,), dtype),
        lambda g, n: torch.rand(n, dtype=torch_dtype, generator=g),
    )


@floats
@pytest.mark.parametrize(
    "name, arguments",
    (
        ("exponential", ()),
        ("exponential", (1.7,)),
        ("cauchy", ()),
        ("cauchy", (0.5, 2.5)),
        ("log_normal", ()),
        ("log_normal", (0.1, 0.7)),
    ),
)
def test_continuous(dtype, name, arguments):
    check_sizes(
        lambda g, n: getattr(mersenne, name)(g, (n,), dtype, *arguments),
        lambda g, n: getattr(torch.empty(n, dtype=FLOATS[dtype]), name + "_")(
            *arguments, generator=g
        ),
    )


@pytest.mark.parametrize(
    "low, high",
    ((0, 2), (-5, 5), (0, 2**28 - 1), (0, 2**28), (-(2**31), 2**31), (-(2**63), 2**63 - 1)),
)
def test_randint(low, high):
    check_sizes(
        lambda g, n: mersenne.randint(g, low, high, (n,)),
        lambda g, n: torch.randint(low, high, (n,), generator=g),
    )


def test_randint_of_all_64_bit_integers():
    check_sizes(
        lambda g, n: mersenne.randint(g, -(2**63), 2**63, (n,)),
        lambda g, n: torch.empty(n, dtype=torch.int64).random_(-(2**63), None, generator=g),
    )


@pytest.mark.parametrize("dtype", (np.uint8, np.int8, np.int16, np.int32, np.float32, np.float16))
def test_randint_of_other_dtypes(dtype):
    torch_dtype = torch.from_numpy(np.zeros(1, dtype)).dtype
    check_sizes(
        lambda g, n: mersenne.randint(g, 3, 100, (n,), dtype),
        lambda g, n: torch.randint(3, 100, (n,), dtype=torch_dtype, generator=g),
    )


@pytest.mark.parametrize(
    "dtype", (*FLOATS, np.bool_, np.uint8, np.int8, np.int16, np.int32, np.int64), ids=str
)
def test_random(dtype):
    torch_dtype = FLOATS.get(dtype) or torch.from_numpy(np.zeros(1, dtype)).dtype
    check_sizes(
        lambda g, n: mersenne.random(g, (n,), dtype),
        lambda g, n: torch.empty(n, dtype=torch_dtype).random_(generator=g),
    )


@pytest.mark.parametrize("probability", (0.0, 0.3, 0.5, 1.0))
def test_bernoulli_of_a_number(probability):
    check_sizes(
        lambda g, n: mersenne.bernoulli(g, probability, (n,), np.float32),
        lambda g, n: torch.empty(n).bernoulli_(probability, generator=g),
    )


@floats
def test_bernoulli_of_an_array(dtype):
    def torch_draw(generator, n):
        return torch.bernoulli(torch.linspace(0, 1, n, dtype=FLOATS[dtype]), generator=generator)

    def our_draw(generator, n):
        probabilities = as_numpy(torch.linspace(0, 1, n, dtype=FLOATS[dtype]))
        return mersenne.bernoulli(generator, probabilities, (n,), dtype)

    check_sizes(our_draw, torch_draw)


def test_dropout_mask_is_bernoulli():
    torch.manual_seed(9)
    kept = torch.nn.functional.dropout(torch.ones(100), 0.2) != 0
    mask = mersenne.bernoulli(mersenne.Generator(9), 1 - 0.2, (100,), np.bool_)
    assert_same(mask, kept)


@pytest.mark.parametrize("dtype", (np.float32, np.float64, np.int64, np.uint8))
def test_geometric(dtype):
    torch_dtype = torch.from_numpy(np.zeros(1, dtype)).dtype
    check_sizes(
        lambda g, n: mersenne.geometric(g, 0.3, (n,), dtype),
        lambda g, n: torch.empty(n, dtype=torch_dtype).geometric_(0.3, generator=g),
    )


@pytest.mark.parametrize("dtype", (np.int64, np.int32, np.float32))
def test_randperm(dtype):
    torch_dtype = torch.from_numpy(np.zeros(1, dtype)).dtype
    check_sizes(
        lambda g, n: mersenne.randperm(g, n, dtype),
        lambda g, n: torch.randperm(n, dtype=torch_dtype, generator=g),
        sizes=(*SIZES, mersenne.COMPILE_FROM - 1, mersenne.COMPILE_FROM, 50_001),
    )


@floats
@pytest.mark.parametrize("replacement", (False, True))
@pytest.mark.parametrize("shape", ((7,), (3, 7), (2, 300)), ids=str)
def test_multinomial(dtype, replacement, shape):
    weights = np.random.default_rng(0).uniform(0.1, 2.0, shape).astype(dtype)
    torch_weights = torch.from_numpy(weights.astype(np.float64)).to(FLOATS[dtype])
    check_sizes(
        lambda g, n: mersenne.multinomial(g, weights, n, replacement),
        lambda g, n: torch.multinomial(torch_weights, n, replacement, generator=g),
        sizes=(1, 2, 5, 7) if not replacement else (1, 2, 5, 100),
    )


def test_multinomial_never_draws_weight_zero():
    weights = np.array([0.0, 1.0, 0.0, 3.0, 0.0], np.float32)
    for replacement in (False, True):
        generator = mersenne.Generator(0)
        drawn = [mersenne.multinomial(generator, weights, 2, replacement) for _ in range(100)]
        assert set(np.ravel(drawn)) == {1, 3}


@pytest.mark.parametrize("seed", SEEDS)
def test_mixed_calls(seed):
    ours, theirs = pair(seed)
    for size in (3, 1, 16, 2, 17, 5, 40):
        assert_same(
            mersenne.normal(ours, (size,), np.float32), torch.randn(size, generator=theirs)
        )
        assert_same(mersenne.randperm(ours, size), torch.randperm(size, generator=theirs))
        assert_same(
            mersenne.uniform(ours, (size, 2), np.float64),
            torch.rand(size, 2, dtype=torch.float64, generator=theirs),
        )
        assert_same(
            mersenne.log_normal(ours, (size,), np.float32),
            torch.empty(size).log_normal_(generator=theirs),
        )
        assert_in_step(ours, theirs)


# Threefry.

KEY_SHAPES = ((), (3,), (2, 3))


def keys(shape):
    return np.random.default_rng(1).integers(0, 2**32, (*shape, 2), np.uint32)


def batched(function, rank):
    for _ in range(rank):
        function = jax.vmap(function)
    return function


def test_threefry_known_answer():
    """The published test vectors of Random123, threefry2x32 with 20 rounds."""
    ones = np.uint32(0xFFFFFFFF)
    zeros = np.uint32(0)
    assert [f"{w:08x}" for w in threefry.threefry_2x32(zeros, zeros, zeros, zeros)] == [
        "6b200159",
        "99ba4efe",
    ]
    assert [f"{w:08x}" for w in threefry.threefry_2x32(ones, ones, ones, ones)] == [
        "1cb996fc",
        "bb002be7",
    ]


@pytest.mark.parametrize("number", (0, 1, 42, 2**31, 2**32 - 1, 2**32, 2**40 + 7, -1, -(2**40)))
def test_seed(number):
    np.testing.assert_array_equal(threefry.seed(number), jax.random.PRNGKey(number))
    with jax.enable_x64(True):
        np.testing.assert_array_equal(threefry.seed(number, x64=True), jax.random.PRNGKey(number))


@pytest.mark.parametrize("dtype", (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64))
def test_seed_of_an_array_scalar(dtype):
    for number in (np.iinfo(dtype).max, np.iinfo(dtype).min):
        with jax.enable_x64(True):
            theirs = jax.random.PRNGKey(dtype(number))
        np.testing.assert_array_equal(threefry.seed(dtype(number), x64=True), theirs)


@pytest.mark.parametrize("key_shape", KEY_SHAPES, ids=str)
@pytest.mark.parametrize("shape", ((), (0,), (1,), (5,), (2, 3)), ids=str)
def test_split(key_shape, shape):
    key = keys(key_shape)
    theirs = batched(lambda k: jax.random.split(k, shape), len(key_shape))(key)
    ours = threefry.split(key, shape)
    assert ours.dtype == np.uint32
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("key_shape", KEY_SHAPES, ids=str)
def test_fold_in(key_shape):
    key = keys(key_shape)
    for number in map(np.uint32, (0, 7, 2**31, 2**32 - 1)):
        fold_in = functools.partial(jax.random.fold_in, data=number)
        theirs = batched(fold_in, len(key_shape))(key)
        np.testing.assert_array_equal(threefry.fold_in(key, number), theirs)


def test_fold_in_of_a_batch_of_numbers():
    key, numbers = keys(()), np.arange(5, dtype=np.uint32)
    theirs = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
    np.testing.assert_array_equal(threefry.fold_in(key, numbers), theirs)


@pytest.mark.parametrize("bit_width", (8, 16, 32, 64))
@pytest.mark.parametrize("key_shape", KEY_SHAPES, ids=str)
@pytest.mark.parametrize("shape", ((), (0,), (7,), (2, 3), (threefry.CHUNK + 5,)), ids=str)
def test_random_bits(bit_width, key_shape, shape):
    key, dtype = keys(key_shape), f"uint{bit_width}"
    with jax.enable_x64(True):
        theirs = batched(lambda k: jax.random.bits(k, shape, dtype), len(key_shape))(key)
    ours = threefry.random_bits(key, bit_width, shape)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours, theirs)


def test_counters_have_64_bits():
    high, low = threefry._counters(2**32 - 1, 2**32 + 1)
    np.testing.assert_array_equal(high, [0, 1])
    np.testing.assert_array_equal(low, [2**32 - 1, 0])


def test_random_bits_of_another_width():
    with pytest.raises(TypeError, match="got 4"):
        threefry.random_bits(keys(()), 4, (2,))
