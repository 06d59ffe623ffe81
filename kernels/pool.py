"""One pool of threads for every kernel, and for BLAS calls cut into pieces.

A kernel is a C function `void kernel(int64_t *table, int64_t start, int64_t stop)`. `run` cuts
[0, extent) into chunks of `grain` and has them done by all threads. The cuts depend on `grain`
alone, never on the number of threads, so results are the same for one thread and for many.

Starting threads through the operating system takes about 50 µs, as long as exp of 50,000 numbers.
So a worker that has nothing to do watches for the next job for a while (300 µs) before it sleeps,
and a job that finds it watching starts within a microsecond. The watching, claiming and waiting
is done in machine code (`pool.ll`, beside this file), outside Python's lock:

* each thread has its own share of the chunks, and takes from the others when that is done. A
  chunk is claimed by an atomic step from (job, chunk) to (job, chunk + 1): a thread that was held
  up between looking and claiming finds another job's number there, and claims nothing;
* a worker says that it sleeps, *then* looks for a job once more under the lock; the launcher
  publishes the job, *then* looks whether anyone sleeps. One of the two sees the other;
* a second caller, while a job is running, does its own chunks by itself.

Threads: `MINIGRAD_NUM_THREADS`, or else as many as processors this process may run on. Without
LLVM, or with `MINIGRAD_POOL=python`, plain Python threads do the same.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

WATCH_SECONDS = 300e-6  # how long an idle worker watches before it sleeps
KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
POSIX = ("pthread_mutex_init", "pthread_cond_init", "pthread_mutex_lock", "pthread_mutex_unlock",
         "pthread_cond_wait", "pthread_cond_broadcast", "sched_yield")
# Words of the shared state, as in pool.ll; what different threads write is 128 bytes apart.
THREADS, SPINS, FUNCTIONS, HOST_BLAS, SHARES = 68, 69, 71, 78, 128


def available_threads() -> int:
    """How many threads to use: what `use` was told, `MINIGRAD_NUM_THREADS`, or the processors we
    may run on."""
    if _wanted:
        return _wanted
    wanted = os.environ.get("MINIGRAD_NUM_THREADS")
    if wanted is not None:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise ValueError(f"MINIGRAD_NUM_THREADS is {wanted!r}. Set it to a whole number of at "
                             "least 1, or leave it unset to use every processor.")
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ------------------------------------------------------------------ threads in machine code


@lru_cache(1)
def machine_code() -> dict[str, Callable]:
    """The functions of pool.ll: init(state), launch(state, kernel, table, extent, grain),
    worker(state, me), finish(state). OSError without POSIX threads, ImportError without LLVM."""
    from kernels.native import compile_ir

    posix()
    text = Path(__file__).with_name("pool.ll").read_text(encoding="utf-8")
    declared, called = pause()
    text = text.replace("declare void PAUSE", f"declare void {declared}").replace("PAUSE", called)
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    types = {"pool_init": (pointer,), "pool_worker": (pointer, integer), "pool_finish": (pointer,),
             "pool_launch": (pointer, pointer, pointer, integer, integer)}
    code.update(compile_ir(text, *types))
    return {name.removeprefix("pool_"): ctypes.CFUNCTYPE(None, *types[name])(kernel.address)
            for name, kernel in code.items()}


code: dict = {}  # kept: the workers run in it


def posix() -> list[int]:
    """Addresses of the C library's functions that pool.ll calls."""
    if sys.platform == "win32":
        raise OSError("no POSIX threads")
    library = ctypes.CDLL(None)
    return [ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in POSIX]


