"""Views and in-place writes under the tape: the same program over minigrad and over torch.

Where torch refuses because a saved value was overwritten, minigrad refuses too, in its words.
"""

import numpy as np
import pytest

from minigrad import tape
from minigrad.imperative import views
from minigrad.imperative.modes import grad_mode
from tests.tensors import tensor
from tests.worlds import Ours, Theirs, plain, same

A = np.linspace(-1.0, 1.5, 20).reshape(4, 5)
B = np.linspace(0.2, 0.9, 5)


def leaves(w, dtype=np.float64):
    return w.leaf(A, dtype), w.leaf(B, dtype)


def finish(w, loss, *inputs):
    loss.backward()
    return [loss, *(x.grad for x in inputs)]


# ------------------------------------------------------------------ writes that are seen


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_write_through_a_view_reaches_base_and_siblings(dtype):
    def run(w):
        a, b = leaves(w, dtype)
        h = a * 2.0
        row, flat = h[1], h.view(20)
        row.copy_((row + b).exp())
        return plain(h), plain(flat), finish(w, (h * h).sum() + (flat * flat * flat).sum()
                                             + row.sum(), a, b)

    same(run)


def test_a_view_of_a_view():
    def run(w):
        a, b = leaves(w)
        h = a * 3.0
        element = h[1:3][1, 2]
        element.copy_((element + element).exp())
        return finish(w, (h * h).sum(), a)

    same(run)


def test_a_write_to_the_base_reaches_its_views():
    def run(w):
        a, b = leaves(w)
        h = a * 2.0
        row, part, turned = h[0], h[1:3], h.t()
        part_of_part = part[0, 1:]
        h.mul_(b)
        return plain([row, part, part_of_part, turned]), finish(
            w, (row * row).sum() + part_of_part.exp().sum() + (turned * 2.0).sum(), a, b)

    same(run)


def test_views_three_deep():
    def run(w):
        a, b = leaves(w)
        h = a * 2.0
        turned = h.t()[1:4]
        corner = turned[0:2]
        corner.mul_(3.0)
        turned[2].copy_(b[0:4])
        return finish(w, (h * h).sum() + corner.sum() + turned.sum(), a, b)

    same(run)


def test_setitem():
    def run(w):
        a, b = leaves(w)
        h = a * 2.0
        h[0] = b
        h[1, 2] = b[0] * a[0, 0]
        h[2:4, 1:3] = 0.0
        h[3] = 7.0
        h[1] += b
        h[1:3, 4] *= b[0]
        return finish(w, (h * h * h).sum(), a, b)

    same(run)


def test_a_constant_that_takes_values_with_a_gradient():
    def run(w):
        a, b = leaves(w)
        out = w.constant(np.zeros((4, 5)))
        for i in range(4):
            out[i] = a[i] * b
        return out.requires_grad, out.is_leaf, finish(w, (out * out).sum(), a, b)

    same(run)


def test_chains_of_writes():
    def run(w):
        a, b = leaves(w)
        h = a * 1.0
        h.mul_(2.0).add_(b).mul_(b).sub_(1.0)
        h += h
        h *= b
        h.div_(2.0)
        return h._version, finish(w, (h * h).sum(), a, b)

    same(run)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_dimensional_values(dtype):
    def run(w):
        a = w.leaf(3.0, dtype)
        total = a * 2.0
        total.add_(a)
        line = total.view(1)
        line.mul_(a)
        total += 1.0
        back = line.view(1, 1)[0, 0]
        back.mul_(2.0)
        return plain([total, line, back]), finish(w, total * line.sum() + back, a)

    same(run)


def test_a_view_shares_memory_with_a_value_of_rank_zero():
    def run(w):
        x = w.constant(3.0)
        y = x * 2.0
        line = y.view(1)
        line.add_(1.0)
        element = w.constant([1.0, 2.0])
        element[0].add_(5.0)
        held = y.detach()
        y.add_(1.0)
        return y, line, element, held

    same(run)


def test_detach_shares_memory():
    def run(w):
        a, _ = leaves(w)
        h = a * 1.0
        d = h.detach()
        d.add_(5.0)
        h.sub_(1.0)
        return d.requires_grad, d, h, finish(w, (h + d).sum(), a)

    same(run)


