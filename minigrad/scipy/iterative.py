"""Linear equations solved by products with the matrix alone.

`A` is a function of a pytree, or a matrix. Derivatives go through the solution, not through the
steps: see `lax.custom_linear_solve`. Sources: Hestenes and Stiefel 1952 (cg), van der Vorst 1992
(bicgstab), Saad and Schultz 1986 (gmres).
"""

from __future__ import annotations

import functools
import operator

import minigrad.numpy as mnp
from minigrad.numpy.updating import At
from minigrad.core import aval_of
from minigrad.ops.families import dtype_kind
from minigrad.ops.flow import while_loop
from minigrad.ops.solves import custom_linear_solve
from minigrad.tree import tree_flatten, tree_map, tree_reduce, tree_structure

add, subtract = (functools.partial(tree_map, f) for f in (operator.add, operator.sub))


def scaled(scalar, tree):
    return tree_map(lambda x: scalar * x, tree)


def inner(x, y):
    """The inner product of two trees, conjugated in the first."""
    parts = tree_map(lambda a, b: mnp.vdot(a, b), x, y)
    return tree_reduce(operator.add, parts)


def squared_norm(x):
    return mnp.real(inner(x, x))


def as_function(A, name: str):
    if callable(A):
        return A
    if getattr(A, "ndim", None) != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"linear operator must be a square matrix, but has shape: "
                         f"{getattr(A, 'shape', None)}")
    return functools.partial(mnp.matmul, A)


def solver(method, symmetric: bool):
    """`method(A, b, x0, tol=, atol=, maxiter=, M=)` with checks and derivatives."""

    @functools.wraps(method)
    def solve(A, b, x0=None, *, tol=1e-5, atol=0.0, maxiter=None, M=None, **options):
        b = tree_map(mnp.asarray, b)
        x0 = tree_map(mnp.zeros_like, b) if x0 is None else tree_map(mnp.asarray, x0)
        if tree_structure(x0) != tree_structure(b):
            raise ValueError("x0 and b must have matching tree structure: "
                             f"{tree_structure(x0)} vs {tree_structure(b)}")
        shapes = [[x.shape for x in tree_flatten(t)[0]] for t in (x0, b)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"arrays in x0 and b must have matching shapes: {shapes[0]} vs "
                             f"{shapes[1]}")
        M = (lambda x: x) if M is None else as_function(M, "M")
        size = sum(x.size for x in tree_flatten(b)[0])
        steps = functools.partial(method, x0=x0, tol=tol, atol=atol, M=M, maxiter=10 * size
                                  if maxiter is None else maxiter, **options)
        real = all(dtype_kind(aval_of(x).dtype) != "c" for x in tree_flatten(b)[0])
        x = custom_linear_solve(as_function(A, "A"), b, steps, steps, symmetric and real)
        return x, None

    return solve


def bound(b, tol, atol):
    """The squared norm of the residual at which to stop."""
    return mnp.maximum(mnp.square(tol) * squared_norm(b), mnp.square(atol))


def conjugate_gradients(A, b, *, x0, tol, atol, maxiter, M):
    limit = bound(b, tol, atol)

    def unfinished(state):
        _, r, gamma, _, k = state
        return (squared_norm(r) > limit) & (k < maxiter)

    def step(state):
        x, r, gamma, p, k = state
        Ap = A(p)
        alpha = gamma / mnp.astype(inner(p, Ap), gamma.dtype)
        x, r = add(x, scaled(alpha, p)), subtract(r, scaled(alpha, Ap))
        z = M(r)
        new = mnp.astype(mnp.real(inner(r, z)), gamma.dtype)
        return x, r, new, add(z, scaled(new / gamma, p)), k + 1

    r = subtract(b, A(x0))
    z = M(r)
    gamma = mnp.real(inner(r, z))
    return while_loop(unfinished, step, (x0, r, gamma, z, 0))[0]


def biconjugate_gradients(A, b, *, x0, tol, atol, maxiter, M):
    limit = bound(b, tol, atol)

    def unfinished(state):
        return (squared_norm(state[1]) > limit) & (state[-1] < maxiter) & (state[-1] >= 0)

    def step(state):
        x, r, rhat, alpha, omega, rho, p, q, k = state
        new = inner(rhat, r)
        p = add(r, scaled(new / rho * alpha / omega, subtract(p, scaled(omega, q))))
        phat = M(p)
        q = A(phat)
        alpha = new / inner(rhat, q)
        s = subtract(r, scaled(alpha, q))
        early = squared_norm(s) < limit
        shat = M(s)
        t = A(shat)
        omega = inner(t, s) / inner(t, t)
        x = tree_map(lambda a, b, c: mnp.where(early, a + alpha * b, a + alpha * b + omega * c),
                     x, phat, shat)
        r = tree_map(lambda a, b: mnp.where(early, a, a - omega * b), s, t)
        k = mnp.where((omega == 0) | (alpha == 0), -11, k + 1)
        k = mnp.where(new == 0, -10, k)
        return x, r, rhat, alpha, omega, new, p, q, k

    r = subtract(b, A(x0))
    one = mnp.ones_like(inner(r, r))
    return while_loop(unfinished, step, (x0, r, r, one, one, one, r, r, 0))[0]


def minimal_residuals(A, b, *, x0, tol, atol, maxiter, M, restart=20, solve_method="batched"):
    size = sum(x.size for x in tree_flatten(b)[0])
    restart = min(restart, size)
    limit = mnp.sqrt(bound(b, tol, atol))

    def cycle(state):
        x, r, norm, k = state
        basis = [tree_map(lambda v: v / mnp.where(norm > 0, norm, 1), r)]
        columns = []
        for j in range(restart):  # Arnoldi, each vector made orthogonal twice
            w, h = M(A(basis[j])), mnp.zeros(restart + 1, inner(r, r).dtype)
            for _ in range(2):
                for i, v in enumerate(basis):
                    part = inner(v, w)
                    w, h = subtract(w, scaled(part, v)), At(h)[i].add(part)
            length = mnp.sqrt(squared_norm(w))
            h = At(h)[j + 1].set(mnp.astype(length, h.dtype))
            columns.append(h)
            basis.append(scaled(1 / mnp.where(length > 1e-30, length, 1), w))
        H = mnp.stack(columns, axis=1)
        e1 = At(mnp.zeros(restart + 1, H.dtype))[0].set(mnp.astype(norm, H.dtype))
        y = mnp.lstsq(H, e1)[0]
        for j in range(restart):
            x = add(x, scaled(y[j], basis[j]))
        r = M(subtract(b, A(x)))
        return x, r, mnp.sqrt(squared_norm(r)), k + 1

    r = M(subtract(b, A(x0)))
    start = x0, r, mnp.sqrt(squared_norm(r)), 0
    return while_loop(lambda s: (s[2] > limit) & (s[3] < maxiter), cycle, start)[0]


cg = solver(conjugate_gradients, symmetric=True)
bicgstab = solver(biconjugate_gradients, symmetric=False)
gmres = solver(minimal_residuals, symmetric=False)
for _name, _solver in {"cg": cg, "bicgstab": bicgstab, "gmres": gmres}.items():
    _solver.__name__, _solver.__doc__ = _name, "`(x with A x = b, None)`; see the module."
