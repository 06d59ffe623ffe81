"""What a staged function reads and writes outside of itself: captured Tensors, arguments, results
that the user keeps. And what is left of a step that fails: nothing.
"""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import tape
from minigrad.programs import source
from minigrad.core import table
from minigrad.imperative.modes import grad_mode
from tests.tensors import softplus, tensor
from tests.test_staged import Generator, Training, batches

no_grad = grad_mode(False)


# ------------------------------------------------------------------ failure


class Trouble(Exception):
    pass


@pytest.mark.parametrize("error", [Trouble, KeyboardInterrupt])
def test_an_error_while_tracing_commits_nothing(error):
    p = tensor([1.0, 2.0], requires_grad=True)
    buffer, generator, fail = tensor([0.0]), Generator(), [True]

    @mg.jit
    def step(x):
        loss = (p * x).sum()
        loss.backward()
        with no_grad:
            p.sub_(p.grad)
            buffer.add_(1.0)
            generator.uniform((2,))
        if fail:
            raise error
        return loss

    for _ in range(2):
        with pytest.raises(error):
            step(tensor([3.0, 4.0]))
        assert p.value.tolist() == [1.0, 2.0] and p.grad is None and p.is_leaf
        assert buffer.value.tolist() == [0.0] and generator.state == 1
    fail.clear()
    assert step(tensor([3.0, 4.0])).item() == 11.0
    assert p.value.tolist() == [-2.0, -2.0] and p.grad.value.tolist() == [3.0, 4.0]
    assert buffer.value.tolist() == [1.0] and generator.state == 3


def failing_primitive(name, trouble):
    """A kernel that can fail when the program runs."""
    def kernel(x):
        if trouble:
            raise trouble[0]
        return x * 2.0

    p = mg.core.Primitive(name, kernel, lambda a: a,
                          transpose=lambda ct, args: [table["mul"](ct, 2.0)])
    p.jvp = lambda primals, tangents: (p(*primals), table["mul"](tangents[0], 2.0))
    return p


@pytest.mark.parametrize("first", [True, False])
def test_an_error_while_running_commits_nothing(first):
    """Also in the first run, when Tensors were born that the user already holds."""
    trouble = [Trouble()] if first else []
    name = f"unreliable_{first}"
    unreliable = failing_primitive(name, trouble)
    try:
        p, state = tensor([1.0, 2.0], requires_grad=True), {}

        @mg.jit
        def step(x):
            p.grad = None
            loss = (p * x).sum()
            loss.backward()
            with no_grad:
                if "moment" not in state:
                    state["moment"] = p.grad * 0.5
                else:
                    state["moment"].add_(p.grad)
                p.sub_(state["moment"])
            return unreliable(loss)

        x = tensor([3.0, 4.0])
        if not first:
            step(x)
            step(x)
            trouble.append(Trouble())
        before = p.value.copy()
        for _ in range(2):
            with pytest.raises(Trouble):
                step(x)
            assert np.array_equal(p.value, before)
            if first:
                assert p.grad is None
        trouble.clear()
        step(x)
        step(x)
        expected = [1.0, 2.0]
        moment = [0.0, 0.0]
        for k in range(2 if first else 4):
            moment = [m + g * (0.5 if k == 0 else 1.0) for m, g in zip(moment, [3.0, 4.0])]
            expected = [e - m for e, m in zip(expected, moment)]
        np.testing.assert_allclose(p.value, expected)
        np.testing.assert_allclose(state["moment"].value, moment)
        assert step.traces == 2
    finally:
        for names in (table, source.ARRAYS, source.TENSORS):
            names.pop(name, None)


# ------------------------------------------------------------------ what is captured


