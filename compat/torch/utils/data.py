"""`torch.utils.data`: datasets, samplers and the loader, in one process."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from compat.torch import creation, random
from compat.torch.joining import stack
from compat.torch.tensor import Tensor, from_array


class Dataset:
    """Examples by index: subclasses give `__getitem__` and, usually, `__len__`."""

    def __getitem__(self, index):
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other):
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Examples in a stream: subclasses give `__iter__`."""


class TensorDataset(Dataset):
    """The rows of tensors of equal length."""

    def __init__(self, *tensors):
        if any(t.size(0) != tensors[0].size(0) for t in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class ConcatDataset(Dataset):
    """Datasets one after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        if index < 0:
            if -index > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            index += len(self)
        which = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]


class Subset(Dataset):
    """Some examples of a dataset."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset, lengths, generator=random.default_generator) -> list[Subset]:
    """Subsets of given lengths, or fractions that add up to one, in random order."""
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        fractions = list(lengths)
        lengths = [math.floor(total * f) for f in fractions]
        for i in range(total - sum(lengths)):
            lengths[i % len(lengths)] += 1
    if sum(lengths) != total:
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = random.randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, order[end - n:end]) for end, n in zip(ends, lengths)]


# ------------------------------------------------------------------ samplers


class Sampler:
    """An order of indices."""

    def __init__(self, data_source=None):
        self.data_source = data_source

    def __len__(self) -> int:
        return len(self.data_source)


class SequentialSampler(Sampler):
    """0, 1, 2 ..."""

    def __iter__(self):
        return iter(range(len(self.data_source)))


def fresh_generator():
    """A generator seeded from the default one, as PyTorch's samplers make it."""
    generator = random.Generator()
    seed = random.default_generator.words64(1)[0] & np.uint64(2**63 - 1)
    generator.manual_seed(int(seed))
    return generator


class RandomSampler(Sampler):
    """Indices in random order, or drawn with replacement."""

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        super().__init__(data_source)
        self.replacement, self.generator = replacement, generator
        self.num_samples = len(data_source) if num_samples is None else num_samples

    def __iter__(self):
        n = len(self.data_source)
        generator = self.generator or fresh_generator()
        if self.replacement:
            for start in range(0, self.num_samples, 32):
                count = min(32, self.num_samples - start)
                yield from random.randint(0, n, (count,), generator=generator).tolist()
            return
        left = self.num_samples
        while left > 0:
            order = random.randperm(n, generator=generator).tolist()
            yield from order[:left]
            left -= n

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Given indices in random order."""

    def __init__(self, indices, generator=None):
        super().__init__(indices)
        self.indices, self.generator = indices, generator

    def __iter__(self):
        for i in random.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]


class BatchSampler(Sampler):
    """Lists of indices."""

    def __init__(self, sampler, batch_size: int, drop_last: bool):
        super().__init__(sampler)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


# ------------------------------------------------------------------ the loader


def default_collate(batch):
    """A list of examples as one example of stacked tensors."""
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return from_array(np.stack(batch))
    if isinstance(first, (bool, int)):
        return creation.tensor(batch)
    if isinstance(first, float):
        return creation.tensor(batch, dtype=float)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {k: default_collate([b[k] for b in batch]) for k in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*map(default_collate, map(list, zip(*batch))))
    if isinstance(first, Sequence):
        if any(len(b) != len(first) for b in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(list(column)) for column in zip(*batch)]
    raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or "
                    f"lists; found {type(first)}")


class DataLoader:
    """Batches of a dataset. `num_workers` is accepted; loading happens in this process."""

    def __init__(self, dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None,
                 num_workers=0, collate_fn=None, pin_memory=False, drop_last=False, timeout=0,
                 worker_init_fn=None, multiprocessing_context=None, generator=None, **_):
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.collate_fn, self.generator, self.num_workers = collate_fn, generator, num_workers
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        streams = isinstance(dataset, IterableDataset)
        if sampler is None and not streams:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else \
                SequentialSampler(dataset)
        self.sampler = sampler
        if batch_sampler is None and batch_size is not None and not streams:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_sampler = batch_sampler

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def __iter__(self):
        # PyTorch's iterator draws a seed for its workers first, also when there are none
        (self.generator or random.default_generator).words64(1)
        collate = self.collate_fn or default_collate
        if isinstance(self.dataset, IterableDataset):
            yield from self.stream(collate)
        elif self.batch_sampler is None:
            for i in self.sampler:
                yield self.dataset[i] if self.collate_fn is None else collate(self.dataset[i])
        else:
            for batch in self.batch_sampler:
                yield collate([self.dataset[i] for i in batch])

    def stream(self, collate):
        examples = iter(self.dataset)
        if self.batch_size is None:
            yield from examples
            return
        while batch := list(itertools.islice(examples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield collate(batch)
