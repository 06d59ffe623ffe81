"""Alignments of labels with a sequence, summed over all of them. Source: Graves et al. (2006)."""

from __future__ import annotations

import functools

import numpy as np

from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.flow import scan
from minigrad.ops.selection import select_n, stop_gradient
from minigrad.ops.shaping import broadcast_to, full_like, pad

NOWHERE = -1e30  # the logarithm of a probability of nothing, without the nan of inf - inf


def log_add(terms):
    """log of the sum of exponentials."""
    top = stop_gradient(functools.reduce(e.max_, terms))
    total = functools.reduce(e.add, [t.exp(e.sub(x, top)) for x in terms])
    return e.add(t.log(total), top)


def paths_to_labels(scores, skips, live):
    """Log-probabilities (N, S) of all paths that end at each of the extended labels.
    scores (T, N, S): of each label at each time; skips (N, S): may a path leave out the blank
    before a label?; live (T, N): is the time within the input?"""
    n, s = aval_of(skips).shape
    start = np.full((n, s), NOWHERE, aval_of(scores).dtype)
    start[:, 0] = 0  # as if a blank had been passed before the first time
    nowhere = start.dtype.type(NOWHERE)

    def moved(paths, by):
        return pad(paths, nowhere, padding_config=((0, 0, 0), (by, -by, 0)))

    def step(paths, now):
        score, alive = now
        jumped = select_n(skips, full_like(paths, NOWHERE), moved(paths, 2))
        new = e.add(log_add([paths, moved(paths, 1), jumped]), score)
        return select_n(broadcast_to(alive, (n, s), (0,)), paths, new), ()

    return scan(step, start, (scores, live))[0]


def extended_labels(rows, lengths, blank: int):
    """(labels with a blank before, between and after them (N, 2 L + 1), where a path may skip) of
    labels (N, L), or of all labels in one row."""
    if rows.ndim == 1:
        ends = np.cumsum(lengths)
        rows = [rows[stop - n:stop] for n, stop in zip(lengths, ends)]
    labels = np.full((len(lengths), 2 * max(lengths, default=0) + 1), blank, np.int64)
    for i, (row, n) in enumerate(zip(rows, lengths)):
        labels[i, 1:2 * n:2] = row[:n]
    skips = np.zeros(labels.shape, bool)
    skips[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return labels, skips
