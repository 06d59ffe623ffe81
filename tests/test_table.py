"""The table, walked: every primitive has every rule, or stands here with the reason why not."""

from __future__ import annotations

import compat.jax.random  # adds primitives to the table, as torch's random numbers do
import compat.torch.curves  # noqa: F401
import compat.torch.random  # noqa: F401
from minigrad.core import table

INTEGERS = "its results are integers, bits or keys: nothing to differentiate"
NO_DERIVATIVE = "has no derivative in JAX either"
NO_OPERANDS = "takes no operands"
RANDOM = "a generator with a state of its own"

WITHOUT_JVP = {
    **dict.fromkeys(["clz", "population_count", "threefry2x32",
                     "rng_bit_generator", "random_bits", "random_clone", "random_fold_in",
                     "random_seed", "random_split", "random_unwrap", "random_wrap",
                     "lu_pivots_to_permutation", "reduce_and", "reduce_or", "reduce_xor"],
                    INTEGERS),
    **dict.fromkeys(["nextafter", "cholesky_update", "geqrf", "hessenberg", "householder_product",
                     "igamma_grad_a", "mulhi", "ormqr", "pmax", "pmin", "schur",
                     "symmetric_product", "tridiagonal", "zeta"], NO_DERIVATIVE),
    **dict.fromkeys(["axis_index", "empty", "iota", "iota_2x32_shape"], NO_OPERANDS),
    "torch_random": RANDOM,
}
WITHOUT_BATCH = {"axis_index": NO_OPERANDS, "iota_2x32_shape": NO_OPERANDS}
# Linear in some operand, so that a derivative of them meets their transpose.
LINEAR = {
    "add", "add_any", "all_gather", "all_to_all", "broadcast_in_dim", "complex", "concatenate",
    "cond", "conj", "conv_general_dilated", "convert_element_type", "copy", "cumsum", "custom_lin",
    "custom_linear_solve", "div", "dot_general", "dynamic_slice", "dynamic_update_slice", "fft",
    "gather", "imag", "jit", "linear_call", "mul", "neg", "pad", "ppermute", "psum", "real",
    "reduce_precision", "reduce_sum", "reduce_window_sum", "remat2", "reshape", "rev", "scan",
    "scatter", "scatter-add", "scatter-sub", "select_and_gather_add", "select_and_scatter_add",
    "select_n", "slice", "split", "squeeze", "stack", "sub", "tile", "transpose",
    "triangular_solve", "tridiagonal_solve", "unstack",
}


def lacking(rule: str, excuses) -> set[str]:
    return {name for name, p in table.items() if getattr(p, rule) is None} - set(excuses)


def test_every_primitive_computes_and_types():
    assert {name for name, p in table.items() if p.impl is None or p.abstract is None} == set()


def test_every_primitive_has_a_jvp():
    assert lacking("jvp", WITHOUT_JVP) == set()


def test_every_primitive_has_a_batching_rule():
    assert lacking("batch", WITHOUT_BATCH) == set()


def test_every_linear_primitive_has_a_transpose():
    assert {name for name in LINEAR if table[name].transpose is None} == set()


def test_excuses_are_needed():
    for rule, excuses in (("jvp", WITHOUT_JVP), ("batch", WITHOUT_BATCH)):
        needed = {name for name in table if getattr(table[name], rule) is None}
        assert set(excuses) - needed == set(), rule