def test_gradient_through_a_scan_that_captures_a_parameter():
    w = tensor([0.5, -0.3], requires_grad=True)
    xs = tensor(np.arange(6.0).reshape(3, 2) * 0.1)

    def rnn(xs):
        def body(h, x):
            h = (h * w + x).tanh()
            return h, h.sum()

        last, sums = mg.scan(body, tensor([0.1, 0.2]), xs)
        return last.sum() + sums.sum()

    def unrolled():
        h, loss = tensor([0.1, 0.2]), 0.0
        for k in range(3):
            h = (h * w + xs[k]).tanh()
            loss = loss + h.sum()
        return loss + h.sum()

    (expected,) = tape.grad(unrolled(), w)

    @mg.jit
    def step(xs):
        w.grad = None
        loss = rnn(xs)
        loss.backward()
        return loss

    rnn(xs).backward()
    np.testing.assert_allclose(w.grad.value, expected.value, rtol=1e-5)
    for _ in range(3):
        step(xs)
        np.testing.assert_allclose(w.grad.value, expected.value, rtol=1e-5)
    assert step.traces <= 2


def test_captured_views_are_views_of_their_cell():
    base = tensor(np.zeros((3, 2)))
    row, turned = base[1], base.t()

    @mg.jit
    def f(x):
        row.add_(x)
        turned[0].mul_(2.0)
        base[2, 1] = 7.0
        return base.sum(), row.sum(), turned.sum()

    expected = np.zeros((3, 2))
    for _ in range(3):
        results = [r.item() for r in f(tensor([1.0, 2.0]))]
        expected[1] += [1.0, 2.0]
        expected[:, 0] *= 2
        expected[2, 1] = 7.0
        assert results == [expected.sum(), expected[1].sum(), expected.sum()]
        np.testing.assert_array_equal(base.value, expected)
        np.testing.assert_array_equal(row.value, expected[1])
    assert f.traces == 1


def test_data_and_detached_tensors_are_the_same_storage():
    p = tensor([1.0, 2.0], requires_grad=True)

    def f(x):
        p.data.mul_(x)
        held = p.detach()
        view = held[0:1]
        view.add_(10.0)
        h = p * 1.0
        h.detach().mul_(2.0)
        return (h * p).sum(), held.requires_grad

    eager, _ = f(tensor([2.0, 3.0]))
    after = p.value.copy()
    with no_grad:
        p.copy_(tensor([1.0, 2.0]))
    jitted = mg.jit(lambda x: f(x)[0])
    assert jitted(tensor([2.0, 3.0])).item() == eager.item()
    np.testing.assert_array_equal(p.value, after)


def test_arguments_are_written_where_the_caller_sees_it():
    @mg.jit
    def f(x, y):
        x.add_(y)
        y.requires_grad_()
        (y * y).sum().backward()
        return x.sum()

    for scale in (1.0, 2.0):
        x, y = tensor([1.0, 2.0]), tensor([scale, scale])
        f(x, y)
        assert x.value.tolist() == [1.0 + scale, 2.0 + scale]
        assert y.grad.value.tolist() == [2 * scale] * 2
    assert f.traces == 1


def test_one_tensor_captured_and_passed_is_one_cell():
    p = tensor([1.0, 2.0])

    @mg.jit
    def f(x, y):
        x.add_(1.0)
        p.mul_(2.0)
        return (x * y).sum()

    assert f(p, p).item() == 16.0 + 36.0 and p.value.tolist() == [4.0, 6.0]
    other = tensor([1.0, 1.0])
    assert f(other, p).item() == 2 * 8 + 2 * 12.0
    assert p.value.tolist() == [8.0, 12.0] and other.value.tolist() == [2.0, 2.0]
    assert f(p, p).item() == 18.0**2 + 26.0**2
    assert f.traces == 2


def test_arguments_are_not_kept():
    step = mg.jit(lambda x: x * 2.0)
    x = tensor(np.zeros(8))
    alive = weakref.ref(x)
    step(x)
    del x
    gc.collect()
    assert alive() is None


