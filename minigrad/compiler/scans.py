"""Loops made smaller before they are compiled.

* What a scan's body computes from its constants alone is computed once, before the loop.
* A carry that only adds up products or sums, as the gradients of weights do, is left out: one
  product over all steps, after the loop, is the same and faster.
* Two scans over the same that run the same recurrence are one. (A training step holds the forward
  loop twice: for its results, and again, with what the backward loop needs.) That the carries are
  equal is proved by induction: they start equal, and if they are equal the body makes equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.core import table
from minigrad.program import Atom, Eqn, Jaxpr, Literal, Var
from minigrad.programs.simplify import dead_code, inline_calls, simplify


def with_better_scans(program: Jaxpr) -> Jaxpr:
    if not any(e.primitive.name == "scan" for e in program.eqns):
        return program
    return hoisted(summed_after(merged(program)))


def body_of(eqn: Eqn) -> Jaxpr:
    """The simplified body of a scan; what it has captured stays a constant."""
    body = eqn.params["jaxpr"]
    if "simplified" not in body.cache:
        body.cache["simplified"] = simplify(inline_calls(body))
    return body.cache["simplified"]


def parts(eqn: Eqn, items: Sequence, of_results: bool = False) -> list[list]:
    """Operands as (constants, carries, xs), or results as (carries, ys)."""
    n, c = eqn.params["num_consts"], eqn.params["num_carry"]
    if of_results:
        return [list(items[:c]), list(items[c:])]
    return [list(items[:n]), list(items[n:n + c]), list(items[n + c:])]


# ------------------------------------------------------------------ what the loop does not change


def hoisted(program: Jaxpr) -> Jaxpr:
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        eqns += hoist(eqn) if eqn.primitive.name == "scan" else [eqn]
    return program.replace(eqns=eqns)


def hoist(eqn: Eqn) -> list[Eqn]:
    body = turned_products(body_of(eqn), eqn.params["num_consts"])
    consts, carries, xs = parts(eqn, eqn.invars)
    const_vars, carry_vars, x_vars = parts(eqn, body.invars)
    outside: dict[Var, Atom] = dict(zip(const_vars, consts))
    before: list[Eqn] = []
    inside: list[Eqn] = []
    for e in body.eqns:
        fixed = e.invars and all(type(a) is Literal or a in outside for a in e.invars) \
            and any(type(a) is Var for a in e.invars) and not e.primitive.__dict__.get("effect")
        if not fixed:
            inside.append(e)
            continue
        made = [Var(v.aval) for v in e.outvars]
        before.append(e.replace(invars=[outside.get(a, a) if type(a) is Var else a
                                        for a in e.invars], outvars=made))
        outside.update(zip(e.outvars, made))
    if not before:
        return [eqn]
    read = {a for e in inside for a in e.invars if type(a) is Var} | set(body.outvars)
    new = [v for e in body.eqns if e not in inside for v in e.outvars if v in read]
    small = body.replace(eqns=inside, invars=const_vars + new + carry_vars + x_vars)
    params = eqn.params | {"jaxpr": small, "num_consts": len(const_vars) + len(new)}
    operands = [*consts, *(outside[v] for v in new), *carries, *xs]
    return [*before, eqn.replace(invars=operands, params=params)]


def turned_products(body: Jaxpr, n_consts: int) -> Jaxpr:
    """A constant matrix that is read along its rows is turned around, once: x @ w.T takes BLAS four
    times as long as x @ w where x has few rows."""
    fixed, eqns = set(body.invars[:n_consts]), []
    for e in body.eqns:
        if e.primitive.name == "dot_general" and e.invars[1] in fixed \
                and e.invars[1].aval.ndim == 2 \
                and e.params["dimension_numbers"][0][1] == (1,):
            w = e.invars[1]
            turned = Var(w.aval.update(shape=w.aval.shape[::-1]))
            (x_dims, _), batch = e.params["dimension_numbers"]
            eqns.append(Eqn(table["transpose"], [w], [turned], {"permutation": (1, 0)}))
            e = e.replace(invars=[e.invars[0], turned], params=e.params | {
                "dimension_numbers": ((x_dims, (0,)), batch)})
        eqns.append(e)
    return body.replace(eqns=eqns)


# ------------------------------------------------------------------ sums that can wait


def summed_after(program: Jaxpr) -> Jaxpr:
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        eqns += sums_after(eqn) if eqn.primitive.name == "scan" else [eqn]
    return program.replace(eqns=eqns)


def sums_after(eqn: Eqn) -> list[Eqn]:
    """carry + a @ b at each step is start + A @ B, where A and B hold the a and b of all steps."""
    body = body_of(eqn)
    n_consts, n_carry, length = (eqn.params[k] for k in ("num_consts", "num_carry", "length"))
    consts, carries, xs = parts(eqn, eqn.invars)
    const_vars, carry_vars, x_vars = parts(eqn, body.invars)
    carry_outs, ys = parts(eqn, body.outvars, True)
    outs_carry, outs_ys = parts(eqn, eqn.outvars, True)
    made = {v: e for e in body.eqns for v in e.outvars}
    uses: dict = {}
    for a in [a for e in body.eqns for a in e.invars] + body.outvars:
        uses[a] = uses.get(a, 0) + 1
    stacks: dict[Var, Var] = {**dict(zip(x_vars, xs)),
                              **{y: o for y, o in zip(ys, outs_ys) if type(y) is Var}}
    after: list[Eqn] = []
    dropped: set[int] = set()
    new_ys: list[Var] = []
    for k, (v, out) in enumerate(zip(carry_vars, carry_outs)):
        total = made.get(out)
        if total is None or total.primitive.name not in ("add", "add_any") or uses[v] != 1 \
                or v not in total.invars or uses[out] != 1:
            continue
        term = made.get(next((a for a in total.invars if a is not v), None))
        if term is None or uses[term.outvars[0]] != 1 or length < 2 \
                or term.primitive.name not in ("dot_general", "reduce_sum") \
                or any(a in const_vars or a in carry_vars and a is v for a in term.invars):
            continue
        if any(type(a) is not Var for a in term.invars):
            continue
        for a in term.invars:
            if a not in stacks:
                stacks[a] = Var(a.aval.update(shape=(length, *a.aval.shape)))
                new_ys.append(a)
        sum_var = Var(v.aval.strong)
        after.append(over_all_steps(term, [stacks[a] for a in term.invars], sum_var))
        after.append(Eqn(table["add_any"], [carries[k], sum_var], [outs_carry[k]], {}))
        dropped.add(k)
    if not dropped:
        return [eqn]
    kept = [k for k in range(n_carry) if k not in dropped]
    small = dead_code(body.replace(
        invars=const_vars + [carry_vars[k] for k in kept] + x_vars,
        outvars=[carry_outs[k] for k in kept] + ys + new_ys))
    loop = eqn.replace(
        invars=consts + [carries[k] for k in kept] + xs,
        outvars=[outs_carry[k] for k in kept] + outs_ys + [stacks[a] for a in new_ys],
        params=eqn.params | {"jaxpr": small, "num_consts": n_consts, "num_carry": len(kept)})
    return [loop, *after]


def over_all_steps(term: Eqn, stacks: list, out: Var) -> Eqn:
    """The sum over all steps of a product or a sum, from the stacked operands."""
    p = term.params
    if term.primitive.name == "reduce_sum":
        return term.replace(invars=stacks, outvars=[out], params=p | {
            "axes": (0, *(a + 1 for a in p["axes"]))})
    (x_sum, y_sum), (x_batch, y_batch) = p["dimension_numbers"]
    contract = tuple((0, *(d + 1 for d in dims)) for dims in (x_sum, y_sum))
    batch = tuple(tuple(d + 1 for d in dims) for dims in (x_batch, y_batch))
    return term.replace(invars=stacks, outvars=[out], params=p | {
        "dimension_numbers": (contract, batch)})


# ------------------------------------------------------------------ two scans that are one


def merged(program: Jaxpr) -> Jaxpr:
    eqns, same = list(program.eqns), {}
    k = 0
    while k < len(eqns):
        if eqns[k].primitive.name == "scan":
            defined = {*program.invars, *program.constvars,
                       *(v for e in eqns[:k] for v in e.outvars)}
            for j in range(k + 1, len(eqns)):
                found = merge(eqns[k], eqns[j], defined) \
                    if eqns[j].primitive.name == "scan" else None
                if found is not None:
                    eqns[k], outs = found
                    same.update(zip(eqns[j].outvars, outs))
                    eqns = [e.replace(invars=[same.get(a, a) if type(a) is Var else a
                                              for a in e.invars])
                            for i, e in enumerate(eqns) if i != j]
                    break
            else:
                k += 1
        else:
            k += 1
    outvars = [same.get(v, v) if type(v) is Var else v for v in program.outvars]
    return program.replace(eqns=eqns, outvars=outvars)


def merge(first: Eqn, second: Eqn, defined: set[Var]) -> tuple[Eqn, list[Var]] | None:
    """(both in one, the second's results in it), if they share a carry and the second could have
    run where the first does."""
    p, q = first.params, second.params
    if p["length"] != q["length"] or p["reverse"] != q["reverse"] \
            or any(type(a) is Var and a not in defined for a in second.invars):
        return None
    one, two = body_of(first), body_of(second)
    if one.consts or two.consts:
        return None
    consts, carries, xs = parts(first, first.invars)
    consts2, carries2, xs2 = parts(second, second.invars)
    const_vars, carry_vars, x_vars = parts(first, one.invars)
    const_vars2, carry_vars2, x_vars2 = parts(second, two.invars)
    env: dict[Var, Atom] = {}
    share(env, consts, const_vars, consts2, const_vars2)
    share(env, xs, x_vars, xs2, x_vars2)
    equal = {}  # carry of the second -> that of the first
    for j, (init, v) in enumerate(zip(carries2, carry_vars2)):
        for i, (other, w) in enumerate(zip(carries, carry_vars)):
            if same_atom(init, other) and v.aval is w.aval and i not in equal.values():
                equal[j] = i
                break
    while equal:
        now = dict(env)
        alone = [j for j in range(len(carries2)) if j not in equal]
        new_vars = {j: Var(carry_vars2[j].aval) for j in alone}
        now.update((carry_vars2[j], carry_vars[equal[j]] if j in equal else new_vars[j])
                   for j in range(len(carries2)))
        carry_outs, ys = parts(first, one.outvars, True)
        eqns2, outs2 = renamed(two, now)
        carry_outs2, ys2 = parts(second, outs2, True)
        body = simplify(one.replace(
            invars=const_vars + carry_vars + [new_vars[j] for j in alone] + x_vars,
            eqns=one.eqns + eqns2,
            outvars=carry_outs + carry_outs2 + ys + ys2))
        found = body.outvars
        n, m = len(carry_outs), len(carry_outs2)
        wrong = [j for j, i in equal.items() if not same_atom(found[n + j], found[i])]
        if not wrong:
            break
        for j in wrong:
            del equal[j]
    else:
        return None
    kept = [j for j in range(m) if j not in equal]
    ys_found, ys2_found = found[n + m:n + m + len(ys)], found[n + m + len(ys):]
    new_ys = [k for k, y in enumerate(ys2_found) if y not in ys_found]
    body = body.replace(outvars=[*found[:n], *(found[n + j] for j in kept), *ys_found,
                                 *(ys2_found[k] for k in new_ys)])
    _, outs = parts(first, first.outvars, True)
    outs_carry = first.outvars[:n]
    extra_carry = [second.outvars[j] for j in kept]
    extra_ys = [second.outvars[m + k] for k in new_ys]
    answers: list[Var] = [outs_carry[equal[j]] if j in equal else second.outvars[j]
                          for j in range(m)]
    answers += [second.outvars[m + k] if k in new_ys else outs[ys_found.index(y)]
                for k, y in enumerate(ys2_found)]
    eqn = first.replace(
        invars=[*consts, *carries, *(carries2[j] for j in kept), *xs],
        outvars=[*outs_carry, *extra_carry, *outs, *extra_ys],
        params=p | {"jaxpr": body, "num_consts": len(consts),
                    "num_carry": n + len(kept)})
    return eqn, answers


def share(env: dict, atoms: list, variables: list, atoms2: list, variables2: list) -> None:
    """Operands of the second beside those of the first, each once; `env` renames its variables."""
    for a, v in zip(atoms2, variables2):
        for b, w in zip(atoms, variables):
            if same_atom(a, b) and v.aval is w.aval:
                env[v] = w
                break
        else:
            atoms.append(a)
            new = Var(v.aval)
            variables.append(new)
            env[v] = new


def same_atom(a: Atom, b: Atom) -> bool:
    if type(a) is Literal and type(b) is Literal:
        return a.aval is b.aval and a.value.tobytes() == b.value.tobytes()
    return a is b


def renamed(body: Jaxpr, env: dict[Var, Atom]) -> tuple[list[Eqn], list[Atom]]:
    """The equations with other variables."""
    env, eqns = dict(env), []
    for e in body.eqns:
        outs = [Var(v.aval) for v in e.outvars]
        eqns.append(e.replace(invars=[env.get(a, a) if type(a) is Var else a for a in e.invars],
                              outvars=outs))
        env.update(zip(e.outvars, outs))
    return eqns, [env.get(v, v) if type(v) is Var else v for v in body.outvars]
