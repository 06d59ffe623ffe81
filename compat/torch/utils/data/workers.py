"""Processes that load batches.

Each worker has a pipe of its own, so that one that is killed, whatever it held, blocks nobody: the
loop waits for pipes and for the ends of processes at once. Requests are read by a thread of the
worker, so that neither side ever waits for the other to empty a pipe.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import random as python_random
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

import numpy as np

from compat.torch import random

STOP, EXHAUSTED = "stop", "exhausted"
_info: WorkerInfo | None = None


@dataclass
class WorkerInfo:
    """What a worker knows of itself."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """The worker that this process is, or None in the main process."""
    return _info


class ExceptionWrapper:
    """An exception of a worker on its way to the loop."""

    def __init__(self, worker: int):
        self.type, self.text = sys.exc_info()[0], traceback.format_exc()
        self.where = f"in DataLoader worker process {worker}"

    def reraise(self):
        message = f"Caught {self.type.__name__} {self.where}.\nOriginal {self.text}"
        if self.type is KeyError:
            raise KeyError(KeyText(message))
        try:
            error = self.type(message)
        except Exception:  # a class that wants other arguments
            raise RuntimeError(message) from None
        raise error


class KeyText(str):
    """KeyError shows the repr of its argument: this one shows its lines."""

    def __repr__(self) -> str:
        return str(self)


def numpy_seed(base_seed: int, worker: int):
    """What PyTorch seeds `numpy.random` with."""
    words = [worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(words).generate_state(4)


def work(loader: dict, worker: int, count: int, base_seed: int, pipe, parent: int) -> None:
    """The life of a worker."""
    global _info
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.SimpleQueue = queue.SimpleQueue()

    def listen():
        while True:
            while not pipe.poll(2.0):
                if os.getppid() != parent:
                    os._exit(1)
            try:
                requests.put(pipe.recv())
            except EOFError:
                os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    seed = base_seed + worker
    python_random.seed(seed)
    random.manual_seed(seed)
    np.random.seed(numpy_seed(base_seed, worker))
    _info = WorkerInfo(worker, count, seed, loader["dataset"])
    failure = fetch = None
    try:
        if loader["worker_init_fn"] is not None:
            loader["worker_init_fn"](worker)
        fetch = loader["make_fetch"](loader["dataset"])
    except Exception:
        failure = ExceptionWrapper(worker)
    while (request := requests.get()) != STOP:
        number, indices = request
        if number is None:  # a new epoch
            fetch = loader["make_fetch"](loader["dataset"])
            continue
        result = failure
        try:
            result = failure or fetch(indices)
        except StopIteration:
            result = EXHAUSTED
        except Exception:
            result = ExceptionWrapper(worker)
        failure = None
        try:
            pipe.send((number, result))
        except Exception:
            pipe.send((number, ExceptionWrapper(worker)))


class Pool:
    """The workers of one iterator over a loader."""

    def __init__(self, loader: dict, count: int, base_seed: int, context):
        context = multiprocessing.get_context(context) if isinstance(context, str) or \
            context is None else context
        self.processes, self.pipes = [], []
        for worker in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, daemon=True, args=(
                loader, worker, count, base_seed, theirs, os.getpid()))
            process.start()
            theirs.close()
            self.processes.append(process)
            self.pipes.append(ours)
        self.open = [True] * count

    def send(self, worker: int, request) -> None:
        try:
            self.pipes[worker].send(request)
        except OSError:
            self.report_dead()

    def receive(self, timeout: float):
        """(worker, number, result) of whichever worker is first."""
        while True:
            ready = connection.wait(
                [*self.pipes, *(p.sentinel for p in self.processes)], timeout or None)
            if not ready:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
            for worker, pipe in enumerate(self.pipes):
                if pipe in ready:
                    try:
                        return worker, *pipe.recv()
                    except (EOFError, OSError):
                        break
            self.report_dead()

    def report_dead(self) -> None:
        """PyTorch's error for workers that ended by themselves."""
        dead = [p for p in self.processes if p.exitcode is not None]
        for p in self.processes if not dead else ():  # its pipe is closed: it is about to end
            p.join(0.1)
        dead = dead or [p for p in self.processes if p.exitcode is not None]
        pids = ", ".join(str(p.pid) for p in dead)
        code = dead[0].exitcode if dead else None
        cause = None
        if code is not None and code < 0:
            name = signal.strsignal(-code)
            cause = RuntimeError(f"DataLoader worker (pid {dead[0].pid}) is killed by signal: "
                                 f"{name}. ")
        self.shut_down()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from cause

    def shut_down(self) -> None:
        for worker, pipe in enumerate(self.pipes):
            if self.open[worker]:
                self.open[worker] = False
                try:
                    pipe.send(STOP)
                except OSError:
                    pass
                pipe.close()
        for process in self.processes:
            process.join(1.0)
            if process.is_alive():
                process.terminate()


