"""`compat.torch.utils.data` against PyTorch's: orders, batches, worker processes, errors."""

from __future__ import annotations

import os
import random
import signal
import time
import warnings
from collections import namedtuple

import numpy as np
import pytest
import torch as theirs

import compat.torch as ours
from compat.torch.utils.data.workers import numpy_seed
from tests.test_torch_face import check, plain
from tests.torch_programs import error

Pair = namedtuple("Pair", "left right")


def numbers(torch, n=10):
    class Numbers(torch.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, i):
            if not 0 <= i < n:
                raise IndexError(i)
            return torch.tensor([float(i), i * 2.0]), i

    return Numbers()


def stream(torch, n=11):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            info = torch.utils.data.get_worker_info()
            start, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(torch.tensor(float(i)) for i in range(start, n, step))

    return Stream()


# ------------------------------------------------------------------ in one process


def orders(torch):
    data = torch.utils.data
    torch.manual_seed(3)
    dataset = numbers(torch)
    for loader in (data.DataLoader(dataset, 3, shuffle=True),
                   data.DataLoader(dataset, 4, drop_last=True),
                   data.DataLoader(dataset, None, shuffle=True),
                   data.DataLoader(dataset, 2, sampler=data.SubsetRandomSampler([1, 5, 7])),
                   data.DataLoader(dataset, 5, sampler=data.RandomSampler(dataset, True, 70)),
                   data.DataLoader(dataset, 5, sampler=data.RandomSampler(dataset, num_samples=23)),
                   data.DataLoader(dataset, 5, sampler=data.WeightedRandomSampler(
                       [0.1] * 5 + [1.0] * 5, 12)),
                   data.DataLoader(dataset, batch_sampler=[[0, 1], [5]]),
                   data.DataLoader(dataset, 4, True, generator=torch.Generator().manual_seed(5)),
                   data.DataLoader(stream(torch), 4), data.DataLoader(stream(torch), 4,
                                                                      drop_last=True)):
        yield list(loader) + list(loader)
        yield torch.rand(2)
        iterator = iter(loader)
        yield torch.rand(2), next(iterator)
    yield [len(s) for s in data.random_split(dataset, [3, 7])]
    yield [s.indices for s in data.random_split(dataset, [0.25, 0.25, 0.5])]
    generator = torch.Generator().manual_seed(1)
    yield [s.indices for s in data.random_split(range(9), [4, 5], generator)]
    yield list(data.WeightedRandomSampler([1.0, 2.0, 3.0], 2, False)), len(data.BatchSampler(
        range(7), 2, False)), list(data.BatchSampler(range(7), 2, True))


def datasets(torch):
    data = torch.utils.data
    x, y = torch.arange(6.0).reshape(3, 2), torch.arange(3)
    pairs = data.TensorDataset(x, y)
    both = data.ConcatDataset([pairs, data.TensorDataset(x + 10, y + 10)])
    yield len(pairs), pairs[1], len(both), both[4], both[-1], (pairs + pairs)[5]
    yield data.Subset(both, [0, 5])[1], data.StackDataset(x, y)[2], data.StackDataset(a=x, b=y)[1]
    yield list(data.ChainDataset([stream(torch, 3), stream(torch, 2)]))
    yield error(data.TensorDataset, x, torch.ones(2)), error(lambda: both[-9])
    yield error(data.ConcatDataset, []), error(data.random_split, pairs, [1, 1])
    yield error(data.random_split, pairs, [1.5, -0.5]), error(data.Dataset().__getitem__, 0)
    yield error(data.StackDataset, x, torch.ones(2)), error(data.RandomSampler, pairs, False, 0)
    yield error(data.BatchSampler, [1], 0, False), error(data.WeightedRandomSampler, [1.0], -1)


def batches(torch):
    collate, convert = torch.utils.data.default_collate, torch.utils.data.default_convert
    yield collate([{"a": 1, "b": [2.0, "x"]}, {"a": 3, "b": [4.0, "y"]}])
    yield collate([(np.ones(2), np.float32(1)), (np.zeros(2), np.float32(2))])
    yield collate([True, False])
    out = collate([Pair(1, 2.0), Pair(3, 4.0)])
    yield out.left, out.right, collate([b"a", b"b"]), convert({"a": np.ones(2), "b": (1, "c")})
    yield error(collate, [[1], [1, 2]]), error(collate, [object(), object()])[0]
    yield error(collate, [torch.ones(2), torch.ones(3)])


def loader_errors(torch):
    make = torch.utils.data.DataLoader
    data, s = numbers(torch), stream(torch)
    for args in ({"num_workers": -1}, {"timeout": -1}, {"prefetch_factor": 2},
                 {"persistent_workers": True}, {"shuffle": True, "sampler": [1]},
                 {"batch_sampler": [[1]], "batch_size": 3}, {"batch_size": None, "drop_last": True},
                 {"batch_size": 0}):
        yield error(make, data, **args)
    yield error(make, s, shuffle=True), error(make, s, batch_sampler=[[1]])
    yield error(setattr, make(data), "batch_size", 3), len(make(data, 3)), len(make(data, 3,
                                                                                    drop_last=True))


