"""Programs of the real JAX, run by minigrad.

`from_jax(fn)` traces `fn` with the real JAX and translates the program, equation by equation: a
primitive is looked up in the table by its name, its parameters are carried over. What comes back
takes this package's arrays and tracers, so `compat.jax.grad`, `vmap` and `jit` of it work:

    import jax.numpy as jnp
    import compat.jax
    slope = compat.jax.grad(compat.from_jax(lambda x: jnp.sin(x).sum()))

Models and optimizers written for JAX (Flax, Haiku, Equinox, Optax) come in this way.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax._src import tree_util
from jax.extend import core as jax_core
from jax.extend.source_info_util import register_exclusion, summarize

from compat.jax import lax
from compat.jax.array import Array, canonical_dtype
from compat.jax.jitting import ShapeDtypeStruct, make_jaxpr
from kernels.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from kernels.windows import ConvDimensionNumbers
from minigrad import core
from minigrad.core import PYTHON_SCALARS, Aval, Literal, Tensor, aval_of, box, make_aval
from minigrad.forward import FLOAT0, is_differentiable
from minigrad.numpy import keys
from minigrad.ops.calls import jit_p
from minigrad.ops.decompositions import SvdAlgorithm
from minigrad.ops.elementwise import RoundingMethod
from minigrad.ops.families import instantiate
from minigrad.ops.fft import FftType
from minigrad.ops.generators import RandomAlgorithm
from minigrad.ops.solves import LinearSolve
from minigrad.program import Eqn, Jaxpr, Var, eval_jaxpr
from minigrad.tree import register_foreign

register_exclusion(__file__)  # the line that an error names is the user's


def real_jax_container(kind: type) -> tuple[Callable, Callable] | None:
    """How the real JAX takes a class apart, so that `compat.jax.grad` of a function of Equinox
    modules, say, knows their leaves."""
    if kind not in tree_util._registry:
        return None
    return (lambda tree: jax.tree.flatten(tree, is_leaf=lambda x: x is not tree),
            lambda treedef, children: jax.tree.unflatten(treedef, children))


register_foreign(real_jax_container)

# ------------------------------------------------------------------ the way in


def from_jax(fn: Callable) -> Callable:
    """`fn`, written for the real JAX, as a function of this package's arrays and tracers.

    Arguments and results are pytrees, as the real JAX understands them; leaves that are no arrays
    or numbers (strings, functions) are passed to `fn` as they are. `fn` is traced anew for each
    structure, shapes and dtypes. Raises NotImplementedError for a primitive that the table lacks,
    naming it and the line that uses it.
    """
    programs: dict = {}

    @functools.wraps(fn)
    def imported(*args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs))
        dynamic = [is_array(x) for x in leaves]
        wide = core.config.x64 or bool(jax.config.jax_enable_x64)
        arrays = [as_operand(x, wide) for x, d in zip(leaves, dynamic) if d]
        fixed = tuple(None if d else x for x, d in zip(leaves, dynamic))
        key = tree, tuple(dynamic), tuple(map(aval_of, arrays)), wide, *map(hashable, fixed)
        if key not in programs:
            made = trace(fn, tree, dynamic, fixed, [aval_of(x) for x in arrays], wide)
            programs[key] = *made, fixed  # kept, so that no other leaf gets the id of one of them
        program, out_tree, _ = programs[key]
        outs = jit_p(*arrays, jaxpr=program, name=getattr(fn, "__name__", "imported"))
        return jax.tree.unflatten(out_tree, [box(x, Array) for x in outs])

    return imported


def trace(fn: Callable, tree, dynamic: Sequence[bool], fixed: Sequence, avals: Sequence[Aval],
          wide: bool) -> tuple[Jaxpr, Any]:
    """(program, structure of the result) of `fn` for operands of these types."""
    out_tree = None

    def flat(*arrays):
        nonlocal out_tree
        given = iter(arrays)
        args, kwargs = jax.tree.unflatten(
            tree, [next(given) if d else x for d, x in zip(dynamic, fixed)])
        outs, out_tree = jax.tree.flatten(fn(*args, **kwargs))
        return outs

    with jax.enable_x64(wide):
        closed = jax.make_jaxpr(flat)(*map(to_jax_type, avals))
    return Translation(wide).closed(closed), out_tree


def is_array(x) -> bool:
    return isinstance(x, (Tensor, np.ndarray, np.generic, jax.Array, *PYTHON_SCALARS)) \
        or hasattr(x, "__jax_array__")


def hashable(x):
    """Something that tells apart the leaves that are no arrays."""
    try:
        hash(x)
    except TypeError:
        return id(x)
    return x


def as_operand(x, wide: bool):
    """A leaf as an Array: the real JAX's numbers and keys included."""
    if isinstance(x, Tensor):
        return x
    if hasattr(x, "__jax_array__"):
        x = x.__jax_array__()
    if type(x) in PYTHON_SCALARS:
        kind = np.result_type(type(x)) if wide else canonical_dtype(np.result_type(type(x)))
        return typed(np.asarray(x, kind)[()], make_aval((), kind, type(x) is not bool))
    weak = bool(getattr(x, "weak_type", False))
    value = to_numpy(x)
    if not wide:
        value = Array.canonical(value)
    return typed(value, make_aval(value.shape, value.dtype, weak))


