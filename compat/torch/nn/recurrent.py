"""RNN, GRU and LSTM, and their cells."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np

from compat.torch.joining import cat, stack
from compat.torch.nn import functional as F
from compat.torch.nn import init
from compat.torch.nn.layer import Layer, add_parameters
from compat.torch.nn.utils.rnn import PackedSequence
from compat.torch.operation import operation
from compat.torch.products import check_rows
from compat.torch.tensor import from_array
from minigrad.numpy.recurrent import GATES, cell, layer

OPERANDS = ("x", "h", "c", "w_ih", "w_hh", "b_ih", "b_hh")


def checked(fn):
    """`fn` after PyTorch's complaints about the operands of its products."""
    @functools.wraps(fn)
    def call(x, h, c=None, w_ih=None, w_hh=None, *given, **named):
        check_rows(x, w_ih)
        check_rows(h, w_hh)
        return fn(x, h, c, w_ih, w_hh, *given, **named)

    return call


layer_op = operation(checked(layer), name="rnn", tensors=(*OPERANDS, "w_hr", "running"))
cell_op = operation(checked(cell), name="rnn_cell", tensors=OPERANDS)


SETTINGS = ("input_size, hidden_size, num_layers=1, {}bias=True, batch_first=False, dropout=0.0, "
            "bidirectional=False, {}device=None, dtype=None")


class RNNBase(Layer, settings="mode, " + SETTINGS.format("", "proj_size=0, "), shown=(
        "input_size hidden_size proj_size? num_layers? bias? batch_first? dropout? "
        "bidirectional?")):
    """What recurrent networks share."""

    mode: str
    proj_size = 0

    def _build(self, dropout, dtype) -> None:
        hidden_size, num_layers, proj_size = self.hidden_size, self.num_layers, self.proj_size
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError("dropout should be a number in range [0, 1] representing the "
                             "probability of an element being zeroed")
        if dropout > 0 and num_layers == 1:
            warnings.warn("dropout option adds dropout after all but last recurrent layer, so "
                          f"non-zero dropout expects num_layers greater than 1, but got dropout="
                          f"{dropout} and num_layers={num_layers}", stacklevel=3)
        if not isinstance(hidden_size, int):
            raise TypeError("hidden_size should be of type int, got: "
                            f"{type(hidden_size).__name__}")
        for name, size in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if proj_size < 0 or proj_size >= hidden_size:
            raise ValueError("proj_size should be a positive integer or zero to disable projections"
                             if proj_size < 0 else "proj_size has to be smaller than hidden_size")
        self.dropout = float(dropout)
        self._names: list[list[str]] = []
        rows, out = GATES[self.mode] * hidden_size, proj_size or hidden_size
        directions = ("", "_reverse") if self.bidirectional else ("",)
        for i in range(num_layers):
            width = self.input_size if i == 0 else out * len(directions)
            shapes: dict[str, tuple] = {"weight_ih": (rows, width), "weight_hh": (rows, out)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {}
            shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
            for suffix in directions:
                named = {f"{name}_l{i}{suffix}": shape for name, shape in shapes.items()}
                add_parameters(self, dtype, **named)
                self._names.append(list(named))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list]:
        return [[getattr(self, name) for name in names] for names in self._names]

    def flatten_parameters(self) -> None:
        """Nothing to do: each product reads its own weight."""

    def check_input(self, input, batch_sizes=None) -> None:
        name = type(self).__name__
        expected = 2 if batch_sizes is not None else 3
        if batch_sizes is None and input.dim() not in (2, 3):
            raise ValueError(f"{name}: Expected input to be 2D or 3D, got {input.dim()}D"
                             f"{' tensor' if name == 'RNN' else ''} instead")
        if batch_sizes is not None and input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError("input.size(-1) must be equal to input_size. Expected "
                               f"{self.input_size}, got {input.size(-1)}")
        if input.dtype != self.weight_ih_l0.dtype:
            raise ValueError(f"RNN input dtype ({input.dtype}) does not match weight dtype "
                             f"({self.weight_ih_l0.dtype}). Convert input: input.to("
                             f"{self.weight_ih_l0.dtype}), or convert model: model.to("
                             f"{input.dtype})")

    def state_sizes(self) -> list[int]:
        return [self.proj_size or self.hidden_size]

    def check_states(self, states, batch: int) -> None:
        count = self.num_layers * (2 if self.bidirectional else 1)
        for i, (state, size) in enumerate(zip(states, self.state_sizes())):
            if state.shape != (count, batch, size):
                what = f"hidden[{i}]" if len(states) > 1 else "hidden"
                raise RuntimeError(f"Expected {what} size {(count, batch, size)}, got "
                                   f"{list(state.shape)}")

    def forward(self, input, hx=None):
        packed = isinstance(input, PackedSequence)
        x = input.data if packed else input
        self.check_input(x, input.batch_sizes if packed else None)
        lstm = self.mode == "LSTM"
        single = not packed and x.dim() == 2
        states = None if hx is None else list(hx) if lstm else [hx]
        if states is not None and not packed:
            for state in states:
                if state.dim() != (2 if single else 3):
                    what = "unbatched 2-D" if single else "batched 3-D"
                    raise RuntimeError(
                        f"For {what} input, hx should also be {what[-3:]} but got "
                        f"{state.dim()}-D tensor" if not lstm else
                        f"For {what} input, hx and cx should also be {what[-3:]} but got "
                        f"({states[0].dim()}-D, {states[1].dim()}-D) tensors")
        running = places = order = None
        if packed:
            places, running = input.places()
            order, batch = input.sorted_indices, places.shape[1]
        elif single:
            x, batch = x.unsqueeze(1), 1
            states = None if states is None else [s.unsqueeze(1) for s in states]
        else:
            x = x.transpose(0, 1) if self.batch_first else x
            batch = x.shape[1]
        if states is None:
            count = self.num_layers * (2 if self.bidirectional else 1)
            states = [x.new_zeros(count, batch, size)
                      for size in self.state_sizes()]
        elif order is not None:
            states = [s.index_select(1, order) for s in states]
        self.check_states(states, batch)
        out, states = self.through_layers(x, states, places, running)
        if packed:
            if order is not None:
                states = [s.index_select(1, input.unsorted_indices) for s in states]
            out = PackedSequence(out, *input[1:])
        elif single:
            out, states = out.squeeze(1), [s.squeeze(1) for s in states]
        elif self.batch_first:
            out = out.transpose(0, 1)
        return out, (tuple(states) if lstm else states[0])

    def through_layers(self, x, states, places, running):
        """x is (time, batch, features), or the data of a packed sequence."""
        directions, finals = 2 if self.bidirectional else 1, []
        flags = None if running is None else from_array(running)
        if running is not None:
            spread = from_array(places)
            pick = from_array(np.nonzero(running.reshape(-1))[0])
        for i in range(self.num_layers):
            given = x if running is None else x[spread]
            outs = []
            for d in range(directions):
                k = i * directions + d
                named = dict(zip(("w_ih", "w_hh", "b_ih", "b_hh") if self.bias else
                                 ("w_ih", "w_hh"), self.all_weights[k]))
                w_hr = self.all_weights[k][-1] if self.proj_size else None
                own = [s[k] for s in states]
                out, *last = layer_op(given, own[0], own[1] if len(own) > 1 else None,
                                      **named, w_hr=w_hr, running=flags, mode=self.mode,
                                      reverse=bool(d))
                outs.append(out)
                finals.append(last)
            x = outs[0] if directions == 1 else cat(outs, -1)
            if running is not None:
                x = x.reshape(-1, x.shape[-1])[pick]
            if self.dropout and self.training and i + 1 < self.num_layers:
                x = F.dropout(x, self.dropout)
        return x, [stack(list(column)) for column in zip(*finals)]


