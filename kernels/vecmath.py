"""Exponentials, logarithms and powers in the subset of `kernels/subset.py`, for f32 and f64,
without branches, so that loops over them run on vectors; `trigonometry.py` has more of the kind.

A function's text serves both types; where they differ it calls a helper of which there are two
(`exp_tail_f32`, `exp_tail_f64`) or takes one of two literals (`per_type(x, for_f32, for_f64)`).
Every function takes all numbers of its type: nan, infinities, subnormals, signed zeros, huge
arguments. `python -m tests.accuracy` prints how exact each is.

The polynomials are minimax fits of our own (`python -m tests.minimax`); each names its fit and its
error. The reductions are classical: Cody and Waite, "Software Manual for the Elementary Functions"
(1980), with fused multiply-adds; Muller, "Elementary Functions" (2016).

`if some(rare):` holds when any of the lanes computed together is such. It keeps what is seldom
needed out of the way.
"""

from __future__ import annotations

from kernels.intrinsics import (
    bits, by_type, copysign, f32, f64, floor, fma, i32, inf, like, lshr, minimum, nan,
    per_type, some, sqrt, unbits,
)

# ---- parts of floats ---------------------------------------------------------------------------


def bfloat16_bits(x):
    """The upper half of an f32's bits, rounded to even; a nan stays one."""
    u = bits(x)
    high = lshr(u, 16)
    rounded = lshr(u + 32767 + (high & 1), 16)
    return high | 64 if x != x else rounded


def float16_bits(x):
    """An f16's bits, rounded to even, for processors that have no instruction for it."""
    u = bits(x)
    a = u & 0x7FFFFFFF
    normal = lshr(a + (lshr(a, 13) & 1) - 0x37FFF001, 13)
    subnormal = bits(unbits(a) + 0.5) - 0x3F000000  # the sum rounds where f16 ends
    h = subnormal if a < 0x38800000 else normal
    large = like(a, 0x7E00) if a > 0x7F800000 else like(a, 0x7C00)  # nan, infinity
    h = large if a >= 0x47800000 else h
    return h | lshr(u, 16) & 0x8000


def float16_value(h):
    """The f32 that an f16's bits mean."""
    a = (h & 0x7FFF) << 13
    shifted = a + 0x38000000
    subnormal = unbits(shifted + 0x00800000) - 6.1035156e-05
    value = subnormal if a < 0x00800000 else unbits(shifted)
    value = unbits(shifted + 0x38000000) if a >= 0x0F800000 else value
    return unbits(bits(value) | (h & 0x8000) << 16)


def two_to_i32(n):
    """2^n, for -127 < n < 128."""
    return unbits((n + 127) << 23)


def two_to_i64(n):
    """2^n, for -1023 < n < 1024."""
    return unbits((n + 1023) << 52)


two_to = by_type(two_to_i32, two_to_i64)


def real_i32(n):
    return f32(n)


def real_i64(n):
    return f64(i32(n))


real = by_type(real_i32, real_i64)


def ldexp(x, n):
    """x 2^n rounded once, for |n| up to twice the largest exponent."""
    half = n >> 1
    return x * two_to(half) * two_to(n - half)


def nearest_f32(x, factor):
    """The integer nearest to x factor, as a float and as an integer, if below 2^22."""
    shifted = x * factor + 12582912.0
    return shifted - 12582912.0, bits(shifted) - 0x4B400000


def nearest_f64(x, factor):
    """The integer nearest to x factor, as a float and as an integer, if below 2^51."""
    shifted = x * factor + 6755399441055744.0
    return shifted - 6755399441055744.0, bits(shifted) - 0x4338000000000000


nearest = by_type(nearest_f32, nearest_f64)


def mantissa_f32(x):
    """(m, n) with x = m 2^n and sqrt(1/2) <= m < sqrt(2), for 0 < x < inf."""
    small = x < 1.1754944e-38
    u = bits(x * 8388608.0 if small else x) - 0x3F3504F3
    n = u >> 23
    return unbits((u & 0x7FFFFF) + 0x3F3504F3), n - 23 if small else n


