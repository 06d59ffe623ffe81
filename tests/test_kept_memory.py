"""Large arrays that nobody holds any more are handed out again."""

import numpy as np
import pytest

from kernels import memory

F32 = np.dtype(np.float32)
SHAPE = (memory.LARGEST_KEPT // 4 + 5,)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.delenv("MINIGRAD_MALLOC", raising=False)
    memory.kept.clear()
    yield
    memory.kept.clear()


def test_an_array_is_used_again_once_nobody_holds_it():
    first = memory.empty(SHAPE, F32)
    address = first.ctypes.data
    part = first[3:10]
    del first
    second = memory.empty(SHAPE, F32)
    assert second.ctypes.data != address  # a view holds it
    del part
    assert memory.empty(SHAPE, F32).ctypes.data == address


def test_no_more_is_kept_than_allowed():
    held = [memory.empty((SHAPE[0] + k,), F32) for k in range(12)]
    assert len({a.ctypes.data for a in held}) == 12
    total = sum(a.nbytes for arrays in memory.kept.values() for a in arrays)
    assert 0 < total <= memory.KEPT_BYTES
    assert held[-1].shape in [shape for shape, _ in memory.kept]


@pytest.mark.parametrize("shape", [(10,), (memory.KEPT_BYTES // 4 + 1,)])
def test_small_and_huge_ones_are_not_kept(shape):
    assert memory.empty(shape, F32).shape == shape
    assert not memory.kept


def test_off(monkeypatch):
    monkeypatch.setenv("MINIGRAD_MALLOC", "default")
    memory.empty(SHAPE, F32)
    assert not memory.kept
