"""Hooks and grad modes, as in torch: the same program over both worlds."""

import threading

import pytest

from minigrad.core import get_mode
from minigrad.imperative.modes import grad_mode
from tests.worlds import plain, same

# ------------------------------------------------------------------ hooks


def test_tensor_hooks():
    def run(w):
        x, seen = w.leaf([1.0, 2.0]), []
        h = x * 3.0
        h.register_hook(lambda g: seen.append(("h", plain(g))))
        gone = h.register_hook(lambda g: seen.append("never"))
        gone.remove()
        h.register_hook(lambda g: g * 10.0)
        h.register_hook(lambda g: seen.append(("h again", plain(g))))
        x.register_hook(lambda g: g + 1.0)
        (h * h).sum().backward()
        return seen, x.grad, w.grad((x * 3.0).sum(), x)

    same(run)


def test_retain_grad():
    def run(w):
        x = w.leaf([1.0, 2.0])
        h = x * 3.0
        h.retain_grad()
        h.register_hook(lambda g: g * 2.0)
        y = (h * h).sum()
        y.backward(retain_graph=True)
        first = h.grad
        y.backward()
        x.retain_grad()
        return first, h.grad, x.grad, h.retains_grad, x.retains_grad

    same(run)


def test_retain_grad_follows_a_write():
    def run(w):
        x = w.leaf([1.0, 2.0])
        h = x * 3.0
        h.retain_grad()
        h.mul_(5.0)
        (h * h).sum().backward()
        return h.grad, x.grad

    same(run)


def test_node_hooks():
    def run(w):
        x, seen = w.leaf([1.0, 2.0]), []
        h = x.exp()
        y = (h * w.constant([3.0, 4.0])).sum()
        h.grad_fn.register_prehook(lambda gs: (gs[0] * 2.0,))
        h.grad_fn.register_hook(lambda ins, outs: seen.append((plain(ins), plain(outs))))
        handle = h.grad_fn.register_hook(lambda ins, outs: (ins[0] + 1.0,))
        y.grad_fn.next_functions[0][0].register_hook(
            lambda ins, outs: seen.append(("mul", plain(ins), plain(outs))))
        y.backward(retain_graph=True)
        first = x.grad.clone()
        handle.remove()
        y.backward()
        return seen, first, x.grad

    same(run)


def test_hooks_after_accumulation():
    def run(w):
        x, seen = w.leaf([1.0, 2.0]), []

        def hook(tensor):
            assert tensor is x
            seen.append(plain(tensor.grad))
            tensor.grad = None

        handle = x.register_post_accumulate_grad_hook(hook)
        (x * x).sum().backward()
        gone = x.grad
        handle.remove()
        (x * x).sum().backward()
        return seen, gone, x.grad

    same(run)


def test_hooks_when_the_pass_is_differentiated():
    def run(w):
        x = w.leaf([1.0, 2.0])
        h = x * x
        h.register_hook(lambda g: g * x)
        (g,) = w.grad(h.sum(), x, create_graph=True)
        return g, w.grad(g.sum(), x)

    same(run)


def test_names_of_the_graph():
    def run(w):
        x, z = w.leaf([1.0, 2.0]), w.constant([3.0, 4.0])
        y = x * z + x
        (mul, _), (leaf, _) = y.grad_fn.next_functions
        return (y.grad_fn.name(), mul.name(), mul.next_functions[1][0],
                leaf.name().split("::")[-1], x.grad_fn)

    same(run)


# ------------------------------------------------------------------ modes


def test_grad_modes():
    def run(w):
        x = w.leaf([1.0])
        with w.no_grad:
            a = x * 2.0
            with w.enable_grad:
                b = x * 2.0

        @w.no_grad
        def f():
            return x * 2.0

        c = x * 2.0
        return [t.requires_grad for t in (a, b, c, f())], f.__name__

    same(run)


def test_no_grad_is_left_after_an_exception():
    before = get_mode()
    with pytest.raises(KeyboardInterrupt), grad_mode(False):
        raise KeyboardInterrupt
    assert get_mode() is before


def test_generators_keep_their_mode_to_themselves():
    def run(w):
        x = w.leaf([1.0])
        seen = []

        @w.no_grad
        def steps():
            seen.append((x * 2.0).requires_grad)
            try:
                got = yield 1
                seen.append((got, (x * 2.0).requires_grad))
                yield 2
            finally:
                seen.append((x * 2.0).requires_grad)

        running = steps()
        found = [next(running), (x * 2.0).requires_grad, running.send("hello")]
        running.close()
        return found, seen, (x * 2.0).requires_grad

    same(run)


def test_threads_start_in_the_default_mode():
    found = []
    with grad_mode(False):
        thread = threading.Thread(target=lambda: found.append(get_mode().grad))
        thread.start()
        thread.join()
        assert not get_mode().grad
    assert found == [True]


def test_inference_mode():
    def run(w):
        x, z = w.leaf([1.0, 2.0]), w.constant([1.0, 2.0])
        with w.inference():
            made = x * 2.0
            view = z.view(2, 1)
            made.add_(1.0)
            z.add_(1.0)
        fine = x + made
        return (made, made.requires_grad, made.is_inference(), view.is_inference(),
                fine, fine.requires_grad, made.clone().is_inference(), (made * made))

    same(run)


def test_inference_tensors_stay_outside_the_graph():
    def made(w):
        with w.inference():
            return w.leaf([1.0, 2.0]) * 2.0

    same(lambda w: w.leaf([1.0, 2.0]) * made(w), "Inference tensors cannot be saved for backward")
    same(lambda w: made(w).add_(1.0), "Inplace update to inference tensor outside InferenceMode")
    same(lambda w: made(w).requires_grad_(), "Setting requires_grad=True on inference tensor")
