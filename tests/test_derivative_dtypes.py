"""Which dtypes gradients and Jacobians take: JAX's answers, and its words where it refuses."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import compat.jax

FUNCTIONS = {
    "real": lambda z: (z * z.conj()).real.sum(), "same": lambda z: (z * z).sum(),
    "integer": lambda z: (z.real > 0).sum(), "vector": lambda z: z * 1.5,
}
TRANSFORMS = ("grad", "value_and_grad", "jacfwd", "jacrev", "hessian")
DTYPES = (np.float32, np.complex64, np.int32, np.bool_)


def outcome(lib, transform: str, function: str, dtype, **kwargs):
    x = np.array([1 + 2j, -0.5 - 1j]).astype(dtype)
    try:
        out = getattr(lib, transform)(FUNCTIONS[function], **kwargs)(lib.numpy.asarray(x))
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error).split("\n")[0]
    return [np.asarray(leaf) for leaf in lib.tree.leaves(out)]


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("kwargs", [{}, {"holomorphic": True}], ids=["plain", "holomorphic"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_dtypes_of_derivatives(transform, kwargs):
    for function in FUNCTIONS:
        for dtype in DTYPES:
            theirs = outcome(jax, transform, function, dtype, **kwargs)
            ours = outcome(compat.jax, transform, function, dtype, **kwargs)
            case = function, dtype.__name__
            if isinstance(theirs, tuple):
                assert ours == theirs, case
                continue
            for a, b in zip(ours, theirs, strict=True):
                assert a.dtype == b.dtype, case
                np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=str(case))
