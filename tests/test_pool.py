"""The pool of threads: every chunk exactly once, whoever calls, whatever sleeps."""

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from kernels import pool
from tests.lines import ROOT

CALLS: list = []


@pool.KERNEL
def note(table, start, stop):
    CALLS.append((start, stop))


@pool.KERNEL
def add_one(table, start, stop):
    array = np.ctypeslib.as_array((ctypes.c_int64 * stop).from_address(table))
    array[start:] += 1


def address(kernel) -> int:
    return ctypes.cast(kernel, ctypes.c_void_p).value


@pytest.fixture(params=["native", "python"])
def kind(request, monkeypatch):
    monkeypatch.setenv("MINIGRAD_POOL", request.param)
    yield request.param
    monkeypatch.undo()
    pool.start()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_chunk_exactly_once(kind, threads):
    pool.start(threads)
    assert type(pool._pool).__name__.lower() == f"{kind}pool"
    assert pool.threads() == threads
    for extent, grain in ((0, 4), (1, 4), (4, 4), (5, 4), (64, 4), (1000, 7)):
        CALLS.clear()
        pool.run(address(note), 0, extent, grain)
        wanted = [(i, min(i + grain, extent)) for i in range(0, extent, grain)]
        assert sorted(CALLS) == wanted


def test_sleeping_workers_are_not_forgotten(kind):
    pool.start(3)
    totals = np.zeros(40, np.int64)
    for i in range(300):
        pool.run(address(add_one), totals.ctypes.data, 40, 2)
        if i % 30 == 0:
            time.sleep(0.002)
    assert (totals == 300).all()


def test_callers_do_not_disturb_each_other(kind):
    pool.start(2)
    totals = np.zeros((4, 64), np.int64)

    def call(row):
        for _ in range(100):
            pool.run(address(add_one), row.ctypes.data, 64, 8)

    callers = [threading.Thread(target=call, args=(row,)) for row in totals]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (totals == 100).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_starts_its_own_workers(kind):
    pool.start(2)
    totals = np.zeros(64, np.int64)
    pool.run(address(add_one), totals.ctypes.data, 64, 8)
    child = os.fork()
    if child == 0:
        pool.run(address(add_one), totals.ctypes.data, 64, 8)
        os._exit(0 if (totals == 2).all() and threading.active_count() >= 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pool.run(address(add_one), totals.ctypes.data, 64, 8)
    assert (totals == 2).all()


def idle_time() -> float:
    """Seconds of processor time in a while after some work, of all threads of this process."""
    pool.start(3)
    pool.run(address(note), 0, 64, 4)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.2)
    return time.process_time() - before


def test_idle_workers_use_no_processor():
    code = "from tests import test_pool; print(test_pool.idle_time())"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert float(out.stdout) < 0.02, out.stderr


def test_a_program_ends_with_the_pool_running():
    code = "from kernels import pool; pool.start(3); print(pool.threads())"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (out.returncode, out.stdout, out.stderr) == (0, "3\n", "")


@pytest.mark.parametrize("wrong", ["0", "-1", "two"])
def test_a_wrong_number_of_threads_is_named(monkeypatch, wrong):
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", wrong)
    with pytest.raises(ValueError, match=f"MINIGRAD_NUM_THREADS is '{wrong}'.*at least 1"):
        pool.available_threads()


def test_threads_are_the_processors_we_may_use(monkeypatch):
    monkeypatch.delenv("MINIGRAD_NUM_THREADS", raising=False)
    if hasattr(os, "sched_getaffinity"):
        assert pool.available_threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("MINIGRAD_NUM_THREADS", "3")
    assert pool.available_threads() == 3


def test_torch_programs_choose_the_number_of_threads():
    import torch

    from compat import torch as ours

    before = ours.get_num_threads()
    assert before == pool.threads()
    try:
        ours.set_num_threads(3)
        assert ours.get_num_threads() == pool.threads() == 3
        for wrong in (0, -1, "a", 1.5):
            with pytest.raises((RuntimeError, TypeError)) as wanted:
                torch.set_num_threads(wrong)
            with pytest.raises(wanted.type) as got:
                ours.set_num_threads(wrong)
            assert str(got.value) == str(wanted.value)
    finally:
        ours.set_num_threads(before)
