"""jax.scipy.sparse.linalg: linear equations solved by products with the matrix alone.

`A` is a function of a pytree, or a matrix. Derivatives go through the solution, not through the
steps: see `lax.custom_linear_solve`. Sources: Hestenes and Stiefel 1952 (cg), van der Vorst 1992
(bicgstab), Saad and Schultz 1986 (gmres).
"""

from __future__ import annotations

import functools
import operator

from compat.jax import lax
from compat.jax import numpy as jnp
from compat.jax.transforms import arrays, device_put
from minigrad.tree import tree_flatten, tree_map, tree_reduce, tree_structure

add, subtract = (functools.partial(tree_map, f) for f in (operator.add, operator.sub))


def scaled(scalar, tree):
    return tree_map(lambda x: scalar * x, tree)


def inner(x, y):
    """The inner product of two trees, conjugated in the first."""
    parts = tree_map(lambda a, b: jnp.vdot(a, b, precision=lax.Precision.HIGHEST), x, y)
    return tree_reduce(operator.add, parts)


def squared_norm(x):
    return inner(x, x).real


def as_function(A, name: str):
    if callable(A):
        return A
    if getattr(A, "ndim", None) != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"linear operator must be a square matrix, but has shape: "
                         f"{getattr(A, 'shape', None)}")
    return functools.partial(jnp.matmul, A)


def solver(method, symmetric: bool):
    """`method(A, b, x0, tol=, atol=, maxiter=, M=)` with checks and derivatives."""

    @functools.wraps(method)
    def solve(A, b, x0=None, *, tol=1e-5, atol=0.0, maxiter=None, M=None, **options):
        b = arrays(device_put(b))
        x0 = tree_map(jnp.zeros_like, b) if x0 is None else arrays(x0)
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
        real = all(not jnp.iscomplexobj(x) for x in tree_flatten(b)[0])
        x = lax.custom_linear_solve(as_function(A, "A"), b, solve=steps, transpose_solve=steps,
                                    symmetric=symmetric and real)
        return x, None

    return solve


def bound(b, tol, atol):
    """The squared norm of the residual at which to stop."""
    return jnp.maximum(jnp.square(tol) * squared_norm(b), jnp.square(atol))


def conjugate_gradients(A, b, *, x0, tol, atol, maxiter, M):
    limit = bound(b, tol, atol)

    def unfinished(state):
        _, r, gamma, _, k = state
        return (squared_norm(r) > limit) & (k < maxiter)

    def step(state):
        x, r, gamma, p, k = state
        Ap = A(p)
        alpha = gamma / inner(p, Ap).astype(gamma.dtype)
        x, r = add(x, scaled(alpha, p)), subtract(r, scaled(alpha, Ap))
        z = M(r)
        new = inner(r, z).real.astype(gamma.dtype)
        return x, r, new, add(z, scaled(new / gamma, p)), k + 1

    r = subtract(b, A(x0))
    z = M(r)
    gamma = inner(r, z).real
    return lax.while_loop(unfinished, step, (x0, r, gamma, z, 0))[0]


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
        x = tree_map(lambda a, b, c: jnp.where(early, a + alpha * b, a + alpha * b + omega * c),
                     x, phat, shat)
        r = tree_map(lambda a, b: jnp.where(early, a, a - omega * b), s, t)
        k = jnp.where((omega == 0) | (alpha == 0), -11, k + 1)
        k = jnp.where(new == 0, -10, k)
        return x, r, rhat, alpha, omega, new, p, q, k

    r = subtract(b, A(x0))
    one = jnp.ones_like(inner(r, r))
    return lax.while_loop(unfinished, step, (x0, r, r, one, one, one, r, r, 0))[0]


def minimal_residuals(A, b, *, x0, tol, atol, maxiter, M, restart=20, solve_method="batched"):
    size = sum(x.size for x in tree_flatten(b)[0])
    restart = min(restart, size)
    limit = jnp.sqrt(bound(b, tol, atol))

    def cycle(state):
        x, r, norm, k = state
        basis = [tree_map(lambda v: v / jnp.where(norm > 0, norm, 1), r)]
        columns = []
        for j in range(restart):  # Arnoldi, each vector made orthogonal twice
            w, h = M(A(basis[j])), jnp.zeros(restart + 1, inner(r, r).dtype)
            for _ in range(2):
                for i, v in enumerate(basis):
                    part = inner(v, w)
                    w, h = subtract(w, scaled(part, v)), h.at[i].add(part)
            length = jnp.sqrt(squared_norm(w))
            h = h.at[j + 1].set(length.astype(h.dtype))
            columns.append(h)
            basis.append(scaled(1 / jnp.where(length > 1e-30, length, 1), w))
        H = jnp.stack(columns, axis=1)
        e1 = jnp.zeros(restart + 1, H.dtype).at[0].set(norm.astype(H.dtype))
        y = jnp.linalg.lstsq(H, e1)[0]
        for j in range(restart):
            x = add(x, scaled(y[j], basis[j]))
        r = M(subtract(b, A(x)))
        return x, r, jnp.sqrt(squared_norm(r)), k + 1

    r = M(subtract(b, A(x0)))
    start = x0, r, jnp.sqrt(squared_norm(r)), 0
    return lax.while_loop(lambda s: (s[2] > limit) & (s[3] < maxiter), cycle, start)[0]


cg = solver(conjugate_gradients, symmetric=True)
bicgstab = solver(biconjugate_gradients, symmetric=False)
gmres = solver(minimal_residuals, symmetric=False)
for _name, _solver in {"cg": cg, "bicgstab": bicgstab, "gmres": gmres}.items():
    _solver.__name__, _solver.__doc__ = _name, "`(x with A x = b, None)`; see the module."
