"""PyTorch's operator database on `compat.torch`: `python -m compat.differential.opdb`.

PyTorch ships, for its own tests, a list of operators with a generator of sample inputs for each,
and of inputs that must raise. Every sample is run twice, by PyTorch and by the mirror, forward
and backward, and compared at PyTorch's own tolerances. An entry passes if all of its samples do,
in float32, float64, int64 and bool as far as PyTorch supports them.

    --only PATTERN ...   entries by name (`nn.functional.*`); default: all
    --samples N          at most N samples a dtype, spread over all there are
    --dtypes NAME ...    default: float32 float64 int64 bool
    --limit SECONDS      for one entry (default 60)
    --no-errors          leave the error inputs out
    --quiet              print the totals alone
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
import re
import signal
import sys
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np

DTYPES = ("float32", "float64", "int64", "bool")
NOT_DENSE = {  # entries without a meaning for dense CPU tensors, by reason
    "sparse layouts": r"sparse\..*|to_sparse|.*sampled_addmm",
    "CUDA code at run time": r"jiterator.*|bmm\.triton_optimized",
    "kernels of other devices": r"torch\._scaled_mm.*|torch\.ops\.aten\._(flash|efficient)_.*",
    "a dtype that NumPy cannot hold": r"chalf",
}
UNINITIALISED = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty",
                 "new_empty_strided", "resize_", "resize_as_"}
NAMESPACES = ("", "nn.functional", "linalg", "fft", "special", "signal.windows", "masked", "nn",
              "Tensor")


FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType,
             types.WrapperDescriptorType, types.ModuleType, functools.partial, type)


class TimeLimit(BaseException):
    """Raised in an entry that runs too long."""


class Missing(Exception):
    """The mirror has no such name."""


@contextmanager
def time_limit(seconds: float):
    def stop(*_):
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ------------------------------------------------------------------ from PyTorch's world to ours


def attribute(root, path: str):
    """The object at a dotted path; Missing if the mirror does not have it."""
    for name in path.split(".") if path else ():
        try:
            root = getattr(root, name)
        except AttributeError:
            raise Missing(f"no name torch.{path}") from None
    return root


class Translator:
    """Values, and functions of PyTorch's test suite, as `compat.torch` has them."""

    def __init__(self):
        import torch

        import compat.torch as ours

        self.theirs, self.ours = torch, ours
        self.paths: dict[int, str] = {id(torch): ""}
        for space in NAMESPACES:
            owner = attribute(torch, space)
            self.paths.setdefault(id(owner), space)
            for name in dir(owner):
                value = getattr(owner, name, None)
                if callable(value) or isinstance(value, types.ModuleType):
                    self.paths.setdefault(id(value), f"{space}.{name}".lstrip("."))
        self.memory: dict[int, np.ndarray] | None = None  # of the sample at hand, by its address
        self.built: dict[int, tuple] = {}

    def sample(self, *values):
        """What belongs to one sample: Tensors that share memory share it here too."""
        self.memory = {}
        try:
            return self.value(values)
        finally:
            self.memory = None

    def value(self, x):
        torch, ours = self.theirs, self.ours
        if isinstance(x, torch.Tensor):
            return self.tensor(x)
        if isinstance(x, (torch.dtype, torch.layout, torch.memory_format)):
            return attribute(ours, str(x).removeprefix("torch."))
        if isinstance(x, torch.device):
            return ours.device(str(x))
        if isinstance(x, torch.Size):
            return ours.Size(x)
        if isinstance(x, torch.Generator):
            return ours.Generator().manual_seed(x.initial_seed())
        if isinstance(x, (list, tuple)):
            return type(x)(map(self.value, x))
        if isinstance(x, dict):
            return {k: self.value(v) for k, v in x.items()}
        if isinstance(x, slice):
            return slice(*map(self.value, (x.start, x.stop, x.step)))
        if isinstance(x, FUNCTIONS) or (type(x).__module__ or "").startswith("torch._ops"):
            return self.function(x)
        return x

    def tensor(self, x):
        """The same numbers at the same places of memory of our own."""
        made = self.ours.from_numpy(self.array(x))
        return made.requires_grad_() if x.requires_grad and x.is_leaf else made

    def array(self, x) -> np.ndarray:
        torch = self.theirs
        x = x.detach().resolve_conj().resolve_neg()
        whole = x.untyped_storage().nbytes() // x.element_size()
        address = x.untyped_storage().data_ptr()
        memory = None if self.memory is None else self.memory.get(address)
        if memory is None or not address or memory.itemsize != x.element_size():
            flat = torch.as_strided(x, (whole,), (1,), 0).clone()
            memory = flat.view(torch.int16).numpy().view(ml_dtypes.bfloat16) \
                if x.dtype == torch.bfloat16 else flat.numpy()
            if self.memory is not None:
                self.memory[address] = memory
        return np.lib.stride_tricks.as_strided(
            memory[x.storage_offset():], tuple(x.shape),
            tuple(s * memory.itemsize for s in x.stride()))

    def function(self, f):
        if id(f) in self.paths:
            return attribute(self.ours, self.paths[id(f)])
        if isinstance(f, functools.partial):
            return functools.partial(self.function(f.func), *map(self.value, f.args),
                                     **self.value(f.keywords))
        module = getattr(f, "__module__", None) or ""
        if isinstance(f, types.FunctionType) and module.startswith("torch.testing._"):
            return self.built[id(f)][1] if id(f) in self.built else self.rebuild(f)
        if module.startswith("torch") and callable(f):
            raise Missing(f"no mirror of {module}.{getattr(f, '__qualname__', f)}")
        return f

    def rebuild(self, f: types.FunctionType):
        """A function of PyTorch's suite with `torch` and all it reaches exchanged for ours."""
        if f.__name__ == "wrapper_set_seed":
            return self.seeded
        space = dict(f.__globals__)
        made = types.FunctionType(f.__code__, space, f.__name__, self.value(f.__defaults__ or ()),
                                  tuple(types.CellType(self.value(c.cell_contents))
                                        for c in f.__closure__ or ()))
        made.__kwdefaults__ = self.value(f.__kwdefaults__)
        self.built[id(f)] = f, made  # with the original, whose id is not used again
        for name in names_in(f.__code__) & set(space):
            if callable(space[name]) or isinstance(space[name], types.ModuleType):
                space[name] = self.function(space[name])
        return made

    def seeded(self, op, *args, **kwargs):
        self.ours.manual_seed(42)
        return op(*args, **kwargs)

    def back(self, x):
        """Our results as PyTorch's values, to be compared by PyTorch."""
        if isinstance(x, self.ours.Tensor):
            array = np.array(x.detach().numpy())
            if array.dtype == ml_dtypes.bfloat16:
                return self.theirs.from_numpy(array.view(np.int16)).view(self.theirs.bfloat16)
            return self.theirs.from_numpy(array)
        if isinstance(x, (list, tuple)):
            return [self.back(v) for v in x]
        return x


