"""`python -m tests.bench eager`: run the named benchmarks, or all."""

import sys

from tests.bench import eager

SUITES = {"eager": eager.main}

for name in sys.argv[1:] or SUITES:
    SUITES[name]()
