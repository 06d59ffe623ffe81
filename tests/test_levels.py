"""Everything nests: tapes over transforms over tapes, staged or not; and every level is left again.

A level's values are values of the level below it, so that towers need no special cases. What goes
wrong (a value that outlives its level, an exception, Ctrl-C, a thread) must leave no trace.
"""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import minigrad as mg
from minigrad import core, errors, tape
from minigrad.core import EAGER, EVAL, get_mode, table
from minigrad.imperative.modes import grad_mode
from minigrad.show import origins
from tests.tensors import tensor

X = np.array([0.5, -1.25, 2.0])
W = np.array([[0.5, -1.0, 0.25], [1.5, 0.75, -0.5], [0.1, 0.2, 0.3]])


@pytest.fixture(autouse=True)
def every_level_is_left():
    yield
    assert get_mode() is EAGER


def t(values, **options):
    return tensor(values, dtype=np.float64, **options)


def values(x):
    return np.asarray(core.to_array(x))


def f(w, x):
    """A scalar of a vector of weights and a point."""
    return ((w * x).sin() * w).sum()


def jax_f(w, x):
    return jnp.sum(jnp.sin(w * x) * w)


def close(ours, theirs):
    np.testing.assert_allclose(values(ours), np.asarray(theirs), rtol=1e-10, atol=1e-12)


@pytest.fixture(autouse=True, scope="module")
def wide():
    with jax.enable_x64(True):
        yield


# ------------------------------------------------------------------ an outer tape


INNER = {
    "jvp": (lambda lib, f, w, x: lib.jvp(lambda x: f(w, x), (x,), (x,))[1]),
    "grad": (lambda lib, f, w, x: (lib.grad(lambda x: f(w, x))(x) * x).sum()),
    "grad of grad": (lambda lib, f, w, x: (
        lib.grad(lambda x: lib.grad(lambda x: f(w, x))(x).sum())(x) * w).sum()),
    "jvp of grad": (lambda lib, f, w, x: (
        lib.jvp(lib.grad(lambda x: f(w, x)), (x,), (w,))[1] * x).sum()),
    "grad of jvp": (lambda lib, f, w, x: (
        lib.grad(lambda x: lib.jvp(lambda x: f(w, x), (x,), (w,))[1])(x) * w).sum()),
    "vmap": (lambda lib, f, w, x: (lib.vmap(lambda a: f(w, a))(x) * x).sum()),
    "vmap of grad": (lambda lib, f, w, x: (lib.vmap(lib.grad(f), (0, None))(w, x[0]) * x).sum()),
    "jit": (lambda lib, f, w, x: lib.jit(lambda x: f(w, x))(x)),
    "jit of grad": (lambda lib, f, w, x: (lib.jit(lib.grad(lambda x: f(w, x)))(x) * x).sum()),
    "grad of jit": (lambda lib, f, w, x: (lib.grad(lib.jit(lambda x: f(w, x)))(x) * x).sum()),
    "vmap of jit of grad": (lambda lib, f, w, x: (
        lib.vmap(lib.jit(lib.grad(f)), (0, None))(w, x[1]) * x).sum()),
    "grad of vmap of grad": (lambda lib, f, w, x: lib.grad(
        lambda x: (lib.vmap(lib.grad(f), (0, None))(w, x.sum()) * x).sum())(x).sum()),
    "hessian": (lambda lib, f, w, x: (lib.hessian(lambda x: f(w, x))(x) * w).sum()),
}


@pytest.mark.parametrize("name", INNER)
def test_outer_tape_over_inner_transforms(name):
    """`backward()` reaches what an inner transform captured."""
    inner = INNER[name]
    w, x = t(X + 0.25, requires_grad=True), t(X, requires_grad=True)
    loss = inner(mg, f, w, x)
    loss.backward()
    expected = jax.value_and_grad(lambda w, x: inner(jax, jax_f, w, x), (0, 1))(X + 0.25, X)
    close(loss, expected[0])
    for leaf, g in zip((w, x), expected[1]):
        close(leaf.grad if leaf.grad is not None else np.zeros(3), g)


@pytest.mark.parametrize("name", INNER)
def test_the_same_towers_staged_and_differentiated_without_a_tape(name):
    inner = INNER[name]

    def ours(w, x):
        return inner(mg, f, w, x)

    def theirs(w, x):
        return inner(jax, jax_f, w, x)

    w, x = t(X + 0.25), t(X)
    close(mg.jit(mg.grad(ours))(w, x), jax.grad(theirs)(X + 0.25, X))
    close(mg.vmap(ours)(*map(t, (W, W + 1))), jax.vmap(theirs)(W, W + 1))


