"""On a real CUDA device, against real torch and jax: `python -m pytest -m gpu`.

What the stand-in for CuPy and the grid simulator cannot show is here: the device's own arithmetic
and libraries, memory, streams, races, and whether CuPy does what the stand-in takes it to do.
Skipped, with the reason, where there is no device.
"""

from __future__ import annotations

import gc
from random import Random

import jax as real_jax
import numpy as np
import pytest
import torch as real_torch

import compat.jax as jax
import compat.jax.numpy as jnp
import compat.torch as torch
from compat.differential.agreement import difference
from compat.differential.oracle import jax_function
from compat.differential.rows import row_examples
from compat.torch import nn
from minigrad import core, devices
from minigrad.core import box, table
from minigrad.devices.moving import transfer
from tests import compositions as co
from tests.device_programs import PROGRAMS
from tests.random_programs import random_program, random_shapes, random_tower
from tests.rows import Row, all_rows
from tests.test_compositions import disagreement, engine_x64, from_jax

pytestmark = [pytest.mark.gpu,
              pytest.mark.filterwarnings("ignore:.*has no CUDA kernel here:RuntimeWarning")]

ULPS = 64  # cuSOLVER, cuBLAS and CUDA's functions round otherwise than XLA's on the CPU
PHASES = {"svd", "eigh", "eig", "schur", "qr", "geqrf", "tridiagonal", "hessenberg"}


def on_device(x):
    return transfer(box(x), devices.cuda(0))


def fetched(x) -> np.ndarray:
    return np.asarray(devices.fetch(x.value if isinstance(x, core.Tensor) else x))


def agree(ours, expected, ulps: float = ULPS) -> None:
    for k, (a, b) in enumerate(zip(ours, expected, strict=True)):
        wrong = difference(fetched(a), np.asarray(b), ulps, least=1.0)
        assert wrong is None, f"result {k}: {wrong}"


# ------------------------------------------------------------------ the table


def is_wide(operands) -> bool:
    """Does JAX need 64-bit types for them?"""
    return any(x.dtype.itemsize >= 8 and x.dtype != np.complex64 for x in operands)


def values(row: Row):
    """(what the device makes of a row, what real JAX does)"""
    operands = row_examples(row)[0]
    try:
        outs = table[row.name](*map(on_device, operands), **row.params)
    except (TypeError, ValueError, NotImplementedError, OverflowError):
        return None  # a row of what is refused, which has nothing to do with a device
    fn = row.jax or jax_function(row.name, row.params)
    with real_jax.enable_x64(is_wide(operands)):
        expected = fn(*map(real_jax.numpy.asarray, operands))
    return ([outs] if isinstance(outs, core.Tensor) else outs), real_jax.tree.leaves(expected)


ROWS: dict[str, list[Row]] = {}
for _row in all_rows():
    if _row.name != "name":  # which JAX keeps where no other primitive is
        ROWS.setdefault(_row.name, []).append(_row)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_primitive(name):
    wrong = []
    for row in ROWS[name]:
        try:
            check_row(row)
        except AssertionError as error:
            wrong.append(f"{row}: {error}")
    assert not wrong, "\n".join(wrong)


def check_row(row: Row) -> None:
    found = values(row)
    if found is None:
        return
    ours, expected = found
    if row.name in PHASES:  # signs and phases are the library's: what was factored must come back
        assert [fetched(x).shape for x in ours] == [x.shape for x in expected]
        ours, expected = ([np.sort(np.abs(fetched(x)), None) for x in xs if fetched(x).ndim == 1]
                          for xs in (ours, expected))
        for a, b in zip(ours, expected):
            np.testing.assert_allclose(a, b, 1e-3, 1e-3)
        return
    agree(ours, expected)


@pytest.mark.parametrize("name", sorted(n for n, rows in ROWS.items()
                                        if rows[0].differentiable and n not in PHASES))
