"""Kernels of equations that are loops of their own: scatters, and running sums."""

from __future__ import annotations

import math

from minigrad.compiler.computed import COMBINE, clamped, known_dtypes, mode_of
from minigrad.compiler.index import Index, axis, flatten
from minigrad.compiler.nest import Kernel, indent
from minigrad.compiler.scalar import subset_dtype
from minigrad.program import Eqn

SHARED = 1 << 16  # element operations from which a scatter's windows are shared between threads


def scatter_kernel(eqn: Eqn) -> Kernel | None:
    """Write the updates into the result, which holds the operand already, one after another. The
    window's last axis is shared out, so that the order at each place is that of the updates."""
    x, indices, updates = eqn.invars
    (out,) = eqn.outvars
    dtype = subset_dtype(out.aval.dtype)
    if not known_dtypes(eqn) or dtype in ("f16", "bf16", "bool"):
        return None
    n = eqn.params["dimension_numbers"]
    count = len(n.scatter_dims_to_operand_dims)
    shape = updates.aval.shape
    batch = [d for d in range(len(shape)) if d not in n.update_window_dims]
    dropped = (*n.inserted_window_dims, *n.operand_batching_dims)
    kept = [d for d in range(x.aval.ndim) if d not in dropped]
    names = {d: f"b{k}" for k, d in enumerate(batch)}
    names |= {d: f"w{k}" for k, d in enumerate(n.update_window_dims)}
    at_update = [axis(names[d]) for d in range(len(shape))]
    place = [Index({})] * x.aval.ndim
    for d, w in zip(kept, n.update_window_dims):
        place[d] = axis(names[w])
    for d, b in zip(n.operand_batching_dims, n.scatter_indices_batching_dims):
        place[d] = axis(names[batch[b]])
    reads, tests = [], []
    for k, d in enumerate(n.scatter_dims_to_operand_dims):
        size = 1 if d in dropped else shape[n.update_window_dims[kept.index(d)]]
        limit = x.aval.shape[d] - size
        where = flatten([*(axis(names[b]) for b in batch), Index({}, k)],
                        [*(shape[b] for b in batch), count]).text()
        text = f"i64(a1[{where}])" if subset_dtype(indices.aval.dtype) != "i64" else f"a1[{where}]"
        if mode_of(eqn) == "CLIP":
            text = clamped(text, limit)
        else:
            tests.append(f"(s{k} >= 0) & (s{k} <= {limit})")
        reads.append(f"s{k} = {text}")
        place[d] = place[d] + axis(f"s{k}")
    target = f"a0[{flatten(place, x.aval.shape).text()}]"
    update = f"a2[{flatten(at_update, shape).text()}]"
    lines = [f"{target} = {COMBINE[eqn.primitive.name].format(x=target, u=update)}"]
    extent, grain = 1, 1
    for k, d in reversed(list(enumerate(n.update_window_dims))):
        last = k == len(n.update_window_dims) - 1
        if last:
            extent = shape[d]
            grain = extent if math.prod(shape) < SHARED else max(16, -(-extent // 8))
        lines = [f"for w{k} in range({'start, stop' if last else shape[d]}):", *indent(lines)]
    if tests:
        lines = [f"if {' & '.join(tests)}:", *indent(lines)]
    lines = reads + lines
    for k, d in reversed(list(enumerate(batch))):
        lines = [f"for b{k} in range({shape[d]}):", *indent(lines)]
    types = [f"{subset_dtype(v.aval.dtype)}* restrict" for v in (out, indices, updates)]
    name = f"{eqn.primitive.name}_{'x'.join(map(str, shape))}".replace("-", "_")
    return Kernel(name, [out, indices, updates], types, lines, extent, grain)


RUNNING = {"cumsum": "{} + {}", "cumprod": "{} * {}", "cummax": "maximum({}, {})",
           "cummin": "minimum({}, {})"}


def running_kernel(eqn: Eqn) -> Kernel | None:
    """out[o, t, i] = out[o, t - 1, i] + x[o, t, i]"""
    (x,), (out,) = eqn.invars, eqn.outvars
    dtype = subset_dtype(x.aval.dtype)
    if not known_dtypes(eqn) or dtype in ("f16", "bf16", "bool") or x.aval.dtype != out.aval.dtype:
        return None
    shape, k = x.aval.shape, eqn.params["axis"]
    outer, n, inner = math.prod(shape[:k]), shape[k], math.prod(shape[k + 1:])
    first = f"o * {n * inner}"
    if eqn.params["reverse"]:
        first += f" + {(n - 1) * inner}"
    step = -inner if eqn.params["reverse"] else inner
    lines, combine = [f"first = {first}"], RUNNING[eqn.primitive.name]
    if inner == 1:
        now = f"first + t * {step}"
        lines += ["total = a0[first]", "a1[first] = total", f"for t in range(1, {n}):",
                  f"    total = {combine.format('total', f'a0[{now}]')}",
                  f"    a1[{now}] = total"]
    else:
        now, before = f"first + t * {step} + i", f"first + (t - 1) * {step} + i"
        value = combine.format(f"a1[{before}]", f"a0[{now}]")
        lines += [f"for i in range({inner}):", "    a1[first + i] = a0[first + i]",
                  f"for t in range(1, {n}):", f"    for i in range({inner}):",
                  f"        a1[{now}] = {value}"]
    lines = ["for o in range(start, stop):", *indent(lines)]
    types = [f"{dtype}* restrict"] * 2
    name = f"{eqn.primitive.name}_{'x'.join(map(str, shape))}"
    return Kernel(name, [x, out], types, lines, outer, max(1, (1 << 13) // (n * inner)))