def typed(value, aval: Aval) -> Array:
    return core.make_box(Array, value, core.make_spec(aval))


def to_numpy(x):
    """An array of the real JAX as NumPy's; its typed keys as this package's."""
    if isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
        return keys.as_keys(np.asarray(jax.random.key_data(x)))
    return np.asarray(x)


# ------------------------------------------------------------------ types


def to_jax_type(aval: Aval) -> jax.ShapeDtypeStruct:
    dtype = aval.dtype
    if dtype == keys.KEY:
        dtype = jax.eval_shape(lambda: jax.random.key(0)).dtype
    return jax.ShapeDtypeStruct(aval.shape, dtype, weak_type=aval.weak_type)


def dtype_from_jax(dtype) -> np.dtype:
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return keys.KEY
    return FLOAT0 if dtype == jax.dtypes.float0 else np.dtype(dtype)


def aval_from_jax(aval) -> Aval:
    return make_aval(tuple(aval.shape), dtype_from_jax(aval.dtype),
                     bool(getattr(aval, "weak_type", False)))


# ------------------------------------------------------------------ parameters

ENUMS: dict[str, type[enum.Enum]] = {
    cls.__name__: cls for cls in (GatherScatterMode, RandomAlgorithm, RoundingMethod,
                             FftType, SvdAlgorithm)}
RECORDS: dict[str, Callable] = {
    "GatherDimensionNumbers": GatherDimensionNumbers, "_LinearSolveTuple": LinearSolve,
    "ScatterDimensionNumbers": ScatterDimensionNumbers,
    "ConvDimensionNumbers": ConvDimensionNumbers}
# Where arrays lie and how exactly XLA is asked to compute: nothing here depends on it.
LEFT_OUT = {"sharding", "out_sharding", "precision", "accuracy", "in_shardings", "out_shardings",
            "in_layouts", "out_layouts", "donated_invars", "ctx_mesh", "keep_unused", "inline",
            "compiler_options_kvs", "linear", "_split_transpose", "computation", "out_trees"}
# Equations that hand their operands on: to another device, through a barrier, under a name.
IDENTITIES = {"device_put", "optimization_barrier", "sharding_constraint", "layout_constraint",
              "name", "pvary", "reshard", "copy_p", "with_memory_space_constraint",
              "dce_sink", "pin", "unpin", "tie"}
POSITIONAL = {"psum": "reduce_sum", "pmax": "reduce_max", "pmin": "reduce_min"}
# Calls of a program; what they are called for (compiling, batching, exporting) is JAX's own.
CALLS = {"jit", "pjit", "closed_call", "call", "core_call", "custom_vmap_call", "composite",
         "custom_partitioning", "custom_jvp_call_jaxpr", "run_state"}


