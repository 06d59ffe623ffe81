"""Linear algebra: factorizations, and solving with them."""

from __future__ import annotations

import numpy as np
from jax import lax
from jax._src.lax.linalg import geqrf

from minigrad.core import make_aval, table
from minigrad.ops.decompositions import SvdAlgorithm
from minigrad.ops.solves import LinearSolve
from minigrad.program import stage
from tests.rows.row import Row


def matrices(kind: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Random matrices with well-separated singular values."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if kind.startswith("c"):
        x = x + 1j * rng.standard_normal(shape)
    m, n = shape[-2:]
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    k = min(m, n)
    return ((u * np.linspace(1, 2, k)) @ vh if k else x).astype(DTYPES[kind])


DTYPES = {"f32": np.float32, "f64": np.float64, "c64": np.complex64, "c128": np.complex128}


def hermitian(kind: str, *shape: int) -> np.ndarray:
    x = matrices(kind, *shape)
    return (x + x.swapaxes(-1, -2).conj()) / 2


def definite(kind: str, *shape: int) -> np.ndarray:
    x = matrices(kind, *shape)
    return x @ x.swapaxes(-1, -2).conj()


def triangle(kind: str, n: int, lower: bool) -> np.ndarray:
    x = matrices(kind, n, n) + 2 * np.eye(n, dtype=DTYPES[kind])
    return np.tril(x) if lower else np.triu(x)


def through(name: str, **fixed):
    primitive = getattr(lax.linalg, f"{name}_p")
    return lambda *args: primitive.bind(*args, **fixed)


def row(name: str, *values, second: bool = False, note: str = "", differentiable: bool = True,
        jax_params: dict | None = None, **params) -> Row:
    return Row(name, ("given",) * len(values), params, values=values, second=second, note=note,
               differentiable=differentiable,
               jax=through(name, **(params if jax_params is None else jax_params)))


ROWS = []

# ------------------------------------------------------------------ cholesky, eigh

ROWS += [
    row("cholesky", definite("f32", 3, 3)),
    row("cholesky", definite("c64", 2, 2, 2)),
    row("cholesky", definite("f64", 1, 1)),
    row("cholesky", -np.eye(2, dtype=np.float32), differentiable=False, note="nan"),
    row("cholesky", np.zeros((0, 0), np.float32), differentiable=False),
    row("cholesky", np.zeros((2, 3), np.float32), differentiable=False, note="not square"),
    row("cholesky", np.zeros((2, 2), np.int32), differentiable=False, note="integers"),
    row("cholesky_update", np.triu(definite("f32", 3, 3)), np.float32([1, -2, 0]),
        differentiable=False),
]
EIGH = {"lower": True, "sort_eigenvalues": True, "subset_by_index": None, "algorithm": None}
ROWS += [
    row("eigh", hermitian("f32", 3, 3), **EIGH),
    row("eigh", hermitian("c64", 2, 2, 2), **EIGH),
    row("eigh", hermitian("f64", 3, 3), **EIGH | {"lower": False}),
    row("eigh", matrices("f32", 3, 3), differentiable=False, note="one triangle", **EIGH),
    row("eigh", np.full((2, 2), np.nan, np.float32), differentiable=False, **EIGH),
]

# ------------------------------------------------------------------ lu, qr

ROWS += [
    row("lu", matrices("f32", 3, 3), second=True),
    row("lu", matrices("c64", 2, 2, 2)),
    row("lu", matrices("f32", 4, 2)),
    row("lu", matrices("f64", 2, 4)),
    row("lu", np.zeros((0, 3), np.float32), differentiable=False),
    row("lu_pivots_to_permutation", np.int32([[1, 2, 2], [2, 1, 2]]), permutation_size=4,
        differentiable=False),
    row("householder_product", matrices("f32", 4, 3), np.float32([1, 0.5]), differentiable=False),
]
QR = {"pivoting": False, "full_matrices": False, "use_magma": None}
ROWS += [
    row("qr", matrices("f32", 3, 3), second=True, **QR),
    row("qr", matrices("c64", 2, 3, 2), **QR),
    row("qr", matrices("f32", 4, 2), **QR | {"full_matrices": True}),
    row("qr", matrices("f64", 2, 4), **QR),
    row("qr", matrices("f32", 3, 2), **QR | {"pivoting": True}),
    row("qr", np.zeros((0, 3), np.float32), differentiable=False, **QR | {"full_matrices": True}),
]

# ------------------------------------------------------------------ svd, eig

SVD = {"full_matrices": False, "compute_uv": True, "subset_by_index": None, "algorithm": None}
EIG = {"compute_left_eigenvectors": False, "compute_right_eigenvectors": True,
       "enable_eigvec_derivs": True, "implementation": None}
ROWS += [
    row("svd", matrices("f32", 3, 3), second=True, **SVD),
    row("svd", matrices("c64", 2, 3, 2), **SVD),
    row("svd", matrices("f64", 2, 3), **SVD),
    row("svd", matrices("f32", 2, 3), **SVD | {"compute_uv": False}),
    row("svd", matrices("f32", 2, 3), differentiable=False, **SVD | {"full_matrices": True}),
    row("svd", np.zeros((0, 3), np.float32), differentiable=False, **SVD),
    row("svd", matrices("f32", 3, 2), **SVD | {"algorithm": SvdAlgorithm.QR},
        jax_params=SVD | {"algorithm": lax.linalg.SvdAlgorithm.QR}, differentiable=False),
    row("eig", matrices("f32", 3, 3), **EIG),
    row("eig", matrices("c64", 2, 2, 2), **EIG | {"compute_left_eigenvectors": True}),
    row("eig", matrices("f64", 3, 3), second=True, **EIG | {"compute_right_eigenvectors": False}),
    row("eig", matrices("f32", 3, 3), **EIG | {"enable_eigvec_derivs": False}),
]

# ------------------------------------------------------------------ reductions, without derivatives

ROWS += [
    row("schur", matrices("f32", 3, 3), compute_schur_vectors=True, sort_eig_vals=False,
        select_callable=None, differentiable=False),
    row("schur", matrices("c64", 2, 2, 2), compute_schur_vectors=False, sort_eig_vals=False,
        select_callable=None, differentiable=False),
    row("hessenberg", matrices("f32", 4, 4), differentiable=False),
    row("tridiagonal", hermitian("f32", 4, 4), lower=True, differentiable=False),
    row("tridiagonal", hermitian("c128", 2, 3, 3), lower=False, differentiable=False),
    Row("symmetric_product", ("f32[2,3]", "f32[2,2]"), {"alpha": 2.0, "beta": 0.5},
        differentiable=False, jax=through("symmetric_product", alpha=2.0, beta=0.5)),
]
TAUS = np.float32([1, 0.5])
for left, transpose in ((True, False), (False, True)):
    ROWS.append(row("ormqr", matrices("f32", 3, 2), TAUS,
                    matrices("f32", *((3, 2) if left else (2, 3))), left=left,
                    transpose=transpose, differentiable=False))
PACKED = matrices("f32", 4, 2)
ROWS.append(Row("geqrf", ("given",), values=(PACKED,), differentiable=False,
                jax=geqrf))

# ------------------------------------------------------------------ solving

for left_side, lower, transpose_a, conjugate_a, unit_diagonal in (
        (True, True, False, False, False), (True, False, True, False, True),
        (False, False, False, True, False), (False, True, True, True, False)):
    kind = "c64" if conjugate_a else "f32"
    ROWS.append(row(
        "triangular_solve", triangle(kind, 3, lower),
        matrices(kind, *((3, 2) if left_side else (2, 3))), left_side=left_side, lower=lower,
        transpose_a=transpose_a, conjugate_a=conjugate_a, unit_diagonal=unit_diagonal,
        second=not conjugate_a))
ROWS += [
    row("triangular_solve", np.stack([triangle("f64", 2, True)] * 2), matrices("f64", 2, 2, 3),
        left_side=True, lower=True, transpose_a=False, conjugate_a=False, unit_diagonal=False),
    row("triangular_solve", triangle("f32", 2, True), matrices("f32", 3, 2), left_side=True,
        lower=True, transpose_a=False, conjugate_a=False, unit_diagonal=False,
        differentiable=False, note="shapes that do not fit"),
]
BAND = np.float32([[0, 1, -1], [4, 5, 6], [1, 2, 0]])
ROWS += [
    row("tridiagonal_solve", *BAND, matrices("f32", 3, 2), perturb_singular=False, second=True),
    row("tridiagonal_solve", *np.stack([BAND, BAND + 1]).swapaxes(0, 1), matrices("f32", 2, 3, 2),
        perturb_singular=False),
    row("tridiagonal_solve", *np.float32([[0], [2], [0]]), np.float32([[3, 4]]),
        perturb_singular=False, differentiable=False),
]


def solve_programs() -> LinearSolve:
    """x with A x = b by triangular solves, A being a lower triangle."""
    a, b = make_aval((3, 3), np.float32), make_aval((3,), np.float32)

    def product(axis: int):
        numbers = (((axis,), (0,)), ((), ()))
        return stage(lambda a, x: [table["dot_general"](a, x, dimension_numbers=numbers)], [a, b])

    def division(transpose_a: bool):
        def body(a, x):
            column = table["reshape"](x, new_sizes=(3, 1))
            out = table["triangular_solve"](a, column, left_side=True, lower=True,
                                            transpose_a=transpose_a)
            return [table["reshape"](out, new_sizes=(3,))]

        return stage(body, [a, b])

    return LinearSolve(product(1), product(0), division(False), division(True))


def solve_in_jax(a, _, b, c, x):
    def division(matrix, transpose_a):
        return lambda _, x: lax.linalg.triangular_solve(
            matrix, x[:, None], left_side=True, lower=True, transpose_a=transpose_a)[:, 0]

    return lax.custom_linear_solve(lambda x: a @ x, x, division(b, False), division(c, True))


LOWER = triangle("f32", 3, True)
ROWS.append(Row(
    "custom_linear_solve", ("given",) * 5, {"const_lengths": LinearSolve(1, 1, 1, 1),
                                            "jaxprs": solve_programs()},
    values=(LOWER, LOWER, LOWER, LOWER, np.float32([1, 2, 3])), jax=solve_in_jax,
    differentiable=False, note="its derivatives: tests/test_linalg.py"))
