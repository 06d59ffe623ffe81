"""The text of programs against JAX's: real jaxprs, rebuilt from our parts, print the same."""

import functools
import types

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax import lax
from jax._src import core as jax_core
from jax._src import pretty_printer as jax_layout

from kernels import indexing, windows
from minigrad.core import make_aval, table
from minigrad.show.printer import Break, Nest, group, layout, pretty
from minigrad.program import Eqn, Jaxpr, Literal, Var, stage
from tests.jaxpr_programs import CASES, M, X, keep_all

# ------------------------------------------------------------------ real jaxprs in our parts

OUR_CLASSES = {
    "GatherDimensionNumbers": indexing.GatherDimensionNumbers,
    "ScatterDimensionNumbers": indexing.ScatterDimensionNumbers,
    "ConvDimensionNumbers": windows.ConvDimensionNumbers,
}


class KeyType:
    """Stands for an extended dtype such as `key<fry>`."""

    is_extended = True

    def __init__(self, name):
        self.name = name


class Converter:
    """Rebuilds a jaxpr. The same program and the same variable give the same object again."""

    def __init__(self):
        self.vars, self.jaxprs = {}, {}

    def aval(self, aval):
        dtype = aval.dtype
        if jax.dtypes.issubdtype(dtype, jax.dtypes.extended):
            dtype = key_type(str(dtype))
        return make_aval(aval.shape, dtype, aval.weak_type)

    def atom(self, atom):
        if isinstance(atom, jax_core.Literal):
            return Literal(atom.val, self.aval(atom.aval))
        if atom not in self.vars:
            self.vars[atom] = Var(self.aval(atom.aval))
        return self.vars[atom]

    def atoms(self, atoms):
        return [self.atom(a) for a in atoms]

    def jaxpr(self, jaxpr):
        if jaxpr not in self.jaxprs:
            eqns = [
                Eqn(types.SimpleNamespace(name=eqn.primitive.name,
                                          multiple_results=eqn.primitive.multiple_results),
                    self.atoms(eqn.invars), self.atoms(eqn.outvars), self.params(eqn))
                for eqn in jaxpr.eqns
            ]
            constvars, invars = self.atoms(jaxpr.constvars), self.atoms(jaxpr.invars)
            self.jaxprs[jaxpr] = Jaxpr(constvars, invars, self.atoms(jaxpr.outvars), eqns)
        return self.jaxprs[jaxpr]

    def params(self, eqn):
        params = {key: self.value(value) for key, value in eqn.params.items()}
        for key in ("jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd"):
            if key in params:
                params[key] = types.SimpleNamespace(
                    __name__=eqn.params[key].debug_info.func_name)
        if eqn.primitive.name in ("custom_jvp_call", "custom_vjp_call"):
            params["name"] = eqn.params["call_jaxpr"].jaxpr.debug_info.func_name
        return params

    def value(self, value):
        if isinstance(value, jax_core.ClosedJaxpr):
            return self.jaxpr(value.jaxpr)
        if isinstance(value, jax_core.Jaxpr):
            return self.jaxpr(value)
        if isinstance(value, lax.GatherScatterMode):
            return indexing.GatherScatterMode[value.name]
        if type(value).__name__ in OUR_CLASSES:
            return OUR_CLASSES[type(value).__name__](*value)
        if type(value) is tuple:
            return tuple(map(self.value, value))
        if isinstance(value, tuple) and any(isinstance(v, jax_core.ClosedJaxpr) for v in value):
            return type(value)(*map(self.value, value))  # custom_linear_solve names its programs
        return value


@functools.cache
def key_type(name):
    return KeyType(name)


def texts(fn, *args):
    closed = jax.make_jaxpr(fn)(*args)
    return pretty(Converter().jaxpr(closed.jaxpr)), str(closed)


# ------------------------------------------------------------------ the tests


