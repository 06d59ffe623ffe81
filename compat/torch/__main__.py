"""Run a PyTorch program here: `python -m compat.torch program.py arguments`.

Every import of torch in the program finds this package, submodules included.
"""

import runpy
import sys

from compat.substitution import substituted

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m compat.torch program.py [arguments]")
    sys.argv = sys.argv[1:]
    sys.path[0] = sys.argv[0].rpartition("/")[0] or "."
    with substituted("torch"):
        runpy.run_path(sys.argv[0], run_name="__main__")
