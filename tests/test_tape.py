"""The tape does what PyTorch's autograd does: values, accumulation, errors, hooks, modes, memory.

Each test runs one function over two worlds, minigrad's little face (`tests/tensors.py`) and real
torch, or states what must hold where torch has no say.
"""

import functools
import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from minigrad import tape
from minigrad.core import get_mode, table
from minigrad.modes import grad_mode
from tests import memory
from tests.tensors import Parameter, Tensor, matmul, softplus, split, tensor

VALUES = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


class Ours:
    name = "minigrad"
    grad, backward = staticmethod(tape.grad), staticmethod(tape.backward)
    no_grad, enable_grad = grad_mode(False), grad_mode(True)

    @staticmethod
    def leaf(values=VALUES, dtype=np.float64):
        return tensor(values, requires_grad=True, dtype=dtype)

    @staticmethod
    def constant(values, dtype=np.float64):
        return tensor(values, dtype=dtype)

    softplus = staticmethod(softplus)
    split = staticmethod(lambda x, size: split(x, size=size))

    @staticmethod
    def inference():
        return grad_mode(False, inference=True)


class Theirs:
    name = "torch"
    grad, backward = staticmethod(torch.autograd.grad), staticmethod(torch.autograd.backward)
    no_grad, enable_grad = torch.no_grad(), torch.enable_grad()
    inference = torch.inference_mode

    @staticmethod
    def leaf(values=VALUES, dtype=np.float64):
        return torch.tensor(np.array(values, dtype), requires_grad=True)

    @staticmethod
    def constant(values, dtype=np.float64):
        return torch.tensor(np.array(values, dtype))

    softplus = staticmethod(lambda x: x.exp().log1p())
    split = staticmethod(lambda x, size: torch.split(x, [size, x.shape[0] - size]))


def plain(x):
    """What two worlds can be compared by: arrays for Tensors, and the rest as it is."""
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if isinstance(x, torch.Tensor):
        return x.detach().numpy().copy()
    return np.array(x.value) if isinstance(x, Tensor) else x


def agree(ours, theirs) -> bool:
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if not isinstance(theirs, np.ndarray):
        return ours == theirs
    np.testing.assert_array_max_ulp(ours, theirs, 64)
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape


def outcome(function, world):
    """The result, or the error's class and first sentence."""
    try:
        return plain(function(world))
    except (RuntimeError, ValueError) as error:
        return type(error).__name__, str(error).strip().split("\n")[0].replace("Float64", "Double")


def same(function, error=None):
    """Both worlds agree on the result, or on the error (which starts with `error`)."""
    ours, theirs = outcome(function, Ours), outcome(function, Theirs)
    if error is None:
        assert not (isinstance(theirs, tuple) and str(theirs[0]).endswith("Error")), theirs
        assert agree(ours, theirs), (ours, theirs)
    else:
        assert isinstance(theirs, tuple), f"torch raises nothing, but returns {theirs}"
        assert ours[0] == theirs[0] and theirs[1].startswith(ours[1])  # torch may say more
        assert error in ours[1]


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
        lambda w: w.constant([1], np.int64).requires_grad_(), "only Tensors of floating point dtype"),
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


# ------------------------------------------------------------------ size


def test_a_million_nodes():
    x = tensor(1.0, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward()
    assert x.grad.item() == 1.0
    del y  # a deep chain dies without recursion


def test_no_cycle_holds_a_graph():
    """With the cyclic collector off, what the graph saved dies with the loss."""
    gc.collect()
    gc.disable()
    try:
        for finish in (lambda loss: None, lambda loss: loss.backward(),
                       lambda loss: loss.backward(retain_graph=True)):
            x, w = Ours.leaf(), Ours.leaf(VALUES.T)
            h = matmul(x, w).exp() * 1.0
            view = h[0]
            view.mul_(2.0)
            h.retain_grad()
            x.register_hook(lambda g: None)
            a, b = split(h, size=1)
            loss = (softplus(h) + a * b).sum()
            alive = weakref.ref(h.value), weakref.ref(loss.node), weakref.ref(h.node)
            finish(loss)
            del h, view, a, b, loss
            assert [ref() for ref in alive] == [None, None, None]
    finally:
        gc.enable()


def test_backward_frees_what_was_saved():
    x = Ours.leaf()
    h = x * 2.0
    loss = (h * h).sum()
    saved = weakref.ref(h.value)
    del h
    assert saved() is not None
    loss.backward()
    assert saved() is None


def test_training_does_not_grow():
    memory.train(300)
    assert memory.growth(1500) < 1.5e6


def test_a_hook_that_holds_its_tensor_can_be_collected():
    x = Ours.leaf()
    h = x * 2.0
    h.register_hook(functools.partial(lambda h, g: g * h, h))
    h.retain_grad()
    alive = weakref.ref(h)
    del h
    gc.collect()
    assert alive() is None


def test_broadcast_gradients_own_their_memory():
    x = Ours.leaf()
    x.sum().backward()
    assert x.grad.value.flags.writeable and x.grad.value.flags.owndata
    assert table["reduce_sum"].name == "reduce_sum"
