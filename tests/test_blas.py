"""Products through OpenBLAS in tiles, against NumPy in double precision; and what the host sees."""

import os
import subprocess
import sys

import numpy as np
import pytest

from kernels import blas, heat, pool
from tests.lines import ROOT

needs_openblas = pytest.mark.skipif(blas.library() is None, reason="NumPy has another BLAS")

PRODUCTS = {
    "plain": ((300, 200), (200, 100), (((1,), (0,)), ((), ()))),
    "x transposed": ((200, 300), (200, 100), (((0,), (0,)), ((), ()))),
    "y transposed": ((300, 200), (100, 200), (((1,), (1,)), ((), ()))),
    "both transposed": ((200, 300), (100, 200), (((0,), (1,)), ((), ()))),
    "strip": ((32, 784), (784, 128), (((1,), (0,)), ((), ()))),
    "four tiles": ((520, 40), (40, 530), (((1,), (0,)), ((), ()))),
    "rows of odd sizes": ((1037, 61), (61, 67), (((1,), (0,)), ((), ()))),
    "batch": ((8, 70, 90), (8, 90, 50), (((2,), (1,)), ((0,), (0,)))),
    "heads inside": ((4, 33, 6, 32), (4, 55, 6, 32), (((3,), (3,)), ((0, 2), (0, 2)))),
    "weights by values": ((4, 6, 33, 55), (4, 55, 6, 32), (((3,), (1,)), ((0, 1), (0, 2)))),
    "copied: two terms": ((30, 40, 50), (50, 40, 60), (((1, 2), (1, 0)), ((), ()))),
    "one row": ((1, 20000), (20000, 30), (((1,), (0,)), ((), ()))),
    "outer": ((300,), (200,), (((), ()), ((), ()))),
    "inner": ((9000,), (9000,), (((0,), (0,)), ((), ()))),
    "no terms": ((300, 0), (0, 100), (((1,), (0,)), ((), ()))),
}
SIZES = {"s": np.float32, "d": np.float64, "c": np.complex64, "z": np.complex128}


def array(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def expected(x, y, numbers):
    wide = np.complex128 if x.dtype.kind == "c" else np.float64
    left, right, shape = blas.as_matrices(x.astype(wide), y.astype(wide), numbers)
    return (left @ right).reshape(shape)


def assert_close(out, x, y, numbers):
    wanted = expected(x, y, numbers)
    eps = np.finfo(x.dtype).eps
    assert out.shape == wanted.shape and out.dtype == x.dtype
    assert np.abs(out - wanted).max(initial=0) <= 100 * eps * max(1, np.abs(wanted).max(initial=0))


@pytest.fixture(params=["machine code", "ctypes", "another BLAS"])
def road(request, monkeypatch):
    monkeypatch.setattr(heat, "ready", lambda kind, work: request.param == "machine code")
    blas.plan_product.cache_clear()
    if request.param == "another BLAS":
        monkeypatch.setattr(blas, "library", lambda: None)
    yield request.param
    blas.plan_product.cache_clear()


@pytest.mark.parametrize("letter", SIZES)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, letter, road):
    x_shape, y_shape, numbers = PRODUCTS[name]
    x, y = array(x_shape, SIZES[letter], 1), array(y_shape, SIZES[letter], 2)
    assert_close(blas.dot(x, y, numbers), x, y, numbers)


VIEWS = {
    "every second row": lambda x: x[::2], "every second column": lambda x: x[:, ::2],
    "backwards": lambda x: x[::-1], "one row, repeated": lambda x: np.broadcast_to(x[:1], x.shape),
    "columns first": np.asfortranarray, "part": lambda x: x[3:, 5:],
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_views(name, road):
    x = VIEWS[name](array((160, 130), np.float32, 1))
    y = array((130, 140), np.float32, 2)[: x.shape[1]]
    for left, right in ((x, y), (y.T, x.T)):
        numbers = (((1,), (0,)), ((), ()))
        assert_close(blas.dot(left, right, numbers), left, right, numbers)


@needs_openblas
def test_bits_do_not_depend_on_the_road_or_the_number_of_threads(monkeypatch):
    for name in ("plain", "strip", "four tiles", "heads inside"):
        x_shape, y_shape, numbers = PRODUCTS[name]
        x, y = array(x_shape, np.float32, 1), array(y_shape, np.float32, 2)
        monkeypatch.setattr(heat, "ready", lambda kind, work: False)
        results = [blas.dot(x, y, numbers)]
        monkeypatch.setattr(heat, "ready", lambda kind, work: True)
        for threads in (1, 2, 3):
            pool.start(threads)
            results.append(blas.dot(x, y, numbers))
        assert all((r == results[0]).all() for r in results)
    pool.start()


@needs_openblas
def test_the_host_program_finds_openblas_as_it_left_it(road):
    if road == "another BLAS":
        return
    found = blas.library()
    before = found.get_threads()
    try:
        for threads in (1, 2):
            found.set_threads(threads)
            x = array((300, 300), np.float32, 1)
            blas.dot(x, x, (((1,), (0,)), ((), ())))
            assert found.get_threads() == threads
    finally:
        found.set_threads(before)


@needs_openblas
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_gets_openblas_back_with_all_threads():
    before = blas.library().get_threads()
    blas.library().set_threads(2)
    with blas.one_thread:
        child = os.fork()
        if child == 0:
            os._exit(0 if blas.library().get_threads() == 2 and not blas.one_thread.users else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    blas.library().set_threads(before)


SWITCH = """
import os, sys
import numpy as np
from kernels import blas
shared = blas.ctypes.PyDLL(str(blas.library_path()))
shared.scipy_openblas_get_corename64_.restype = blas.ctypes.c_char_p
def switch(core):  # as on a processor that OpenBLAS mistakes for `core`
    os.environ["OPENBLAS_CORETYPE"] = core
    shared.gotoblas_dynamic_quit(); shared.gotoblas_dynamic_init()
    del os.environ["OPENBLAS_CORETYPE"]
switch("Haswell")
before = dict(os.environ)
changed = blas.use_wide_kernels(shared)
x = np.random.default_rng(0).random((200, 200), np.float32)
assert np.allclose(x @ x, x.astype(float) @ x.astype(float), rtol=1e-5)
assert dict(os.environ) == before
print(changed, shared.scipy_openblas_get_corename64_().decode())
"""


@needs_openblas
@pytest.mark.skipif(not blas.has_avx512(), reason="this processor has no AVX-512")
def test_kernels_for_wide_vectors_are_chosen_where_openblas_did_not():
    program = [sys.executable, "-c", SWITCH]
    clean = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    run = subprocess.run(program, cwd=ROOT, env=clean, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("True SkylakeX\n", "")


def test_opting_out():
    program = "from kernels import blas; print(blas.library())"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
                         env={**os.environ, "MINIGRAD_BLAS": "default"})
    assert run.stdout == "None\n"


@needs_openblas
def test_a_pool_that_ran_before_keeps_blas_to_one_thread():
    """An elementwise program starts the pool, and only a later one loads BLAS."""
    program = """
import ctypes
from kernels import blas, pool
pool.start(2)
library, seen = blas.library(), []
library.set_threads(2)
look = pool.KERNEL(lambda table, start, stop: seen.append(library.get_threads()))
pool.run(ctypes.cast(look, ctypes.c_void_p).value, 0, 8, 1)
assert seen == [1] * 8 and library.get_threads() == 2, seen
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
