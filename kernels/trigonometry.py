"""Circular functions, their inverses, and the inverse hyperbolic ones; see `kernels/vecmath.py`."""

from __future__ import annotations

from kernels.intrinsics import (
    bits, by_type, copysign, fma, libm_cos, libm_sin, libm_tan, like, maximum, minimum, nan,
    per_type, some, sqrt, unbits,
)
from kernels.vecmath import log1p, nearest

# ---- trigonometry ------------------------------------------------------------------------------


def sin_of_f32(r):
    """sin(r) for |r| <= pi/4 (fit sin_f32, 2^-27.8)."""
    z = r * r
    p = (-0.000195056273 * z + 0.00833209604) * z - 0.166666538
    return z * r * p + r


def sin_of_f64(r):
    """sin(r) for |r| <= pi/4 (fit sin_f64, 2^-57.6)."""
    z = r * r
    p = (1.589055142915480583e-10 * z - 2.505065271661814512e-8) * z + 2.755731303750120396e-6
    p = (p * z - 0.0001984126982799143022) * z + 0.008333333333320263811
    p = p * z - 0.1666666666666662411
    return z * r * p + r


sin_of = by_type(sin_of_f32, sin_of_f64)


def cos_of_f32(r):
    """cos(r) for |r| <= pi/4 (fit cos_f32, 2^-32.5)."""
    z = r * r
    p = (2.44282073e-5 * z - 0.00138872885) * z + 0.0416666456
    return z * z * p + (1.0 - z * 0.5)


def cos_of_f64(r):
    """cos(r) for |r| <= pi/4 (fit cos_f64, 2^-62.6)."""
    z = r * r
    p = (-1.13550988913860704e-11 * z + 2.087563665973064942e-9) * z - 2.755731372658242665e-7
    p = (p * z + 0.00002480158728736452401) * z - 0.001388888888887082661
    p = p * z + 0.04166666666666658109
    half = z * 0.5
    one = 1.0 - half
    return z * z * p + (1.0 - one - half) + one


cos_of = by_type(cos_of_f32, cos_of_f64)


def quadrant(x):
    """(r, n) with x = r + n pi/2, for arguments that are not huge."""
    n, whole = nearest(x, per_type(x, 0.636619747, 0.6366197723675814))
    r = fma(n, per_type(x, -1.57079637, -1.5707963267948966), x)
    r = fma(n, per_type(x, 4.37113883e-8, -6.123233995736766e-17), r)
    return fma(n, per_type(x, 1.71512451e-15, 1.4973849048591698e-33), r), whole


def huge(x):
    """Where `quadrant` is no longer exact."""
    return abs(x) > per_type(x, 1e5, 1e8)


def signed(y, n):
    """y with its sign changed in the quadrants 2 and 3."""
    return unbits(bits(y) ^ (n & 2) << per_type(y, 30, 62))


def sin(x):
    r, n = quadrant(x)
    y = signed(cos_of(r) if n & 1 != 0 else sin_of(r), n)
    if some(huge(x)):
        y = libm_sin(x) if huge(x) else y
    return x if x == 0.0 else y


def cos(x):
    r, n = quadrant(x)
    y = signed(sin_of(r) if n & 1 != 0 else cos_of(r), n + 1 if n & 1 != 0 else n)
    if some(huge(x)):
        y = libm_cos(x) if huge(x) else y
    return y


def tan(x):
    r, n = quadrant(x)
    odd = n & 1 != 0
    s, c = sin_of(r), cos_of(r)
    y = (-c if odd else s) / (s if odd else c)
    if some(huge(x)):
        y = libm_tan(x) if huge(x) else y
    return x if x == 0.0 else y


def asin_tail_f32(z):
    """(asin(s) - s) / s^3 with z = s^2 <= 1/4 (fit asin_f32, 2^-27.6)."""
    p = (0.0422861241 * z + 0.0241101924) * z + 0.0454841517
    return (p * z + 0.074951902) * z + 0.166667551


def asin_tail_f64(z):
    """(asin(s) - s) / s^3 with z = s^2 <= 1/4 (fit asin_f64, 2^-55.8)."""
    p = (0.03207296431545171578 * z - 0.01645780257702935886) * z + 0.0196765270470585299
    p = (p * z + 0.006474012778829398018) * z + 0.01218163702877586227
    p = (p * z + 0.01388335154406629239) * z + 0.01735989451946257089
    p = (p * z + 0.022371745543744017) * z + 0.03038195965462249862
    p = (p * z + 0.0446428568158986766) * z + 0.07500000000351869645
    return p * z + 0.1666666666666534735


asin_tail = by_type(asin_tail_f32, asin_tail_f64)


