"""Recurrent networks: one layer in one direction is a scan over time.

The gates of all kinds stand one below the other in the weights: (gates * hidden, features).
Sources: Elman (1990), Hochreiter and Schmidhuber (1997), Cho et al. (2014).
"""

from __future__ import annotations

from minigrad.core import F32, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.contraction import dot_general
from minigrad.ops.families import dtype_kind, zeros_like
from minigrad.ops.flow import scan
from minigrad.ops.selection import convert_element_type, select_n
from minigrad.ops.shaping import broadcast_to, broadcast_to_rank, slice_in_dim

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}


def affine(x, weight, bias=None):
    """x (..., in) times the rows of weight (out, in), and a bias that broadcasts to it. Half
    types are rounded once, after the bias was added in float32."""
    rank, dtype = len(aval_of(x).shape), aval_of(x).dtype
    half = bias is not None and dtype_kind(dtype) == "f" and dtype.itemsize <= 2
    out = dot_general(x, weight, preferred_element_type=F32 if half else None,
                      dimension_numbers=(((rank - 1,), (1,)), ((), ())))
    if bias is None:
        return out
    bias = broadcast_to_rank(convert_element_type(bias, new_dtype=F32) if half else bias, rank)
    out = e.add(out, bias)
    return convert_element_type(out, new_dtype=dtype) if half else out


def split_gates(x, count: int):
    size = aval_of(x).shape[-1] // count
    return [slice_in_dim(x, i * size, (i + 1) * size, axis=1) for i in range(count)]


def next_state(mode: str, gates, h, c, w_hh, b_hh):
    """(h, c) after one step, from the input's share of the gates (batch, gates * hidden)."""
    own = affine(h, w_hh, b_hh)
    if mode == "GRU":
        (r, z, n), (own_r, own_z, own_n) = split_gates(gates, 3), split_gates(own, 3)
        r, z = t.logistic(e.add(r, own_r)), t.logistic(e.add(z, own_z))
        n = t.tanh(e.add(n, e.mul(r, own_n)))
        return e.add(e.mul(e.sub(h, n), z), n), c
    total = e.add(gates, own)
    if mode == "RNN_TANH":
        return t.tanh(total), c
    if mode == "RNN_RELU":
        return select_n(e.le(total, 0), total, zeros_like(total)), c
    i, f, g, o = split_gates(total, 4)
    c = e.add(e.mul(t.logistic(f), c), e.mul(t.logistic(i), t.tanh(g)))
    return e.mul(t.logistic(o), t.tanh(c)), c


def cell(x, h, c=None, w_ih=None, w_hh=None, b_ih=None, b_hh=None, mode="RNN_TANH"):
    """h, or (h, c), after one step. Shapes: x (batch, features), h and c (batch, hidden)."""
    h, c = next_state(mode, affine(x, w_ih, b_ih), h, c, w_hh, b_hh)
    return h if c is None else (h, c)


def layer(x, h, c=None, w_ih=None, w_hh=None, b_ih=None, b_hh=None, w_hr=None, running=None,
          mode="RNN_TANH", reverse=False):
    """(outputs (time, batch, hidden), h[, c]) of one layer. `w_hr` projects h after each step. A
    sequence that is not `running` (time, batch) keeps its state: the short ones of a batch."""
    flags = () if running is None else (running,)

    def step(states, given):
        share, *alive = given
        old, cell = states if len(states) == 2 else (*states, None)
        h, cell = next_state(mode, share, old, cell, w_hh, b_hh)
        h = h if w_hr is None else affine(h, w_hr)
        new = (h,) if cell is None else (h, cell)
        if alive:
            new = tuple(select_n(broadcast_to(alive[0], aval_of(v).shape, (0,)), s, v)
                        for s, v in zip(states, new))
        return new, new[0]

    states, outputs = scan(step, (h,) if c is None else (h, c), (affine(x, w_ih, b_ih), *flags),
                           reverse=reverse)
    return (outputs, *states)
