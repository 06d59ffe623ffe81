"""The error function and its relatives, and those of the gamma function; see `kernels/vecmath.py`.

What the lax primitives' scalar bodies call beside these stands at the end.
"""

from __future__ import annotations

from kernels.intrinsics import (
    by_type, copysign, f32, f64, fma, inf, like, minimum, nan,
    per_type, pi, rint, sqrt,
)
from kernels.trigonometry import sin, tan
from kernels.vecmath import at_most, exp_parts, ldexp, log, two_to

# ---- error functions ---------------------------------------------------------------------------


def erf_near_f32(z):
    """erf(x) / x - 1 with z = x^2 <= 1 (fit erf_f32, 2^-27.9)."""
    p = (7.47277809e-5 * z - 0.000790763239) * z + 0.0051784846
    p = (p * z - 0.0268498752) * z + 0.11283531
    return (p * z - 0.37612626) * z + 0.128379166


def erf_near_f64(z):
    """erf(x) / x - 1 with z = x^2 <= 1 (fit erf_f64, 2^-56.0)."""
    p = (-7.744207393487313262e-10 * z + 1.369226189823998487e-8) * z - 1.620202983989970535e-7
    p = (p * z + 1.644657851041652208e-6) * z - 0.00001492466805190850536
    p = (p * z + 0.0001205529130735183581) * z - 0.0008548325854729477147
    p = (p * z + 0.00522397760459417191) * z - 0.02686617064293021773
    p = (p * z + 0.11283791670943083) * z - 0.376126389031834929
    return p * z + 0.1283791670955125586


erf_near = by_type(erf_near_f32, erf_near_f64)


def erfc_far_f32(a):
    """1 - erf(a) for 1 <= a, to 2^-24 of 1: e to the fit log_erfc_f32, 2^-30.4."""
    a = at_most(a, 4.0)
    p = (-2.0634634e-5 * a + 0.000430347631) * a - 0.00416047126
    p = (p * a + 0.0251242779) * a - 0.108349107
    p = (p * a - 0.633219898) * a - 1.12961304
    tail, n = exp_parts(p * a + 0.000203018688)
    return (tail + 1.0) * two_to(n)


def erfc_far_f64(a):
    return erfc_tail(minimum(a, 6.5))


erfc_far = by_type(erfc_far_f32, erfc_far_f64)


def erf(x):
    a = abs(x)
    near = x * erf_near(minimum(a * a, 1.0)) + x
    return near if a < 1.0 else copysign(1.0 - erfc_far(a), x)


def scaled_erfc_f32(t):
    """(1 + 2 a) e^(a^2) erfc(a) with t = (a - 2) / (a + 2) (fit erfc_f32, 2^-25.5)."""
    p = (2.20476068e-5 * t - 0.000358401332) * t - 0.00123278704
    p = (p * t + 0.00127415208) * t + 0.00862507522
    p = (p * t - 0.00804670434) * t - 0.0542028509
    p = (p * t + 0.16405341) * t - 0.166031301
    return (p * t - 0.0927638784) * t + 1.27697837


def scaled_erfc_f64(t):
    """(1 + 2 a) e^(a^2) erfc(a) with t = (a - 4) / (a + 4) (fit erfc_f64, 2^-54.3)."""
    p = (8.224322919312704179e-11 * t - 8.229838214225329015e-9) * t - 8.318653716998323725e-9
    p = (p * t + 1.008787531681727307e-7) * t + 5.545429365844360816e-8
    p = (p * t - 8.191584582337314386e-7) * t + 3.138646406167388001e-7
    p = (p * t + 5.708424839040362234e-6) * t - 0.00001123453184879156593
    p = (p * t - 0.0000243999905144984402) * t + 0.0001506265735525424054
    p = (p * t - 0.000199256088258254442) * t - 0.0007577745078061670289
    p = (p * t + 0.005031969799110672451) * t - 0.01619773386910722257
    p = (p * t + 0.03716751556455389488) * t - 0.06633036582930776359
    p = (p * t + 0.0937328349962731483) * t - 0.1010390660355044296
    p = (p * t + 0.06809705425476189622) * t + 0.01537965210260498587
    return (p * t - 0.1396211168405631642) * t + 1.232995118625552555


scaled_erfc = by_type(scaled_erfc_f32, scaled_erfc_f64)