def test_maml():
    """An inner gradient step, and the outer loss after it, by the tape on both levels."""
    def adapted(w, x, rate):
        inner = w.detach().requires_grad_() if rate is None else w
        (g,) = tape.grad(f(inner, x), inner, create_graph=True)
        return f(w - g * 0.1, x + 1.0)

    w = t(X + 0.25, requires_grad=True)
    loss = adapted(w, t(X), 0.1)
    loss.backward()
    expected = jax.grad(lambda w: jax_f(w - 0.1 * jax.grad(jax_f)(w, X), X + 1.0))(X + 0.25)
    close(w.grad, expected)
    w.grad = None
    f(w - mg.grad(f)(w, t(X)) * 0.1, t(X) + 1.0).backward()
    close(w.grad, expected)


# ------------------------------------------------------------------ tapes on inner levels


def test_backward_inside_jit():
    @mg.jit
    def gradient(w, x):
        w = w.detach().requires_grad_()
        f(w, x).backward()
        return w.grad

    for _ in range(2):
        close(gradient(t(X), t(X + 1)), jax.grad(jax_f)(X, X + 1))
    assert gradient.traces == 1


def test_a_tape_inside_every_transform():
    """`tape.grad` is a function of values, so that transforms go through it."""
    def gradient(w, x):
        w = (w * 1.0).detach().requires_grad_()  # now a value of this level, whatever came in
        (g,) = tape.grad(f(w, x), w)
        return g

    close(mg.vmap(gradient)(t(W), t(W + 1)), jax.vmap(jax.grad(jax_f))(W, W + 1))
    close(mg.vmap(mg.jit(gradient), (0, None))(t(W), t(X)),
          jax.vmap(jax.grad(jax_f), (0, None))(W, X))
    close(mg.jvp(lambda x: gradient(t(X), x), (t(X),), (t(X + 1),))[1],
          jax.jvp(lambda x: jax.grad(jax_f)(X, x), (X,), (X + 1,))[1])
    close(mg.grad(lambda x: gradient(t(X), x).sum())(t(X)),
          jax.grad(lambda x: jax.grad(jax_f)(X, x).sum())(X))


def test_jit_inside_vmap_inside_grad():
    def ours(w):
        return mg.vmap(mg.jit(lambda row: f(row, w)))(t(W)).sum()

    def theirs(w):
        return jax.vmap(jax.jit(lambda row: jax_f(row, w)))(W).sum()

    close(mg.grad(ours)(t(X)), jax.grad(theirs)(X))


def test_backward_inside_a_transform_is_refused():
    for transform in (mg.grad, mg.vmap, lambda g: lambda x: mg.jvp(g, (x,), (x,))):
        def run(x):
            f(x.detach().requires_grad_(), x).backward()
            return x.sum()

        with pytest.raises(RuntimeError, match="called inside a functorch transform"):
            transform(run)(t(X))


def test_perturbations_do_not_mix():
    def g(x):
        return x * mg.grad(lambda y: x * y)(t(1.0))

    close(mg.grad(g)(t(3.0)), 6.0)
    x = t(3.0, requires_grad=True)
    g(x).backward()
    close(x.grad, 6.0)

    def h(x):
        return x * mg.jvp(lambda y: x * y, (t(1.0),), (t(1.0),))[1]

    close(mg.jvp(h, (t(3.0),), (t(1.0),))[1], 6.0)
    close(mg.grad(h)(t(3.0)), 6.0)


def test_modes_of_recording_are_a_levels_own():
    w = t(X, requires_grad=True)
    with grad_mode(False):
        g = mg.grad(f)(w, t(X))
    assert not g.requires_grad
    close(g, jax.grad(jax_f)(X, X))

    @mg.jit
    def step(x):
        with grad_mode(False):
            y = w * x
        return y, w * x

    without, recorded = step(t(X))
    assert not without.requires_grad and recorded.requires_grad


# ------------------------------------------------------------------ values that outlive their level


def leak_by(transform):
    leaked = []

    def function(x):
        leaked.append(x * 2.0)
        return (x * 2.0).sum()

    transform(function)
    return leaked[0]