def test_gradient(name):
    """The tape on the device against `jax.vjp`, for the first row of each primitive."""
    row = ROWS[name][0]
    operands = row_examples(row)[0]
    fn = row.jax or jax_function(row.name, row.params)
    with real_jax.enable_x64(is_wide(operands)):
        wanted = [k for k, x in enumerate(operands) if x.dtype.kind in "fcV"]

        def of_wanted(*xs):
            full = list(map(real_jax.numpy.asarray, operands))
            for k, x in zip(wanted, xs):
                full[k] = x
            return [o for o in real_jax.tree.leaves(fn(*full))
                    if real_jax.numpy.issubdtype(o.dtype, np.inexact)]

        outs, pull = real_jax.vjp(of_wanted, *(real_jax.numpy.asarray(operands[k]) for k in wanted))
        seeds = [np.linspace(0.5, 1.5, o.size).reshape(o.shape).astype(o.dtype) for o in outs]
        expected = pull(list(map(real_jax.numpy.asarray, seeds)))
    if not outs or not wanted:
        return  # nothing to differentiate: comparisons, counters
    leaves = list(map(on_device, operands))
    for k in wanted:
        leaves[k].requires_grad_()
    made = table[row.name](*leaves, **row.params)
    made = [o for o in ([made] if isinstance(made, core.Tensor) else made) if o.requires_grad]
    for k, (o, seed) in enumerate(zip(made, seeds, strict=True)):
        o.backward(on_device(seed), retain_graph=k + 1 < len(made))
    agree([leaves[k].grad for k in wanted], expected, 4 * ULPS)


@pytest.mark.parametrize("name", sorted(PHASES - {"eig", "schur", "tridiagonal", "hessenberg"}))
def test_factors_multiply_to_the_matrix(name):
    x = np.random.default_rng(0).standard_normal((3, 5, 5)).astype(np.float32)
    x = x + x.swapaxes(-1, -2) if name == "eigh" else x
    outs = [fetched(o) for o in table[name](on_device(x))]
    if name == "svd":
        s, u, vh = outs
        again = u * s[..., None, :] @ vh
    elif name == "eigh":
        v, w = outs
        again = v * w[..., None, :] @ v.swapaxes(-1, -2)
    elif name == "qr":
        again = outs[0] @ outs[1]
    else:
        q = fetched(table["householder_product"](*map(on_device, outs)))
        again = q @ np.triu(outs[0])
    np.testing.assert_allclose(again, x, 1e-4, 1e-4)


# ------------------------------------------------------------------ compositions


@pytest.mark.parametrize("seed", range(100))
def test_composition(seed):
    """A random program under a random tower of transforms, on the device and in real JAX."""
    random = Random(seed)
    shapes = random_shapes(random)
    transforms = random_tower(random, shapes)
    program = random_program(random, shapes, co.allowed(transforms))
    inputs = co.arguments(program.shapes, transforms, seed)
    try:
        expected = from_jax(program, transforms, inputs)
    except (TypeError, ValueError, NotImplementedError) as error:
        pytest.skip(f"JAX refuses it: {error}")
    with engine_x64(True):
        results = co.tower(co.engine(), program, transforms)(*map(on_device, inputs))
    for k, (ours, theirs) in enumerate(zip(results, expected, strict=True)):
        assert not (wrong := disagreement(fetched(ours), theirs)), f"result {k}: {wrong}"


# ------------------------------------------------------------------ programs


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_program(name):
    """Loss curves of real torch, whose random numbers are the same on its CPU."""
    ours = [float(x) for x in PROGRAMS[name](torch, "cuda")]
    theirs = [float(x) for x in PROGRAMS[name](real_torch, "cpu")]
    np.testing.assert_allclose(ours, theirs, 2e-3, 2e-4)


def test_a_compiled_step_is_the_eager_one():
    def curve(compiled: bool) -> list[float]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.LayerNorm(64),
                              nn.Linear(64, 8)).cuda()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        x, y = torch.randn(16, 32).cuda(), torch.randint(0, 8, (16,)).cuda()

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        run = torch.compile(step) if compiled else step
        return [float(run(x, y)) for _ in range(8)]

    np.testing.assert_allclose(curve(True), curve(False), 1e-4)


def test_jit_of_a_gradient():
    def loss(w, x):
        return jnp.mean(jax.nn.softmax(jnp.tanh(x @ w)) ** 2)

    def of_jax(w, x):
        return real_jax.numpy.mean(real_jax.nn.softmax(real_jax.numpy.tanh(x @ w)) ** 2)

    rng = np.random.default_rng(0)
    w, x = (rng.standard_normal(s).astype(np.float32) for s in ((64, 32), (128, 64)))
    gpu = jax.devices("gpu")[0]
    step = jax.jit(jax.value_and_grad(loss))
    for _ in range(4):
        value, grad = step(*jax.device_put((w, x), gpu))
    assert grad.device is gpu
    expected = real_jax.jit(real_jax.value_and_grad(of_jax))(w, x)
    np.testing.assert_allclose(float(value), float(expected[0]), 1e-5)
    np.testing.assert_allclose(np.asarray(grad), np.asarray(expected[1]), 1e-4, 1e-7)


# ------------------------------------------------------------------ sizes, races, memory


