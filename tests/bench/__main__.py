"""`python -m tests.bench eager`: run a benchmark, with words for it after its name; or all.
`python -m tests.bench --device cuda [words]`: what runs on a GPU, on one."""

import importlib
import subprocess
import sys

# each sets its own number of threads
SUITES = ("table", "startup", "eager", "steps", "imports", "calls")

name, *words = sys.argv[1:] or [""]
if name == "--device":
    if words[:1] != ["cuda"]:
        sys.exit("the devices are the CPU, which needs no name, and cuda")
    importlib.import_module("tests.bench.cuda").main(
        word for word in words[1:] if word != "table")
elif name in SUITES:
    main = importlib.import_module(f"tests.bench.{name}").main
    main(words) if name in ("table", "startup") else main()
elif name:
    sys.exit(f"no benchmark is called {name}; there are {', '.join(SUITES)}")
else:
    for suite in SUITES:
        subprocess.run([sys.executable, "-m", "tests.bench", suite], check=True)
