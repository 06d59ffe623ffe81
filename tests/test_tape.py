"""The tape does what PyTorch's autograd does: values, accumulation and errors.

Each test runs one function over two worlds, minigrad's little face and real torch, or states what
must hold where torch has no say. Hooks, modes, views and memory have files of their own.
"""

import numpy as np
import pytest

from minigrad import tape
from tests.tensors import Parameter, Tensor, softplus, tensor
from tests.worlds import VALUES, Ours, Theirs, plain, same

# ------------------------------------------------------------------ backward and grad


def test_backward_of_a_scalar():
    def run(w):
        x = w.leaf()
        y = ((x * 2.0 + 1.0).exp() * x).sum()
        assert y.backward() is None
        return y, x.grad, x.grad.requires_grad, x.is_leaf, y.is_leaf, y.requires_grad

    same(run)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_backward_keeps_the_dtype(dtype):
    def run(w):
        x = w.leaf([1.0, 2.0], dtype)
        (x * x * 0.5).sum().backward()
        return x.grad

    same(run)


def test_backward_with_a_gradient():
    def run(w):
        x = w.leaf()
        (x * x).backward(w.constant(VALUES + 3))
        return x.grad

    same(run)


def test_a_gradient_of_another_dtype_is_converted():
    def run(w):
        x = w.leaf()
        (x * x).backward(w.constant(VALUES, np.float32))
        return x.grad

    same(run)


def test_shared_values_add_up():
    def run(w):
        a = w.leaf([3.0])
        b = a + a
        c = b * b + b
        c.sum().backward()
        return a.grad

    same(run)


