"""The heart of the project in under two seconds: run it on every save.

No oracle but mathematics: what a derivative is, and what a program says.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import tape
from minigrad.core import box, make_aval, table
from minigrad.show.derived import backward_source
from minigrad.tree import tree_flatten, tree_map, tree_unflatten
from tests.tensors import tensor

X = np.array([0.5, -1.0, 2.0])


def numbers(x):
    return np.asarray(x.value)


def function(x):
    """sum of x sin x; its derivative is sin x + x cos x."""
    return (x * x.sin()).sum()


def derivative(x):
    return np.sin(x) + x * np.cos(x)


def second(x):
    return 2 * np.cos(x) - x * np.sin(x)


def test_the_backward_of_mul_is_derived_and_readable():
    assert backward_source("mul", "f32[3]", "f32[]") == (
        "def mul_backward(g, saved):\n"
        "    x, y = saved\n"
        "    return g * y, reduce_sum(g * x)")


def test_avals_are_interned_and_print():
    assert make_aval((3, 4), np.float32) is make_aval((3, 4), np.dtype("f4"))
    assert repr(make_aval((3, 4), np.float32)) == "f32[3,4]"


def test_backward():
    x = tensor(X, requires_grad=True, dtype=np.float64)
    loss = function(x)
    loss.backward()
    np.testing.assert_allclose(x.grad.value, derivative(X))
    assert loss.grad_fn.name() == "SumBackward0" and x.is_leaf


def test_gradients_accumulate_until_they_are_reset():
    x = tensor([1.0, 2.0], requires_grad=True)
    b = x + x
    (b * b).sum().backward()
    (x * 1.0).sum().backward()
    assert x.grad.value.tolist() == [9.0, 17.0]


def test_double_backward():
    x = tensor(X, requires_grad=True, dtype=np.float64)
    (g,) = tape.grad(function(x), x, create_graph=True)
    np.testing.assert_allclose(tape.grad(g.sum(), x)[0].value, second(X))


def test_a_write_is_seen_and_guarded():
    x = tensor(X, requires_grad=True, dtype=np.float64)
    h = x * 1.0
    h[1].mul_(10.0)
    h.sum().backward()
    assert x.grad.value.tolist() == [1.0, 10.0, 1.0]
    loss = (h * h).sum()
    h.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_tape_and_the_transform_agree():
    x = tensor(X, requires_grad=True, dtype=np.float64)
    function(x).backward()
    np.testing.assert_array_equal(x.grad.value, numbers(mg.grad(function)(x.detach())))


def test_jvp_and_vjp_are_transposes():
    """<ct, J t> = <J' ct, t>."""
    x, t, ct = (tensor(v, dtype=np.float64) for v in (X, X + 1, X * X))
    _, pushed = mg.jvp(lambda x: x * x.sin(), (x,), (t,))
    _, pull = mg.vjp(lambda x: x * x.sin(), x)
    np.testing.assert_allclose(numbers((ct * pushed).sum()), numbers((pull(ct)[0] * t).sum()))


def test_transforms_nest():
    x = tensor(X, dtype=np.float64)
    every = mg.jit(mg.vmap(mg.grad(mg.grad(lambda v: v * v.sin()))))(x)
    np.testing.assert_allclose(numbers(every), second(X))


def test_perturbations_do_not_mix():
    one = tensor(1.0)
    assert mg.grad(lambda x: x * mg.grad(lambda y: x * y)(one))(tensor(3.0)).item() == 6.0


def test_vmap():
    rows = tensor(np.arange(6.0).reshape(2, 3))
    assert numbers(mg.vmap(lambda row: (row * row).sum())(rows)).tolist() == [5.0, 50.0]


def test_programs_print_as_jax_prints_them():
    program = mg.make_jaxpr(lambda x: table["mul"](table["sin"](x), 2.0))(np.float32([1, 2, 3]))
    assert str(program) == (
        "{ lambda ; a:f32[3]. let b:f32[3] = sin a; c:f32[3] = mul b 2.0:f32[] in (c,) }")


def test_jit_traces_once_and_reads_what_it_captured():
    w = tensor(2.0)
    f = mg.jit(lambda x: x * w)
    assert f(tensor(3.0)).item() == 6.0
    w.mul_(10.0)
    assert f(tensor(3.0)).item() == 60.0 and f.traces == 1


def test_a_training_step_is_a_program_with_cells():
    w, state = tensor([1.0, 2.0], requires_grad=True), {}

    @mg.jit
    def step(x):
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        with tape.grad_mode(False):
            state["moment"] = state["moment"].mul_(0.5).add_(w.grad) if state else w.grad * 1.0
            w.sub_(state["moment"])
        return loss

    x = tensor([1.0, 3.0])
    assert [step(x).item() for _ in range(3)] == [7.0, -3.0, -18.0]
    assert w.value.tolist() == [-3.25, -10.75] and step.traces == 2


def test_gradient_of_a_scan():
    """h_k = h_{k-1} w after three steps is h w**3, with the derivative 3 h w**2."""
    w = tensor(0.5, requires_grad=True)
    last, _ = mg.scan(lambda h, _: (h * w, None), tensor(2.0), None, length=3)
    last.backward()
    assert last.item() == 0.25 and w.grad.item() == 1.5


def test_trees():
    tree = {"b": (1, [2, None]), "a": 3}
    leaves, structure = tree_flatten(tree)
    assert leaves == [3, 1, 2] and tree_unflatten(structure, leaves) == tree
    assert tree_map(lambda x: 10 * x, tree) == {"b": (10, [20, None]), "a": 30}
    assert box(2.0).item() == 2.0
