"""More functions of one position at a time, in PyTorch's own idiom: their bodies call the face's
functions, and each is derived as one operation with PyTorch's node name.
"""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.operation import operation
from compat.torch.pointwise import (
    BINARY, UNARY, binary, floating, is_complex, like, pow, strong, sub, unary, whole,
)
from compat.torch.selecting import where
from compat.torch.promotion import (
    cast, category, expanded, inexact, is_floating, result_dtype,
)
from compat.torch.tensor import Tensor, of_face
from minigrad import numpy as mnp
from minigrad.core import aval_of, table
from minigrad.ops import elementwise as e
from minigrad.ops.calls import custom_jvp
from minigrad.ops.families import dtype_kind, elementwise
from minigrad.ops.shaping import reshape

# ------------------------------------------------------------------ functions of SciPy


def scipy_kernel(*args, function: str):
    """A special function on arrays, computed in 64 bits where SciPy has no other."""
    from scipy import special

    with np.errstate(all="ignore"):
        wide = [np.asarray(a, np.float64) for a in args]
        return SCIPY.get(function, getattr(special, function, None))(*wide).astype(args[0].dtype)


SCIPY = {
    "spherical_bessel_j0": lambda x: np.sinc(x / np.pi),
    "chebyshev_v": lambda x, n: chebyshev_half(x, n, np.cos, 1.0),
    "chebyshev_w": lambda x, n: chebyshev_half(x, n, np.sin, -1.0),
    "hermite_h": lambda x, n: polynomial("eval_hermite", x, n),
    "hermite_he": lambda x, n: polynomial("eval_hermitenorm", x, n),
    "legendre": lambda x, n: polynomial("eval_legendre", x, n),
    "laguerre": lambda x, n: polynomial("eval_laguerre", x, n),
    "chebyshev_t": lambda x, n: polynomial("eval_chebyt", x, n),
    "chebyshev_u": lambda x, n: polynomial("eval_chebyu", x, n),
    "airy_ai": lambda x: scipy_airy(x)[0],
}


def scipy_airy(x):
    from scipy import special

    return special.airy(x)


def polynomial(name: str, x, n):
    """PyTorch cuts the degree to a whole number; a negative degree gives 0."""
    from scipy import special

    n = np.trunc(n)
    return np.where(n < 0, 0.0, getattr(special, name)(np.maximum(n, 0).astype(np.int64), x))


def chebyshev_half(x, n, wave, sign: float):
    """The third (cos, 1) and fourth (sin, -1) kinds: U(n) - U(n-1) and U(n) + U(n-1)."""
    before = np.where(n >= 1, polynomial("eval_chebyu", x, n - 1), 0.0)
    return polynomial("eval_chebyu", x, n) - sign * before


special_function = elementwise("special_function", scipy_kernel, accepts="f", arity=2)
frexp_exponent = elementwise("frexp_exponent", lambda x: np.frexp(np.asarray(x, np.float64))[1]
                             .astype(x.dtype), accepts="f", jvp=(None,))
SLOPES: dict = {}  # derivatives of special functions of one operand, where PyTorch has them


def special_jvp(primals, tangents, *, function: str):
    out = special_function(*primals, function=function)
    if function not in SLOPES:
        raise NotImplementedError(f"the derivative for 'special_{function}' is not implemented.")
    return out, e.mul(tangents[0], SLOPES[function](of_face(*primals), of_face(out)))


special_function.jvp = special_jvp


def special(function: str, slope=None):
    """A function of SciPy; `slope(x, out)` is its derivative where PyTorch has one."""
    if slope is not None:
        SLOPES[function] = slope
    return lambda *args: special_function(*args, function=function)


# ------------------------------------------------------------------ one operand


def angle(x):
    if is_complex(x):
        return BINARY["atan2"](e.imag(x), e.real(x))
    zero = like(x, 0)
    return where_nan(x, where(e.lt(x, zero), like(x, math.pi), zero))


def where_nan(x, other):
    return where(e.ne(x, x), x, other)


def sgn(x):
    if not is_complex(x):
        return UNARY["sign"](x)
    size = e.abs_(x)
    safe = where(e.eq(size, like(size, 0)), like(size, 1), size)
    return x / safe


