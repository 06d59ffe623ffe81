"""The command `python -m compat.differential.opdb`; see --help."""

from __future__ import annotations

import argparse
import re
from collections import defaultdict

from compat.differential.opdb.checks import CHECKS
from compat.differential.opdb.entries import entries
from compat.differential.opdb.running import Outcome, Runner

DTYPES = ("float32", "float64", "int64", "bool")


def share(part: int, whole: int) -> str:
    return f"{part:6} of {whole:6} ({100 * part / max(whole, 1):5.1f} %)"


def causes(outcomes: list[Outcome]) -> list[tuple[int, str, list[str]]]:
    """Failures by cause: what is left of a reason without its numbers and its dtype."""
    found = defaultdict(list)
    for o in outcomes:
        for check, reasons in o.reasons.items():
            for reason in reasons:
                cause = re.sub(r"\d[\d.e+-]*|\[[^]]*\]|\([^)]*\)", "#", reason.partition(": ")[2])
                found[f"{check}: {cause[:100]}"].append(o.name)
    return sorted(((len(set(names)), cause, sorted(set(names))) for cause, names in found.items()),
                  reverse=True)


def report(outcomes: list[Outcome], by_cause: bool) -> None:
    if by_cause:
        for count, cause, names in causes(outcomes):
            print(f"{count:4} {cause}\n         {' '.join(names[:8])}")
    print("entries passed: ", share(sum(o.ok for o in outcomes), len(outcomes)))
    for check in (*CHECKS, "time", "errors", "messages"):
        whole = sum(o.compared[check] for o in outcomes)
        if whole:
            held = [o for o in outcomes if o.compared[check]]
            print(f"{check:18}", share(whole - sum(o.wrong(check) for o in outcomes), whole),
                  "samples,", share(sum(not o.wrong(check) for o in held), len(held)), "entries")


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m compat.differential.opdb")
    add = parser.add_argument
    add("--only", nargs="*", default=(), help="entries by name (`nn.functional.*`); default: all")
    add("--samples", type=int, default=0, help="at most so many a dtype, spread over all")
    add("--dtypes", nargs="*", default=DTYPES, help=f"default: {' '.join(DTYPES)}")
    add("--checks", nargs="*", default=("forward", "gradient"), choices=[*CHECKS, "all"],
        help="default: forward gradient")
    add("--limit", type=float, default=60, help="seconds for one entry")
    add("--part", default="0/1", help="K/N: every Nth entry, from the Kth")
    add("--reference", action="store_true", help="extreme values and mixed kinds as well")
    add("--no-errors", action="store_true", help="leave the error inputs out")
    add("--causes", action="store_true", help="count what fails by cause")
    add("--quiet", action="store_true", help="print the totals alone")
    options = parser.parse_args(arguments)
    runner = Runner(CHECKS if "all" in options.checks else options.checks)
    part, parts = map(int, options.part.split("/"))
    outcomes = []
    for op in list(entries(options.only))[part::parts]:
        outcome = runner.run(op, options.dtypes, options.samples, options.limit,
                             not options.no_errors, options.reference)
        outcomes.append(outcome)
        for check, reasons in outcome.reasons.items():
            if not options.quiet:
                print(f"{outcome.name}: {check}: {outcome.wrong(check)} of "
                      f"{outcome.compared[check]}")
                for reason, n in reasons.most_common(3):
                    print(f"    {n} x {reason}", flush=True)
    print()
    report(outcomes, options.causes)


if __name__ == "__main__":
    main()
