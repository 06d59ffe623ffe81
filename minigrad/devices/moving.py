"""Tensors from one device to another, on the graph."""

from __future__ import annotations

from typing import Any

from minigrad.core import EVAL, Tensor, get_mode, make_box, make_spec
from minigrad.devices import Device, place_of, put
from minigrad.graph import Node
from minigrad.imperative.stamps import next_seq


class TransferEntry:
    """What the tape asks of a transfer: its backward is the way back."""

    recompute, plan, saved, freed, wanted, view = False, None, (), None, (0,), None
    node_name = "ToCopyBackward0"

    def __init__(self, tensor: Tensor, spec, device: Device | None):
        self.cls = type(tensor).result_class()
        self.in_specs, self.out_specs, self.out_avals = [tensor.spec], [spec], [spec.aval]
        self.source, self.device = place_of(tensor.spec), device

    def backward(self, gradient, saved):
        return put(gradient, self.source)

    def lifted(self, gradient: Tensor, saved):
        return transfer(gradient, self.source)


def transfer(tensor: Tensor, device: Device | None) -> Tensor:
    """The Tensor on another device (None: the host), on the graph; itself where it is there. A
    traced value stays: it lies where the operands of its program will."""
    mode = get_mode()
    if not tensor.spec.concrete or place_of(tensor.spec) is device:
        return tensor
    value = put(tensor.value, device)
    wants = mode.grad and tensor.spec.requires_grad and mode.trace is EVAL
    inference = mode.inference
    concrete: Any = ("inference" if inference else True) if device is None else \
        device.marked if inference else device
    spec = make_spec(tensor.spec.aval, wants, concrete)
    made = make_box(type(tensor).result_class(), value, spec)
    if wants:
        node = Node()
        node.entry, node.edges = TransferEntry(tensor, spec, device), tensor.node
        node.saved, node.seq = None, next_seq()
        made.node = node
    return made
