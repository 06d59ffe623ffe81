"""PyTorch's operator database on `compat.torch`: `python -m compat.differential.opdb`.

PyTorch ships, for its own tests, a list of operators with a generator of sample inputs for each,
and of inputs that must raise. Every sample is run twice, by PyTorch and by the mirror, forward
and backward, and compared at PyTorch's own tolerances. An entry passes if all of its samples do,
in float32, float64, int64 and bool as far as PyTorch supports them.

    --only PATTERN ...   entries by name (`nn.functional.*`); default: all
    --samples N          at most N samples a dtype, spread over all there are
    --dtypes NAME ...    default: float32 float64 int64 bool
    --limit SECONDS      for one entry (default 60)
    --variants           methods, in-place methods and out= too
    --no-errors          leave the error inputs out
    --quiet              print the totals alone
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from compat.differential.translation import Missing, Translator

DTYPES = ("float32", "float64", "int64", "bool")
NOT_DENSE = {  # entries without a meaning for dense CPU tensors, by reason
    "sparse layouts": r"sparse\..*|to_sparse|.*sampled_addmm",
    "CUDA code at run time": r"jiterator.*|bmm\.triton_optimized",
    "kernels of other devices": r"torch\._scaled_mm.*|torch\.ops\.aten\._(flash|efficient)_.*",
    "a dtype that NumPy cannot hold": r"chalf",
}
UNINITIALISED = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty",
                 "new_empty_strided", "resize_", "resize_as_"}


class TimeLimit(BaseException):
    """Raised in an entry that runs too long."""


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

    def run(self, op, dtypes, samples: int, limit: float, errors: bool = True,
            variants: bool = False) -> Outcome:
        outcome = Outcome(full_name(op))
        try:
            with time_limit(limit), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for name in dtypes:
                    dtype = getattr(self.theirs, name)
                    if dtype in op.supported_dtypes("cpu"):
                        self.run_dtype(op, dtype, samples, outcome)
                        if variants:
                            self.run_variants(op, dtype, samples, outcome)
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

    def run_variants(self, op, dtype, samples: int, outcome: Outcome) -> None:
        """The method, the in-place method, and `out=`, each against PyTorch's."""
        forms = {"method": op.method_variant, "in-place": op.inplace_variant,
                 "out": op.op if op.supports_out else None}
        self.theirs.manual_seed(0)
        for sample in spread(list(op.sample_inputs("cpu", dtype)), samples or 3):
            for form, function in forms.items():
                if function is None or sample.broadcasts_input and form == "in-place":
                    continue
                ours = self.translator.sample([sample.input, *sample.args], sample.kwargs)
                theirs = [sample.input, *sample.args], dict(sample.kwargs)
                try:
                    if form == "in-place":
                        theirs[0][0] = theirs[0][0].clone()
                    expected = function(*theirs[0], **theirs[1])
                except Exception:
                    continue
                outcome.samples += 1
                try:
                    if form == "out":
                        ours[1]["out"] = self.empty_like(expected)
                    got = self.translator.value(function)(*ours[0], **ours[1])
                    problem = self.difference(op, got, expected, dtype)
                    if problem is None and form == "out":
                        problem = self.difference(op, ours[1]["out"], expected, dtype)
                except Exception as error:
                    problem = brief(error)
                outcome.passed += problem is None
                if problem is not None:
                    outcome.reasons[f"{form}: {problem}"] += 1

    def empty_like(self, x):
        """Somewhere to put a result of this kind."""
        if isinstance(x, (list, tuple)):
            return tuple(map(self.empty_like, x))
        return self.ours.empty(0, dtype=self.translator.value(x.dtype))

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
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--no-errors", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    runner, outcomes = Runner(), []
    for op in entries(options.only):
        outcome = runner.run(op, options.dtypes, options.samples, options.limit,
                             not options.no_errors, options.variants)
        outcomes.append(outcome)
        if not outcome.ok and not options.quiet:
            print(f"{outcome.name}: {outcome.passed} of {outcome.samples}")
            for reason, n in outcome.reasons.most_common(3):
                print(f"    {n} x {reason}")
            sys.stdout.flush()
    report(outcomes, options.quiet)


if __name__ == "__main__":
    main()