def pause() -> tuple[str, str]:
    """Declaration and call of the instruction that tells a processor that a loop only waits."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return ("@llvm.x86.sse2.pause()",) * 2
    if machine in ("arm64", "aarch64"):
        return "@llvm.aarch64.hint(i32)", "@llvm.aarch64.hint(i32 1)"
    return ("@llvm.donothing()",) * 2


class NativePool:
    """`threads - 1` workers in machine code; the caller of `run` is one more."""

    def __init__(self, threads: int):
        functions = machine_code()
        self.work, self.finish = functions["worker"], functions["finish"]
        self.words = np.zeros(SHARES + 16 * threads + 16, np.int64)
        self.state = -(-self.words.ctypes.data // 128) * 128  # on a cache line
        offset = (self.state - self.words.ctypes.data) // 8
        self.words = self.words[offset:]
        self.words[THREADS], self.words[SPINS] = threads, 1
        addresses = posix()
        self.words[FUNCTIONS:FUNCTIONS + len(addresses)] = addresses
        self.words[HOST_BLAS:HOST_BLAS + 2] = blas_threads
        functions["init"](self.state)
        self.workers = [
            threading.Thread(target=self.work, args=(self.state, me), daemon=True,
                             name=f"minigrad-{me}")
            for me in range(1, threads)]
        self.words[SPINS] = self.watching()
        self.threads = threads
        self.run = partial(functions["launch"], self.state)
        for worker in self.workers:
            worker.start()

    def watching(self) -> int:
        """How often to look for a job before sleeping; a pause takes 10 to 150 cycles. The fastest
        of several tries counts: in the others this thread may have been held up."""
        times, looks = [], 1000
        self.words[SPINS] = looks
        for _ in range(8):
            start = time.perf_counter()
            self.work(self.state, 0)  # as thread 0 it looks this often, and returns
            times.append(time.perf_counter() - start)
        return max(looks, int(looks * WATCH_SECONDS / min(times)))

    def close(self) -> None:
        """End the workers: no thread may be in this code when it is unloaded."""
        self.finish(self.state)
        for worker in self.workers:
            worker.join(1.0)

    def after_fork(self) -> None:
        """In the child there are no workers; OpenBLAS gets back what a running job had set."""
        saved = int(self.words[HOST_BLAS + 2])
        if saved and self.words[HOST_BLAS + 1]:
            ctypes.CFUNCTYPE(None, ctypes.c_int)(int(self.words[HOST_BLAS + 1]))(saved)


# ------------------------------------------------------------------ threads of Python


class PythonPool:
    """The same with plain threads: every processor that Python runs on has these."""

    def __init__(self, threads: int):
        self.threads = threads
        self.executor = ThreadPoolExecutor(threads - 1, "minigrad") if threads > 1 else None

    def run(self, address: int, table: int | bytes, extent: int, grain: int) -> None:
        self.each(partial(kernel_at(address), table), extent, grain)

    def each(self, function: Callable[[int, int], object], extent: int, grain: int) -> None:
        """Do `function(start, stop)` over [0, extent) in chunks of `grain`."""
        chunks = itertools.count()

        def work() -> None:
            while (start := next(chunks) * grain) < extent:
                function(start, min(start + grain, extent))

        others = []
        if self.executor is not None and extent > grain:
            others = [self.executor.submit(work) for _ in range(self.threads - 1)]
        work()
        for other in others:
            other.result()

    def close(self) -> None:
        if self.executor is not None:
            self.executor.shutdown()

    def after_fork(self) -> None:
        pass


@lru_cache(1024)
def kernel_at(address: int) -> Callable:
    return KERNEL(address)


# ------------------------------------------------------------------ the pool of this process

blas_threads = [0, 0]  # C functions that get and set OpenBLAS's threads
_pool: NativePool | PythonPool | None = None
_python_pool: PythonPool | None = None
ended: list = []  # kept: another thread may just be running a job there
_wanted = 0  # threads; 0: nobody said
_starting = threading.Lock()


def start(threads: int | None = None) -> None:
    """Start the pool anew with so many threads (by default `available_threads()`)."""
    global _pool, run
    with _starting:
        if _pool is not None:
            _pool.close()
            ended.append(_pool)
        threads = threads or available_threads()
        _pool = PythonPool(threads) if os.environ.get("MINIGRAD_POOL") == "python" else native(
            threads)
        run = _pool.run


def use(threads: int) -> None:
    """Use so many threads from now on."""
    global _wanted
    _wanted = threads
    if _pool is not None:
        start(threads)


def keep_blas_alone(get_threads: int, set_threads: int) -> None:
    """From now on OpenBLAS has one thread while a job runs, also in a pool that runs already: with
    threads of its own beside ours a product takes ten times as long. Addresses of C functions."""
    blas_threads[:] = get_threads, set_threads
    if isinstance(_pool, NativePool):
        _pool.words[HOST_BLAS:HOST_BLAS + 2] = blas_threads


def native(threads: int) -> NativePool | PythonPool:
    try:
        return NativePool(threads)
    except (ImportError, OSError, AttributeError):  # no LLVM, or no POSIX threads
        return PythonPool(threads)


def first_run(address: int, table: int | bytes, extent: int, grain: int) -> None:
    """Do `kernel(table, start, stop)` over [0, extent) in chunks of `grain` on all threads.

    `address`: of the kernel; `table`: its table, or the address of it. Returns when all chunks
    are done. A chunk should take some microseconds at least; with `grain >= extent` the kernel is
    simply called.
    """
    if _pool is None:
        start()
    run(address, table, extent, grain)


run: Callable[[int, int | bytes, int, int], None] = first_run  # the pool's own once it has started


def each(function: Callable[[int, int], object], extent: int, grain: int) -> None:
    """Do `function(start, stop)`, in Python, over [0, extent) in chunks of `grain` on all threads.

    For functions that spend their time outside Python's lock, on chunks of a millisecond or so.
    """
    global _python_pool
    if _python_pool is None or _python_pool.threads != threads():
        _python_pool = PythonPool(threads())
    _python_pool.each(function, extent, grain)


def threads() -> int:
    """How many threads share a job."""
    return available_threads() if _pool is None else _pool.threads


def _forget() -> None:
    global _pool, _python_pool, run, _starting
    if _pool is not None:
        _pool.after_fork()
    _pool, _python_pool, run, _starting = None, None, first_run, threading.Lock()


def _close() -> None:
    global _pool, run
    if _pool is not None:
        _pool.close()
        _pool = PythonPool(1)  # for whoever still computes while Python ends
        run = _pool.run


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
