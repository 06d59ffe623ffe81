"""`torch.multiprocessing`: Python's, and `spawn`. Tensors travel by value: what a process writes
into one is not seen by another."""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403

__all__ = [*multiprocessing.__all__, "ProcessRaisedException", "get_all_sharing_strategies",
           "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes"]


class ProcessRaisedException(Exception):
    """A spawned process raised: the message holds its traceback."""


def run(fn, index: int, args: tuple, errors) -> None:
    import sys
    import traceback

    try:
        fn(index, *args)
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    def __init__(self, processes, errors):
        self.processes, self.errors = processes, errors

    def pids(self) -> list:
        return [process.pid for process in self.processes]

    def join(self, timeout=None, grace_period=None) -> bool:
        """Wait for all; the first that fails ends the others and is raised."""
        for number, process in enumerate(self.processes):
            process.join(timeout)
            if process.exitcode:
                for other in self.processes:
                    other.terminate()
                text = "" if self.errors.empty() else self.errors.get()
                raise ProcessRaisedException(
                    f"\n\n-- Process {number} terminated with the following error:\n{text}")
        return all(process.exitcode == 0 for process in self.processes)


def start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """`fn(i, *args)` in `nprocs` processes."""
    context = multiprocessing.get_context(start_method)
    errors = context.SimpleQueue()
    processes = [context.Process(target=run, args=(fn, i, args, errors), daemon=daemon)
                 for i in range(nprocs)]
    for process in processes:
        process.start()
    started = ProcessContext(processes, errors)
    return started if not join else started.join() and None


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies() -> set:
    return {"file_system"}


def get_sharing_strategy() -> str:
    return "file_system"


def set_sharing_strategy(new_strategy) -> None:
    """There is one: by value."""
