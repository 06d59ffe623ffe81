"""`python -m tests.bench eager`: run the named benchmarks, or all."""

import sys

from tests.bench import eager, imports, steps

SUITES = {"eager": eager.main, "steps": steps.main, "imports": imports.main}

for name in sys.argv[1:] or SUITES:
    SUITES[name]()
