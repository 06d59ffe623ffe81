"""Functions with a backward of the user's own: as in torch at level zero, and on every level."""

import gc
import weakref

import numpy as np
import pytest
import torch

import minigrad as mg
from minigrad import tape
from minigrad.imperative import function
from minigrad.core import table
from tests.tensors import Tensor, tensor
from tests.worlds import Ours, Theirs, same

Ours.Function, Theirs.Function = function.Function, torch.autograd.Function
Ours.once = staticmethod(function.once_differentiable)
Theirs.once = staticmethod(torch.autograd.function.once_differentiable)


def cube(w, wrong: float = 1.0):
    """x ** 3, with a derivative that can be made wrong so that one sees who uses it."""
    class Cube(w.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x)
            ctx.scale = scale
            return x * x * x * scale

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * x * (3.0 * ctx.scale * wrong), None

    return Cube


def test_forward_and_backward():
    def run(w):
        x = w.leaf()
        y = cube(w, wrong=2.0).apply(x, 0.5)
        y.sum().backward()
        return y, x.grad, y.grad_fn.name(), y.is_leaf, y.requires_grad

    same(run)


def test_differentiating_twice():
    def run(w):
        x = w.leaf()
        (g,) = w.grad(cube(w).apply(x, 2.0).sum(), x, create_graph=True)
        return g.detach(), w.grad((g * g).sum(), x)

    same(run)


def test_setup_context():
    def run(w):
        class Product(w.Function):
            @staticmethod
            def forward(x, y, power):
                return x * y * power

            @staticmethod
            def setup_context(ctx, inputs, output):
                x, y, ctx.power = inputs
                ctx.save_for_backward(x, y, output)

            @staticmethod
            def backward(ctx, g):
                x, y, output = ctx.saved_tensors
                return g * y * ctx.power + output * 0.0, g * x * ctx.power, None

        x, y = w.leaf(), w.leaf([1.0, 2.0, 3.0])
        Product.apply(x * 1.0, x * y, 3.0).sum().backward()
        return x.grad, y.grad

    same(run)


def test_several_outputs_of_which_one_has_no_gradient():
    def run(w):
        class Both(w.Function):
            @staticmethod
            def forward(ctx, x, y):
                total, sign, extra = x + y, x * 0.0 + 1.0, x * y
                ctx.mark_non_differentiable(sign)
                ctx.save_for_backward(x, y, None)
                return total, sign, extra

            @staticmethod
            def backward(ctx, g_total, g_sign, g_extra):
                x, y, none = ctx.saved_tensors
                assert none is None
                return g_total + g_extra * y + g_sign, g_total + g_extra * x

        x, y = w.leaf([1.0, 2.0]), w.leaf([3.0, 4.0])
        total, sign, extra = Both.apply(x, y)
        ((total * total).sum() + (sign * 2.0).sum()).backward(retain_graph=True)
        first = x.grad.clone()
        (total * extra).sum().backward()
        return sign.requires_grad, extra.requires_grad, first, x.grad, y.grad

    same(run)


@pytest.mark.parametrize("materialize", [True, False])
def test_gradients_that_never_arrived(materialize):
    def run(w):
        seen = []

        class Two(w.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.set_materialize_grads(materialize)
                return x * 1.0, x * 2.0

            @staticmethod
            def backward(ctx, a, b):
                seen.append(b is None or b.clone())
                return a

        x = w.leaf([1.0, 2.0])
        Two.apply(x)[0].sum().backward()
        return seen, x.grad

    same(run)


def test_needs_input_grad_and_none():
    def run(w):
        seen = []

        class Add(w.Function):
            @staticmethod
            def forward(ctx, x, y, k):
                seen.append(ctx.needs_input_grad)
                return x + y

            @staticmethod
            def backward(ctx, g):
                return g, None, None

        x, y = w.leaf([1.0]), w.constant([2.0])
        Add.apply(x, y, 3).sum().backward()
        with w.no_grad:
            out = Add.apply(x, y, 3)
        return seen, x.grad, y.grad, out.requires_grad, Add.apply(y, y, 3).requires_grad

    same(run)


def test_forward_is_not_recorded_and_a_returned_input_is_another_tensor():
    def run(w):
        seen = []

        class Identity(w.Function):
            @staticmethod
            def forward(ctx, x):
                seen.append((x * 2.0).requires_grad)
                return x

            @staticmethod
            def backward(ctx, g):
                return g * 10.0

        x = w.leaf([1.0, 2.0])
        y = Identity.apply(x)
        y.sum().backward()
        return seen, y is x, x.is_leaf, x.grad

    same(run)


def test_mark_dirty():
    def run(w):
        class Double(w.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2.0)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, g):
                return g * 2.0

        x = w.leaf([1.0, 2.0])
        h = x * 1.0
        y = Double.apply(h)
        (y * y + h).sum().backward()
        return y is h, h, h.grad_fn.name(), x.grad

    same(run)


def test_second_backward_and_overwritten_values():
    def twice(w):
        y = cube(w).apply(w.leaf(), 1.0).sum()
        y.backward()
        y.backward()

    def overwritten(w):
        h = w.leaf() * 1.0
        y = cube(w).apply(h, 1.0).sum()
        h.add_(1.0)
        y.backward()

    same(twice, "Trying to backward through the graph a second time")
    for w in (Ours, Theirs):
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            overwritten(w)


