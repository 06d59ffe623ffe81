"""Random numbers with PyTorch's bits: the default generator, `rand`, `randn`, dropout's masks.

Eager calls draw from a generator of `kernels.mersenne` directly. While a function is staged the
generator's state is a cell of the program: `torch_random` maps a state to numbers and the next
state, so a compiled step draws what eager code would and leaves the generator where it would be.
"""

from __future__ import annotations

import contextlib
import functools
import math
from contextvars import ContextVar
from typing import Any

import numpy as np

from compat.torch.devices import beside, resolve
from compat.torch.dtypes import SCALAR_NAMES, device as Device, to_numpy_or_none
from compat.torch.tensor import Tensor, array_of, from_array
from kernels import mersenne, rejection
from minigrad import core
from minigrad.imperative import views
from minigrad.batch import BatchTracer
from minigrad.core import EVAL, Primitive, config, get_mode, make_aval, make_box
from minigrad.jit import read_state


class Generator(mersenne.Generator):
    """A source of random numbers with a state of its own. Source: torch.Generator."""

    def __init__(self, device="cpu"):
        super().__init__()
        resolve(device)
        self.device = Device(device)  # the numbers are those of the CPU's generator everywhere

    def get_state(self):
        return from_array(super().get_state())

    def set_state(self, state):
        return super().set_state(array_of(state) if isinstance(state, core.Tensor) else state)

    def clone_state(self):
        made = Generator()
        made.set_state(self.get_state())
        return made

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


default_generator = Generator()