def entr(x):
    zero = e.eq(x, like(x, 0))
    inside = -x * where(zero | (x < 0), like(x, 1), x).log()
    return where_nan(x, where(x > 0, inside, where(zero, like(x, 0), like(x, -math.inf))))


def only_real(name: str, body):
    def fn(x):
        if is_complex(x):
            raise RuntimeError(f"{name} does not support complex inputs.")
        return body(x)

    return fn


def positive(x):
    if dtype_kind(aval_of(x).dtype) == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return x


def negative_of(body):
    def fn(x):
        if dtype_kind(aval_of(x).dtype) == "b":
            raise RuntimeError(
                "Negation, the `-` operator, on a bool tensor is not supported. If you are trying "
                "to invert a mask, use the `~` or `logical_not()` operator instead.")
        return body(x)

    return fn


def grown(x):
    """exp |x|, whose derivative at 0 is 0."""
    return UNARY["exp"](UNARY["abs"](x))


def i0e(x):
    return table["bessel_i0e"](x)


def i1e(x):
    return table["bessel_i1e"](x)


ROOT_2, ROOT_PI = math.sqrt(2), math.sqrt(math.pi)
erfcx = special("erfcx", lambda x, y: 2 * x * y - 2 / ROOT_PI)

FLOATING = {  # in floats, as PyTorch's `sin`
    "sinc": mnp.sinc, "i0": lambda x: e.mul(grown(x), i0e(x)),
    "angle": angle, "special_i0e": i0e, "special_i1e": i1e,
    "special_i1": lambda x: e.mul(grown(x), i1e(x)),
    "special_ndtr": lambda x: (x * -(1 / ROOT_2)).erfc() * 0.5,
    "special_entr": entr, "special_erfcx": erfcx,
    "special_ndtri": special("ndtri", lambda x, y: (y * y / 2).exp() * (ROOT_2 * ROOT_PI)),
    "special_log_ndtr": special("log_ndtr", lambda x, y: (2 / ROOT_PI / ROOT_2) / of_face(
        erfcx(x * -(1 / ROOT_2)))),
    **{f"special_{ours}": special(theirs) for ours, theirs in {
        "airy_ai": "airy_ai", "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0",
        "bessel_y1": "y1", "modified_bessel_i0": "i0", "modified_bessel_i1": "i1",
        "modified_bessel_k0": "k0", "modified_bessel_k1": "k1",
        "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e",
        "spherical_bessel_j0": "spherical_bessel_j0"}.items()},
}

SAME = {  # in the operand's own dtype
    "sgn": sgn, "positive": positive, "signbit": only_real("signbit", mnp.signbit),
    "isposinf": only_real("isposinf", mnp.isposinf),
    "isneginf": only_real("isneginf", mnp.isneginf),
    "isreal": lambda x: e.eq(e.imag(x), like(e.imag(x), 0)) if is_complex(x) else e.eq(x, x) |
        e.ne(x, x),
    "conj": lambda x: table["conj"](x, input_dtype=aval_of(x).dtype) if is_complex(x) else x,
    "resolve_conj": lambda x: x, "resolve_neg": lambda x: x, "conj_physical": lambda x:
        table["conj"](x, input_dtype=aval_of(x).dtype) if is_complex(x) else x,
    "fix": whole(lambda x: UNARY["trunc"](x)), "neg": negative_of(e.neg),
}

CURVES = {name: unary(name, body, floating) for name, body in FLOATING.items()} \
    | {name: unary(name, body, strong) for name, body in SAME.items()}


@operation(tensors=("input",))
def round(input, decimals=0):
    """To the nearest whole number, or to `decimals` digits; halves to even."""
    x = strong(input)
    if not decimals or not is_floating(aval_of(x).dtype):
        return UNARY["round"](x)
    scale = 10.0 ** abs(decimals)
    return (x * scale).round() / scale if decimals > 0 else (x / scale).round() * scale


@operation(tensors=("input",))
def logit(input, eps=None):
    """log(x / (1 - x)), of x clamped to [eps, 1 - eps] if eps is given."""
    x = floating(input)
    if eps is not None:
        x = x.clamp(eps, 1 - eps)
    return (x / (1 - x)).log()