def test_changes_of_kind_are_noticed():
    p = tensor([1.0, 2.0])
    f = mg.jit(lambda x: (p * x).sum())
    x = tensor([3.0, 4.0])
    assert not f(x).requires_grad
    p.requires_grad_()
    loss = f(x)
    loss.backward()
    assert p.grad.value.tolist() == [3.0, 4.0]
    p.data = tensor([[1.0, 1.0]])
    assert f(x).item() == 7.0
    assert f.traces == 3


def test_a_tensor_and_its_detached_twin_in_a_scan():
    """They share an array, not a place in the graph."""
    p = tensor([1.0, 2.0], requires_grad=True)
    constant = p.detach()
    xs = tensor([1.0, 2.0, 3.0])

    def loss():
        last, _ = mg.scan(lambda c, x: (c + constant * x + p * x, None), tensor([0.0, 0.0]), xs)
        return last.sum()

    loss().backward()
    assert p.grad.value.tolist() == [6.0, 6.0]


# ------------------------------------------------------------------ results


def test_results_can_be_differentiated_outside():
    p = tensor([1.0, 2.0], requires_grad=True)
    seen = tensor([0.0])

    @mg.jit
    def model(x):
        seen.add_(1.0)
        return softplus(p * x)

    x = tensor([3.0, 4.0], requires_grad=True)
    (expected,) = tape.grad(softplus(p * x).sum(), p)
    model(x).sum().backward()
    np.testing.assert_allclose(p.grad.value, expected.value, rtol=1e-6)
    assert x.grad is not None and seen.value.tolist() == [1.0]
    with no_grad:
        assert not model(x).requires_grad


def test_results_of_a_step_that_ran_backward_have_no_graph():
    training = Training()
    ((x, y),) = batches(1)
    assert not mg.jit(training.step)(x, y).requires_grad


def test_results_that_are_views_or_state():
    p = tensor([[1.0, 2.0]])

    @mg.jit
    def f(x):
        return (x * 2.0).t(), p, x, x[0]

    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(3):
        turned, same, argument, row = f(x)
        assert turned.value.tolist() == [[2.0, 6.0], [4.0, 8.0]]
        assert same.value.tolist() == p.value.tolist() and same is not p
        assert argument is not x and row.value.tolist() == [1.0, 2.0]
    assert f.traces == 1


def test_what_the_user_keeps_gets_its_value():
    """A step that leaves something behind each time goes on doing so, without new traces."""
    class Model:
        last = history = None

        def step(self, x):
            hidden = x * 2.0
            self.last = hidden
            self.argument = x
            self.part = hidden[0]
            return hidden.sum()

    model = Model()
    step = mg.jit(model.step)
    for k in range(5):
        x = tensor([k, 1.0])
        step(x)
        assert model.last.value.tolist() == [2.0 * k, 2.0]
        assert model.argument.value.tolist() == [k, 1.0]
        assert model.part.value.tolist() == 2.0 * k
    assert step.traces == 2
    assert (model.last + 1.0).value.tolist() == [9.0, 3.0]


def test_lazy_state_of_two_kinds_is_not_confused():
    """Two steps that each bear something of the same type are not the same step."""
    state: dict = {}

    @mg.jit
    def step(x):
        name = "a" if "a" not in state else "b" if "b" not in state else None
        if name:
            state[name] = x * 0.0
        for value in state.values():
            value.add_(x)
        return x.sum()

    x = tensor([1.0])
    for _ in range(5):
        step(x)
    assert [v.value.tolist() for v in state.values()] == [[5.0], [4.0]]
    assert step.traces == 3


def test_a_parameter_born_inside():
    held: list = []

    @mg.jit
    def step(x):
        if not held:
            held.append((x * 0.0 + 3.0).detach().requires_grad_())
        (w,) = held
        w.grad = None
        (w * x).sum().backward()
        with no_grad:
            w.sub_(w.grad)
        return (w * x).sum().detach()

    x = tensor([1.0, 2.0])
    assert [step(x).item() for _ in range(3)] == [4.0, -1.0, -6.0]
    assert held[0].is_leaf and held[0].requires_grad and held[0].grad.value.tolist() == [1.0, 2.0]