def manual_seed(seed) -> Generator:
    """Seed the default generator."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    return default_generator.seed()


def initial_seed() -> int:
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    return default_generator.get_state()


def set_rng_state(state) -> None:
    default_generator.set_state(state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True):
    """Put the default generator back as it was after the block."""
    before = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(before)


# ------------------------------------------------------------------ drawing while staged


def draw_impl(state, *, distribution, shape, dtype, **params):
    generator = mersenne.Generator().set_state(np.asarray(state))
    numbers = getattr(mersenne, distribution)(generator, shape=shape, dtype=dtype, **params)
    return [numbers, generator.get_state()]


torch_random = Primitive(
    "torch_random", draw_impl,
    lambda state, *, shape, dtype, **_: [make_aval(shape, dtype), state],
    multiple_results=True,
    batch=lambda size, args, dims, **params: (torch_random(*args, **params), [None, None]),
)


def draw(distribution: str, shape, dtype, generator=None, **params) -> Tensor:
    """Numbers from a distribution of `kernels.mersenne`, from the (default) generator."""
    generator = generator or default_generator
    shape, dtype = tuple(shape), np.dtype(dtype)
    if get_mode().trace.origin == "vmap":
        return draw_mapped(get_mode().trace, distribution, shape, dtype, generator, params)
    if get_mode().trace is EVAL:
        numbers = getattr(mersenne, distribution)(generator, shape=shape, dtype=dtype, **params)
        return from_array(numbers)
    state = read_state(generator, functools.partial(mersenne.Generator.get_state, generator),
                       generator.set_state)
    values, after = torch_random(state, distribution=distribution, shape=shape, dtype=dtype,
                                 **params)
    if state.spec.concrete:
        generator.set_state(array_of(after))
    else:
        state.value = after.value
    return make_box(Tensor, values.value, values.spec)


RANDOMNESS: ContextVar[str] = ContextVar("minigrad_vmap_randomness", default="same")


def draw_mapped(trace, distribution: str, shape, dtype, generator, params) -> Tensor:
    """Inside vmap: drawn on the level below, once for all examples or for each."""
    how = RANDOMNESS.get()
    if how == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap")
    with core.using(trace.outer):
        size = (int(trace.size), *shape) if how == "different" else shape
        numbers = draw(distribution, size, dtype, generator, **params)
    return core.box(BatchTracer(trace, numbers, 0), Tensor) if how == "different" else numbers


def sizes_of(size, named=None) -> tuple[int, ...]:
    """`rand(2, 3)`, `rand((2, 3))` and `rand(size=(2, 3))`."""
    size = size if named is None else (named,)
    if len(size) == 1 and not isinstance(size[0], int):
        size = size[0]
    return tuple(int(n) for n in size)


def factory(distribution: str, name: str):
    def fn(*sizes, size=None, generator=None, dtype=None, layout=None, device=None,
           requires_grad=False, pin_memory=False):
        size = sizes_of(sizes, size)
        made = draw(distribution, size, to_numpy_or_none(dtype) or config.default_dtype,
                    generator=generator)
        return made.requires_grad_() if requires_grad else made

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.{name}: independent numbers in the given shape."
    return fn


rand, randn = factory("uniform", "rand"), factory("normal", "randn")


def rand_like(input, *, dtype=None, requires_grad=False, **_) -> Tensor:
    return beside(input, rand(*input.spec.shape, dtype=dtype or input.dtype,
                              requires_grad=requires_grad))


def randn_like(input, *, dtype=None, requires_grad=False, **_) -> Tensor:
    return beside(input, randn(*input.spec.shape, dtype=dtype or input.dtype,
                               requires_grad=requires_grad))


def randint(low, high=None, size=None, *, generator=None, dtype=None, layout=None,
            device=None, requires_grad=False, pin_memory=False) -> Tensor:
    """Whole numbers from low to high - 1."""
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= "
                           f"to={high}")
    return draw("randint", sizes_of((size,)), to_numpy_or_none(dtype) or np.int64, generator,
                low=low, high=high)


def randint_like(input, low, high=None, *, dtype=None, **_) -> Tensor:
    low, high = (0, low) if high is None else (low, high)
    return beside(input, randint(low, high, input.spec.shape, dtype=dtype or input.dtype))


def randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """0 ... n-1 in random order."""
    return from_array(mersenne.randperm(generator or default_generator, n,
                                        to_numpy_or_none(dtype) or np.int64))


def bernoulli(input, p=None, *, generator=None) -> Tensor:
    """1 with the probability that each element gives. The gradient is 0."""
    if p is not None:
        return bernoulli_(input.clone(), p, generator=generator)
    numbers = draw("uniform", input.spec.shape, np.float64 if input.spec.dtype.itemsize > 4
                   else np.float32, generator)
    numbers = beside(input, numbers)
    return (numbers.to(input.dtype) < input).to(input.dtype) + input * 0


def multinomial(input, num_samples, replacement=False, *, generator=None) -> Tensor:
    """Indices drawn with the weights along the last dimension."""
    weights = array_of(input)
    n = weights.shape[-1] if weights.ndim else 0
    for wrong, text in (
            (weights.dtype.kind not in "fV", "multinomial only supports floating-point dtypes for "
             f"input, got: {SCALAR_NAMES[weights.dtype.name]}"),
            (weights.ndim not in (1, 2), "prob_dist must be 1 or 2 dim"),
            (num_samples <= 0, "cannot sample n_sample <= 0 samples"),
            (n > 2 ** 24, "number of categories cannot exceed 2^24"),
            (not replacement and num_samples > n,
             "cannot sample n_sample > prob_dist.size(-1) samples without replacement")):
        if wrong:
            raise RuntimeError(text)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(-1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    return beside(input, from_array(mersenne.multinomial(
        generator or default_generator, weights, num_samples, replacement)))


def normal(mean: Any = 0.0, std: Any = 1.0, size=None, *, generator=None, dtype=None, layout=None,
           device=None, requires_grad=False, pin_memory=False) -> Tensor:
    """Normal numbers; mean and std may be tensors. The gradient to them is 0."""
    tensors: list[Any] = [x for x in (mean, std) if isinstance(x, Tensor)]
    negative: Any = std < 0
    if negative.any() if isinstance(negative, Tensor) else negative:
        raise RuntimeError("normal expects std >= 0.0, but found std "
                           f"{std.min().item() if isinstance(std, Tensor) else std:g}")
    if size is not None:
        made = draw("normal", sizes_of((size,)), to_numpy_or_none(dtype) or config.default_dtype,
                    generator, mean=float(mean), std=float(std))
        return made.requires_grad_() if requires_grad else made
    shape = np.broadcast_shapes(*(x.spec.shape for x in tensors))
    noise: Any = beside(tensors[0], draw("normal", shape, tensors[0].spec.dtype, generator))
    return noise * (std.detach() if isinstance(std, Tensor) else std) + (
        mean.detach() if isinstance(mean, Tensor) else mean) + sum(x * 0 for x in tensors)


# ------------------------------------------------------------------ filling in place


def filling(distribution: str, check=None, text: str = "", **defaults):
    """A method such as `uniform_(from, to)`; `defaults` has the kernel's names of the parameters,
    which differ from PyTorch's. `check` says which values are sensible."""
    own = dict(zip(PARAMETERS.get(distribution, defaults), defaults))

    def method(self, *given, generator=None, **named):
        params = defaults | dict(zip(defaults, map(float, given)))
        params |= {own[k]: float(v) for k, v in named.items()}
        if check is not None and not check(*params.values()):
            raise RuntimeError(text.format(*map("{:g}".format, params.values())))
        return views.write(self, draw(distribution, self.spec.shape, self.spec.dtype, generator,
                                      **params))

    method.__name__ = method.__qualname__ = f"{distribution}_"
    method.__doc__ = f"Fill with numbers of the {distribution} distribution."
    return method