class Translation:
    """From one traced function: programs by identity, so that what JAX shares stays shared."""

    def __init__(self, wide: bool):
        self.wide = wide
        self.programs: dict[int, tuple[Any, Jaxpr]] = {}

    # -------------------------------------------------------------- programs

    def closed(self, closed) -> Jaxpr:
        return self.program(closed.jaxpr, closed.consts, closed)

    def program(self, jaxpr, consts: Sequence = (), key=None) -> Jaxpr:
        key = jaxpr if key is None else key
        if id(key) in self.programs:
            return self.programs[id(key)][1]
        env: dict = {}
        constvars, invars = ([self.new_var(v, env) for v in group]
                             for group in (jaxpr.constvars, jaxpr.invars))
        eqns: list[Eqn] = []
        for eqn in jaxpr.eqns:
            self.equation(eqn, env, eqns)
        outs = [self.read(v, env) for v in jaxpr.outvars]
        program = Jaxpr(constvars, invars, outs, eqns, [to_numpy(c) for c in consts])
        self.programs[id(key)] = key, program  # the key is kept, so that its id stays its own
        return program

    def new_var(self, var, env: dict) -> Var:
        env[var] = Var(aval_from_jax(var.aval))
        return env[var]

    def read(self, atom, env: dict):
        if isinstance(atom, jax_core.Literal):
            aval = aval_from_jax(atom.aval)
            return Literal(np.asarray(atom.val, aval.dtype)[()], aval)
        return env[atom]

    def equation(self, eqn, env: dict, eqns: list[Eqn]) -> None:
        name = eqn.primitive.name
        operands = [self.read(a, env) for a in eqn.invars]
        if name in IDENTITIES:
            env.update(zip(eqn.outvars, operands))
            return
        if name == "platform_index":
            env[eqn.outvars[0]] = this_platform(eqn.params["platforms"])
            return
        if name in POSITIONAL:  # what a mapped psum leaves: a sum over axes of the array
            axes = eqn.params["axes"]
            for operand, var in zip(operands, eqn.outvars):
                primitive = core.table[POSITIONAL[name]]
                eqns.append(Eqn(primitive, [operand], [self.new_var(var, env)],
                                {**primitive.defaults, "axes": axes}))
            return
        source = summarize(eqn.source_info)
        rule = RULES.get(name)
        if name in CALLS:
            rule = call
        if rule is None and name not in core.table:
            raise NotImplementedError(
                f"from_jax: minigrad's table has no primitive '{name}', which is used at "
                f"{source}")
        params = {k: v for k, v in eqn.params.items() if k not in LEFT_OUT}
        name, params = rule(self, eqn, params) if rule else (name, self.params(params))
        outvars = [self.new_var(v, env) for v in eqn.outvars]
        primitive = core.table[name]
        eqns.append(Eqn(primitive, operands, outvars, {**primitive.defaults, **params}, source))

    # -------------------------------------------------------------- parameters

    def params(self, params: dict) -> dict:
        return {k: self.param(v) for k, v in params.items()}

    def param(self, value):
        if isinstance(value, jax_core.ClosedJaxpr):
            return self.closed(value)
        if isinstance(value, jax_core.Jaxpr):
            return self.program(value)
        if isinstance(value, jax_core.Primitive):
            return core.table[value.name]
        if isinstance(value, enum.Enum) and type(value).__name__ in ENUMS:
            return ENUMS[type(value).__name__][value.name]
        if type(value).__name__ in RECORDS:
            return RECORDS[type(value).__name__](*map(self.param, value))
        if isinstance(value, (tuple, list)):
            return tuple(map(self.param, value))
        if isinstance(value, np.integer):
            return int(value)
        if isinstance(value, jax.Array):
            return np.asarray(value)
        return value


def this_platform(platforms: Sequence) -> Literal:
    """Which branch of `lax.platform_dependent` is meant for the CPU, or for any platform."""
    index = next(i for i, names in enumerate(platforms) if names is None or "cpu" in names)
    return Literal(np.int32(index), make_aval((), np.int32))


# ------------------------------------------------------------------ equations that differ


def call(translation: Translation, eqn, params: dict):
    body = next(v for k, v in params.items() if k in ("jaxpr", "call_jaxpr", "call"))
    name = str(params.get("name", eqn.primitive.name))
    return "jit", {"jaxpr": translation.param(body), "name": name}


def remat(translation: Translation, eqn, params: dict):
    return "remat2", {**translation.params(params), "policy": None}


def with_fry(translation: Translation, eqn, params: dict):
    """Threefry is the one generator here."""
    impl = params.pop("impl")
    if repr(impl) not in ("fry", "PRNGImpl('threefry2x32', 'fry')") and impl.tag != "fry":
        raise NotImplementedError(f"from_jax: random keys of the implementation {impl}")
    return eqn.primitive.name, {**translation.params(params), "impl": keys.FRY}


def custom_jvp(translation: Translation, eqn, params: dict):
    program, num_consts = translation.param(params["call_jaxpr"]), params["num_consts"]
    thunk = params["jvp_jaxpr_fun"]
    own = program.in_avals[num_consts:]
    zeros = [not is_differentiable(a) for a in own]

    @functools.cache
    def rule_program():
        with jax.enable_x64(translation.wide):
            jaxpr, consts, out_zeros = thunk.call_wrapped(*zeros)
        return Translation(translation.wide).program(jaxpr, consts), out_zeros

    def rule(primals, tangents):
        rule_jaxpr, out_zeros = rule_program()
        given = [t for t, zero in zip(tangents, zeros) if not zero]
        outs = eval_jaxpr(rule_jaxpr, *primals, *given)
        n = len(out_zeros)
        found = iter(outs[n:])
        return outs[:n], [instantiate(None if zero else next(found), out)
                          for out, zero in zip(outs, out_zeros)]

    return "custom_jvp_call", {
        "call_jaxpr": program, "jvp_jaxpr_fun": named(rule, thunk), "num_consts": num_consts,
        "symbolic_zeros": False, "name": thunk.debug_info.func_name}


