"""`torch.nn.utils.rnn`: sequences of different lengths, padded or packed.

A packed sequence holds the first elements of all sequences, then their second elements, and so on,
the longest sequence first; `batch_sizes` counts how many sequences are still running.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable

import numpy as np

from compat.torch import creation
from compat.torch.tensor import array_of, from_array
from minigrad import core

Packed = namedtuple("Packed", "data batch_sizes sorted_indices unsorted_indices")


class PackedSequence(Packed):
    """Data, batch sizes, and the order in which the sequences were sorted (None: as they came)."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def cpu(self):
        return self

    is_cuda = False

    def places(self):
        """(steps, running): the place in `data` of each (step, sequence), and which there are."""
        sizes = array_of(self.batch_sizes)
        starts = np.cumsum(sizes) - sizes
        columns = np.arange(sizes[0])
        running = columns < sizes[:, None]
        return np.where(running, starts[:, None] + columns, 0), running


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
    setattr(PackedSequence, _name, lambda self, name=_name: self._replace(
        data=getattr(self.data, name)()))


def invert_permutation(permutation):
    """Where each position went; None stays None."""
    return None if permutation is None else from_array(np.argsort(array_of(permutation)))


def lengths_of(lengths) -> np.ndarray:
    return np.asarray(array_of(lengths) if isinstance(lengths, core.Tensor) else lengths)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Pack (length, batch, ...) of which each sequence has its own length."""
    sizes, order = lengths_of(lengths), None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        input = input.index_select(0 if batch_first else 1, from_array(order))
        sizes = sizes[order]
    input = input.transpose(0, 1) if batch_first else input
    if (sizes <= 0).any():
        raise RuntimeError("Length of all samples has to be greater than 0, but found an element "
                           "in 'lengths' that is <= 0")
    if (np.diff(sizes) > 0).any():
        raise RuntimeError("`lengths` array must be sorted in decreasing order when "
                           "`enforce_sorted` is True. You can pass `enforce_sorted=False` to "
                           "pack_padded_sequence and/or pack_sequence to sidestep this requirement "
                           "if you do not need ONNX exportability.")
    batch = input.spec.shape[1]
    if len(sizes) != batch:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got "
                           f"{len(sizes)} (batch_size={batch})")
    counts = (sizes > np.arange(sizes[0])[:, None]).sum(1)
    flat = np.concatenate([t * batch + np.arange(n) for t, n in enumerate(counts)])
    data = input.reshape(-1, *input.shape[2:])[from_array(flat)]
    return PackedSequence(data, from_array(counts), None if order is None else from_array(order))


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """(padded sequences, their lengths)."""
    places, running = sequence.places()
    lengths = running.sum(0)
    if total_length is not None:
        if total_length < len(places):
            raise ValueError("Expected total_length to be at least the length of the longest "
                             f"sequence in input, but got total_length={total_length} and max "
                             f"sequence length being {len(places)}")
        extra = ((0, total_length - len(places)), (0, 0))
        places, running = np.pad(places, extra), np.pad(running, extra)
    order = sequence.unsorted_indices
    if order is not None:
        order = array_of(order)
        places, running, lengths = places[:, order], running[:, order], lengths[order]
    out = sequence.data[from_array(places)]
    mask = from_array(~running.reshape(*running.shape, *(1,) * (out.dim() - 2)))
    out = out.masked_fill(mask, padding_value)
    return (out.transpose(0, 1) if batch_first else out), from_array(lengths)


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Tensors of different lengths side by side."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError("pad_sequence: Expected iterable for input sequences, but got arg of "
                           f"type: {type(sequences)}")
    sequences = list(sequences)
    longest = max(s.size(0) for s in sequences)
    shape = (len(sequences), longest) if batch_first else (longest, len(sequences))
    out = creation.full((*shape, *sequences[0].shape[1:]), padding_value,
                        dtype=sequences[0].dtype)
    for i, s in enumerate(sequences):
        n = s.size(0)
        span = slice(0, n) if padding_side == "right" else slice(longest - n, longest)
        out[(i, span) if batch_first else (span, i)] = s
    return out


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The inverse of pad_sequence."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(rows, lengths_of(lengths).tolist())]


def pack_sequence(sequences, enforce_sorted=True):
    """Pack Tensors of different lengths."""
    lengths = creation.tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The inverse of pack_sequence."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


