"""PyTorch's operator database on `compat.torch`: `python -m compat.differential.opdb`.

PyTorch ships, for its own tests, a list of operators with a generator of sample inputs for each,
and of inputs that must raise. Every sample is run by PyTorch and by the mirror and compared at
PyTorch's own tolerances, down every road that the entry claims (`checks.py`): the value, the
gradient, the gradient's gradient, forward mode, the method, the in-place method, `out=`, the
operator, samples with gaps in memory, and `vmap`. An entry passes if all of its samples do.
"""

from compat.differential.opdb.checks import CHECKS
from compat.differential.opdb.entries import entries, full_name
from compat.differential.opdb.running import Outcome, Runner

__all__ = ["CHECKS", "Outcome", "Runner", "entries", "full_name"]