@pytest.mark.parametrize("size", [1, 31, 257, 65_537, 10_000_019])
def test_sums_of_many_sizes(size):
    x = np.random.default_rng(size).random(size, np.float32)
    with real_jax.enable_x64(True):
        total = float(np.sum(x.astype(np.float64)))
    assert float(torch.from_numpy(x).cuda().sum()) == pytest.approx(total, rel=1e-5)


def test_products_are_single_precision_unless_tf32_is_asked_for():
    a, b = np.random.default_rng(0).standard_normal((2, 512, 512)).astype(np.float32)
    ours = (torch.from_numpy(a).cuda() @ torch.from_numpy(b).cuda()).cpu().numpy()
    assert np.abs(ours - a.astype(np.float64) @ b).max() < 1e-3


def test_scatter_is_the_same_in_every_run():
    """Many values to few places: atomics would add in another order each time."""
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.standard_normal(200_000).astype(np.float32)).cuda()
    places = torch.from_numpy(rng.integers(0, 17, 200_000)).cuda()
    runs = [torch.zeros(17, device="cuda").index_add(0, places, values).cpu().numpy().tobytes()
            for _ in range(5)]
    assert len(set(runs)) == 1


def test_memory_is_given_back():
    cuda = torch.cuda
    gc.collect()
    before = cuda.memory_allocated()
    x = torch.zeros(1 << 20, device="cuda", requires_grad=True)
    (x * 2).sum().backward()
    assert cuda.memory_allocated() - before >= 8 << 20
    del x
    gc.collect()
    assert cuda.memory_allocated() - before < 1 << 16
    cuda.empty_cache()
    free, total = cuda.mem_get_info()
    assert 0 < free <= total


def test_streams_and_events():
    cuda = torch.cuda
    side, start, end = cuda.Stream(), cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    x = torch.ones(1000, 1000, device="cuda")
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        start.record()
        y = x @ x
        end.record()
    cuda.current_stream().wait_stream(side)
    assert float(y[0, 0]) == 1000.0
    end.synchronize()
    assert start.elapsed_time(end) >= 0 and end.query() and side.query()


def test_dlpack_with_the_frameworks_shares_the_memory():
    x = torch.arange(4.0, device="cuda")
    if real_torch.cuda.is_available():
        theirs = real_torch.from_dlpack(x)
        assert theirs.data_ptr() == x.data_ptr()
        theirs.add_(1)
        assert x.tolist() == [1.0, 2.0, 3.0, 4.0]
        assert torch.from_dlpack(theirs).data_ptr() == theirs.data_ptr()
    if any(d.platform == "gpu" for d in real_jax.devices()):
        theirs = real_jax.numpy.from_dlpack(x)
        assert theirs.unsafe_buffer_pointer() == x.data_ptr()
    cupy = pytest.importorskip("cupy")
    assert cupy.from_dlpack(x).data.ptr == x.data_ptr()


# ------------------------------------------------------------------ what the stand-in assumes


def test_what_is_taken_for_granted_of_cupy():
    """Corners of CuPy on which `kernels/cupy_gpu.py` and the stand-in rely."""
    cupy = pytest.importorskip("cupy")
    nan = np.nan

    def same(ours, expected):
        np.testing.assert_array_equal(ours.get(), expected)

    same(cupy.argsort(cupy.asarray([2.0, nan, 1.0, 2.0, nan]), kind="stable"), [2, 0, 3, 1, 4])
    same(cupy.argmax(cupy.asarray([1.0, nan, 3.0, nan])), 1)
    same(cupy.max(cupy.asarray([1.0, nan, 3.0])), nan)
    same(cupy.maximum(cupy.asarray([1.0, nan]), np.float64(2)), [2.0, nan])
    same(cupy.floor_divide(cupy.asarray([-7, 7, 5]), cupy.asarray([2, -2, 0])), [-4, -4, 0])
    same(cupy.where(cupy.asarray([True, False]), np.float32(1), np.float32(2)), [1.0, 2.0])
    same(cupy.matmul(cupy.full((2, 2), 2**40), cupy.full((2, 2), 2**40)), np.zeros((2, 2)))
    same(cupy.asarray([1, 2], np.uint8) + 255, np.uint8([0, 1]))
    low = cupy.linalg.cholesky(cupy.asarray([[1.0, 0.0], [0.0, -1.0]]))
    assert not bool((cupy.diagonal(low) > 0).all()), "a failed factorization shows in its pivots"
    x = cupy.arange(6).reshape(2, 3)
    assert x.T.base is not None and x[0].base is x.base
    for failing in (lambda: np.asarray(x), lambda: cupy.add(x, np.ones(3))):
        with pytest.raises(TypeError):
            failing()
    half = cupy.asarray(np.ones(4096, np.float16))
    assert float(cupy.matmul(half, half)) == 4096.0
