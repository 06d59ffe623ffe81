"""Programs that others wrote, run on real torch and here with the same seeds.

    python -m tests.strangers DIRECTORY [words] [steps]

A row a program: the number of losses here and there, how far the first three and all of them are
apart, the time of a step here over that of real torch's, whether the text differs, how it ended.

DIRECTORY holds copies of public repositories (`OWNER+NAME`) at the commits of `table.COMMITS`;
nothing is downloaded. Real torch's losses are kept in DIRECTORY/_logs. Packages that programs want
besides (einops, gymnasium) are found in DIRECTORY/_site; `standins` has a small torchvision, whose
images are made up.
"""

import json
import os
import re
import subprocess
import sys
from itertools import pairwise

from tests.strangers.table import TABLE

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class World:
    """A process that runs programs on one framework, one after the other."""

    def __init__(self, name, directory):
        self.name, self.directory, self.process = name, directory, None

    def start(self):
        environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1",
                       "PYTHONHASHSEED": "0"}  # programs number the words of a set
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.strangers.drive", self.name], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, row, keep):
        """(the log of `row`, what it printed); a log that is there is good if `keep`."""
        tag = re.sub(r"[^\w.-]+", "_", " ".join((row.repository, row.program, *row.arguments)))
        base = os.path.join(self.directory, "_logs", f"{tag}.{row.steps}.{self.name}")
        if not (keep and os.path.exists(base + ".json")):
            place = base + ".d"
            os.makedirs(place, exist_ok=True)
            program = os.path.join(self.directory, row.repository, row.program)
            paths = ["_site", *row.paths]
            with open(base + ".json", "w") as log:
                json.dump({"losses": [], "times": [], "end": "killed, or out of time"}, log)
            job = {"program": program, "arguments": row.arguments, "steps": row.steps,
                   "timeout": row.timeout, "log": base + ".json", "out": base + ".txt",
                   "paths": [os.path.join(self.directory, path) for path in paths],
                   "where": place if row.anywhere else os.path.dirname(program)}
            if self.process is None:
                self.start()
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            self.process.stdout.readline()
        with open(base + ".json") as log, open(base + ".txt", errors="replace") as text:
            return json.load(log), text.read()


def apart(ours, theirs):
    """The largest relative distance of the first three losses, and of all."""
    distances = [abs(a - b) / max(abs(b), 1e-3) if a == a or b == b else 0.0
                 for a, b in zip(ours, theirs, strict=False)]
    return max(distances[:3], default=0.0), max(distances, default=0.0)


def printed(text):
    """`text` without addresses, warnings and the digits of numbers."""
    return NUMBER.sub("#", re.sub(r"0x[0-9a-f]+|.*Warning.*\n.*\n", "", text))


def seconds(log):
    """The median time between losses."""
    steps = sorted(b - a for a, b in pairwise(log["times"][2:]))
    return steps[len(steps) // 2] if steps else 0.0


def report(row, here, there):
    (ours, our_text), (theirs, their_text) = here.run(row, False), there.run(row, True)
    first, worst = apart(ours["losses"], theirs["losses"])
    counts = len(ours["losses"]), len(theirs["losses"])
    same = (ours["end"] == theirs["end"] and counts[0] == counts[1] and first < 1e-5
            and worst < row.tolerance)
    text = "" if printed(our_text) == printed(their_text) else "printed"
    ratio = seconds(ours) / seconds(theirs) if seconds(theirs) else 0.0
    end = theirs["end"][:60] if same else f"{ours['end']!r} / {theirs['end']!r}"
    print(f"{'same ' if same else 'OTHER'} {counts[0]:3}/{counts[1]:<3} {first:7.0e} {worst:7.0e}"
          f" {ratio:6.2f}x {text:8}{row.repository}/{row.program} {' '.join(row.arguments)} {end}",
          flush=True)
    return same


def main(directory, *words):
    steps = int(words[-1]) if words and words[-1].isdigit() else 1000
    words = [word for word in words if not word.isdigit()]
    rows = [row for row in TABLE if all(word in f"{row.repository}/{row.program}" for word in words)
            and os.path.exists(os.path.join(directory, row.repository, row.program))]
    rows = [row._replace(steps=min(row.steps, steps)) for row in rows]
    here, there = World("compat", directory), World("torch", directory)
    passed = sum(report(row, here, there) for row in rows)
    print(f"{passed} of {len(rows)} alike")


if __name__ == "__main__":
    main(*sys.argv[1:])