class RNN(RNNBase, settings=SETTINGS.format("nonlinearity='tanh', ", "")):
    """h' = tanh(W x + U h + b), or relu."""

    def _build(self, dropout, dtype) -> None:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or "
                             "'relu'.")
        self.mode = f"RNN_{self.nonlinearity.upper()}"
        super()._build(dropout, dtype)


class GRU(RNNBase, settings=SETTINGS.format("", "")):
    """Gated recurrent units. Source: Cho et al. (2014)."""

    mode = "GRU"


class LSTM(RNNBase, settings=SETTINGS.format("", "proj_size=0, ")):
    """Long short-term memory. Source: Hochreiter and Schmidhuber (1997)."""

    mode = "LSTM"

    def state_sizes(self) -> list[int]:
        return [self.proj_size or self.hidden_size, self.hidden_size]


class RNNCellBase(Layer, shown="input_size hidden_size bias?",
                  settings="input_size, hidden_size, bias, num_chunks, device=None, dtype=None"):
    """What the cells share."""

    mode: str

    def _build(self, dtype, num_chunks=None) -> None:
        rows = (num_chunks or GATES[self.mode]) * self.hidden_size
        add_parameters(self, dtype, weight_ih=(rows, self.input_size),
                       weight_hh=(rows, self.hidden_size), bias_ih=self.bias and (rows,),
                       bias_hh=self.bias and (rows,))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def forward(self, input, hx=None):
        name, lstm = type(self).__name__, self.mode == "LSTM"
        states = None if hx is None else list(hx) if lstm else [hx]
        for i, x in enumerate([input, *(states or ())]):
            if x.dim() not in (1, 2):
                what = "input" if not i else f"hx[{i - 1}]" if lstm else "hidden"
                raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {x.dim()}D instead")
        single = input.dim() == 1
        input = input.unsqueeze(0) if single else input
        if states is None:
            states = [input.new_zeros(input.size(0), self.hidden_size)] \
                * (2 if lstm else 1)
        elif single:
            states = [s.unsqueeze(0) for s in states]
        out = cell_op(input, states[0], states[1] if lstm else None, self.weight_ih,
                      self.weight_hh, self.bias_ih, self.bias_hh, self.mode)
        if not single:
            return out
        return tuple(s.squeeze(0) for s in out) if lstm else out.squeeze(0)


CELL = "input_size, hidden_size, bias=True, {}device=None, dtype=None"


class RNNCell(RNNCellBase, settings=CELL.format("nonlinearity='tanh', "),
              shown="input_size hidden_size bias? nonlinearity?"):
    """One step of RNN."""

    @property
    def mode(self) -> str:  # type: ignore[override]
        return f"RNN_{self.nonlinearity.upper()}"


class GRUCell(RNNCellBase, settings=CELL.format("")):
    """One step of GRU."""

    mode = "GRU"


class LSTMCell(RNNCellBase, settings=CELL.format("")):
    """One step of LSTM."""

    mode = "LSTM"