PARAMETERS = {"uniform": ("from", "to"), "exponential": ("lambd",), "bernoulli": ("p",),
              "geometric": ("p",)}

fill_bernoulli = filling("bernoulli", lambda p: 0 <= p <= 1,
                         "bernoulli_ expects p to be in [0, 1], but got p={}", probability=0.5)


def bernoulli_(self, p=0.5, *, generator=None):
    """Fill with 1 with probability p (a number, or a tensor of them), else 0."""
    if isinstance(p, core.Tensor):
        return views.write(self, bernoulli(p.expand(self.spec.shape), generator=generator).to(
            self.dtype))
    return fill_bernoulli(self, p, generator=generator)


def random_(self, *given, generator=None):
    """Whole numbers: all that the dtype holds exactly, or from a range."""
    low, high = (0, None) if not given else (0, given[0]) if len(given) == 1 else given
    if high is None:
        dtype = self.spec.dtype
        high = 2 if dtype.kind == "b" else 2 ** (np.finfo(dtype).nmant + 1) + 1 \
            if dtype.kind == "f" else np.iinfo(dtype).max
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= "
                           f"to={high}")
    made = draw("randint", self.spec.shape, np.int64, generator, low=int(low), high=int(high))
    return views.write(self, made.to(self.dtype))


def poisson(input, generator=None):
    """Counts with the given rates."""
    rates = array_of(input)
    if (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return from_array(rejection.poisson(generator or default_generator, rates, input.spec.dtype))


def binomial(count, prob, generator=None):
    """How many of `count` trials succeed with the given probabilities."""
    return from_array(rejection.binomial(
        generator or default_generator, array_of(count),
        array_of(prob), count.spec.dtype))


fill_normal = filling("normal", lambda mean, std: std >= 0,
                      "normal expects std >= 0.0, but found std {1}", mean=0.0, std=1.0)


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fill with normal numbers; the variance of complex ones is shared by their two parts."""
    if not self.is_complex():
        return fill_normal(self, mean, std, generator=generator)
    parts = self.real.new_empty((*self.spec.shape, 2))
    fill_normal(parts, 0.0, std / math.sqrt(2), generator=generator)
    return views.write(self, parts[..., 0] + 1j * parts[..., 1] + mean)


METHODS = {
    "random_": random_,
    "uniform_": filling(
        "uniform", lambda low, high: low <= high,
        "uniform_ expects to return a [from, to) range, but found from={} > to={}", low=0.0,
        high=1.0),
    "normal_": normal_,
    "bernoulli_": bernoulli_,
    "exponential_": filling("exponential", lambda rate: rate > 0,
                            "exponential_ expects lambda > 0.0, but found lambda={}", rate=1.0),
    "cauchy_": filling("cauchy", lambda median, sigma: sigma > 0,
                       "cauchy_ expects sigma > 0.0, but found sigma={1}", median=0.0, sigma=1.0),
    "log_normal_": filling("log_normal", lambda mean, std: std > 0,
                           "log_normal_ expects std > 0.0, but found std={1}", mean=1.0, std=2.0),
    "geometric_": filling("geometric", lambda p: 0 < p < 1,
                          "geometric_ expects p to be in (0, 1), but got p={}", probability=0.5),
}
BOTH = {"bernoulli": bernoulli, "multinomial": multinomial}
FUNCTIONS = {f.__name__: f for f in (
    rand, randn, rand_like, randn_like, randint, randint_like, randperm, normal, poisson,
    binomial)}