LEAKS = {
    "jit": lambda f: mg.jit(f, constants=True)(t(X)),
    "grad": lambda f: mg.grad(f)(t(X)),
    "jvp": lambda f: mg.jvp(f, (t(X),), (t(X),)),
    "vmap": lambda f: mg.vmap(f)(t(W)),
    "make_jaxpr": lambda f: mg.make_jaxpr(f)(t(X)),
    "scan": lambda f: mg.scan(lambda c, x: (c + f(x), None), t(0.0), t(W)),
}
USES = {
    "eagerly": lambda x: x + 1.0,
    "in jit": lambda x: mg.jit(lambda y: y * x)(t(X)),
    "in grad": lambda x: mg.grad(lambda y: table["mul"](y, x).sum())(t(X)),
    "in vmap": lambda x: mg.vmap(lambda y: table["mul"](y, x))(t(W)),
    "as an array": np.asarray,
    "as an argument": lambda x: mg.jit(lambda y: y * 2.0)(x),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("level", LEAKS)
def test_leaks_are_named(level, use):
    leaked = leak_by(LEAKS[level])
    with pytest.raises(errors.UnexpectedTracerError) as info:
        USES[use](leaked)
    message = f"{info.value} {info.value.__notes__}"
    assert "test_levels.py" in message and "side effect" in message
    assert origins.shown(leaked.aval) in message


def test_a_leak_names_the_line_of_its_use():
    leaked = leak_by(LEAKS["grad"])
    line = test_a_leak_names_the_line_of_its_use.__code__.co_firstlineno + 4
    with pytest.raises(errors.UnexpectedTracerError) as info:
        leaked * 3.0
    assert f"test_levels.py:{line} " in info.value.__notes__[0]


def test_values_of_two_levels_side_by_side_do_not_meet():
    """A value of one branch, used in another that does not stand on it."""
    held = []

    def first(x):
        held.append(x)
        with pytest.raises(errors.UnexpectedTracerError):
            mg.grad(lambda y: (y * other[0]).sum())(x)
        return x.sum()

    other = [leak_by(LEAKS["vmap"])]
    mg.grad(first)(t(X))
    with pytest.raises(errors.UnexpectedTracerError):
        mg.grad(lambda y: (y * held[0]).sum())(t(X))


def test_numbers_of_traced_values_are_refused():
    for bad in (float, bool, int, np.asarray, lambda x: x.item()):
        with pytest.raises((errors.ConcretizationTypeError, errors.JAXTypeError)) as info:
            mg.jit(lambda x, bad=bad: x * bad(x.sum()))(t(X))
        assert "test_levels.py" in str(info.value)


# ------------------------------------------------------------------ the way out


class Trouble(Exception):
    pass


TRANSFORMS = {
    "jit": lambda f: mg.jit(f)(t(X)),
    "grad": lambda f: mg.grad(f)(t(X)),
    "vmap": lambda f: mg.vmap(f)(t(W)),
    "jvp": lambda f: mg.jvp(f, (t(X),), (t(X),)),
    "linearize": lambda f: mg.linearize(f, t(X)),
    "vmap of grad of jit": lambda f: mg.vmap(mg.grad(mg.jit(f)))(t(W)),
    "scan": lambda f: mg.scan(lambda c, x: (c + f(x), None), t(0.0), t(W)),
    "cond": lambda f: mg.cond(True, f, f, t(X)),
    "checkpoint": lambda f: mg.checkpoint(f)(t(X)),
    "tape": lambda f: f(t(X, requires_grad=True)).backward(),
    "hook": lambda f: (x := t(X, requires_grad=True)).register_hook(f) and x.sum().backward(),
    "no_grad": lambda f: grad_mode(False)(f)(t(X)),
}


@pytest.mark.parametrize("error", [Trouble, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_exceptions_leave_every_level(name, error):
    before = np.geterr()

    def fails(x):
        (x * 2.0).sum()
        raise error("on purpose")

    with pytest.raises(error, match="on purpose"):
        TRANSFORMS[name](fails)
    assert get_mode() is EAGER and np.geterr() == before
    close(mg.grad(f)(t(X), t(X)), jax.grad(jax_f)(X, X))


def test_a_failed_trace_is_not_remembered():
    fail = [True]

    @mg.jit
    def g(x):
        if fail:
            raise Trouble
        return x * 2.0

    for _ in range(2):
        with pytest.raises(Trouble):
            g(t(X))
    fail.clear()
    close(g(t(X)), 2 * X)


def test_a_thread_starts_on_level_zero():
    found = []

    def inside(x):
        def work():
            found.append((get_mode().trace is EVAL, get_mode().grad))
            found.append(values(t(X) * 2.0))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x * 2.0

    with grad_mode(False):
        mg.jit(inside)(t(X))
    assert found[0] == (True, True)
    close(found[1], 2 * X)


def test_two_threads_stage_and_differentiate_at_once():
    results, problems = {}, []

    def work(k):
        try:
            w = t(X + k, requires_grad=True)
            for _ in range(20):
                w.grad = None
                mg.jit(lambda x: f(w, x))(t(X)).backward()
            results[k] = values(w.grad), values(mg.grad(f)(t(X + k), t(X)))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    for k, (taped, transformed) in results.items():
        close(taped, jax.grad(jax_f)(X + k, X))
        close(transformed, jax.grad(jax_f)(X + k, X))