ERRORS = {
    "not a scalar": (lambda w: w.leaf().exp().backward(), "implicitly created only for scalar"),
    "no graph": (lambda w: w.constant([1.0]).backward(), "element 0 of tensors does not require"),
    "wrong shape": (lambda w: w.leaf().exp().backward(w.constant([1.0])), "Mismatch in shape"),
    "no inputs": (lambda w: w.leaf().sum().backward(inputs=[]), "cannot be empty"),
    "input without gradient": (
        lambda w: w.grad(w.leaf().sum(), w.constant([1.0])),
        "One of the differentiated Tensors does not require grad"),
    "unused input": (lambda w: w.grad(w.leaf().sum(), w.leaf()), "not have been used in the graph"),
    "materialize, not allowed": (
        lambda w: w.grad(w.leaf().sum(), w.leaf(), allow_unused=False, materialize_grads=True),
        "Expected allow_unused to be True or not passed"),
    "hook without gradient": (
        lambda w: w.constant([1.0]).register_hook(print), "cannot register a hook on a tensor"),
    "retain without gradient": (
        lambda w: w.constant([1.0]).retain_grad(), "can't retain_grad on Tensor"),
    "after hook on a result": (
        lambda w: w.leaf().exp().register_post_accumulate_grad_hook(print), "non-leaf tensors"),
    "flag of a result": (lambda w: w.leaf().exp().requires_grad_(False), "of leaf variables"),
    "flag of integers": (
        lambda w: w.constant([1], np.int64).requires_grad_(), "only Tensors of floating point"),
    "detach_ of a view": (lambda w: w.leaf().exp()[0].detach_(), "Can't detach views in-place"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_torchs_words(case):
    same(*ERRORS[case])


def test_a_second_backward_needs_retain_graph():
    def run(w):
        x = w.leaf()
        y = x.exp().sum()
        y.backward()
        y.backward()

    same(run, "Trying to backward through the graph a second time")


def test_retain_graph():
    def run(w):
        x = w.leaf()
        y = x.exp().sum()
        y.backward(retain_graph=True)
        first = x.grad.clone()
        y.backward()
        return first, x.grad

    same(run)


def test_nothing_saved_nothing_freed():
    def run(w):
        x = w.leaf()
        y = (x + x).sum()
        y.backward()
        y.backward()
        return x.grad

    same(run)


def test_a_gradient_frees_only_what_it_ran_through():
    def run(w):
        x = w.leaf()
        h = x.exp()
        y = (h * h).sum()
        (g,) = w.grad(y, h)
        h.sum().backward()
        return g, x.grad

    same(run)


def test_grad_of_leaves_and_of_values_between():
    def run(w):
        x, z = w.leaf(), w.leaf([1.0, 2.0, 3.0])
        h = x * z
        y = (h.exp() + h).sum()
        return [*w.grad(y, [x, h, z], retain_graph=True), *w.grad(y, (y,)), x.grad, z.grad]

    same(run)


def test_grad_of_several_outputs():
    def run(w):
        x = w.leaf([1.0, 2.0])
        return w.grad([x * x, x.exp()], [x], [w.constant([1.0, 2.0]), w.constant([3.0, 4.0])])

    same(run)


def test_unused_inputs():
    def run(w):
        x, z = w.leaf(), w.leaf([1.0, 2.0])
        return (w.grad(x.sum(), [x, z], allow_unused=True),
                w.grad(x.sum(), [x, z], materialize_grads=True))

    same(run)


def test_backward_into_chosen_inputs():
    def run(w):
        x, z = w.leaf(), w.leaf([1.0, 2.0, 3.0])
        h = x * z
        (h * h).sum().backward(inputs=[x, h], retain_graph=True)
        first = x.grad.clone()
        (h * h).sum().backward(inputs=[x])
        return first, x.grad, h.grad, z.grad

    same(run)


def test_several_results_of_one_operation():
    def run(w):
        x = w.leaf([1.0, 2.0, 3.0, 4.0])
        a, b = w.split(x * 1.0, 1)
        (b * b).sum().backward(retain_graph=True)
        only_b = x.grad.clone()
        (a.exp().sum() + (b * b).sum()).backward()
        return a, b, only_b, x.grad, a.output_nr, b.output_nr

    same(run)


def test_backward_of_several_tensors():
    def run(w):
        x = w.leaf([1.0, 2.0])
        h = x.exp()
        w.backward([(h * h).sum(), h], [None, w.constant([1.0, 10.0])])
        return x.grad

    same(run)


# ------------------------------------------------------------------ differentiating again


def test_double_and_triple_backward():
    def run(w):
        x = w.leaf([0.3, -0.7])
        y = (x * x * x * x.sin() + w.softplus(x)).sum()
        found = []
        for _ in range(3):
            (g,) = w.grad(y, x, create_graph=True)
            found.append(g.detach())
            y = g.sum()
        return found

    same(run)


def test_a_gradient_in_the_loss():
    def run(w):
        x = w.leaf()
        (g,) = w.grad((x * x * x).sum(), x, create_graph=True)
        ((g * g).sum() + x.sum()).backward()
        return x.grad, g.requires_grad

    same(run)


def test_backward_with_create_graph_accumulates_a_graph():
    def run(w):
        x = w.leaf([2.0])
        (x * x * x).sum().backward(create_graph=True)
        first = x.grad
        x.grad = None
        first.sum().backward()
        return first, x.grad, first.requires_grad

    with pytest.warns(UserWarning, match="create_graph=True will create a reference cycle"):
        same(run)


def test_double_backward_sees_a_write_to_what_it_recomputes_from():
    x = Ours.leaf([0.5])
    h = x * 1.0
    y = softplus(h)  # saves an intermediate; its second derivative starts from `h`
    h.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        tape.grad(y.sum(), x, create_graph=True)


def test_results_take_the_face_and_not_the_subclass():
    p = tensor([1.0, 2.0], requires_grad=True, cls=Parameter)
    y = (p * 2.0).sum()
    (g,) = tape.grad(y, p, create_graph=True)
    y.backward()
    assert {type(y), type(g), type(p.grad), type(p.detach()), type(p.clone())} == {Tensor}


# ------------------------------------------------------------------ accumulation


def test_gradients_accumulate_in_place():
    for values in ([1.0, 2.0], 3.0):
        x = Ours.leaf(values)
        (x * x).sum().backward()
        held, first = x.grad, plain(x.grad)
        (x * x).sum().backward()
        assert x.grad is held and (plain(held) == 2 * first).all()

    x = Ours.leaf([1.0, 2.0])
    (x * x).sum().backward()
    array = x.grad.value
    (x * x).sum().backward()
    assert x.grad.value is array and array.tolist() == [4.0, 8.0]


def test_gradients_share_memory_with_nothing():
    def check(build, *leaves):
        seed = np.array([1.0, 2.0])
        loss = build(*leaves)
        loss.backward(tensor(seed, dtype=np.float64), retain_graph=True)
        arrays = [x.grad.value for x in leaves] + [x.value for x in leaves] + [seed, loss.value]
        for i, a in enumerate(arrays):
            assert not any(np.may_share_memory(a, b) for b in arrays[i + 1:])

    def two():
        return Ours.leaf([1.0, 2.0]), Ours.leaf([3.0, 4.0])

    check(lambda a, b: a + b, *two())
    check(lambda a, b: a + b * 1.0, *two())
    check(lambda a, b: a - b.reshape((2, 1)).reshape((2,)), *two())
    check(lambda a: a.clone(), Ours.leaf([1.0, 2.0]))
    check(lambda a, b: a * b, *two())


def test_a_fresh_gradient_is_taken_and_not_copied():
    assert 0 < tape.ALONE < 9
    x = Ours.leaf([1.0, 2.0])
    y = x * 3.0
    taken = []
    entry = y.node.entry
    original, y.node.entry = entry, type("Spy", (), dict(vars(entry)))()
    y.node.entry.backward = lambda g, saved: taken.append(
        id(out := original.backward(g, saved))) or out
    y.backward(tensor([1.0, 1.0], dtype=np.float64))
    assert id(x.grad.value) == taken[0]


def test_assigning_grad():
    def run(w):
        x = w.leaf([1.0, 2.0])
        x.grad = w.constant([10.0, 20.0])
        (x * x).sum().backward()
        before, x.grad = x.grad, None
        return before, x.grad

    same(run)
    same(lambda w: setattr(w.leaf([1.0]), "grad", w.constant([1.0, 2.0])),
         "attempting to assign a gradient of size")
    for world in (Ours, Theirs):
        with pytest.raises(RuntimeError, match="attempting to assign a gradient with dtype"):
            world.leaf([1.0]).grad = world.constant([1.0], np.float32)
