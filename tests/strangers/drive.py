"""Runs programs and writes down every loss that they differentiate.

    python -m tests.strangers.drive WORLD      a job a line on stdin, an empty line when it is done

WORLD is "torch" or "compat". A job is a JSON object: program, arguments, steps, timeout (seconds of
processor time), where (the directory to start in), log, out. Each runs in a fork of this process,
that has imported nothing but the framework. LOG gets the losses (the sum of what `backward` or
`autograd.grad` was called on), the seconds between them, and how the program ended: "end",
"stopped" after so many losses, or the text of its exception.
"""

import contextlib
import json
import os
import random
import resource
import runpy
import sys
import time
import traceback

HERE = os.path.dirname(__file__)


class Stopped(BaseException):
    pass


def watch(torch, log, steps):
    """Let `backward` and `grad` of `torch` write their losses to `log`."""

    def seen(outputs):
        tensors = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        try:
            with torch.no_grad():
                value = sum(float(t.detach().double().abs().sum()) if t.dim()
                            else float(t.detach()) for t in tensors)
        except RuntimeError:  # inside vmap
            return
        log["losses"].append(value)
        log["times"].append(time.perf_counter())
        if len(log["losses"]) >= steps:
            raise Stopped

    own = os.path.dirname(torch.__file__)

    def watching(function):
        def watched(outputs, *args, **kwargs):
            result = function(outputs, *args, **kwargs)
            if not sys._getframe(1).f_code.co_filename.startswith(own):  # torch.func calls grad
                seen(outputs)
            return result
        return watched

    torch.Tensor.backward = watching(torch.Tensor.backward)
    torch.autograd.grad = watching(torch.autograd.grad)


def perform(torch, job):
    """Run the program of `job` in this process, which ends with it."""
    os.chdir(job["where"])
    resource.setrlimit(resource.RLIMIT_CPU, (job["timeout"], job["timeout"]))
    out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(out, number)
    sys.argv = [job["program"], *job["arguments"]]
    sys.path[:0] = [os.path.dirname(job["program"]), os.path.join(HERE, "standins"), *job["paths"]]
    log = {"losses": [], "times": [], "end": "end"}
    import numpy as np

    watch(torch, log, job["steps"])
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    try:
        runpy.run_path(job["program"], run_name="__main__")
    except Stopped:
        log["end"] = "stopped"
    except SystemExit as error:
        log["end"] = f"exit {error.code}" if error.code else "end"
    except BaseException as error:
        traceback.print_exc()
        log["end"] = f"{type(error).__name__}: {error}"[:300]
    with open(job["log"], "w") as file:
        json.dump(log, file)
    sys.stdout.flush()
    os._exit(0)  # workers and threads of a program that was stopped do not hold it back


def main(world):
    if world == "compat":
        from compat.substitution import substituted

        entered = substituted("torch")
    else:
        entered = contextlib.nullcontext()
    with entered:
        import torch

        for line in sys.stdin:
            job = json.loads(line)
            if not (child := os.fork()):
                os.setsid()
                perform(torch, job)
            os.waitpid(child, 0)
            print(flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