@operation(tensors=("input",))
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """nan as 0, infinities as the extreme finite numbers, or as given."""
    x = strong(input)
    return mnp.nan_to_num(x, 0.0 if nan is None else nan, posinf, neginf) \
        if is_floating(aval_of(x).dtype) else x


@operation(name="polygamma", tensors=("input",))
def polygamma_op(input, n):
    x = floating(input)
    return x.digamma() if n == 0 else table["polygamma"](like(x, n), x)


def polygamma(n, input):
    """The n-th derivative of digamma."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return polygamma_op(input, n)


@operation(tensors=("input",))
def mvlgamma(input, p):
    """The logarithm of the multivariate gamma function of dimension p."""
    x = floating(input)
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    parts = [(x - 0.5 * i).lgamma() for i in range(p)]
    return sum(parts, p * (p - 1) / 4 * math.log(math.pi))


# ------------------------------------------------------------------ two operands


def in_floats(body):
    """Integers become floats; then both operands have one shape."""
    return lambda input, other: body(*map(of_face, expanded(
        input, other, dtype=inexact(input, other))))


def in_common(body):
    return lambda input, other: body(*map(of_face, expanded(input, other)))


def same_dtypes(name: str, body):
    def fn(input, other):
        if aval_of(input).dtype != aval_of(other).dtype:
            a, b = (SCALAR_NAMES[aval_of(x).dtype.name] for x in (input, other))
            raise RuntimeError(f"{name}: inputs with different dtypes are not supported, "
                               f"got {a} and {b}")
        return body(input, other)

    return fn


def x_times(log):
    """x log(y), and 0 where x is 0, whatever y is (but nan)."""
    def body(x, y):
        off = x.eq(0) & ~y.isnan() & ~(log(y).isfinite())
        return x * log(where(off, like(y, 1), y))

    return body


@custom_jvp
def copysign(x, y):
    x, y = map(of_face, (x, y))
    size = x.abs()
    return where(mnp.signbit(y), -size, size)


@copysign.defjvp
def copysign_rule(primals, tangents):
    """The slope is out / x, which is nan for infinities, and 0 at 0."""
    out, x = of_face(copysign(*primals)), of_face(primals[0])
    return out, e.mul(tangents[0], where(x == 0, x, out / x))


def float_power(input, other):
    dtype = np.dtype(np.complex128 if category(result_dtype(input, other)) == 3 else np.float64)
    return pow(*(of_face(cast(x, dtype)) if isinstance(x, Tensor) else x for x in (input, other)))


def of_parts(body):
    """Complex numbers of two real tensors of one floating dtype."""
    def fn(x, y):
        dtypes = [aval_of(v).dtype for v in (x, y)]
        a, b = (SCALAR_NAMES[d.name] for d in dtypes)
        if any(category(d) != 2 for d in dtypes):
            raise RuntimeError("Expected both inputs to be Half, Float or Double tensors but got "
                               f"{a} and {b}")
        if a != b:
            raise RuntimeError(f"Expected object of scalar type {a} but got scalar type {b} for "
                               "second argument")
        return e.complex_(*expanded(*body(of_face(x), of_face(y))))

    return fn


def whole_numbers(name: str, body):
    def fn(x, y):
        if is_floating(aval_of(x).dtype):
            raise RuntimeError(f"\"{name}_cpu\" not implemented for "
                               f"'{SCALAR_NAMES[aval_of(x).dtype.name]}'")
        return body(x, y)

    return in_common(fn)


def polynomial_of(function: str, shifted: bool = False):
    scipy_function = special(function)
    return in_floats(lambda x, n: scipy_function(2 * x - 1 if shifted else x, n))


@custom_jvp
def next_after(x, y):
    return table["nextafter"](x, y)


next_after.defjvp(lambda primals, tangents: (next_after(*primals), tangents[0]))

def log_of_sum(body, logistic):
    """The slopes by PyTorch's formula, which subtracts infinities: nan where both operands are
    infinite alike."""
    rule = custom_jvp(lambda x, y: body(x, y))

    @rule.defjvp
    def derivative(primals, tangents):
        x, y = map(of_face, primals)
        return rule(*primals), e.add(e.mul(tangents[0], logistic(x - y)),
                                     e.mul(tangents[1], logistic(y - x)))

    return in_common(rule)


TWO = {
    "copysign": in_floats(copysign), "hypot": in_common(mnp.hypot),
    "logaddexp": log_of_sum(mnp.logaddexp, lambda d: d.sigmoid()),
    "logaddexp2": log_of_sum(mnp.logaddexp2, lambda d: (d * math.log(2)).sigmoid()),
    "xlogy": in_floats(x_times(lambda y: y.log())),
    "special_xlog1py": in_floats(x_times(lambda y: y.log1p())),
    "fmax": in_common(mnp.fmax), "fmin": in_common(mnp.fmin),
    "heaviside": same_dtypes("heaviside", in_common(lambda x, y: where(
        x == 0, y, cast(x > 0, aval_of(x).dtype)))),
    "nextafter": in_common(lambda x, y: next_after(x, y)),
    "gcd": whole_numbers("gcd", mnp.gcd), "lcm": whole_numbers("lcm", mnp.lcm),
    "ldexp": lambda input, other: of_face(input) * pow(2.0, other),
    "float_power": float_power, "complex": of_parts(lambda x, y: (x, y)),
    "polar": of_parts(lambda x, y: (x * y.cos(), x * y.sin())),
    "igamma": in_floats(table["igamma"]), "igammac": in_floats(table["igammac"]),
    "special_zeta": in_floats(table["zeta"]),
    **{f"special_{shifted}chebyshev_polynomial_{k}": polynomial_of(f"chebyshev_{k}", bool(shifted))
       for k in "tuvw" for shifted in ("", "shifted_")},
    "special_hermite_polynomial_h": polynomial_of("hermite_h"),
    "special_hermite_polynomial_he": polynomial_of("hermite_he"),
    "special_laguerre_polynomial_l": polynomial_of("laguerre"),
    "special_legendre_polynomial_p": polynomial_of("legendre"),
}
NODES = {"float_power": "pow.1", "ldexp": "mul"}
CURVES |= {name: binary(name, body, NODES.get(name)) for name, body in TWO.items()}


def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    if not isinstance(input, Tensor):
        given = ", ".join(type(x).__name__ for x in (input, other))
        raise TypeError(f"rsub() received an invalid combination of arguments - got ({given})")
    return sub(other, input, alpha=alpha)


@operation(name="frexp", tensors=("input",))
def frexp_op(input):
    x = strong(input)
    if not is_floating(aval_of(x).dtype):
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    exponent = frexp_exponent(x)
    half = pow(2.0, of_face(e.neg(exponent) / 2))  # twice, since 2 ** 1074 is too large
    return x * half * half, cast(exponent, np.dtype(np.int32))


@operation(name="view_as_real", tensors=("input",))
def view_as_real(input):
    """Complex numbers as a last dimension of two."""
    if not is_complex(input):
        raise RuntimeError("view_as_real is only supported for complex tensors")
    shape = (*aval_of(input).shape, 1)
    return table["concatenate"](reshape(e.real(input), new_sizes=shape),
                                reshape(e.imag(input), new_sizes=shape),
                                dimension=len(shape) - 1)


@operation(name="view_as_complex", tensors=("input",))
def view_as_complex(input):
    """A last dimension of two as complex numbers."""
    x = input
    if dtype_kind(aval_of(x).dtype) != "f":
        raise RuntimeError("view_as_complex is only supported for floating point tensors, but got "
                           f"a tensor of scalar type: {SCALAR_NAMES[aval_of(x).dtype.name]}")
    if not aval_of(x).shape or aval_of(x).shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return e.complex_(x[..., 0], x[..., 1])


@operation(name="imag", tensors=("input",), view=True)
def imag(input):
    """The imaginary part."""
    if not is_complex(input):
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return e.imag(input)


@operation(name="real", tensors=("input",), view=True)
def real_part(input):
    return e.real(input)


def real(input):
    """The real part; a real tensor is its own."""
    return real_part(input) if is_complex(input) else input


CURVES |= {"round": round, "logit": logit, "nan_to_num": nan_to_num, "polygamma": polygamma,
           "mvlgamma": mvlgamma, "rsub": rsub, "frexp": frexp_op, "view_as_real": view_as_real,
           "view_as_complex": view_as_complex, "imag": imag, "real": real}
