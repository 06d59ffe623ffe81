"""L-BFGS: quasi-Newton steps from the differences of the last gradients. Source: Nocedal and
Wright, Numerical Optimization, chapters 3 and 7."""

from __future__ import annotations

from compat.torch.autograd import enable_grad, no_grad
from compat.torch.joining import cat
from compat.torch.optim.optimizer import RuleOptimizer


def cubic_minimum(x1, f1, g1, x2, f2, g2, bounds=None):
    """Where the cubic through two values and slopes is least, within bounds."""
    low, high = bounds or (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 ** 2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square ** 0.5
    if x1 <= x2:
        least = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        least = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(least, low), high)


def strong_wolfe(evaluate, t, d, f, g, slope, c1=1e-4, c2=0.9, tolerance_change=1e-9, max_ls=25):
    """(loss, gradient, step, evaluations) at a step that meets the strong Wolfe conditions: first
    bracket one, then zoom in. A point is (step, loss, gradient, slope along d)."""
    start, width = (0, f, g, slope), float(d.abs().max())

    def at(t):
        loss, gradient = evaluate(t)
        return t, loss, gradient.clone(), float(gradient.dot(d))

    def too_high(point):
        return point[1] > f + c1 * point[0] * slope

    def flat_enough(point):
        return abs(point[3]) <= -c2 * slope

    before, now, count, steps = start, at(t), 1, 0
    bracket = None
    while steps < max_ls and bracket is None:
        if too_high(now) or (steps > 1 and now[1] >= before[1]):
            bracket = [before, now]
        elif flat_enough(now):
            return now[1], now[2], now[0], count
        elif now[3] >= 0:
            bracket = [before, now]
        else:
            t, last = now[0], before
            bounds = t + 0.01 * (t - last[0]), t * 10
            t = cubic_minimum(last[0], last[1], last[3], t, now[1], now[3], bounds)
            before, now = now, at(t)
            count, steps = count + 1, steps + 1
    bracket = bracket or [start, now]
    stuck = False
    low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
    while steps < max_ls:
        a, b = bracket
        if abs(b[0] - a[0]) * width < tolerance_change:
            break
        t = cubic_minimum(a[0], a[1], a[3], b[0], b[1], b[3])
        ends = min(a[0], b[0]), max(a[0], b[0])
        margin = 0.1 * (ends[1] - ends[0])
        if min(ends[1] - t, t - ends[0]) < margin:  # too near an end: once is forgiven
            if stuck or t >= ends[1] or t <= ends[0]:
                t = ends[1] - margin if abs(t - ends[1]) < abs(t - ends[0]) else ends[0] + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = at(t)
        count, steps = count + 1, steps + 1
        if too_high(now) or now[1] >= bracket[low][1]:
            bracket[high] = now
            low, high = (0, 1) if bracket[0][1] <= bracket[1][1] else (1, 0)
        else:
            if flat_enough(now):
                bracket[low] = now
                break
            if now[3] * (bracket[high][0] - bracket[low][0]) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    t, loss, gradient, _ = bracket[low]
    return loss, gradient, t, count


class LBFGS(RuleOptimizer, settings="lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-7, "
                                    "tolerance_change=1e-9, history_size=100, "
                                    "line_search_fn=None"):
    """Needs a closure that computes the loss and its gradients again."""

    def _begin(self) -> None:
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        group = self.param_groups[0]
        if group["max_eval"] is None:
            group["max_eval"] = self.defaults["max_eval"] = group["max_iter"] * 5 // 4
        self._params = group["params"]

    def flat_grad(self):
        return cat([(p.new_zeros(p.shape) if p.grad is None else p.grad).reshape(-1)
                    for p in self._params])

    def move(self, t, d) -> None:
        offset = 0
        for p in self._params:
            p.add_(d[offset:offset + p.numel()].view(p.shape), alpha=t)
            offset += p.numel()

    def evaluate_at(self, closure, values, t, d):
        """(loss, gradient) at values + t d; the parameters stay where they were."""
        self.move(t, d)
        loss, gradient = float(closure()), self.flat_grad()
        for p, value in zip(self._params, values):
            p.copy_(value)
        return loss, gradient

    def newton_direction(self, gradient, state):
        """Minus the inverse Hessian times the gradient, by the two-loop recursion."""
        s_list, y_list, ro = state["old_stps"], state["old_dirs"], state["ro"]
        q, al = -gradient, {}
        for i in reversed(range(len(s_list))):
            al[i] = s_list[i].dot(q) * ro[i]
            q = q - y_list[i] * al[i]
        q = q * state["H_diag"]
        for i in range(len(s_list)):
            q = q + s_list[i] * (al[i] - y_list[i].dot(q) * ro[i])
        return q

    def remember(self, group, state, gradient) -> None:
        y, s = gradient - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y.dot(s)
        if ys > 1e-10:
            for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / ys)):
                if len(state[name]) == group["history_size"]:
                    state[name].pop(0)
                state[name].append(value)
            state["H_diag"] = ys / y.dot(y)

    def step(self, closure):
        """At most max_iter iterations, each with a line search if one was asked for."""
        with no_grad():
            return self.iterate(enable_grad()(closure), self.param_groups[0])

    def iterate(self, closure, group):
        state = self.state[self._params[0]]
        for name in ("func_evals", "n_iter"):
            state.setdefault(name, 0)
        original = closure()
        loss, evaluations = float(original), 1
        state["func_evals"] += 1
        gradient = self.flat_grad()
        if gradient.abs().max() <= group["tolerance_grad"]:
            return original
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state |= {"d": -gradient, "old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1}
            else:
                self.remember(group, state, gradient)
                state["d"] = self.newton_direction(gradient, state)
            state["prev_flat_grad"], state["prev_loss"] = gradient.clone(), loss
            d, rate = state["d"], float(group["lr"])
            t = min(1.0, 1.0 / float(gradient.abs().sum())) * rate if state["n_iter"] == 1 else rate
            state["t"] = t
            slope = float(gradient.dot(d))
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"] is not None:
                if group["line_search_fn"] != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                values = [p.clone() for p in self._params]
                loss, gradient, t, used = strong_wolfe(
                    lambda t, d=d, values=values: self.evaluate_at(closure, values, t, d),
                    t, d, loss, gradient, slope, max_ls=group["max_eval"] - evaluations)
                state["t"] = t
                self.move(t, d)
            else:
                self.move(t, d)
                if iteration != group["max_iter"]:
                    loss, gradient, used = float(closure()), self.flat_grad(), 1
            evaluations += used
            state["func_evals"] += used
            if iteration == group["max_iter"] or evaluations >= group["max_eval"] \
                    or gradient.abs().max() <= group["tolerance_grad"] \
                    or (d * t).abs().max() <= group["tolerance_change"] \
                    or abs(loss - state["prev_loss"]) < group["tolerance_change"]:
                break
        return original
