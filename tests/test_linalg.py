"""minigrad.numpy.linalg and fft against jax.numpy: values, derivatives, vmap, jit."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import numpy as jnp

from compat.differential import check
from minigrad.core import box
from minigrad.numpy import fft, linalg
from minigrad.ops.solves import custom_linear_solve
from tests.rows.linalg import definite, hermitian, matrices

A3, A4, C3 = matrices("f32", 3, 3), matrices("f32", 4, 4), matrices("c64", 3, 3)
TALL, WIDE, STACK = matrices("f32", 4, 2), matrices("f32", 2, 4), matrices("f32", 2, 3, 3)
VECTOR = np.float32([1, -2, 3])
SINGULAR = np.float32([[1, 2, 3, 4], [2, 4, 6, 8], [1, 0, 1, 0], [0, 1, 0, 2]])

# (function, arguments, keyword arguments, order of derivatives compared)
LINALG = [
    ("cholesky", [definite("f32", 3, 3)], {}, 2),
    ("cholesky", [definite("c64", 3, 3)], {"upper": True}, 1),
    ("cholesky", [np.int32([[4, 2], [2, 5]])], {}, 0),
    ("qr", [A3], {}, 2), ("qr", [TALL], {"mode": "complete"}, 1), ("qr", [WIDE], {"mode": "r"}, 1),
    ("qr", [TALL], {"mode": "raw"}, 0),
    ("svd", [A3], {"full_matrices": False}, 1), ("svd", [TALL], {"compute_uv": False}, 2),
    ("svd", [hermitian("f32", 3, 3)], {"hermitian": True}, 0), ("svdvals", [STACK], {}, 1),
    ("eigh", [hermitian("f32", 3, 3)], {}, 2), ("eigh", [hermitian("c64", 3, 3)], {}, 1),
    ("eigvalsh", [hermitian("f32", 3, 3)], {"UPLO": "U"}, 1),
    ("eig", [A3], {}, 0), ("eigvals", [A3], {}, 1),
    ("solve", [A3, VECTOR], {}, 2), ("solve", [STACK, A3], {}, 1), ("solve", [C3, C3 + 1], {}, 1),
    ("solve", [A3, STACK], {}, 0), ("inv", [A3], {}, 2), ("inv", [STACK], {}, 1),
    ("lstsq", [TALL, matrices("f32", 4, 3)], {}, 0), ("lstsq", [TALL, VECTOR.repeat(2)[:4]], {}, 0),
    ("det", [A3], {}, 2), ("det", [A3[:2, :2]], {}, 2), ("det", [A4], {}, 2),
    ("det", [matrices("c64", 4, 4)], {}, 1), ("det", [SINGULAR], {}, 1),
    ("det", [np.zeros((4, 4), np.float32)], {}, 1), ("det", [np.float32([[3]])], {}, 1),
    ("slogdet", [A3], {}, 2), ("slogdet", [A3[:2, :2]], {}, 1), ("slogdet", [C3], {}, 1),
    ("slogdet", [SINGULAR], {}, 0), ("slogdet", [STACK], {"method": "qr"}, 1),
    ("pinv", [TALL], {}, 1), ("pinv", [WIDE], {}, 1), ("pinv", [SINGULAR], {}, 0),
    ("matrix_rank", [SINGULAR], {}, 0), ("matrix_rank", [STACK], {"rtol": 1.4}, 0),
    ("cond", [A3], {}, 1), ("cond", [A3], {"p": 1}, 0), ("cond", [SINGULAR], {"p": -2}, 0),
    ("norm", [A3], {"ord": 2}, 1), ("norm", [A3], {"ord": "nuc", "keepdims": True}, 0),
    ("norm", [A3], {"ord": -2}, 1), ("matrix_norm", [STACK], {}, 1),
    ("matrix_power", [A3], {"n": -3}, 1), ("matrix_power", [A3], {"n": 5}, 1),
    ("tensorinv", [matrices("f32", 6, 6).reshape(2, 3, 6)], {}, 0),
    ("tensorsolve", [matrices("f32", 6, 6).reshape(2, 3, 3, 2), np.float32([[1, 2, 3], [4, 5, 6]])],
     {}, 1),
    # what jax refuses
    ("inv", [TALL], {}, 0), ("solve", [TALL, VECTOR], {}, 0), ("det", [TALL], {}, 0),
    ("cond", [TALL], {"p": 1}, 0),
]


def name_of(case) -> str:
    name, args, params, _ = case
    return "-".join([name, *("x".join(map(str, a.shape)) + a.dtype.char for a in args),
                     *(f"{k}={v}" for k, v in params.items())])


@pytest.mark.parametrize("case", LINALG, ids=map(name_of, LINALG))
def test_linalg(case):
    name, args, params, order = case
    check(lambda *xs: getattr(linalg, name)(*xs, **params),
          lambda *xs: getattr(jnp.linalg, name)(*xs, **params), *args, order=order,
          name=name).raise_on_mismatch()


C34 = matrices("c64", 3, 4)
FFT = [
    ("fft", [C34], {"n": 5}, 1), ("fft", [TALL], {"axis": 0, "norm": "ortho"}, 2),
    ("ifft", [C34], {"n": 2, "norm": "forward"}, 1), ("rfft", [TALL], {"axis": 0}, 1),
    ("rfft", [np.int32([1, 2, 3])], {}, 0), ("irfft", [C34], {}, 1),
    ("irfft", [C34], {"n": 3, "axis": 0}, 1), ("fft2", [C34], {"s": (2, 5)}, 1),
    ("rfft2", [TALL], {}, 1), ("irfft2", [C34], {"s": (3, 5)}, 1),
    ("fftn", [np.zeros((2, 3, 2, 2), np.float32) + np.arange(2, dtype=np.float32)], {}, 1),
    ("ifftn", [C34], {"axes": (0,)}, 1), ("rfftn", [TALL], {"norm": "ortho"}, 1),
    ("irfftn", [matrices("c64", 2, 3, 2)], {}, 1), ("hfft", [C34], {}, 1),
    ("ihfft", [TALL], {}, 1), ("fftshift", [A4], {"axes": 1}, 1), ("ifftshift", [A3], {}, 1),
    # what jax refuses
    ("fft", [A3], {"axis": (0, 1)}, 0), ("fftn", [A3], {"axes": (0, 0)}, 0),
    ("fft", [A3], {"n": 0}, 0), ("fft", [A3], {"norm": "no"}, 0),
]


@pytest.mark.parametrize("case", FFT, ids=map(name_of, FFT))
def test_fft(case):
    name, args, params, order = case
    check(lambda *xs: getattr(fft, name)(*xs, **params),
          lambda *xs: getattr(jnp.fft, name)(*xs, **params), *args, order=order,
          name=name).raise_on_mismatch()


@pytest.mark.parametrize("n", [4, 5])
def test_frequencies(n):
    for name in ("fftfreq", "rfftfreq"):
        np.testing.assert_array_equal(np.asarray(getattr(fft, name)(n, 0.5)),
                                      getattr(jnp.fft, name)(n, 0.5))


@pytest.mark.parametrize("symmetric", [False, True])
def test_custom_linear_solve(symmetric):
    """Its derivatives never look into the solver."""
    a = definite("f32", 3, 3) if symmetric else A3

    def program(solver, np_like):
        def solve(a, b):
            def by(matrix):
                return lambda _, x: np_like.linalg.solve(jax_free(matrix), x)

            def jax_free(matrix):
                return np_like.linalg.matrix_transpose(matrix)

            return solver(lambda x: np_like.linalg.matmul(a, x), b,
                          by(np_like.linalg.matrix_transpose(a)), by(a), symmetric=symmetric)

        return solve

    import minigrad

    check(program(custom_linear_solve, minigrad.numpy),
          program(jax.lax.custom_linear_solve, jnp), a, VECTOR,
          order=2 - symmetric).raise_on_mismatch()


def test_custom_linear_solve_has_no_reverse_derivative_without_a_transposed_solver():
    import minigrad

    def f(b):
        return custom_linear_solve(lambda x: x * 2.0, b, lambda _, b: b / 2.0)

    b = box(VECTOR)
    assert np.array_equal(minigrad.jvp(f, (b,), (b,))[1], VECTOR / 2)
    with pytest.raises(TypeError, match="transpose_solve required"):
        minigrad.vjp(f, b)[1](b)