def named(function: Callable, thunk) -> Callable:
    function.__name__ = str(thunk.debug_info.func_name)
    return function


def custom_vjp(translation: Translation, eqn, params: dict):
    """`fwd` and `bwd` are traced when a derivative first asks for them."""
    program, num_consts = translation.param(params["call_jaxpr"]), params["num_consts"]
    forward, backward = params["fwd_jaxpr_thunk"], params["bwd"]
    own = program.in_avals[num_consts:]
    wanted = [is_differentiable(a) for a in own]

    @functools.cache
    def fwd_program():
        with jax.enable_x64(translation.wide):
            jaxpr, consts = forward.call_wrapped(*[True] * len(own))
        return Translation(translation.wide).program(jaxpr, consts)

    def fwd(primals):
        outs = eval_jaxpr(fwd_program(), *primals)
        _, _, forwarded = eqn.params["out_trees"]()  # residuals that are operands are not returned
        made = iter(outs)
        res = [next(made) if i is None else primals[i - num_consts] for i in forwarded]
        n_made = sum(i is None for i in forwarded)
        return [box(o, Array) for o in outs[n_made:]], [box(r, Array) for r in res]

    bwd_programs: dict = {}

    def bwd(res, cts):
        avals = tuple(aval_of(x) for x in (*res, *cts))
        if avals not in bwd_programs:
            bwd_programs[avals] = trace_backward(backward, avals, translation.wide)
        bwd_jaxpr, is_zero = bwd_programs[avals]
        found = iter(eval_jaxpr(bwd_jaxpr, *res, *cts))
        grads = [None if zero else next(found) for zero in is_zero]
        return [box(instantiate(g, core.Linear(a)), Array) if w else None
                for g, a, w in zip(grads, own, wanted)]

    return "custom_vjp_call", {
        "call_jaxpr": program, "fwd_jaxpr_thunk": named(fwd, forward), "bwd": named(bwd, backward),
        "num_consts": num_consts, "symbolic_zeros": False, "name": backward.debug_info.func_name}


def trace_backward(backward, avals: Sequence[Aval], wide: bool) -> tuple[Jaxpr, list[bool]]:
    """The program of a user's backward, and which of its results are symbolic zeros."""
    is_zero: list[bool] = []

    def flat(*args):
        grads = backward.call_wrapped(*args)
        is_zero[:] = [not hasattr(g, "dtype") for g in grads]
        return [g for g, zero in zip(grads, is_zero) if not zero]

    with jax.enable_x64(wide):
        closed = jax.make_jaxpr(flat)(*(to_jax_type(a.strong) for a in avals))
    return Translation(wide).closed(closed), is_zero


def linear_call(translation: Translation, eqn, params: dict):
    callee = translation.param(params["callee"])
    thunk = params["transpose_thunk"]

    @functools.cache
    def transpose_thunk():
        with jax.enable_x64(translation.wide):
            closed, consts = thunk()
        return Translation(translation.wide).closed(closed), [to_numpy(c) for c in consts]

    return "linear_call", {"callee": callee, "transpose_thunk": transpose_thunk,
                           "num_callee_consts": params["num_callee_consts"],
                           "num_res": params["num_res"]}


def debug_callback(translation: Translation, eqn, params: dict):
    """The user's function, called for what it does."""
    function = params["callback"]
    return "debug_callback", {"callback": lambda *args: function(*args) or [], "result_avals": ()}


def debug_print(translation: Translation, eqn, params: dict):
    tree, text = params["in_tree"], params["fmt"]

    def show(*leaves):
        args, kwargs = jax.tree.unflatten(tree, leaves)
        print(text.format(*args, **kwargs))
        return []

    return "debug_callback", {"callback": show, "result_avals": ()}


def composed(function: Callable) -> Callable:
    """The rule of a primitive of JAX's that is a function of others here."""

    def rule(translation: Translation, eqn, params: dict):
        types = [ShapeDtypeStruct(v.aval.shape, dtype_from_jax(v.aval.dtype)) for v in eqn.invars]
        program = make_jaxpr(functools.partial(function, **translation.params(params)))(*types)
        return "jit", {"jaxpr": program, "name": eqn.primitive.name}

    return rule


RULES: dict[str, Callable] = {
    "ragged_dot_general": composed(lax.ragged_dot_general),
    "debug_callback": debug_callback, "debug_print": debug_print,
    "remat2": remat, "checkpoint": remat, "custom_jvp_call": custom_jvp,
    "custom_vjp_call": custom_vjp, "random_seed": with_fry, "random_wrap": with_fry,
    "linear_call": linear_call,
}


__all__ = ["Translation", "from_jax"]