# ------------------------------------------------------------------ with workers


def noisy(torch):
    class Noisy(torch.utils.data.Dataset):
        """What every worker draws from each generator."""

        def __len__(self):
            return 8

        def __getitem__(self, i):
            info = torch.utils.data.get_worker_info()
            return (i, info.id, info.seed, torch.rand(1), random.random(), np.random.rand())

    return Noisy()


def work(torch):
    data = torch.utils.data
    torch.manual_seed(7)
    for options in ({"shuffle": True}, {"shuffle": True, "persistent_workers": True},
                    {"prefetch_factor": 1, "drop_last": True}, {"in_order": False}):
        loader = data.DataLoader(numbers(torch), 3, num_workers=2, **options)
        out = [list(loader), list(loader)]
        yield sorted(float(x.sum()) for e in out for x, _ in e) if "in_order" in options else out
        yield torch.rand(1)
    yield list(data.DataLoader(noisy(torch), 2, num_workers=2))
    yield list(data.DataLoader(stream(torch), 2, num_workers=3))
    seen = []
    loader = data.DataLoader(numbers(torch, 4), 2, num_workers=1, worker_init_fn=seen.append)
    yield len(list(loader)), seen, torch.utils.data.get_worker_info()


@pytest.mark.parametrize("program", [orders, datasets, batches, loader_errors, work])
def test_program(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, got = list(program(theirs)), list(program(ours))
    assert len(expected) == len(got)
    for a, b in zip(expected, got):
        check(plain(a), plain(b))


def test_numpy_is_seeded_as_pytorch_does():
    from torch.utils.data._utils.worker import _generate_state

    for seed, worker in ((0, 0), (2**62 + 12345, 3), (987654321, 1)):
        assert list(_generate_state(seed, worker)) == numpy_seed(seed, worker).tolist()


class Failing:
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 6

    def __getitem__(self, i):
        if i == 3:
            raise self.error
        return i


class Odd(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


@pytest.mark.parametrize("failure", [ValueError("bad example"), KeyError("name"), Odd(1, 2)])
def test_the_error_of_a_worker_is_raised_with_its_traceback(failure):
    seen = []
    for torch in (theirs, ours):
        loader = torch.utils.data.DataLoader(Failing(failure), 2, num_workers=2)
        with pytest.raises(Exception, match="in DataLoader worker process 1") as caught:
            list(loader)
        assert "in __getitem__" in str(caught.value)
        assert "raise self.error" in str(caught.value)
        seen.append((type(caught.value), str(caught.value).split("\n")[0]))
    assert seen[0] == seen[1]


class Deadly:
    """The process that loads the third example kills itself; `slow` keeps the others busy."""

    def __init__(self, slow):
        self.slow = slow

    def __len__(self):
        return 100

    def __getitem__(self, i):
        if i == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.slow)
        return np.zeros(100_000)


@pytest.mark.parametrize("slow", [0.0, 0.3])
@pytest.mark.parametrize("persistent", [True, False])
def test_a_killed_worker_ends_the_loop(slow, persistent):
    loader = ours.utils.data.DataLoader(Deadly(slow), 1, num_workers=2,
                                        persistent_workers=persistent)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexp") as e:
        list(loader)
    assert time.monotonic() - start < 5
    assert "is killed by signal: Killed" in str(e.value.__cause__)


class Slow:
    def __len__(self):
        return 2

    def __getitem__(self, i):
        time.sleep(30)


def test_timeout():
    loader = ours.utils.data.DataLoader(Slow(), num_workers=1, timeout=1)
    with pytest.raises(RuntimeError, match="DataLoader timed out after 1 seconds"):
        next(iter(loader))


def test_a_loop_left_early_ends_its_workers():
    loader = ours.utils.data.DataLoader(numbers(ours, 100), 2, num_workers=2)
    iterator = iter(loader)
    next(iterator)
    processes = iterator.pool.processes
    assert all(p.is_alive() for p in processes)
    del iterator
    assert not any(p.is_alive() for p in processes)


def test_large_batches_do_not_block():
    """More than a pipe holds, in both directions."""
    data = np.random.default_rng(0).random((40, 50_000)).astype(np.float32)
    dataset = ours.utils.data.TensorDataset(ours.from_numpy(data))
    loader = ours.utils.data.DataLoader(
        dataset, num_workers=2, prefetch_factor=4,
        batch_sampler=[[i % 40] * 3 + [0] * 30_000 * (i % 2 == 9) for i in range(20)])
    got = [b.numpy() for (b,) in loader]
    assert len(got) == 20
    np.testing.assert_array_equal(got[7][0], data[7])