def test_data_is_the_same_memory_without_a_graph():
    def run(w):
        a, b = leaves(w)
        a.data.mul_(2.0)
        b.data = w.constant(np.ones(5))
        return a, b, a.requires_grad, a.is_leaf, finish(w, (a * b).sum(), a, b)

    same(run)


def test_detach_in_place():
    def run(w):
        a, b = leaves(w)
        h = a * 2.0
        h.detach_()
        return h.requires_grad, h.is_leaf, finish(w, (h * b).sum(), b)

    same(run)


def test_zeroing():
    def run(w):
        a, b = leaves(w)
        h = a * b
        h[1].zero_()
        first = (h * h).sum()
        g = w.grad(first, [a, b], retain_graph=True)
        h.zero_()
        return g, h.requires_grad, finish(w, h.sum(), a, b)

    same(run)


def test_a_constant_written_over_a_result_keeps_its_flag():
    def run(w):
        a, b = leaves(w)
        h = a * b
        h.copy_(w.constant(A))
        return h.requires_grad, finish(w, (h * b).sum(), a, b)

    same(run)


def test_copying_a_result_leaves_the_source_alone():
    def run(w):
        a, b = leaves(w)
        source, h = a.exp(), b * 1.0
        target = a * 1.0
        target.copy_(source)
        product = source * 2.0
        target.mul_(2.0)  # must not spoil what exp saved
        h.copy_(source[0])
        return finish(w, (target * product).sum() + h.sum() + source.sum(), a, b)

    same(run)


def test_broadcast_and_converted_source():
    def run(w):
        a, b = leaves(w)
        h = a * 1.0
        h.copy_(b)
        half = w.constant(np.zeros(5), np.float32)
        half.copy_(b * 2.0)
        h[0].copy_(half)
        return half, finish(w, (h * h).sum(), a, b)

    same(run)


def test_the_message_names_what_made_the_value():
    same(lambda w: [(e := w.leaf(A).exp()).mul_(2.0), e.sum().backward()],
         "has been modified by an inplace operation: [torch.DoubleTensor [4, 5]], which is output "
         "0 of Exp, is at version 1; expected version 0 instead.")


def test_the_graph_shows_the_write():
    x = tensor([1.0, 2.0], requires_grad=True)
    h = x * 1.0
    h.exp_()
    assert h.grad_fn.name() == "ExpBackward0"
    assert h._base is None and h[0]._base is h and h[0:1][0]._base is h


# ------------------------------------------------------------------ what an operation has saved


def test_an_operation_in_place_keeps_what_it_needs_of_the_old_value():
    def run(w):
        a, b = leaves(w)
        h = a * 1.0
        h.mul_(b)       # b's gradient needs the old h
        k = b * 1.0
        k.exp_()        # saves its result, which is what it wrote
        m = a * 1.0
        m.div_(b)
        return finish(w, h.sum() + k.sum() + m.sum(), a, b)

    same(run)


def test_squaring_in_place():
    """torch refuses this; here the old value is kept for both operands."""
    a = Ours.leaf(A)
    h = a * 1.0
    h.mul_(h)
    h.sum().backward()
    np.testing.assert_allclose(a.grad.value, 2 * A)


REFUSED = {
    "the operand of a product": lambda w, h, b: ((h * h).sum(), h.add_(1.0)),
    "the result of exp": lambda w, h, b: ((e := h.exp()).sum(), e.mul_(2.0)),
    "exp_, then another write": lambda w, h, b: (h.exp_().sum(), h.add_(1.0)),
    "through a view": lambda w, h, b: ((h * h).sum(), h[0].add_(1.0)),
    "through a view of a view": lambda w, h, b: ((h * h).sum(), h[1:3][0].add_(1.0)),
    "through its base": lambda w, h, b: ((h[0] * h[0]).sum(), h.add_(1.0)),
    "through a detached Tensor": lambda w, h, b: ((h * h).sum(), h.detach().add_(1.0)),
    "without recording": lambda w, h, b: ((h * h).sum(), silently(w, h)),
    "a constant": lambda w, h, b: (((c := w.constant(A)) * h).sum(), c.add_(1.0)),
    "several times": lambda w, h, b: ((h * h).sum(), h.add_(1.0).add_(1.0).mul_(2.0)),
}