@pytest.mark.parametrize("name", CASES)
def test_prints_as_jax(name):
    fn, *args = CASES[name]
    ours, theirs = texts(fn, *args)
    assert ours == theirs


# ------------------------------------------------------------------ the layout alone

words = st.integers(0, 30).map("x".__mul__) | st.just("σσσ") | st.just("two\nlines")
documents = st.recursive(
    words | st.sampled_from([Break(), Break(""), Break("; ")]),
    lambda inner: st.lists(inner, min_size=1, max_size=5)
    | inner.map(Nest) | st.lists(inner, min_size=1, max_size=5).map(lambda docs: group(*docs)),
    max_leaves=40,
)


def in_jax(doc):
    if isinstance(doc, str):
        return jax_layout.text(doc)
    if isinstance(doc, Break):
        return jax_layout.brk(doc.flat)
    if isinstance(doc, Nest):
        return jax_layout.nest(2, in_jax(doc.inner))
    if isinstance(doc, list):
        return jax_layout.concat([in_jax(d) for d in doc])
    return jax_layout.group(jax_layout.concat([in_jax(d) for d in doc.inner]))


@given(documents)
def test_layout_is_that_of_jax(doc):
    assert layout(doc) == in_jax(doc).format(80, use_color=False)


# ------------------------------------------------------------------ programs that we stage

AVAL = make_aval((3, 4), np.float32)
F32, I32, ONES = np.dtype(np.float32), np.dtype(np.int32), np.ones((3, 4), np.float32)
ROWS = (((1,), (1,)), ((), ()))
add, broadcast_in_dim, convert_element_type, dot_general, exp, mul, reduce_sum, reshape, sin = (
    table[name] for name in ("add", "broadcast_in_dim", "convert_element_type", "dot_general",
                             "exp", "mul", "reduce_sum", "reshape", "sin"))
STAGED = {
    "defaults": (lambda x: [mul(sin(x), x), exp(x)], lambda x: (jnp.sin(x) * x, jnp.exp(x))),
    "reduce_sum": (lambda x: [reduce_sum(x, axes=(0,))], lambda x: x.sum(0)),
    "reshape": (lambda x: [reshape(x, new_sizes=(12,))], lambda x: x.reshape(12)),
    "convert": (lambda x: [convert_element_type(x, new_dtype=I32, weak_type=False)],
                lambda x: x.astype(jnp.int32)),
    "broadcast": (lambda x: [broadcast_in_dim(x, shape=(3, 4, 2), broadcast_dimensions=(0, 1))],
                  lambda x: lax.broadcast_in_dim(x, (3, 4, 2), (0, 1))),
    "dot_general": (
        lambda x: [dot_general(x, x, dimension_numbers=ROWS, preferred_element_type=F32)],
        lambda x: lax.dot_general(x, x, ROWS, preferred_element_type=jnp.float32)),
    "literal and const": (lambda x: [add(mul(x, np.float32(2)), ONES)],
                          lambda x: x * np.float32(2) + ONES),
}


@pytest.mark.parametrize("name", STAGED)
def test_staged_programs_print_as_jax(name):
    ours, theirs = STAGED[name]
    assert str(stage(ours, [AVAL])) == str(jax.make_jaxpr(theirs)(M))


def test_text_does_not_change_by_run():
    """Addresses of functions and the order of sets are hidden."""
    closed = jax.make_jaxpr(keep_all)(X)
    assert "at 0xXXXX" in pretty(Converter().jaxpr(closed.jaxpr))


def test_sharing_is_no_exponential_search():
    program = stage(lambda x: [sin(x)], [AVAL])
    call = types.SimpleNamespace(name="jit", multiple_results=True)
    for _ in range(60):
        x, y, z = Var(AVAL), Var(AVAL), Var(AVAL)
        params = {"name": "f", "jaxpr": program}
        program = Jaxpr([], [x], [z], [Eqn(call, [x], [y], params), Eqn(call, [y], [z], params)])
    assert pretty(program).count("let f") == 60
