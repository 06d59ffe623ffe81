"""What a graph costs and when it goes: no cycles, no leaks, no recursion."""

import functools
import gc
import weakref

from tests import memory
from tests.tensors import matmul, softplus, split, tensor
from tests.worlds import VALUES, Ours

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
