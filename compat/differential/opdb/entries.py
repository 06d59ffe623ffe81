"""Which entries of the database have a meaning for dense CPU tensors, and how close to compare."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator

NOT_DENSE = {  # by reason
    "sparse layouts": r"sparse\..*|to_sparse|.*sampled_addmm",
    "CUDA code at run time": r"jiterator.*|bmm\.triton_optimized",
    "kernels of other devices": r"torch\._scaled_mm.*|torch\.ops\.aten\._(flash|efficient)_.*",
    "a dtype that NumPy cannot hold": r"chalf",
}
UNINITIALISED = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty",
                 "new_empty_strided", "resize_", "resize_as_"}


def full_name(op) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def entries(patterns=()) -> Iterator:
    """The entries that have a meaning here, or those whose names match a pattern."""
    from torch.testing._internal.common_methods_invocations import op_db

    for op in op_db:
        name = full_name(op)
        if patterns:
            if any(fnmatch.fnmatchcase(n, p) for p in patterns for n in (name, op.name)):
                yield op
        elif not any(re.fullmatch(pattern, name) for pattern in NOT_DENSE.values()):
            yield op


def spread(samples: list, count: int) -> list:
    """At most `count` of them, from all parts of the list; all where `count` is 0."""
    if not count or len(samples) <= count:
        return samples
    return [samples[i * len(samples) // count] for i in range(count)]


def tolerances(op, dtype) -> dict[str, float]:
    """What the entry's decorators widen PyTorch's tolerances to; none where they say nothing."""
    from torch.testing._comparison import default_tolerances
    from torch.testing._internal.common_device_type import toleranceOverride

    given = [d.d[dtype] for decorator in op.decorators
             for d in getattr(decorator, "decorators", [decorator])
             if isinstance(d, toleranceOverride) and dtype in d.d]
    if not given:
        return {}
    rtol, atol = default_tolerances(dtype)
    return {"rtol": max(rtol, *(t.rtol for t in given)),
            "atol": max(atol, *(t.atol for t in given))}