def names_in(code: types.CodeType) -> set[str]:
    inner = [names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)


# ------------------------------------------------------------------ running samples


@dataclass
class Outcome:
    """What became of one entry of the database."""

    name: str
    reasons: Counter = field(default_factory=Counter)  # of samples that failed
    samples: int = 0
    passed: int = 0
    gradients: int = 0  # samples whose gradients were compared
    errors: int = 0
    error_reasons: Counter = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        return not self.reasons


def leaves_of(x, tensor: type) -> list:
    """The Tensors of a nested value, in order."""
    if isinstance(x, tensor):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [leaf for part in x for leaf in leaves_of(part, tensor)] \
        if isinstance(x, (list, tuple)) else []


def plain(x):
    """Named tuples and sizes as lists, so that structure alone is compared."""
    return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x


def shapes_only(x):
    return [shapes_only(v) for v in x] if isinstance(x, list) else (str(x.dtype), tuple(x.shape))


def brief(error: BaseException) -> str:
    text = str(error).strip()
    lines = [line for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:110] if lines else ''}"


class Runner:
    """Runs entries of the database on both sides."""

    def __init__(self):
        self.translator = Translator()
        self.theirs, self.ours = self.translator.theirs, self.translator.ours

    def run(self, op, dtypes, samples: int, limit: float, errors: bool = True) -> Outcome:
        outcome = Outcome(full_name(op))
        try:
            with time_limit(limit), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for name in dtypes:
                    dtype = getattr(self.theirs, name)
                    if dtype in op.supported_dtypes("cpu"):
                        self.run_dtype(op, dtype, samples, outcome)
                if errors:
                    self.run_errors(op, outcome)
        except TimeLimit:
            outcome.reasons[f"not done after {limit:g} s"] += 1
        return outcome

    def run_dtype(self, op, dtype, samples: int, outcome: Outcome) -> None:
        wants = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        self.theirs.manual_seed(0)
        for sample in spread(list(op.sample_inputs("cpu", dtype, requires_grad=wants)), samples):
            try:
                problem = self.check(op, sample, dtype, wants, outcome)
            except Missing as error:
                problem = str(error)
            outcome.samples += 1
            outcome.passed += problem is None
            if problem is not None:
                outcome.reasons[f"{str(dtype).removeprefix('torch.')}: {problem}"] += 1

    def check(self, op, sample, dtype, wants: bool, outcome: Outcome) -> str | None:
        translate = self.translator.value
        ours_args = self.translator.sample([sample.input, *sample.args], sample.kwargs)
        ours_op, process = translate(op.op), translate(sample.output_process_fn_grad)
        theirs_args = [sample.input, *sample.args], sample.kwargs
        try:
            expected = sample.output_process_fn_grad(op.op(*theirs_args[0], **theirs_args[1]))
        except Exception:
            return None  # the database's samples are for all devices
        try:
            got = process(ours_op(*ours_args[0], **ours_args[1]))
        except Exception as error:
            return f"raised {brief(error)}"
        problem = self.difference(op, got, expected, dtype)
        if problem is not None or not wants:
            return problem
        return self.check_gradients(op, theirs_args, expected, ours_args, got, dtype, outcome)

    def check_gradients(self, op, theirs_args, expected, ours_args, got, dtype, outcome):
        theirs, ours = self.theirs, self.ours
        leaves = [x for x in leaves_of(list(theirs_args), theirs.Tensor) if x.requires_grad]
        mine = [x for x in leaves_of(list(ours_args), ours.Tensor) if x.requires_grad]
        outs = leaves_of(expected, theirs.Tensor)
        my_outs = leaves_of(got, ours.Tensor)
        pairs = [(a, b) for a, b in zip(outs, my_outs) if a.requires_grad]
        if not pairs or not leaves:
            return None
        rng = np.random.default_rng(0)
        weights = [theirs.from_numpy(rng.uniform(-1, 1, tuple(a.shape))).to(a.dtype)
                   for a, _ in pairs]
        try:
            expected = theirs.autograd.grad([a for a, _ in pairs], leaves, weights,
                                            allow_unused=True)
        except Exception:
            return None
        outcome.gradients += 1
        live = [(b, self.translator.tensor(w)) for (_, b), w in zip(pairs, weights)
                if b.requires_grad]  # no gradient is as good as a zero one
        try:
            found = ours.autograd.grad([b for b, _ in live], mine, [w for _, w in live],
                                       allow_unused=True) if live else (None,) * len(mine)
        except Exception as error:
            return f"backward raised {brief(error)}"
        for a, b, leaf in zip(expected, found, leaves):
            if a is None or b is None:  # zero and nothing are the same to a user
                a, b = (x if x is not None else zeros
                        for x, zeros in ((a, theirs.zeros_like(leaf)),
                                         (b, self.translator.tensor(theirs.zeros_like(leaf)))))
            problem = self.difference(op, b, a, dtype)
            if problem is not None:
                return f"gradient: {problem}"
        return None

    def difference(self, op, got, expected, dtype) -> str | None:
        try:
            got, expected = plain(self.translator.back(got)), plain(expected)
        except Exception as error:
            return f"result {brief(error)}"
        if op.name in UNINITIALISED:
            same = shapes_only(got) == shapes_only(expected)
            return None if same else f"{shapes_only(got)}, expected {shapes_only(expected)}"
        try:
            self.theirs.testing.assert_close(got, detached(expected), equal_nan=True,
                                             **tolerances(op, dtype))
        except (AssertionError, TypeError, ValueError) as error:
            lines = str(error).splitlines()
            more = next((x for x in lines if "Greatest absolute" in x), "")
            return f"{lines[0][:90]} {more[:60]}".strip()
        return None

    def run_errors(self, op, outcome: Outcome) -> None:
        """Inputs that must raise: the same class here."""
        if op.error_inputs_func is None:
            return
        try:
            inputs = list(op.error_inputs("cpu"))
        except Exception:
            return
        for given in inputs:
            sample = given.sample_input
            args, kwargs = [sample.input, *sample.args], sample.kwargs
            outcome.errors += 1
            try:
                translated = self.translator.sample(args, kwargs)
                function = self.translator.value(op.op)
            except Exception as error:
                outcome.error_reasons[brief(error)] += 1
                continue
            expected = raised(op.op, args, kwargs)
            if expected is None:
                outcome.errors -= 1
                continue
            got = raised(function, *translated)
            if got is None or type(got).__name__ != type(expected).__name__:
                shown = "nothing" if got is None else brief(got)
                outcome.error_reasons[f"raised {shown} where PyTorch: {brief(expected)}"] += 1


