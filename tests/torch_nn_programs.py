"""Programs of modules in PyTorch's idiom; `tests/test_torch_nn.py` runs them on both packages."""

from __future__ import annotations

PROGRAMS: dict = {}
