"""`python -m tests.cuda [--every N] [--text WORD]`: how many distinct kernels the corpus has,
compiled for two architectures, simulated equal. With --text, the kernels of the programs whose name
has the word are printed instead."""

from __future__ import annotations

import argparse
import sys
import time

from kernels.cuda import nvrtc
from tests.cuda.check import ARCHITECTURES, Corpus, sources
from tests.cuda.corpus import corpus
from tests.simulator import compiler

parser = argparse.ArgumentParser(prog="python -m tests.cuda")
parser.add_argument("--every", type=int, default=1, help="of the primitives' programs, one in N")
parser.add_argument("--text", help="print the kernels of programs whose name has this word")
options = parser.parse_args()
programs = corpus(options.every)
if options.text:
    print(sources([p for p in programs if options.text in p.name]))
    sys.exit()

start = time.perf_counter()
found = Corpus(programs)
print(f"{len(programs)} programs, {len(found.texts)} distinct kernels "
      f"(written in {time.perf_counter() - start:.1f} s)", flush=True)
for architecture in ARCHITECTURES:
    if nvrtc.library() is None:
        print(f"{architecture}: NVRTC is not installed (pip install nvidia-cuda-nvrtc)")
        continue
    start = time.perf_counter()
    size = found.compile(architecture)
    print(f"{architecture}: all compile, {size:,} bytes ({time.perf_counter() - start:.1f} s)",
          flush=True)
failed = []
if compiler() is None:
    print("no C++ compiler: not simulated")
else:
    for order in (1, -1):
        start, wrong = time.perf_counter(), []
        for program, apart in found.run(order):
            if not apart <= 1:
                wrong.append(f"    {program.name}: {apart:.3g} times what is allowed")
        words = "in order" if order > 0 else "in reverse"
        print(f"simulated, threads {words}: {len(programs) - len(wrong)} of {len(programs)} equal "
              f"the reference ({time.perf_counter() - start:.1f} s)", *wrong, sep="\n", flush=True)
        failed += wrong
sys.exit(bool(failed))