def erfc_tail(a):
    """erfc(a) for a >= 0. The square of a is kept whole, for e^-(a^2) magnifies its rounding."""
    center = per_type(a, 2.0, 4.0)
    p = scaled_erfc((a - center) / (a + center)) / (a + a + 1.0)
    square = a * a
    tail, n = exp_parts(-square)
    power = fma(-fma(a, a, -square), tail + 1.0, tail) + 1.0
    return ldexp(p * power, n)


def erfc(x):
    a = abs(x)
    r = erfc_tail(at_most(a, per_type(x, 10.2, 27.5)))
    near = 1.0 - (x * erf_near(minimum(a * a, 1.0)) + x)
    return near if a < 0.5 else 2.0 - r if x < 0.0 else r


def erf_inv_near_f32(w):
    """erf_inv(x) / x with w = -log(1 - x^2) < 5 (fit erf_inv_f32, 2^-24.5)."""
    w = w - 2.5
    p = (-8.22818969e-9 * w + 2.8221141e-8) * w + 4.59589927e-7
    p = (p * w - 3.52439633e-6) * w - 4.94109236e-6
    p = (p * w + 0.00021858087) * w - 0.0012527596
    p = (p * w - 0.00417767232) * w + 0.24664028
    return p * w + 1.50140941


def erf_inv_far_f32(w):
    """erf_inv(x) / x with w = -log(1 - x^2) >= 5 (fit erf_inv_far_f32, 2^-23.3)."""
    s = sqrt(w) - 3.0
    p = (-0.000163573903 * s + 7.58987881e-5) * s + 0.00130319304
    p = (p * s - 0.00364489853) * s + 0.00575729413
    p = (p * s - 0.00763282878) * s + 0.00943663064
    return (p * s + 1.00167537) * s + 2.83297706


def erf_inv_near_f64(w):
    """erf_inv(x) / x with w = -log(1 - x^2) < 6.25 (fit erf_inv_f64, 2^-52.2)."""
    w = w - 3.125
    p = (-7.25331507593822523e-21 * w - 1.679802392926861188e-19) * w + 1.479057326327709031e-18
    p = (p * w + 1.113369698449379668e-17) * w - 1.377795512709814315e-16
    p = (p * w + 2.143914115542800557e-17) * w + 6.695818224162190602e-15
    p = (p * w - 4.05505460116105346e-14) * w - 8.198979110118132477e-14
    p = (p * w + 2.633539283539010596e-12) * w - 1.297269281100904869e-11
    p = (p * w - 5.415422845364266903e-11) * w + 1.051204155253764795e-9
    p = (p * w - 4.112633768835466737e-9) * w - 2.907035315111482521e-8
    p = (p * w + 4.234787781108786693e-7) * w - 1.365469220342899729e-6
    p = (p * w - 0.00001388252336284154788) * w + 0.0001867342080465539205
    p = (p * w - 0.0007407025341661360035) * w - 0.006033670871433147523
    return (p * w + 0.2401581824255895892) * w + 1.653654562683102958


def erf_inv_far_f64(w):
    """erf_inv(x) / x with w >= 6.25 (fits erf_inv_far_f64, 2^-52.6, and erf_inv_farther_f64,
    2^-51.7)."""
    s = sqrt(w) - 3.25
    p = (8.121024879056324614e-9 * s + 8.984058202958330995e-8) * s - 2.901944415984704367e-7
    p = (p * s + 2.034330969653114866e-8) * s + 1.518630306033602841e-6
    p = (p * s - 4.015846457898739243e-6) * s + 2.914394960392288836e-6
    p = (p * s + 0.00001247628598677416447) * s - 0.00004731523052514521389
    p = (p * s + 0.00006828457635551162821) * s + 0.000024030528004322402
    p = (p * s - 0.0003550374770386638293) * s + 0.0009532894431296029579
    p = (p * s - 0.001688275559598376467) * s + 0.002491442092660429639
    p = (p * s - 0.003751208507438832506) * s + 0.005370914553662024284
    p = (p * s + 1.005258967694157901) * s + 3.083885610492220319
    s = s - 1.75
    q = (-7.454286851991421508e-12 * s - 2.444326055539049285e-10) * s + 1.429236438020387409e-9
    q = (q * s - 3.831777400532357907e-9) * s + 7.741939578666068729e-9
    q = (q * s - 1.489581943291521413e-8) * s + 2.904309829886029133e-8
    q = (q * s - 6.776146810731446607e-8) * s + 2.290524814843392921e-7
    q = (q * s - 9.929624058036245812e-7) * s + 4.526051031121559909e-6
    q = (q * s - 0.00001968178236507717619) * s + 0.00007599527837571530813
    q = (q * s - 0.0002150301189102354243) * s - 0.0001387193183937845205
    q = (q * s + 1.010300464864524184) * s + 4.849906401408584422
    return p if w < 16.0 else q


