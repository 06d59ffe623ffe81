"""python -m compat.differential: does minigrad answer as JAX and PyTorch do?

    python -m compat.differential "lambda x: sin(x) * x" --shapes 3x4
    python -m compat.differential "lambda x, w: jnp.tanh(x @ w)" --shapes 3x4 4x5 --dtypes f64 bf16
    python -m compat.differential "lambda x: jnp.var(x)" "lambda x: torch.var(x, correction=0)"
    python -m compat.differential FILE.py --html report.html
    python -m compat.differential --table

An expression runs on minigrad's reference path and compiled path through its faces, on real JAX
and on real PyTorch. Bare names and `xp.` are the array functions of whichever side runs; `jnp.`,
`jax.` and `lax.` are JAX's (translated by name for PyTorch where it has them); `torch.`, `F.` and
`nn.` are PyTorch's, and only the torch sides run. Of two expressions, each runs on its own sides.

FILE.py: each public function it defines is compared. It may import jax or torch; our sides run
the same text over the faces. Operands come from annotations (`def f(x: "f32[3,4]")`), from
defaults that are NumPy arrays, or from --shapes.

Each question - value, jvp, gradient, second derivative, vmap - has a row; a cell says how far two
sides are apart in ulps of the largest number. How far is too far depends on the dtype and on the
condition of the function at that point (see compat/differential/comparison.py). For what differs,
the smallest such input and the first differing equation are printed, and the status is 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from compat.differential import page, table
from compat.differential.comparison import Comparison
from compat.differential.sides import QUESTIONS
from compat.differential.tool import default_operands, functions_from, run_texts
from compat.differential.worlds import Text, functions_of


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    if options.table:
        return table.main(options.only, options.thorough)
    if not options.what:
        print(__doc__)
        return 2
    results = list(compare_all(options))
    if options.html:
        Path(options.html).write_text(page.write(results), encoding="utf-8")
        print(f"written: {options.html}")
    return 0 if all(r.ok for r in results) else 1


def parse(argv) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m compat.differential", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="an expression, two (JAX's and PyTorch's), or "
                        "Python files")
    parser.add_argument("--shapes", nargs="+", default=[], metavar="SHAPE",
                        help="of each operand: 3x4, 7, scalar, or with its dtype: i32[4]")
    parser.add_argument("--dtypes", nargs="+", default=["float32"], metavar="DTYPE",
                        help="compare once with each: float32 (the default), f64, bf16, int32 ...")
    parser.add_argument("--checks", nargs="+", default=QUESTIONS, choices=QUESTIONS)
    parser.add_argument("--html", metavar="FILE", help="also write a page with plots")
    parser.add_argument("--no-shrink", action="store_true",
                        help="do not look for the smallest input and the equation")
    parser.add_argument("--no-time", action="store_true", help="do not measure time")
    parser.add_argument("--table", action="store_true", help="primitives x dtypes x transforms")
    parser.add_argument("--only", nargs="+", default=[], metavar="PRIMITIVE",
                        help="with --table: these primitives only")
    parser.add_argument("--thorough", action="store_true",
                        help="with --table: every shape and special value, not the fixed pool")
    return parser.parse_args(argv)


def compare_all(options):
    for texts, name in jobs(options.what):
        functions, _ = functions_from(texts, name)
        for dtype in options.dtypes:
            arrays = default_operands(next(iter(functions.values())), options.shapes, dtype)
            result = run_texts(texts, arrays, options.checks, name, not options.no_time,
                               not options.no_shrink)
            show(result)
            yield result


def jobs(what: list[str]):
    """(texts, name of the function or None for an expression) to compare."""
    if not all(w.endswith(".py") for w in what):
        yield [Text(w) for w in what], None
        return
    for path in what:
        text, names = functions_of(Path(path))
        for name in names:
            yield [text], name


def show(result: Comparison) -> None:
    print(result, end="\n\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
