"""jax.lax: solutions of equations, differentiated as such and not through their iterations."""

from __future__ import annotations

from compat.jax import custom, transforms
from compat.jax.lax.elementwise import stop_gradient
from compat.jax.transforms import arrays, results
from minigrad.ops import solves
from minigrad.tree import tree_map


def custom_linear_solve(matvec, b, solve, transpose_solve=None, symmetric=False, has_aux=False):
    """x with `matvec(x) == b`, as `solve(matvec, b)` finds it."""
    return results(solves.custom_linear_solve(matvec, arrays(b), solve, transpose_solve, symmetric,
                                              has_aux))


def custom_root(f, initial_guess, solve, tangent_solve, has_aux=False):
    """x with `f(x) == 0`, as `solve(f, initial_guess)` finds it; its derivative solves the
    linearized equation by `tangent_solve(linear_function, y)`."""
    guess = arrays(initial_guess)
    closed, consts = custom.closure_convert(f, guess)

    @custom.custom_jvp
    def root(consts, guess):
        return solve(lambda x: closed(x, *consts), guess)

    @root.defjvp
    def root_jvp(primals, tangents):
        consts, guess = primals
        t_consts, _ = tangents
        out = root(consts, guess)
        solution = out[0] if has_aux else out
        fixed = stop_gradient(solution)
        _, by_consts = transforms.jvp(lambda *c: closed(fixed, *c), tuple(consts),
                                      tuple(t_consts))
        _, linear = transforms.linearize(lambda x: closed(x, *consts), fixed)
        step = tangent_solve(linear, by_consts)
        tangent = tree_map(lambda v: -v, step)
        if not has_aux:
            return out, tangent
        zeros = tree_map(zero_tangent, out[1])
        return out, (tangent, zeros)

    return root(tuple(consts), guess)


def zero_tangent(x):
    from minigrad.forward import instantiate_tangent

    return instantiate_tangent(None, x)