def mantissa_f64(x):
    """(m, n) with x = m 2^n and sqrt(1/2) <= m < sqrt(2), for 0 < x < inf."""
    small = x < 2.2250738585072014e-308
    u = bits(x * 4503599627370496.0 if small else x) - 0x3FE6A09E667F3BCD
    n = u >> 52
    return unbits((u & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD), n - 52 if small else n


mantissa = by_type(mantissa_f32, mantissa_f64)


def at_most(x, high):
    """The smaller of the two; nan stays nan."""
    return like(x, high) if x > high else x


def clamp(x, low, high):
    """x within [low, high]; nan stays nan."""
    x = at_most(x, high)
    return like(x, low) if x < low else x


# ---- exponentials ------------------------------------------------------------------------------


def exp_tail_f32(r):
    """e^r - 1 for |r| <= log(2) / 2 (fit exp_f32, 2^-28.2)."""
    p = (0.00138438202 * r + 0.00836955104) * r + 0.0416680612
    p = (p * r + 0.166665137) * r + 0.49999994
    return r * r * p + r


def exp_tail_f64(r):
    """e^r - 1 for |r| <= log(2) / 2 (fit exp_f64, 2^-63.2)."""
    p = (2.102339783327271823e-9 * r + 2.511616626072171882e-8) * r + 2.755695185122560099e-7
    p = (p * r + 2.755722254028777289e-6) * r + 0.00002480158765778079695
    p = (p * r + 0.0001984126990920042808) * r + 0.001388888888874524564
    p = (p * r + 0.008333333333311669991) * r + 0.04166666666666685864
    p = (p * r + 0.1666666666666669072) * r + 0.5
    return r * r * p + r


exp_tail = by_type(exp_tail_f32, exp_tail_f64)


def exp_parts(x):
    """(e^r - 1, n) with x = r + n log(2)."""
    n, whole = nearest(x, per_type(x, 1.44269504, 1.4426950408889634))
    r = fma(n, per_type(x, -0.6931472, -0.6931471805599453), x)
    r = fma(n, per_type(x, 1.90465421e-9, -2.3190468138462996e-17), r)
    return exp_tail(r), whole


def exp(x):
    """e^x. Subnormal results take a processor a hundred cycles, and so do products that vanish:
    the -1e9 of a masked softmax are kept away from both."""
    low, none = per_type(x, -87.0, -708.0), per_type(x, -104.0, -746.0)
    tail, n = exp_parts(clamp(x, low, per_type(x, 104.0, 746.0)))
    y = ldexp(tail + 1.0, n)
    if some((x < low) & (x > none)):
        tail, n = exp_parts(clamp(x, none, low))
        y = ldexp(tail + 1.0, n) if x < low else y
    return 0.0 if x <= none else y


def exp2_tail_f32(r):
    """2^r - 1 for |r| <= 1/2 (fit exp2_f32, 2^-31.5)."""
    p = (1.43464395e-5 * r + 0.000154503388) * r + 0.0013337892
    p = (p * r + 0.0096180886) * r + 0.0555040501
    return ((p * r + 0.240226507) * r + 0.693147182) * r


def exp2_tail_f64(r):
    """2^r - 1 for |r| <= 1/2 (fit exp2_f64, 2^-57.7)."""
    p = (5.555990327560444592e-11 * r + 4.484704980081358577e-10) * r + 7.032893589851227602e-9
    p = (p * r + 1.017786099327497025e-7) * r + 1.321554712809905394e-6
    p = (p * r + 0.00001525273432237751441) * r + 0.0001540353031840701464
    p = (p * r + 0.00133335581458970758) * r + 0.009618129107669067673
    p = (p * r + 0.05550410866482376887) * r + 0.2402265069591000002
    return (p * r + 0.6931471805599452862) * r


exp2_tail = by_type(exp2_tail_f32, exp2_tail_f64)


def exp2(x):
    """2^x."""
    bound = per_type(x, 152.0, 1080.0)
    x = clamp(x, -bound, bound)
    n, whole = nearest(x, 1.0)
    return ldexp(exp2_tail(x - n) + 1.0, whole)


def expm1(x):
    """e^x - 1, exact also near 0."""
    tail, n = exp_parts(clamp(x, per_type(x, -18.0, -40.0), per_type(x, 89.0, 710.0)))
    half = two_to(n - 1)  # the whole power overflows before the result does
    result = (tail * half + (half - 0.5)) * 2.0
    return x if abs(x) < per_type(x, 1e-10, 1e-18) else result


def logistic(x):
    """1 / (1 + e^-x)."""
    e = exp(-abs(x))
    return (e if x < 0.0 else 1.0) / (e + 1.0)


def tanh(x):
    """m / (m + 2) with m = e^2|x| - 1."""
    a = at_most(abs(x), per_type(x, 10.0, 20.0))
    tail, n = exp_parts(a + a)
    power = two_to(n)
    m = tail * power + (power - 1.0)
    return copysign(m / (m + 2.0), x)


def half_exp(x):
    """(e^x / 2, e^x - 1) for x >= 0; the second only up to 1."""
    tail, n = exp_parts(clamp(x, 0.0, per_type(x, 90.0, 711.0)))
    quarter = two_to(n - 2)  # the half overflows before the hyperbolic functions do
    power = quarter * 4.0
    return (tail + 1.0) * quarter * 2.0, tail * power + (power - 1.0)


def sinh(x):
    """e^|x| / 2 - e^-|x| / 2; (m + m / (m + 1)) / 2 with m = e^|x| - 1 up to 1."""
    a = abs(x)
    half, m = half_exp(a)
    small = (m / (m + 1.0) + m) * 0.5
    return copysign(half - 0.25 / half if a > 1.0 else small, x)


def cosh(x):
    """e^|x| / 2 + e^-|x| / 2."""
    half, m = half_exp(abs(x))
    return half + 0.25 / half


# ---- logarithms --------------------------------------------------------------------------------


def log_tail_f32(f):
    """log(1 + f) - f for sqrt(1/2) <= 1 + f < sqrt(2) (fit log_f32, 2^-26.7)."""
    p = (0.0529774949 * f - 0.109047905) * f + 0.121086679
    p = (p * f - 0.125491112) * f + 0.142096519
    p = (p * f - 0.166593775) * f + 0.200022221
    p = (p * f - 0.250001669) * f + 0.333333135
    return f * f * (f * p - 0.5)


def log_tail_f64(f):
    """log(1 + f) - f = 2 atanh(s) - f with s = f / (2 + f) (fit log_f64, 2^-58.5)."""
    s = f / (f + 2.0)
    z = s * s
    p = (0.1479827859453259065 * z + 0.1531383044063623355) * z + 0.1818357241136518698
    p = (p * z + 0.222221984281298468) * z + 0.285714287436920622
    p = (p * z + 0.3999999999940934137) * z + 0.666666666666673513
    half = f * f * 0.5
    return s * (z * p + half) - half


log_tail = by_type(log_tail_f32, log_tail_f64)


def log_sum(f, n):
    """log(1 + f) + n log(2)."""
    e = real(n)
    low = fma(e, per_type(f, -1.90465421e-9, 2.3190468138462996e-17), log_tail(f))
    return fma(e, per_type(f, 0.6931472, 0.6931471805599453), f + low)


def log_or_end(x, result):
    """What a logarithm is where 0 < x < inf does not hold."""
    end = like(x, -inf) if x == 0.0 else x if x > 0.0 else like(x, nan)
    return result if (x > 0.0) & (x < inf) else end


def log(x):
    """The natural logarithm."""
    m, n = mantissa(x)
    return log_or_end(x, log_sum(m - 1.0, n))


def log2(x):
    """The logarithm to base 2."""
    m, n = mantissa(x)
    f = m - 1.0
    ratio = f + log_tail(f)
    low = fma(ratio, per_type(x, 1.92596303e-8, 2.0355273740931033e-17), real(n))
    return log_or_end(x, fma(ratio, per_type(x, 1.44269502, 1.4426950408889634), low))


def log1p(x):
    """log(1 + x), exact also near 0: what 1 + x lost to rounding is put back into the fraction."""
    u = x + 1.0
    back = u - x
    lost = (x - (u - back)) + (1.0 - back)
    m, n = mantissa(u)
    result = log_sum(lost * two_to(-minimum(n, 64)) + (m - 1.0), n)
    return x if abs(x) < per_type(x, 1e-10, 1e-18) else log_or_end(u, result)


# ---- powers ------------------------------------------------------------------------------------


def power_f32(x, y):
    """x^y for 0 < x < inf and finite y, by way of f64 (log2(1 + f): fit log2_f64, 2^-38)."""
    m, n = mantissa(x)
    f = f64(m) - 1.0
    p = (-0.06978300920842755994 * f + 0.1325545667546741107) * f - 0.1346311586519672865
    p = (p * f + 0.1302666358304797878) * f - 0.1424968288044124731
    p = (p * f + 0.1602173463202362924) * f - 0.1804369341067038612
    p = (p * f + 0.2061071010962927108) * f - 0.2404464264500459081
    p = (p * f + 0.2885387960106297056) * f - 0.3606737932453391027
    p = (p * f + 0.4808983488018489516) * f - 0.721347520327102365
    p = p * f + 1.442695040886574631
    w = clamp(f64(y) * (f * p + f64(n)), -200.0, 200.0)
    whole, _ = nearest(w, 1.0)
    return ldexp(exp2_tail(f32(w - whole)) + 1.0, i32(whole))


def log_pair(m, n):
    """log(m 2^n) as the sum of two f64, to about 2^-66 (fit pow_f64, 2^-65.3)."""
    f = m - 1.0
    d = f + 2.0
    s = f / d
    s_low = (fma(-s, d, f) - s * (f - (d - 2.0))) / d
    z = s * s
    z_low = fma(s, s, -z) + 2.0 * s * s_low
    p = (0.1319787445234576473 * z + 0.1325665583546119242) * z + 0.1538676407209919328
    p = (p * z + 0.181817842257265716) * z + 0.2222222252147816046
    p = ((p * z + 0.2857142857009122849) * z + 0.4000000000000227263) * z
    c = p + 0.6666666666666666
    c_low = 0.6666666666666666 - c + p + 3.700743415417188e-17
    q = z * c  # the sum of the series is 2 s + s q
    q_low = fma(z, c, -q) + z * c_low + z_low * c
    t = s * q
    t_low = fma(s, q, -t) + s * q_low + s_low * q
    high = s + s + t
    low = s + s - high + t + (t_low + s_low + s_low)
    e = real(n)
    log2 = e * 0.6931471805598903  # exact: the constant has 42 bits
    result = log2 + high
    return result, log2 - result + high + (e * 5.497923018708371e-14 + low)


def power_f64(x, y):
    """x^y for 0 < x < inf and finite y."""
    m, n = mantissa(x)
    log_x, log_low = log_pair(m, n)
    w = y * log_x
    low = fma(y, log_x, -w) + y * log_low
    tail, whole = exp_parts(clamp(w, -800.0, 800.0))
    tail = fma(0.0 if abs(w) > 800.0 else low, tail + 1.0, tail)
    return ldexp(tail + 1.0, whole)


power = by_type(power_f32, power_f64)


def power_or_end(x, y, result):
    """The C standard's x^y where 0 < x < inf or |y| < inf does not hold."""
    a, half = abs(x), y * 0.5
    whole, odd = floor(y) == y, (floor(y) == y) & (floor(half) != half)
    end = like(x, inf) if (a > 1.0) == (y > 0.0) else like(x, 0.0)
    result = end if (a == 0.0) | (a == inf) | (abs(y) == inf) else result
    result = 1.0 if (a == 1.0) & (abs(y) == inf) else result
    result = nan if (x < 0.0) & (a < inf) & (not whole) else result
    result = -result if (bits(x) < 0) & odd else result
    result = nan if (x != x) | (y != y) else result
    return 1.0 if (y == 0.0) | (x == 1.0) else result


def pow(x, y):
    """x^y."""
    result = power(abs(x), y)
    usual = (x > 0.0) & (x < inf) & (abs(y) < inf)
    if some(not usual):
        result = result if usual else power_or_end(x, y, result)
    return result


# ---- roots -------------------------------------------------------------------------------------


def rsqrt(x):
    return 1.0 / sqrt(x)


def closer_root(t, v):
    """Halley's step from t towards the cube root of v."""
    square = t * t
    cube = square * t
    return t + t * fma(-square, t, v) / (cube + cube + v)


def root_start(v):
    """The cube root of v within 3 %, for 0.35 <= v < 2.83."""
    t = (v * 0.0713 - 0.376) * v + 0.9545
    return t * v + 0.3513


def root_of_f32(v):
    return closer_root(closer_root(root_start(v), v), v)


def root_of_f64(v):
    return closer_root(closer_root(closer_root(root_start(v), v), v), v)


root_of = by_type(root_of_f32, root_of_f64)


def cbrt(x):
    """With |x| = v 8^k: the root of v, times 2^k."""
    a = abs(x)
    m, n = mantissa(a)
    _, k = nearest(real(n), per_type(x, 0.333333343, 0.3333333333333333))
    root = root_of(m * two_to(n - k * 3)) * two_to(k)
    return copysign(root, x) if (a > 0.0) & (a < inf) else x
