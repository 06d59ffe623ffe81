"""The algorithms: what one step makes of a parameter, its gradient and its state.

A rule is written on Tensors as a paper would write it and becomes one operation, so that eager code
runs it as one generated function and a compiled step stages it. Its parameters are `param`, `grad`,
`rate`, then the state by name (None where a setting makes it unnecessary), then settings of the
parameter group by name. It returns the new parameter and the new state in the same order.
"""

from __future__ import annotations

import math

from compat.torch.dtypes import bfloat16, finfo
from compat.torch.selecting import where

# ------------------------------------------------------------------ building blocks


def direction(param, grad, weight_decay, maximize):
    """The gradient to follow downwards, with the decay of the weight in it."""
    grad = -grad if maximize else grad
    return grad + param * weight_decay if weight_decay else grad


def decoupled(param, grad, rate, weight_decay, decoupled_weight_decay, maximize):
    """(param, grad), where the decay shrinks the parameter itself if it is decoupled."""
    if decoupled_weight_decay:
        return param * (1 - rate * weight_decay), direction(param, grad, 0, maximize)
    return param, direction(param, grad, weight_decay, maximize)


def towards(old, new, share):
    """old, moved a share of the way to new."""
    return old + (new - old) * share


def mean_square(old, grad, beta):
    return old * beta + grad * grad * (1 - beta)


def present(*values):
    return tuple(v for v in values if v is not None)


# ------------------------------------------------------------------ rules


def sgd(param, grad, rate, momentum_buffer=None, momentum=0, dampening=0, weight_decay=0,
        nesterov=False, maximize=False):
    """With momentum: Sutskever et al. (2013). The first gradient is the first momentum."""
    grad = direction(param, grad, weight_decay, maximize)
    if not momentum:
        return (param - grad * rate,)
    buffer = grad.clone() if momentum_buffer is None else \
        momentum_buffer * momentum + grad * (1 - dampening)
    return param - (grad + buffer * momentum if nesterov else buffer) * rate, buffer


def adam(param, grad, rate, step, exp_avg, exp_avg_sq, max_exp_avg_sq=None, betas=(0.9, 0.999),
         eps=1e-8, weight_decay=0, decoupled_weight_decay=False, maximize=False):
    """Kingma and Ba (2015); decoupled decay: Loshchilov and Hutter (2019)."""
    step = step + 1
    decay = decoupled_weight_decay and weight_decay
    param, grad = decoupled(param, grad, rate, weight_decay, decay, maximize)
    exp_avg = towards(exp_avg, grad, 1 - betas[0])
    exp_avg_sq = second = mean_square(exp_avg_sq, grad, betas[1])
    if max_exp_avg_sq is not None:
        max_exp_avg_sq = second = max_exp_avg_sq.maximum(exp_avg_sq)
    correction1, correction2 = (1 - beta ** step.double() for beta in betas)
    root = second.sqrt() / correction2.sqrt() + eps
    return present(param - exp_avg / root * (rate / correction1), step, exp_avg, exp_avg_sq,
                   max_exp_avg_sq)


def adadelta(param, grad, rate, step, square_avg, acc_delta, rho, eps, weight_decay, maximize):
    """Zeiler (2012)."""
    grad = direction(param, grad, weight_decay, maximize)
    square_avg = mean_square(square_avg, grad, rho)
    delta = (acc_delta + eps).sqrt() / (square_avg + eps).sqrt() * grad
    return param - delta * rate, step + 1, square_avg, mean_square(acc_delta, delta, rho)


def adagrad(param, grad, rate, step, sum, lr_decay, eps, weight_decay, maximize):
    """Duchi, Hazan and Singer (2011)."""
    grad = direction(param, grad, weight_decay, maximize)
    sum = sum + grad * grad
    size = rate / (1 + step.double() * lr_decay)
    return param - grad / (sum.sqrt() + eps) * size, step + 1, sum


def adamax(param, grad, rate, step, exp_avg, exp_inf, betas, eps, weight_decay, maximize):
    """Kingma and Ba (2015), with the infinity norm."""
    grad, step = direction(param, grad, weight_decay, maximize), step + 1
    exp_avg = towards(exp_avg, grad, 1 - betas[0])
    exp_inf = (exp_inf * betas[1]).maximum(grad.abs() + eps)
    size = rate / (1 - betas[0] ** step.double())
    return param - exp_avg / exp_inf * size, step, exp_avg, exp_inf


def asgd(param, grad, rate, step, eta, mu, ax, lambd, alpha, t0, weight_decay, maximize):
    """Polyak and Juditsky (1992): the average of the way is kept beside it."""
    grad, step = direction(param, grad, weight_decay, maximize), step + 1
    time = step.double()
    param = param * (1 - eta.double() * lambd) - grad * eta
    ax = where(mu == 1, param, ax + (param - ax) * mu)
    eta = (rate / (1 + time * rate * lambd) ** alpha).to(eta.dtype)
    return param, step, eta, (1 / (time - t0).clamp(min=1)).to(mu.dtype), ax


