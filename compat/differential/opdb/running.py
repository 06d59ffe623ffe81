"""Entries of the database, run on both sides."""

from __future__ import annotations

import re
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

from compat.differential.opdb.checks import CHECKS, Case, Side, Skip, brief
from compat.differential.opdb.entries import full_name, spread
from compat.differential.translation import Missing, Translator


class TimeLimit(BaseException):
    """Raised in an entry that computes too long."""


@contextmanager
def time_limit(seconds: float):
    def stop(*_):
        raise TimeLimit

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass
class Outcome:
    """What became of one entry: by check, how many samples there were and what was wrong."""

    name: str
    compared: Counter = field(default_factory=Counter)
    reasons: dict[str, Counter] = field(default_factory=dict)

    def note(self, check: str, problem: str | None) -> None:
        self.compared[check] += 1
        if problem is not None:
            self.reasons.setdefault(check, Counter())[problem] += 1

    def wrong(self, check: str) -> int:
        return sum(self.reasons.get(check, Counter()).values())

    @property
    def ok(self) -> bool:
        return not set(self.reasons) - {"errors", "messages", "strides"}


class Runner:
    """Runs entries of the database down the roads named in `checks`."""

    def __init__(self, checks: Iterable[str] = ("forward", "gradient")):
        self.checks = [name for name in CHECKS if name in set(checks)]
        self.translator = Translator()
        self.theirs, self.ours = self.translator.theirs, self.translator.ours

    def run(self, op, dtypes, samples: int, limit: float, errors: bool = True,
            reference: bool = False) -> Outcome:
        """One entry. samples: how many at most of each dtype, 0 for all; reference: the
        database's further inputs, of extreme values and mixed kinds, instead of the first ones."""
        outcome = Outcome(full_name(op))
        try:
            with time_limit(limit), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for name in dtypes:
                    if getattr(self.theirs, name) in op.supported_dtypes("cpu"):
                        self.run_dtype(op, name, samples, reference, outcome)
                if errors:
                    self.run_errors(op, outcome)
        except TimeLimit:
            outcome.note("time", f"not done after {limit:g} s")
        return outcome

    def run_dtype(self, op, name: str, samples: int, reference: bool, outcome: Outcome) -> None:
        dtype = getattr(self.theirs, name)
        wants = op.supports_autograd and dtype in op.supported_backward_dtypes("cpu")
        self.theirs.manual_seed(0)
        inputs = op.reference_inputs if reference else op.sample_inputs
        for sample in spread(list(inputs("cpu", dtype, requires_grad=wants)), samples):
            try:
                case = self.case(op, sample, dtype, wants)
            except Missing as error:
                outcome.note("forward", str(error))
                continue
            if case is None:
                continue
            for check in self.checks:
                problem = self.answer(CHECKS[check], case)
                if problem is not Skip:
                    outcome.note(check, problem and f"{name}: {problem}")
                if check == "forward" and problem:
                    break

    def answer(self, check: Callable, case: Case):
        try:
            return check(case)
        except Skip:
            return Skip
        except (Missing, Exception) as error:
            return f"raised {brief(error)}"

    def case(self, op, sample, dtype, wants: bool) -> Case | None:
        """The sample on both sides; None where PyTorch refuses it: the database's samples are for
        all devices."""
        args, kwargs = self.translator.sample([sample.input, *sample.args], sample.kwargs)
        translate, finish = self.translator.value, sample.output_process_fn_grad
        ours = Side(self.ours, translate(op.op), args, kwargs, translate(finish))
        theirs = Side(self.theirs, op.op, [sample.input, *sample.args], sample.kwargs, finish)
        try:
            expected = theirs.call()
        except Exception:
            return None
        return Case(op, dtype, sample, self.translator, theirs, ours, expected, wants=wants)

    def run_errors(self, op, outcome: Outcome) -> None:
        """Inputs that must raise: the same class here, and (apart) the message that PyTorch's own
        tests look for."""
        if op.error_inputs_func is None:
            return
        try:
            inputs = list(op.error_inputs("cpu"))
        except Exception:
            return
        for given in inputs:
            sample = given.sample_input
            args, kwargs = [sample.input, *sample.args], sample.kwargs
            expected = raised(op.op, args, kwargs)
            if expected is None:
                continue
            try:
                translated = self.translator.sample(args, kwargs)
                got = raised(self.translator.value(op.op), *translated)
            except Exception as error:
                got = error
            shown = "nothing" if got is None else brief(got)
            same = type(got).__name__ == type(expected).__name__
            wrong = f"raised {shown} where PyTorch: {brief(expected)}"
            outcome.note("errors", None if same else wrong)
            if same:
                says = re.search(given.error_regex, str(got))
                outcome.note("messages", None if says else wrong)


def raised(function: Callable, args, kwargs) -> Exception | None:
    try:
        function(*args, **kwargs)
    except Exception as error:
        return error
    return None
