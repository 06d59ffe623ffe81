"""PyTorch's gamma, Poisson and binomial numbers: drawn one after the other, by rejection, in
doubles. Sources: Marsaglia and Tsang (2000); Hörmann (1993), "The transformed rejection method"."""

import math

import numpy as np

from kernels.mersenne import normal_serial, uniform

THIRD = float(np.float32(1) / np.float32(3))  # PyTorch writes these two in single precision
SQUEEZE = float(np.float32(0.0331))


def number(generator) -> float:
    return float(uniform(generator, (), np.float64))


def one_by_one(sample, dtype, *parameters):
    """`sample(*elements)` over broadcast arrays, in order."""
    arrays = np.broadcast_arrays(*parameters)
    values = [sample(*map(float, elements)) for elements in zip(*(a.ravel() for a in arrays))]
    return np.array(values, dtype).reshape(arrays[0].shape)


def gamma(generator, concentration):
    """Gamma numbers of scale 1."""
    tiny = np.finfo(concentration.dtype).tiny
    return one_by_one(lambda a: max(one_gamma(generator, a), tiny), concentration.dtype,
                      concentration)


def one_gamma(generator, alpha: float) -> float:
    if alpha == 0.0:
        return 0.0
    scale = 1.0
    if alpha < 1.0:  # boosted, for a higher acceptance
        scale = (1 - number(generator)) ** (1.0 / alpha)
        alpha += 1.0
    d = alpha - THIRD
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = float(normal_serial(generator, (), np.float64))
            y = 1.0 + c * x
        v = y * y * y
        u = 1 - number(generator)
        if u < 1.0 - SQUEEZE * x * x * x * x \
                or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return scale * d * v


def poisson(generator, rate, dtype):
    return one_by_one(lambda r: one_poisson(generator, r), dtype, rate)


def one_poisson(generator, rate: float) -> float:
    if rate == 0:
        return 0.0
    if rate < 10:
        limit, product, count = math.exp(-rate), 1.0, 0.0
        while True:
            product *= number(generator)
            if product <= limit:
                return count
            count += 1
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = number(generator) - 0.5, number(generator)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or us < 0.013 and v > us:
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) \
                <= -rate + k * math.log(rate) - math.lgamma(k + 1):
            return float(k)


def binomial(generator, count, probability, dtype):
    return one_by_one(lambda n, p: one_binomial(generator, n, p), dtype, count, probability)


def one_binomial(generator, count: float, probability: float) -> float:
    if count <= 0 or probability <= 0:
        return 0.0
    if probability >= 1:
        return count
    if probability > 0.5:
        return count - one_binomial(generator, count, 1 - probability)
    if count * probability >= 10:
        return transformed_rejection(generator, count, probability)
    total, successes, logarithm = 0.0, 0.0, math.log1p(-probability)
    while True:
        total += math.ceil(math.log(number(generator)) / logarithm)
        if total > count:
            return successes
        successes += 1


def transformed_rejection(generator, n: float, p: float) -> float:
    deviation = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    v_r, odds = 0.92 - 4.2 / b, p / (1 - p)
    alpha = (2.83 + 5.1 / b) * deviation
    m = math.floor((n + 1) * p)
    while True:
        u, v = number(generator) - 0.5, number(generator)
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + n * p + 0.5)
        if us >= 0.07 and v <= v_r:
            return float(k)
        if k < 0 or k > n:
            continue
        bound = ((m + 0.5) * math.log((m + 1) / (odds * (n - m + 1)))
                 + (n + 1) * math.log((n - m + 1) / (n - k + 1))
                 + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
                 + stirling_tail(m) + stirling_tail(n - m) - stirling_tail(k)
                 - stirling_tail(n - k))
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return float(k)


def stirling_tail(k: float) -> float:
    """log k! minus Stirling's formula for it."""
    if k < 10:
        return math.lgamma(k + 1) - (0.5 * math.log(2 * math.pi) + (k + 0.5) * math.log(k + 1)
                                     - (k + 1))
    square = (k + 1) ** 2
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