erf_inv_near = by_type(erf_inv_near_f32, erf_inv_near_f64)
erf_inv_far = by_type(erf_inv_far_f32, erf_inv_far_f64)


def erf_inv(x):
    """The argument at which erf is x; after Giles, "Approximating the erfinv function" (2010)."""
    w = -log((1.0 - x) * (x + 1.0))
    limit = per_type(x, 5.0, 6.25)
    r = x * (erf_inv_near(minimum(w, limit)) if w < limit else erf_inv_far(w))
    return copysign(like(x, inf), x) if abs(x) == 1.0 else r


# ---- the gamma function's logarithm and its derivative -----------------------------------------


def lgamma_right(x):
    """log(gamma(x)) for x >= 1/2: Stirling's series from 8 on; before, gamma(x + 8)
    divided by x (x + 1) ... (x + 7). Near its zeros, 1 and 2, the absolute error counts."""
    small = x < 8.0
    p = x * (x + 1.0) * (x + 2.0) * (x + 3.0)
    p = p * ((x + 4.0) * (x + 5.0) * (x + 6.0) * (x + 7.0))
    z = x + 8.0 if small else x
    r = 1.0 / z
    s = r * r
    series = (-0.0295506535947712418 * s + 0.00641025641025641026) * s - 0.00191752691752691753
    series = (series * s + 0.000841750841750841751) * s - 0.000595238095238095238
    series = (series * s + 0.000793650793650793651) * s - 0.00277777777777777778
    series = (series * s + 0.0833333333333333333) * r
    stirling = (z - 0.5) * (log(z) - 1.0) + (series + 0.41893853320467274178)
    return stirling - log(p if small else like(x, 1.0))


def lgamma_f64(x):
    """log|gamma(x)|; left of 1/2 from gamma(x) gamma(1 - x) = pi / sin(pi x)."""
    left = x < 0.5
    r = lgamma_right(1.0 - x if left else x)
    off = x - rint(x)
    sine = abs(sin((off if left else like(x, 0.5)) * pi))
    tiny = abs(x) < 1e-300
    reflected = 1.1447298858494002 - log(sine) - r  # log(pi)
    reflected = -log(abs(x)) if tiny else reflected
    result = reflected if left else r
    result = 0.0 if (x == 1.0) | (x == 2.0) else result
    pole = left & (off == 0.0)
    return inf if pole | (abs(x) == inf) else result


def lgamma_f32(x):
    return f32(lgamma(f64(x)))


lgamma = by_type(lgamma_f32, lgamma_f64)


def digamma_right(x):
    """The derivative of log(gamma(x)) for x >= 1/2, as above; d / p is the sum of 1 / (x + k)."""
    small = x < 8.0
    p, d = x, like(x, 1.0)
    p, d = p * (x + 1.0), d * (x + 1.0) + p
    p, d = p * (x + 2.0), d * (x + 2.0) + p
    p, d = p * (x + 3.0), d * (x + 3.0) + p
    p, d = p * (x + 4.0), d * (x + 4.0) + p
    p, d = p * (x + 5.0), d * (x + 5.0) + p
    p, d = p * (x + 6.0), d * (x + 6.0) + p
    p, d = p * (x + 7.0), d * (x + 7.0) + p
    z = x + 8.0 if small else x
    r = 1.0 / z
    s = r * r
    series = (-0.443259803921568627 * s + 0.0833333333333333333) * s - 0.0210927960927960928
    series = series * s + 0.00757575757575757576
    series = (series * s - 0.00416666666666666667) * s + 0.00396825396825396825
    series = (series * s - 0.00833333333333333333) * s + 0.0833333333333333333
    sum_ = d / p if small else like(x, 0.0)
    return log(z) - (series * s + r * 0.5) - sum_


def digamma_f64(x):
    """Left of 1/2 from digamma(1 - x) - digamma(x) = pi / tan(pi x); nan at the poles."""
    left = x < 0.5
    r = digamma_right(1.0 - x if left else x)
    off = x - rint(x)
    tangent = tan((off if left else like(x, 0.25)) * pi)
    result = r - pi / tangent if left else r
    pole = (x <= 0.0) & (off == 0.0)
    return like(x, nan) if pole | (x == -inf) else like(x, inf) if x == inf else result


def digamma_f32(x):
    return f32(digamma(f64(x)))


digamma = by_type(digamma_f32, digamma_f64)