def asin_parts(x):
    """(is |x| > 1/2?, asin(s)) with s = |x|, or sqrt((1 - |x|) / 2) above 1/2."""
    a = abs(x)
    large = a > 0.5
    z = (1.0 - a) * 0.5 if large else a * a
    s = sqrt(z) if large else a
    return large, z * s * asin_tail(z) + s


def asin(x):
    large, r = asin_parts(x)
    low = per_type(x, -4.37113883e-8, 6.123233995736766e-17)
    high = per_type(x, 1.57079637, 1.5707963267948966)
    return copysign(high - (r * 2.0 - low) if large else r, x)


def acos(x):
    large, r = asin_parts(x)
    low = per_type(x, -4.37113883e-8, 6.123233995736766e-17)
    high = per_type(x, 1.57079637, 1.5707963267948966)
    twice = r * 2.0
    outer = high * 2.0 - (twice - low * 2.0) if x < 0.0 else twice
    return outer if large else high - (copysign(r, x) - low)


def atan_tail_f32(z):
    """(atan(t) - t) / t^3 with z = t^2 <= tan(pi/8)^2 (fit atan_f32, 2^-30.4)."""
    p = (-0.0609048419 * z + 0.105993867) * z - 0.142444238
    return (p * z + 0.199985296) * z - 0.333333164


def atan_tail_f64(z):
    """(atan(t) - t) / t^3 with z = t^2 <= tan(pi/8)^2 (fit atan_f64, 2^-63.7)."""
    p = (0.01489190899370302842 * z - 0.03317334854255080817) * z + 0.04490505941696902592
    p = (p * z - 0.05215169344628516751) * z + 0.058765149838557941
    p = (p * z - 0.06666174566965850368) * z + 0.07692279195385777479
    p = (p * z - 0.09090907985695306781) * z + 0.1111111108374300271
    p = (p * z - 0.1428571428531638099) * z + 0.199999999999970951
    return p * z - 0.3333333333333332593


atan_tail = by_type(atan_tail_f32, atan_tail_f64)


def angle(y, x):
    """atan(y / x) for y, x >= 0, with one division and a ratio of at most tan(pi/8)."""
    low, high = minimum(y, x), maximum(y, x)
    same, steep = y == x, y > x
    middle = (low > high * 0.41421356237309503) | same & (y > 0.0)
    top = low - high if middle else low
    bottom = low + high if middle else high
    t = (like(x, 0.0) if same else top) / (like(x, 1.0) if same else bottom)
    z = t * t
    r = t * z * atan_tail(z) + t
    r = -r if steep else r
    eighths = like(x, 1.0) if middle else like(x, 2.0) if steep else like(x, 0.0)
    r = fma(eighths, per_type(x, -2.18556941e-8, 3.061616997868383e-17), r)
    return fma(eighths, per_type(x, 0.785398185, 0.7853981633974483), r)


def atan(x):
    return copysign(angle(abs(x), like(x, 1.0)), x)


def atan2(y, x):
    """The angle of the point (x, y)."""
    a, b = abs(y), abs(x)
    large = maximum(a, b) > per_type(x, 1e38, 1e308)  # their sum would overflow
    a, b = a * 0.25 if large else a, b * 0.25 if large else b
    r = angle(a, b)
    low = per_type(x, -8.74227766e-8, 1.2246467991473532e-16)
    r = per_type(x, 3.14159274, 3.141592653589793) - (r - low) if bits(x) < 0 else r
    return copysign(r, y)


# ---- inverse hyperbolic functions ------------------------------------------------------------


def asinh(x):
    """log1p(a + a^2 / (1 + sqrt(1 + a^2))); log(2 a) for huge a = |x|."""
    a = abs(x)
    large = a > per_type(x, 1e5, 1e9)
    b = like(x, 1.0) if large else a
    small = b * b / (sqrt(b * b + 1.0) + 1.0) + b
    r = log1p(a - 1.0 if large else small)
    return copysign(r + 0.6931471805599453 if large else r, x)


def acosh(x):
    """log1p(t + sqrt(t (t + 2))) with t = x - 1; log(2 x) for huge x."""
    large = x > per_type(x, 1e5, 1e9)
    t = x - 1.0
    u = like(x, 1.0) if large else t
    r = log1p(t if large else sqrt(u * (u + 2.0)) + u)
    return (r + 0.6931471805599453 if large else r) if x >= 1.0 else like(x, nan)


def atanh(x):
    """log1p(2 a / (1 - a)) / 2 with a = |x|."""
    a = abs(x)
    return copysign(log1p((a + a) / (1.0 - a)) * 0.5, x)