def raised(function: Callable, args, kwargs) -> Exception | None:
    try:
        function(*args, **kwargs)
    except Exception as error:
        return error
    return None


def detached(x):
    return [detached(v) for v in x] if isinstance(x, list) else \
        x.detach().resolve_conj().resolve_neg() if hasattr(x, "detach") else x


def tolerances(op, dtype) -> dict[str, float]:
    """What the entry's decorators widen PyTorch's tolerances to; none where they say nothing."""
    from torch.testing._comparison import default_tolerances
    from torch.testing._internal.common_device_type import toleranceOverride

    given = [d.d[dtype] for decorator in op.decorators
             for d in getattr(decorator, "decorators", [decorator])
             if isinstance(d, toleranceOverride) and dtype in d.d]
    if not given:
        return {}
    rtol, atol = default_tolerances(dtype)
    return {"rtol": max(rtol, *(t.rtol for t in given)),
            "atol": max(atol, *(t.atol for t in given))}


def spread(samples: list, count: int) -> list:
    """At most `count` of them, from all parts of the list."""
    if not count or len(samples) <= count:
        return samples
    return [samples[i * len(samples) // count] for i in range(count)]


def full_name(op) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def reason_excluded(name: str) -> str | None:
    return next((r for r, pattern in NOT_DENSE.items() if re.fullmatch(pattern, name)), None)


def entries(patterns=()) -> Iterator:
    """The entries of the database that have a meaning here."""
    from torch.testing._internal.common_methods_invocations import op_db

    for op in op_db:
        name = full_name(op)
        if patterns:
            if any(fnmatch.fnmatchcase(n, p) for p in patterns for n in (name, op.name)):
                yield op
        elif reason_excluded(name) is None:
            yield op


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / max(whole, 1):.1f} %)"