def nadam(param, grad, rate, step, mu_product, exp_avg, exp_avg_sq, betas, eps, weight_decay,
          momentum_decay, decoupled_weight_decay, maximize):
    """Adam with Nesterov's momentum. Source: Dozat (2016)."""
    step = step + 1
    param, grad = decoupled(param, grad, rate, weight_decay, decoupled_weight_decay, maximize)
    time = step.double()
    mu, mu_next = (betas[0] * (1.0 - 0.5 * 0.96 ** (t * momentum_decay)) for t in (time, time + 1))
    mu_product = mu_product * mu
    exp_avg = towards(exp_avg, grad, 1 - betas[0])
    exp_avg_sq = mean_square(exp_avg_sq, grad, betas[1])
    root = (exp_avg_sq / (1 - betas[1] ** time)).sqrt() + eps
    product = mu_product.double()
    param = param - grad / root * (rate * (1 - mu) / (1 - product))
    param = param - exp_avg / root * (rate * mu_next / (1 - product * mu_next))
    return param, step, mu_product, exp_avg, exp_avg_sq


def radam(param, grad, rate, step, exp_avg, exp_avg_sq, betas, eps, weight_decay,
          decoupled_weight_decay, maximize):
    """Adam whose rate is rectified while its variance is unknown. Source: Liu et al. (2020)."""
    step = step + 1
    param, grad = decoupled(param, grad, rate, weight_decay, decoupled_weight_decay, maximize)
    exp_avg = towards(exp_avg, grad, 1 - betas[0])
    exp_avg_sq = mean_square(exp_avg_sq, grad, betas[1])
    time, longest = step.double(), 2 / (1 - betas[1]) - 1
    correction1, correction2 = 1 - betas[0] ** time, 1 - betas[1] ** time
    length = longest - 2 * time * betas[1] ** time / correction2
    rectified = ((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
                 ).clamp(min=0).sqrt()
    adaptive = correction2.sqrt() / (exp_avg_sq.sqrt() + eps) * rectified
    move = exp_avg / correction1 * rate * where(length > 5.0, adaptive, 1.0)
    return param - move, step, exp_avg, exp_avg_sq


def rmsprop(param, grad, rate, step, square_avg, momentum_buffer=None, grad_avg=None, alpha=0.99,
            eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False):
    """Tieleman and Hinton (2012); centered: Graves (2013)."""
    grad = direction(param, grad, weight_decay, maximize)
    square_avg = mean_square(square_avg, grad, alpha)
    variance = square_avg
    if centered:
        grad_avg = towards(grad_avg, grad, 1 - alpha)
        variance = square_avg - grad_avg * grad_avg
    move = grad / (variance.sqrt() + eps)
    if momentum > 0:
        move = momentum_buffer = momentum_buffer * momentum + move
    return present(param - move * rate, step + 1, square_avg, momentum_buffer, grad_avg)


def rprop(param, grad, rate, step, prev, step_size, etas, step_sizes, maximize):
    """Riedmiller and Braun (1993): only the signs of the gradients count."""
    grad = -grad if maximize else grad
    agreement = grad * prev
    factor = where(agreement > 0, etas[1], where(agreement < 0, etas[0], 1.0)).to(grad.dtype)
    step_size = (step_size * factor).clamp(step_sizes[0], step_sizes[1])
    grad = grad.masked_fill(agreement < 0, 0)
    return param - grad.sign() * step_size, step + 1, grad, step_size


def adafactor(param, grad, rate, step, row_var=None, col_var=None, variance=None, beta2_decay=-0.8,
              eps=(None, 1e-3), d=1.0, weight_decay=0.0, maximize=False):
    """Shazeer and Stern (2018): second moments by row and by column."""
    grad, step = direction(param, grad, 0, maximize), step + 1
    time, rate = step.double(), rate.double()
    least = finfo(param.dtype).eps if eps[0] is None else eps[0]
    share = (time ** beta2_decay).to(param.dtype)
    size = (param.norm(2) / param.numel() ** 0.5).double().clamp(min=eps[1]) \
        * rate.minimum(1 / time.sqrt())
    param = param * (1 - rate * weight_decay) if weight_decay else param
    if grad.dim() > 1:
        squares = grad * grad
        row_var = towards(row_var, squares.mean(-1, True), share)
        col_var = towards(col_var, squares.mean(-2, True), share)
        estimate = row_var @ col_var / row_var.mean(-2, True).clamp(min=least)
    else:
        estimate = variance = towards(variance, grad * grad, share)
    update = grad * estimate.clamp(min=least * least).rsqrt()
    length = (update.norm(2) / (update.numel() ** 0.5 * d)).double().clamp(min=1.0)
    return present(param - update * (size / length), step, row_var, col_var, variance)


def muon(param, grad, rate, momentum_buffer, weight_decay, momentum, nesterov, ns_coefficients, eps,
         ns_steps, adjust_lr_fn):
    """Steps along the nearest orthogonal matrix, by Newton-Schulz. Source: Jordan et al. (2024)."""
    momentum_buffer = towards(momentum_buffer, grad, 1 - momentum)
    update = towards(grad, momentum_buffer, momentum) if nesterov else momentum_buffer
    rows, columns = param.shape
    x = update.to(bfloat16)
    x = x.mT if rows > columns else x
    x = x / x.norm().clamp(min=eps)
    a, b, c = ns_coefficients
    for _ in range(ns_steps):
        gram = x @ x.mT
        x = x * a + (gram * b + (gram @ gram) * c) @ x
    x = x.mT if rows > columns else x
    factor = 0.2 * math.sqrt(max(rows, columns)) if adjust_lr_fn == "match_rms_adamw" else \
        math.sqrt(max(1, rows / columns))
    return param * (1 - rate * weight_decay) - x.to(param.dtype) * (rate * factor), momentum_buffer