def silently(w, h):
    with w.no_grad:
        h.add_(1.0)


@pytest.mark.parametrize("case", REFUSED)
def test_an_overwritten_value_is_refused(case):
    def run(w):
        a, b = leaves(w)
        loss, _ = REFUSED[case](w, a * 1.0, b)
        loss.backward()

    messages = []
    for w in (Ours, Theirs):
        with pytest.raises(RuntimeError, match="has been modified by an inplace") as info:
            run(w)
        text = str(info.value)
        # torch may name another operation: the latest that wrote, not the one that was saved from
        messages.append((text.split("]")[0], text[text.index("is at version"):]))
    assert messages[0] == messages[1]


def test_a_write_after_backward_hurts_nobody():
    def run(w):
        a, b = leaves(w)
        h = a * 1.0
        loss = (h * b).sum()
        loss.backward(retain_graph=True)
        with w.no_grad:
            a.sub_(a.grad)
        loss.backward()
        return a, b.grad

    same(run)


def test_a_write_between_two_uses():
    def run(w):
        a, b = leaves(w)
        h = a * 1.0
        first = h.sum()  # saves nothing
        h.mul_(b)
        second = (h * h).sum()
        return finish(w, first * second, a, b)

    same(run)


# ------------------------------------------------------------------ leaves


LEAVES = {
    "a leaf": lambda a: a.add_(1.0),
    "a view of a leaf": lambda a: a[0].add_(1.0),
    "an element of a leaf": lambda a: a[0, 0].mul_(1.0),
    "setitem": lambda a: a.__setitem__(0, 1.0),
}


@pytest.mark.parametrize("case", LEAVES)
def test_leaves_are_not_written_while_recording(case):
    same(lambda w: LEAVES[case](w.leaf(A)), "leaf Variable that requires grad is being used in an")


def test_leaves_are_written_without_recording():
    def run(w):
        a, b = leaves(w)
        with w.no_grad:
            a.sub_(1.0)
            a[0].zero_()
        return a, a.is_leaf, a.requires_grad, finish(w, (a * b).sum(), a, b)

    same(run)


def test_flags_of_views():
    def run(w):
        c = w.constant(A)
        row = c[0]
        c.mul_(w.leaf(B))
        return row.requires_grad, row.is_leaf, c.requires_grad

    same(run)


# ------------------------------------------------------------------ hooks, gradients of gradients


def test_a_hook_stays_with_the_value_it_was_hung_on():
    def run(w):
        a, b = leaves(w)
        seen = []
        h = a * 2.0
        h.register_hook(lambda g: seen.append(plain(g)))
        h.mul_(b)
        h.register_hook(lambda g: seen.append(plain(g)))
        h[0].mul_(3.0)
        (h * h).sum().backward()
        return seen, a.grad

    same(run)


def test_double_backward_through_writes():
    def run(w):
        a, b = leaves(w)
        h = a * b
        h[1].mul_(b)
        h.mul_(a)
        h[2:4, 1] = b[0:2] * 3.0
        (g,) = w.grad((h * h).sum(), a, create_graph=True)
        return g.detach(), *w.grad((g * g).sum(), [a, b])

    same(run)


def test_many_views_come_and_go():
    x = tensor(np.ones(8), requires_grad=True)
    h = x * 1.0
    for i in range(400):
        h[i % 8].add_(1.0)
    assert len(h.views) < 64
    h.sum().backward()
    assert x.grad.value.tolist() == [1.0] * 8


# ------------------------------------------------------------------ the engine's own promises


def test_a_write_returns_the_tensor_itself():
    x = tensor([1.0, 2.0])
    assert views.write(x, x * 2.0) is x and x.mul_(2.0) is x
    array = x.value
    x.mul_(0.0)
    assert x.value is array


def test_gradients_are_unaffected_by_later_writes_to_the_leaf():
    x = tensor([1.0, 2.0], requires_grad=True)
    (x * 3.0).sum().backward()
    with grad_mode(False):
        x.add_(x.grad)
    assert x.grad.value.tolist() == [3.0, 3.0]
    assert tape.stamps.version(x.value) == 1