def report(outcomes: list[Outcome], quiet: bool) -> None:
    if not quiet:
        print("\nfailed error inputs:")
        for o in outcomes:
            for reason, n in o.error_reasons.items():
                print(f"  {o.name}: {reason}" + (f"  ({n} times)" if n > 1 else ""))
    wrong = sum(sum(o.error_reasons.values()) for o in outcomes)
    errors = sum(o.errors for o in outcomes)
    print("\nentries passed: ", share(sum(o.ok for o in outcomes), len(outcomes)))
    print("samples passed: ", share(sum(o.passed for o in outcomes),
                                    sum(o.samples for o in outcomes)),
          f"- gradients of {sum(o.gradients for o in outcomes)}")
    print("error inputs:   ", share(errors - wrong, errors))


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m compat.differential.opdb")
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--dtypes", nargs="*", default=DTYPES)
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--no-errors", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    runner, outcomes = Runner(), []
    for op in entries(options.only):
        outcome = runner.run(op, options.dtypes, options.samples, options.limit,
                             not options.no_errors)
        outcomes.append(outcome)
        if not outcome.ok and not options.quiet:
            print(f"{outcome.name}: {outcome.passed} of {outcome.samples}")
            for reason, n in outcome.reasons.most_common(3):
                print(f"    {n} x {reason}")
            sys.stdout.flush()
    report(outcomes, options.quiet)


if __name__ == "__main__":
    main()
