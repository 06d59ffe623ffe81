"""`gradcheck` and `gradgradcheck`: derived gradients against finite differences."""

from __future__ import annotations

import numpy as np

from compat.torch.autograd.functional import grads
from compat.torch.autograd import modes
from compat.torch.random import randn
from compat.torch.tensor import Tensor, array_of, from_array


class GradcheckError(RuntimeError):
    """The gradients differ, or cannot be compared."""


def outputs_of(func, inputs) -> list:
    out = func(*inputs)
    outs = [out] if isinstance(out, Tensor) else list(out)
    return [o for o in outs if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]


def numerical(func, inputs, x, eps: float) -> list[np.ndarray]:
    """For each output the derivatives by the elements of `x`, by central differences; of a complex
    x by its real and imaginary parts apart."""
    array = x.detach().numpy()
    steps = (eps, 1j * eps) if array.dtype.kind == "c" else (eps,)
    columns = []
    for place in np.ndindex(array.shape):
        parts = []
        for step in steps:
            original = array[place]
            sides = []
            for sign in (1, -1):
                array[place] = original + sign * step
                sides.append([np.array(array_of(o.detach())) for o in
                              outputs_of(func, inputs)])
            array[place] = original
            parts.append([(a - b) / (2 * eps) for a, b in zip(*sides)])
        columns.append(parts)
    count = len(columns[0][0]) if columns else 0
    return [np.array([[p[k].reshape(-1) for p in column] for column in columns])
            for k in range(count)]  # (elements of x, parts, elements of the output)


def analytical(outs, k: int, x, inputs_wanted) -> np.ndarray:
    """The same derivatives from the tape, by one backward pass for each element of the output."""
    out = outs[k]
    seeds = (1.0, 1j) if out.is_complex() else (1.0,)
    rows = []
    for place in range(out.numel()):
        for seed in seeds:
            v = np.zeros(out.numel(), out.spec.dtype)
            v[place] = seed
            g = grads([out], inputs_wanted, [from_array(v.reshape(out.shape))], False)
            found = g[[i is x for i in inputs_wanted].index(True)]
            rows.append(np.array(array_of(found)).reshape(-1))
    return np.array(rows).reshape(out.numel(), len(seeds), -1)


def expected_rows(numbers: np.ndarray, out, x) -> np.ndarray:
    """What PyTorch's gradients are, from real differences: for real L = Re(conj(v) y), the
    gradient is dL/da + i dL/db."""
    n_x, parts, n_out = numbers.shape
    seeds = (1.0, 1j) if out.is_complex() else (1.0,)
    rows = np.zeros((n_out, len(seeds), n_x), x.spec.dtype)
    for j, seed in enumerate(seeds):
        slopes = np.real(np.conj(seed) * numbers)  # (x, parts, out)
        rows[:, j] = (slopes[:, 0] + 1j * slopes[:, 1] if parts == 2 else slopes[:, 0]).T
    return rows


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True,
              nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False,
              check_batched_grad=False, check_batched_forward_ad=False, check_forward_ad=False,
              check_backward_ad=True, fast_mode=False, masked=None) -> bool:
    """Do the tape's gradients of `func` at `inputs` agree with finite differences?

    Inputs should be float64. Raises GradcheckError with both Jacobians, or returns False.
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    try:
        if not wanted:
            raise ValueError("gradcheck expects at least one input tensor to require gradient, but "
                             "none of the them have requires_grad=True.")
        with modes.enable_grad():
            outs = outputs_of(func, inputs)
        for i, x in enumerate(wanted):
            numbers = numerical(func, inputs, x, eps)
            for k, out in enumerate(outs):
                if not out.requires_grad:
                    if numbers and np.abs(numbers[k]).max(initial=0) > atol:
                        raise GradcheckError("Numerical gradient for function expected to be zero")
                    continue
                found = analytical(outs, k, x, wanted)
                expected = expected_rows(numbers[k], out, x) if len(numbers) else found
                if not np.allclose(found, expected, rtol, atol, equal_nan=True):
                    raise GradcheckError(
                        f"Jacobian mismatch for output {k} with respect to input {i},\n"
                        f"numerical:{from_array(expected.reshape(-1, expected.shape[-1]).T.copy())}"
                        f"\nanalytical:{from_array(found.reshape(-1, found.shape[-1]).T.copy())}\n")
    except (GradcheckError, ValueError):
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3,
                  gen_non_contig_grad_outputs=False, raise_exception=True, nondet_tol=0.0,
                  check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
                  check_fwd_over_rev=False, check_rev_over_rev=True, fast_mode=False,
                  masked=False) -> bool:
    """The same of the gradients themselves: is the second derivative right?"""
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outs = outputs_of(func, inputs)
    if grad_outputs is None:
        seeds = [randn(*o.shape, dtype=o.dtype).requires_grad_() for o in outs]
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    count = len(inputs)

    def first(*given):
        xs = given[:count]
        with modes.enable_grad():
            results = outputs_of(func, xs)
            wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
            return grads(results, wanted, given[count:], True)

    return gradcheck(first, (*inputs, *seeds), eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception)
