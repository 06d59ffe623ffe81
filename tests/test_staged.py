"""Whole training steps under `jit`: state that is read, written and born inside, against eager.

The experiment of DESIGN section 3: a closed-over network with running statistics, dropout, Adam,
clipping and a changing learning rate; six jitted steps equal six eager ones, with no trace after
the second, and what the step wrote is committed only if it succeeded.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors
from minigrad.imperative import views
from minigrad.cells import Cell, read_state, write_state
from minigrad.core import table
from minigrad.imperative.modes import grad_mode
from tests.tensors import Parameter, Tensor, add, matmul, tensor

no_grad = grad_mode(False)


def rsqrt(x):
    return table["rsqrt"](x)


class Trouble(Exception):
    pass


class Generator:
    """State outside Tensors: a linear congruential generator."""

    def __init__(self):
        self.state = np.uint32(1)

    def get(self):
        return np.array(self.state)

    def put(self, value):
        self.state = np.asarray(value)[()]

    def uniform(self, shape):
        state = read_state(self, self.get, self.put)
        size = int(np.prod(shape))
        numbers = table["iota"](dtype=np.dtype("u4"), shape=(size,), dimension=0)
        drawn = table["mul"](table["add"](numbers, state), np.uint32(2654435761))
        write_state(self, self.get, self.put,
                    table["add"](state, np.uint32(size)))
        unit = table["convert_element_type"](table["shift_right_logical"](drawn, np.uint32(8)),
                                             new_dtype=np.dtype("f4"), weak_type=False)
        made = table["reshape"](table["mul"](unit, np.float32(2**-24)), new_sizes=shape)
        return views.make_box(Tensor, made.value, made.spec)


class Training:
    """A step in the manner of a torch program: everything is closed over."""

    def __init__(self):
        random = np.random.default_rng(0)

        def parameter(*shape):
            return tensor(random.normal(size=shape) * 0.5, requires_grad=True, cls=Parameter)

        self.parameters = [parameter(4, 8), parameter(8), parameter(8), parameter(8, 1)]
        self.running_mean, self.running_var = tensor(np.zeros(8)), tensor(np.ones(8))
        self.moments: dict = {}
        self.generator = Generator()
        self.learning_rate = 0.05

    def forward(self, x):
        first, scale, shift, last = self.parameters
        h = matmul(x, first)
        mean = h.sum(axis=0) * (1 / 16)
        centred = h - mean
        var = (centred * centred).sum(axis=0) * (1 / 16)
        with no_grad:
            self.running_mean.mul_(0.9).add_(mean * 0.1)
            self.running_var.mul_(0.9).add_(var * 0.1)
        h = (centred * rsqrt(var + 1e-5) * scale + shift).tanh()
        keep = self.generator.uniform((16, 8)) > 0.25
        h = table["select_n"](keep, h * 0.0, h * (1 / 0.75))
        return matmul(h, last)

    def step(self, x, y):
        for p in self.parameters:
            p.grad = None
        error = self.forward(x) - y
        loss = (error * error).sum()
        loss.backward()
        with no_grad:
            self.clip(1.0)
            self.adam()
        return loss

    def clip(self, most):
        total = sum((p.grad * p.grad).sum() for p in self.parameters)
        factor = table["min"](rsqrt(total) * most, np.float32(1.0))
        for p in self.parameters:
            p.grad.mul_(factor)

    def adam(self):
        rate = read_state((id(self), "lr"), lambda: np.float32(self.learning_rate))
        if not self.moments:  # born in the first step, whether it is staged or not
            self.moments = {id(p): [p * 0.0, p * 0.0] for p in self.parameters}
            self.moments["steps"] = self.parameters[1].sum() * 0.0
        steps = self.moments["steps"]
        steps.add_(1.0)
        for p in self.parameters:
            m, v = self.moments[id(p)]
            m.mul_(0.9).add_(p.grad * 0.1)
            v.mul_(0.99).add_(p.grad * p.grad * 0.01)
            p.sub_(m * rate * rsqrt(v + 1e-8) * (steps * 0.0 + 1.0))

    def state(self):
        moments = [m for k, pair in self.moments.items() if k != "steps" for m in pair]
        tensors = [*self.parameters, *(p.grad for p in self.parameters), self.running_mean,
                   self.running_var, *moments, self.moments["steps"]]
        return [np.array(t.value) for t in tensors] + [np.array(self.generator.state)]


def batches(count, seed=1):
    random = np.random.default_rng(seed)
    return [(tensor(random.normal(size=(16, 4))), tensor(random.normal(size=(16, 1))))
            for _ in range(count)]


def test_six_steps_equal_eager():
    losses, states, jitted = [], [], None
    for stage in (lambda f: f, mg.jit):
        training = Training()
        step = stage(training.step)
        row = []
        for k, (x, y) in enumerate(batches(6)):
            training.learning_rate = 0.05 if k < 3 else 0.01
            row.append(step(x, y).item())
        losses.append(row)
        states.append(training.state())
        jitted = step
    np.testing.assert_allclose(losses[0], losses[1], rtol=2e-5)
    for eager, staged in zip(*states, strict=True):
        np.testing.assert_allclose(eager, staged, rtol=1e-4, atol=1e-6)
    assert jitted.traces == 2
    (staged,) = [s for programs in jitted.programs.values() for s in programs]
    captured = [c for c in staged.cells if c.position is None]
    assert len(captured) == 4 + 2 + 9 + 1 + 1  # parameters, statistics, moments, generator, rate
    assert not staged.survivors


def test_state_is_the_same_tensor_after_the_step():
    training = Training()
    step, ((x, y),) = mg.jit(training.step), batches(1)
    step(x, y)
    p, m = training.parameters[0], training.moments[id(training.parameters[0])][0]
    before = p.value.copy()
    step(x, y)
    assert training.parameters[0] is p and type(p) is Parameter and p.is_leaf
    assert training.moments[id(p)][0] is m and m.spec.concrete
    assert not np.array_equal(before, p.value)
    assert type(p.grad) is Tensor and not p.grad.requires_grad


def test_eager_and_staged_steps_may_alternate():
    results = []
    for pattern in ("eeee", "jeje", "ejej", "jjjj"):
        training = Training()
        jitted = mg.jit(training.step)
        results.append([{"e": training.step, "j": jitted}[c](x, y).item()
                        for c, (x, y) in zip(pattern, batches(4))])
    for other in results[1:]:
        np.testing.assert_allclose(results[0], other, rtol=2e-5)


# ------------------------------------------------------------------ nesting and other state


def test_jit_inside_jit():
    p, generator = tensor([1.0, 2.0], requires_grad=True), Generator()
    count = tensor([0.0])

    @mg.jit
    def inner(x):
        count.add_(1.0)
        return (p * x * generator.uniform((2,))).sum()

    @mg.jit
    def outer(x):
        p.grad = None
        loss = inner(x) + inner(x)
        loss.backward()
        with no_grad:
            p.sub_(p.grad * 0.1)
        return loss

    def eager(x):
        p.grad = None
        loss = inner.fn(x) + inner.fn(x)
        loss.backward()
        with no_grad:
            p.sub_(p.grad * 0.1)
        return loss

    x, results = tensor([3.0, 4.0]), []
    for step in (eager, outer):
        generator.state = np.uint32(1)
        with no_grad:
            p.copy_(tensor([1.0, 2.0]))
            count.zero_()
        p.grad = None
        results.append([*(step(x).item() for _ in range(3)), *p.value, *count.value,
                        generator.state])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)
    assert outer.traces == 2  # `.grad` exists from the second call on
    inner(x)
    assert count.value.tolist() == [7.0]


def test_a_survivor_of_an_inner_jit_survives_the_outer():
    state: dict = {}

    @mg.jit
    def inner(x):
        state.setdefault("sum", x * 0.0).add_(x)
        return x * 2.0

    @mg.jit
    def outer(x):
        return inner(x).sum()

    for _ in range(4):
        outer(tensor([1.0, 2.0]))
    assert state["sum"].value.tolist() == [4.0, 8.0]


def test_generators():
    results = []
    for stage in (lambda f: f, mg.jit):
        generator = Generator()
        step = stage(lambda x, generator=generator: (generator.uniform((3,)) * x,
                                                     generator.uniform((2,))))
        results.append([np.concatenate([part.value for part in step(tensor([1.0, 2.0, 3.0]))])
                        for _ in range(3)] + [generator.state])
    for eager, staged in zip(*results):
        np.testing.assert_allclose(eager, staged, rtol=1e-6)


def test_state_is_not_written_inside_a_loop():
    generator = Generator()

    @mg.jit
    def f(x):
        return mg.scan(lambda c, x: (c + generator.uniform((2,)), None), x, None, length=3)[0]

    with pytest.raises(RuntimeError, match="Write it in the jitted function itself"):
        f(tensor([1.0, 2.0]))
    assert generator.state == 1


def test_captures_are_not_written_inside_transforms():
    p = tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        mg.vmap(lambda x: p.add_(x))(tensor(np.ones((3, 2))))
    with pytest.raises(RuntimeError, match="from outside was written in place"):
        mg.grad(lambda x: add(p.add_(x), x).sum())(tensor([1.0, 2.0]))
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        mg.vmap(mg.jit(lambda x: p.add_(x)))(tensor(np.ones((3, 2))))
    with pytest.raises(RuntimeError, match="from outside was written in place"):
        mg.jit(lambda x: mg.scan(lambda c, _: (c + p.add_(1.0), None), x, None, length=2)[0])(
            tensor([1.0, 2.0]))
    assert p.value.tolist() == [1.0, 2.0]


def test_constants_of_derived_backwards_are_no_cells():
    p = tensor([1.0, 2.0], requires_grad=True)

    @mg.jit
    def f(x):
        (p.tanh() * 2.0 * x).sum().backward()

    f(tensor([1.0, 2.0]))
    (staged,) = [s for programs in f.programs.values() for s in programs]
    (captured,) = [c.outer for c in staged.cells if isinstance(c, Cell) and c.position is None]
    assert captured is p


def test_a_tensor_from_a_failed_trace_says_so():
    state: dict = {}

    @mg.jit
    def f(x):
        state["leaked"] = x * 2.0
        raise Trouble

    with pytest.raises(Trouble):
        f(tensor([1.0]))
    with pytest.raises(errors.UnexpectedTracerError, match="test_staged.py"):
        state["leaked"] + 1.0
