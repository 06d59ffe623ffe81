"""`torch.nn.modules.utils`: one number for all dimensions, or one each."""

from __future__ import annotations

from collections.abc import Iterable

from compat.torch.nn.state import consume_prefix_in_state_dict_if_present  # noqa: F401


def _ntuple(n: int):
    def parse(x):
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return parse


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
