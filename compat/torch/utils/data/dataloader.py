"""`DataLoader`: batches of a dataset, loaded here or by worker processes."""

from __future__ import annotations

import functools
import itertools

from compat.torch.utils.data.collate import default_collate, default_convert
from compat.torch.utils.data.dataset import IterableDataset
from compat.torch.utils.data.sampler import (
    BatchSampler, RandomSampler, SequentialSampler, draw_seed,
)
from compat.torch.utils.data.workers import EXHAUSTED, ExceptionWrapper, Pool

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def fetch_by_index(batched: bool, collate, dataset):
    """indices -> a batch."""
    many = getattr(dataset, "__getitems__", None)

    def fetch(indices):
        if not batched:
            return collate(dataset[indices])
        return collate(many(indices) if many else [dataset[i] for i in indices])

    return fetch


def fetch_from_stream(batched: bool, collate, size, drop_last: bool, dataset):
    """Anything -> the next batch; StopIteration at the end."""
    examples = iter(dataset)

    def fetch(_):
        if not batched:
            return collate(next(examples))
        batch = list(itertools.islice(examples, size))
        if not batch or drop_last and len(batch) < size:
            raise StopIteration
        return collate(batch)

    return fetch


class DataLoader:
    """Batches of a dataset, in order or shuffled."""

    def __class_getitem__(cls, item):
        return cls

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None,
                 num_workers=0, collate_fn=None, pin_memory=False, drop_last=False, timeout=0,
                 worker_init_fn=None, multiprocessing_context=None, generator=None, *,
                 prefetch_factor=None, persistent_workers=False, pin_memory_device="",
                 in_order=True):
        self._iterator = None
        streams = isinstance(dataset, IterableDataset)
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if streams:
            for name, value, usual in (("shuffle", shuffle, (None, False)),
                                       ("sampler", sampler, (None,)),
                                       ("batch_sampler", batch_sampler, (None,))):
                if value not in usual:
                    raise ValueError(f"DataLoader with IterableDataset: expected unspecified {name}"
                                     f" option, but got {name}={value}")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler option is mutually exclusive with batch_size, "
                                 "shuffle, sampler, and drop_last")
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually "
                             "exclusive with drop_last")
        if sampler is None:
            sampler = itertools.repeat(None) if streams else \
                RandomSampler(dataset, generator=generator) if shuffle else \
                SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None and not streams:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.num_workers, self.timeout, self.pin_memory = num_workers, timeout, pin_memory
        self.pin_memory_device, self.worker_init_fn = pin_memory_device, worker_init_fn
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.multiprocessing_context = multiprocessing_context
        batched = batch_sampler is not None or streams and batch_size is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        settings = (batched, self.collate_fn)
        self.make_fetch = functools.partial(
            fetch_from_stream, *settings, batch_size, drop_last) if streams else \
            functools.partial(fetch_by_index, *settings)
        self._initialized = True

    def __setattr__(self, name: str, value) -> None:
        if name in FIXED and getattr(self, "_initialized", False):
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is "
                             "initialized")
        super().__setattr__(name, value)

    def indices(self):
        """What is asked for: a list of indices a batch, or one index an example."""
        return iter(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self):
        if not self.num_workers:
            return _SingleProcessDataLoaderIter(self)
        if not self.persistent_workers:
            return _MultiProcessingDataLoaderIter(self)
        if self._iterator is None:
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator.begin(first=False)
        return self._iterator


def check_workers(num_workers, timeout, prefetch_factor, persistent_workers) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable "
                         "multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError("prefetch_factor option could only be specified in multiprocessing."
                         "let num_workers > 0 to enable multiprocessing, otherwise set "
                         "prefetch_factor to None.")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


class _SingleProcessDataLoaderIter:
    """Loads each batch when it is asked for."""

    def __init__(self, loader: DataLoader):
        self.loader, self.indices = loader, loader.indices()
        draw_seed(loader.generator)  # PyTorch draws the workers' seed also where there are none
        self.fetch = loader.make_fetch(loader.dataset)

    def __iter__(self):
        return self

    def __next__(self):
        return self.fetch(next(self.indices))

    def __len__(self) -> int:
        return len(self.loader)


class _MultiProcessingDataLoaderIter:
    """Keeps workers busy ahead of the loop, and gives their batches in order."""

    def __init__(self, loader: DataLoader):
        self.loader, self.pool = loader, None
        shared = {"dataset": loader.dataset, "worker_init_fn": loader.worker_init_fn,
                  "make_fetch": loader.make_fetch}
        self.indices = loader.indices()
        self.pool = Pool(shared, loader.num_workers, draw_seed(loader.generator),
                         loader.multiprocessing_context)
        self.begin(first=True)

    def begin(self, first: bool) -> None:
        """Start an epoch."""
        n = self.loader.num_workers
        if not first:
            self.drain()
            self.indices = self.loader.indices()
            for worker in range(n):
                self.pool.send(worker, (None, None))
        self.sent = self.given = 0
        self.owner: dict[int, int] = {}  # number of a request -> its worker
        self.results: dict[int, object] = {}
        self.running, self.turn = [True] * n, itertools.cycle(range(n))
        for _ in range(self.loader.prefetch_factor * n):
            self.ask()

    def drain(self) -> None:
        """Batches of an epoch that was left early."""
        while self.owner.keys() - self.results.keys():
            self.receive()

    def ask(self) -> None:
        worker = next((w for w in itertools.islice(self.turn, len(self.running))
                       if self.running[w]), None)
        if worker is None:
            return
        try:
            wanted = next(self.indices)
        except StopIteration:
            return
        self.pool.send(worker, (self.sent, wanted))
        self.owner[self.sent] = worker
        self.sent += 1

    def receive(self) -> None:
        worker, number, result = self.pool.receive(self.loader.timeout)
        if isinstance(result, str) and result == EXHAUSTED:
            if self.running[worker]:
                self.running[worker] = False
            del self.owner[number]
            self.ask()
        else:
            self.results[number] = result

    def __iter__(self):
        return self

    def __len__(self) -> int:
        return len(self.loader)

    def __next__(self):
        while True:
            while self.given < self.sent and self.given not in self.owner:
                self.given += 1  # its worker had nothing left
            if not self.owner:
                if not self.loader.persistent_workers:
                    self.pool.shut_down()
                raise StopIteration
            number = self.given if self.loader.in_order else next(iter(self.results), None)
            if number in self.results:
                break
            self.receive()
        result = self.results.pop(number)
        del self.owner[number]
        self.ask()
        if isinstance(result, ExceptionWrapper):
            result.reraise()
        return result

    def __del__(self) -> None:
        if self.pool is not None:
            self.pool.shut_down()


