"""`python -m tests.bench eager`: run a benchmark, with words for it after its name; or all."""

import importlib
import subprocess
import sys

# each sets its own number of threads
SUITES = ("table", "startup", "eager", "steps", "imports", "calls")

name, *words = sys.argv[1:] or [""]
if name in SUITES:
    main = importlib.import_module(f"tests.bench.{name}").main
    main(words) if name in ("table", "startup") else main()
elif name:
    sys.exit(f"no benchmark is called {name}; there are {', '.join(SUITES)}")
else:
    for suite in SUITES:
        subprocess.run([sys.executable, "-m", "tests.bench", suite], check=True)