def test_wrong_results_of_backward():
    def giving(w, results):
        class Wrong(w.Function):
            @staticmethod
            def forward(ctx, x, y):
                return x + y

            @staticmethod
            def backward(ctx, g):
                return results(g)

        Wrong.apply(w.leaf([1.0, 2.0, 3.0]), w.leaf([1.0, 2.0, 3.0])).sum().backward()

    same(lambda w: giving(w, lambda g: g), "returned an incorrect number of gradients")
    same(lambda w: giving(w, lambda g: (g, g, g)), "returned an incorrect number of gradients")
    same(lambda w: giving(w, lambda g: (g[0:2], g)), "returned an invalid gradient at index 0")


def test_gradients_are_summed_and_converted_to_fit():
    def run(w):
        class Scale(w.Function):
            @staticmethod
            def forward(ctx, x, k):
                ctx.save_for_backward(x)
                return x * k

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g, g * x

        x, k = w.leaf(), w.leaf([2.0])
        Scale.apply(x, k).sum().backward()
        return x.grad, k.grad

    same(run)


def test_once_differentiable():
    def square(w):
        class Square(w.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            @w.once
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * x * 2.0

        return Square

    def once(w):
        x = w.leaf()
        square(w).apply(x).sum().backward()
        return x.grad

    def twice(w):
        x = w.leaf()
        y = square(w).apply(x)
        (g,) = w.grad((y * y).sum(), x, create_graph=True)
        g.sum().backward()

    same(once)
    same(twice, "trying to differentiate twice a function that was marked with")


def test_the_context_is_no_cycle():
    gc.collect()
    gc.disable()
    try:
        x = Ours.leaf()
        h = x * 1.0
        y = cube(Ours).apply(h, 1.0)
        alive = weakref.ref(h.value), weakref.ref(y.node), weakref.ref(y.node.entry.context)
        del h, y
        assert [ref() for ref in alive] == [None] * 3
    finally:
        gc.enable()


def test_any_code_may_stand_in_forward():
    class Sorted(function.Function):
        @staticmethod
        def forward(ctx, x):
            order = np.argsort(x.value) if x.value[0] > 0 else np.arange(3)
            ctx.order = order
            return tensor(x.value[order], dtype=np.float64)

        @staticmethod
        def backward(ctx, g):
            back = np.empty_like(g.value)
            back[ctx.order] = g.value
            return tensor(back, dtype=np.float64)

    x = tensor([3.0, 1.0, 2.0], requires_grad=True, dtype=np.float64)
    y = Sorted.apply(x) * tensor([1.0, 10.0, 100.0], dtype=np.float64)
    y.sum().backward()
    assert x.grad.value.tolist() == [100.0, 1.0, 10.0]


# ------------------------------------------------------------------ on traced levels


def values(x):
    return np.asarray(x.value if isinstance(x, Tensor) else x)


WRONG = cube(Ours, wrong=7.0)  # a derivative seven times too large shows that the rule was used
POINT = np.array([0.5, -1.0, 2.0])


def loss(x):
    return WRONG.apply(x, 1.0).sum()


def test_under_grad_vmap_and_jit():
    expected = 21 * POINT**2
    x = tensor(POINT, dtype=np.float64)
    for transform in (mg.grad(loss), mg.jit(mg.grad(loss)), mg.grad(mg.jit(loss)),
                      mg.vmap(mg.grad(lambda v: WRONG.apply(v, 1.0))),
                      mg.grad(lambda x: mg.vmap(lambda v: WRONG.apply(v, 1.0))(x).sum())):
        np.testing.assert_allclose(values(transform(x)), expected)
    second = mg.grad(lambda x: mg.grad(loss)(x).sum())(x)
    np.testing.assert_allclose(values(second), 42 * POINT)


def test_backward_inside_jit():
    @mg.jit
    def step(x):
        x = x.detach().requires_grad_()
        loss(x).backward()
        return x.grad

    for _ in range(2):
        np.testing.assert_allclose(values(step(tensor(POINT, dtype=np.float64))), 21 * POINT**2)
    assert step.traces == 1


def test_an_outer_tape_over_a_jitted_function():
    x = tensor(POINT, requires_grad=True, dtype=np.float64)
    mg.jit(loss)(x).backward()
    np.testing.assert_allclose(x.grad.value, 21 * POINT**2)
    (g,) = tape.grad(mg.jit(loss)(x), x, create_graph=True)
    np.testing.assert_allclose(tape.grad(g.sum(), x)[0].value, 42 * POINT)


def test_several_outputs_and_constants_inside_jit():
    class Mixed(function.Function):
        @staticmethod
        def forward(ctx, x, note):
            ctx.mask = x * 0.0 + 2.0  # a Tensor that is kept as an attribute
            return x * 2.0, note, x * x

        @staticmethod
        def backward(ctx, a, b):
            return a * ctx.mask * 100.0 + b, None

    def f(x):
        a, note, b = Mixed.apply(x, "hello")
        assert note == "hello"
        return (a + b).sum()

    x = tensor(POINT, dtype=np.float64)
    np.testing.assert_allclose(values(mg.jit(mg.grad(f))(x)), [201.0] * 3)
    assert table["mul"].name == "mul"
