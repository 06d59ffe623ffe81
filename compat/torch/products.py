"""Products of matrices: matmul and its special cases, linear, einsum, outer."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.operation import operation
from compat.torch.promotion import broadcast_shapes, cast, expand_to, result_dtype, together
from compat.torch.tensor import Tensor, of_face, wrap_dim
from compat.torch.views import diagonal_of
from minigrad import numpy as mnp
from minigrad.core import aval_of
from minigrad.numpy.recurrent import affine
from minigrad.ops import elementwise as e
from minigrad.ops.contraction import dot_general
from minigrad.ops.families import dtype_kind
from minigrad.ops.reduction import reduce_sum
from minigrad.ops.shaping import transpose


def check_same_dtype(x, y) -> None:
    a, b = aval_of(x).dtype, aval_of(y).dtype
    if a != b:
        raise RuntimeError("expected m1 and m2 to have the same dtype, but got: "
                           f"{c_name(a)} != {c_name(b)}")


def c_name(dtype) -> str:
    names = {"Float": "float", "Double": "double", "Long": "long", "Int": "int", "Bool": "bool",
             "Short": "short", "Byte": "unsigned char", "Char": "signed char",
             "Half": "c10::Half", "BFloat16": "c10::BFloat16"}
    name = SCALAR_NAMES[dtype.name]
    return names.get(name, name)


def product(x, y):
    """x (..., n, k) times y (..., k, m), with equal leading dimensions."""
    rank = len(aval_of(x).shape)
    batch = tuple(range(rank - 2))
    return dot_general(x, y, dimension_numbers=(((rank - 1,), (rank - 2,)), (batch, batch)))


def check_inner(a, b) -> None:
    if a[-1] != b[0]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied "
                           f"({math.prod(a[:-1])}x{a[-1]} and {'x'.join(map(str, b))})")


def mm_body(input, mat2):
    for name, x in (("self", input), ("mat2", mat2)):
        if len(aval_of(x).shape) != 2:
            raise RuntimeError(f"{name} must be a matrix")
    check_inner(aval_of(input).shape, aval_of(mat2).shape)
    check_same_dtype(input, mat2)
    return product(input, mat2)


mm = operation(mm_body, name="mm")


@operation
def bmm(input, mat2):
    """Matrix products of a batch: (b, n, k) times (b, k, m)."""
    a, b = aval_of(input).shape, aval_of(mat2).shape
    if len(a) != 3 or len(b) != 3:
        raise RuntimeError("batch1 must be a 3D tensor" if len(a) != 3
                           else "batch2 must be a 3D tensor")
    if a[0] != b[0] or a[2] != b[1]:
        raise RuntimeError("Expected size for first two dimensions of batch2 tensor to be: "
                           f"[{a[0]}, {a[2]}] but got: [{b[0]}, {b[1]}].")
    check_same_dtype(input, mat2)
    return product(input, mat2)


@operation
def mv(input, vec):
    """A matrix times a vector."""
    a, b = aval_of(input).shape, aval_of(vec).shape
    if len(a) != 2 or len(b) != 1:
        raise RuntimeError("vector + matrix @ vector expected, got "
                           f"{len(b)}, {len(a)}, {len(b)}")
    if a[1] != b[0]:
        raise RuntimeError(f"size mismatch, got input ({a[0]}), mat ({a[0]}x{a[1]}), "
                           f"vec ({b[0]})")
    return dot_general(input, vec, dimension_numbers=(((1,), (0,)), ((), ())))


@operation
def dot(input, tensor):
    """The inner product of two vectors."""
    a, b = aval_of(input), aval_of(tensor)
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype != b.dtype:
        raise RuntimeError("dot : expected both vectors to have same dtype, but found "
                           f"{SCALAR_NAMES[a.dtype.name]} and {SCALAR_NAMES[b.dtype.name]}")
    if a.shape != b.shape:
        raise RuntimeError("inconsistent tensor size, expected tensor "
                           f"[{a.shape[0]}] and src [{b.shape[0]}] to have the same number of "
                           f"elements, but got {a.shape[0]} and {b.shape[0]} elements respectively")
    return dot_general(input, tensor, dimension_numbers=(((0,), (0,)), ((), ())))


def by_vector(input, other):
    """A vector times matrices: (k) times (..., k, m)."""
    a, b = aval_of(input).shape, aval_of(other).shape
    check_same_dtype(input, other)
    check_inner((1, *a), b[-2:])
    axis = len(b) - 2
    return dot_general(input, other, dimension_numbers=(((0,), (axis,)), ((), ())))


vector_matrix = operation(by_vector, name="squeeze.4")


@operation(name="unsafe_view")
def matmul_nd(input, other):
    """Batches of any rank broadcast; a matrix on the right serves all."""
    check_same_dtype(input, other)
    a, b = aval_of(input).shape, aval_of(other).shape
    if len(b) <= 2:  # (..., n, k) times (k, m) or (k): one product
        check_inner(a, b)
        return dot_general(input, other, dimension_numbers=(((len(a) - 1,), (0,)), ((), ())))
    if a[-1] != b[-2]:
        raise RuntimeError("Expected size for first two dimensions of batch2 tensor to be: "
                           f"[{math.prod(b[:-2])}, {a[-1]}] but got: "
                           f"[{math.prod(b[:-2])}, {b[-2]}].")
    batch = broadcast_shapes(a[:-2], b[:-2])
    return product(expand_to(input, batch + a[-2:]), expand_to(other, batch + b[-2:]))


def matmul_operator(input, other):
    """`x @ y`, which declines what is no Tensor."""
    return matmul(input, other) if hasattr(other, "spec") and hasattr(input, "spec") \
        else NotImplemented


def matmul(input, other):
    """The matrix product; vectors and batches as in NumPy."""
    a, b = len(input.spec.shape), len(other.spec.shape)
    if a == b == 2:
        return mm(input, other)
    if not a or not b:
        raise RuntimeError("both arguments to matmul need to be at least 1D, but they are "
                           f"{a}D and {b}D")
    if a == 1:
        return dot(input, other) if b == 1 else vector_matrix(input, other)
    return mv(input, other) if a == 2 and b == 1 else matmul_nd(input, other)


# ------------------------------------------------------------------ with something added


def weighted_sum(x, y, beta, alpha):
    """beta x + alpha y; with beta 0, whatever is in x (nan too) is of no interest."""
    dtype = aval_of(y).dtype
    if broadcast_shapes(aval_of(x).shape, aval_of(y).shape) != aval_of(y).shape:
        raise RuntimeError(f"The expanded size of the tensor ({list(aval_of(y).shape)}) must match "
                           f"the existing size ({list(aval_of(x).shape)})")
    if type(beta) in (int, float, bool) and not beta:
        return e.mul(*together(y, alpha, dtype=dtype))
    x, y, b, a = together(x, y, beta, alpha, dtype=dtype)
    if dtype_kind(dtype) == "b":
        return e.or_(e.and_(x, b), e.and_(y, a))
    return e.add(e.mul(x, b), e.mul(y, a))


def adding(name: str, arguments: tuple[str, str], body):
    """`beta * input + alpha * product` for one of the products."""
    first, second = arguments

    def fn(input, mat1, mat2, beta=1, alpha=1):
        check_same_dtype(mat1, mat2)
        return weighted_sum(input, body(mat1, mat2), beta, alpha)

    op = operation(fn, name=name, tensors=("input", "mat1", "mat2", "beta", "alpha"),
                   scalars=("beta", "alpha"))
    space = {"op": op}
    exec(f"def {name}(input, {first}, {second}, *, beta=1, alpha=1):\n"
         f"    return op(input, {first}, {second}, beta, alpha)", space)
    space[name].__doc__ = f"beta * input + alpha * the product of {first} and {second}."
    return space[name]


def mv_body(x, y):
    return of_face(mv(of_face(x), of_face(y)))


ADDING = {name: adding(name, arguments, body) for name, arguments, body in (
    ("addmm", ("mat1", "mat2"), mm_body),
    ("addmv", ("mat", "vec"), mv_body),
    ("addr", ("vec1", "vec2"), lambda x, y: outer(x, y)),
    ("baddbmm", ("batch1", "batch2"), lambda x, y: bmm(x, y)),
    ("addbmm", ("batch1", "batch2"), lambda x, y: reduce_sum(bmm(x, y), axes=(0,))))}
addmm, baddbmm = ADDING["addmm"], ADDING["baddbmm"]


def check_rows(input, weight) -> None:
    """PyTorch's complaints about x (..., in) and weight (out, in)."""
    a, b = aval_of(input).shape, aval_of(weight).shape
    check_same_dtype(input, weight)
    if a[-1] != b[-1]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied "
                           f"({math.prod(a[:-1])}x{a[-1]} and {b[-1]}x{b[0]})")


def rows_times(input, weight):
    """x (..., in) times the rows of weight (out, in): a linear layer's product."""
    check_rows(input, weight)
    return affine(input, weight)


def linear_with_bias(input, weight, bias):
    check_rows(input, weight)
    return affine(input, weight, cast(bias, aval_of(input).dtype))


# PyTorch names the node after its last step: addmm of matrices, a view of it for other ranks
LINEAR = {2: operation(linear_with_bias, name="addmm")}
LINEAR_OTHER = operation(linear_with_bias, name="view")
OPERANDS = ("input", "weight")
PLAIN = {2: operation(rows_times, name="mm", tensors=OPERANDS),
         1: operation(rows_times, name="squeeze.4", tensors=OPERANDS)}
PLAIN_OTHER = operation(rows_times, name="unsafe_view", tensors=OPERANDS)


def linear(input, weight, bias=None):
    """input @ weight.T + bias."""
    rank = len(input.spec.shape)
    if bias is None:
        return PLAIN.get(rank, PLAIN_OTHER)(input, weight)
    return LINEAR.get(rank, LINEAR_OTHER)(input, weight, bias)


@operation(name="mul")
def outer(input, vec2):
    """All products of two vectors."""
    for what, x in (("self", input), ("vec2", vec2)):
        if len(aval_of(x).shape) != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {what}, but got "
                               f"{len(aval_of(x).shape)}-D")
    x, y = (cast(v, result_dtype(input, vec2)) for v in (input, vec2))
    return dot_general(x, y, dimension_numbers=(((), ()), ((), ())))


@operation(tensors=("input", "tensor"))
def vdot(input, tensor):
    """The inner product of two vectors, the first conjugated."""
    return dot(of_face(input).conj(), tensor)


def inner(input, other):
    """Sums of products over the last dimensions."""
    if not input.spec.shape or not other.spec.shape:
        return input * other
    if input.spec.shape[-1] != other.spec.shape[-1]:
        raise RuntimeError("inner() the last dimension must match on both input tensors but got "
                           f"shapes {list(input.spec.shape)} and {list(other.spec.shape)}")
    return tensordot(input, other, ([-1], [-1]))


@operation(name="tensordot", tensors=("a", "b"))
def tensordot_op(a, b, dims):
    check_same_dtype(a, b)
    return dot_general(a, b, dimension_numbers=(dims, ((), ())))


def tensordot(a, b, dims=2):
    """Sums of products over the given dimensions of both."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        pairs = [list(range(a.dim() - dims, a.dim())), list(range(dims))]
    else:
        pairs = [[d] if isinstance(d, int) else list(d) for d in dims]
    if len(pairs[0]) != len(pairs[1]):
        raise RuntimeError("both dimension lists should have same length")
    left, right = (tuple(wrap_dim(d, x.dim()) for d in ds) for ds, x in zip(pairs, (a, b)))
    for i, j in zip(left, right):
        if a.size(i) != b.size(j) and 1 not in (a.size(i), b.size(j)):
            raise RuntimeError("contracted dimensions need to match, but first has size "
                               f"{a.size(i)} in dim {i} and second has size {b.size(j)} in dim "
                               f"{j}")
        if a.size(i) != b.size(j):  # one of them is 1: it stands for a constant
            a, b = (a.sum(i, keepdim=True), b) if b.size(j) == 1 else (a, b.sum(j, keepdim=True))
    return tensordot_op(a, b, (left, right))


@operation(name="view", tensors=("input", "other"))
def kron(input, other):
    """The Kronecker product."""
    dtype = result_dtype(input, other)
    wide = np.dtype(np.uint8) if dtype_kind(dtype) == "b" else dtype
    return cast(mnp.kron(cast(input, wide), cast(other, wide)), dtype)


def chain_matmul(*matrices):
    """The product of matrices in the cheapest order."""
    from compat.torch.linalg import multi_dot

    return multi_dot(matrices[0] if len(matrices) == 1 else matrices)


# ------------------------------------------------------------------ einsum


def einsum_body(operands, equation):
    """Pairwise contraction from left to right: an index that no later term or the output needs is
    summed as soon as both operands that carry it meet."""
    terms, output = parse(equation, [len(aval_of(x).shape) for x in operands])
    x, labels = prepare(operands[0], terms[0], set("".join(terms[1:]) + output))
    for i in range(1, len(operands)):
        later = set("".join(terms[i + 1:]) + output)
        y, other = prepare(operands[i], terms[i], later | set(labels))
        x, labels = contract_pair(x, labels, y, other, later)
    x, labels = prepare(x, labels, set(output))
    return transpose(x, permutation=tuple(labels.index(c) for c in output)) \
        if labels != output else x


def parse(equation: str, ranks) -> tuple[list[str], str]:
    """Terms and output, an ellipsis written out in capital Greek letters."""
    equation = equation.replace(" ", "")
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation"
                           if len(terms) < len(ranks) else
                           "einsum(): fewer operands were provided than specified in the equation")
    hidden = max((r - len(t.replace("...", "")) for t, r in zip(terms, ranks) if "..." in t),
                 default=0)
    dots = "".join(chr(0x391 + i) for i in range(hidden))
    full = []
    for term, rank in zip(terms, ranks):
        covered = rank - len(term.replace("...", ""))
        full.append(term.replace("...", dots[len(dots) - covered:] if covered else ""))
    if not arrow:
        seen = "".join(full)
        output = dots + "".join(sorted(c for c in set(seen) - set(dots) if seen.count(c) == 1))
    return full, output.replace("...", dots)


def prepare(x, labels: str, wanted: set):
    """Repeated labels become a diagonal, labels that nobody wants are summed."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            i = labels.index(c)
            j = labels.index(c, i + 1)
            x = diagonal_of(x, 0, i, j)
            labels = labels[:i] + labels[i + 1:j] + labels[j + 1:] + c
    lone = tuple(i for i, c in enumerate(labels) if c not in wanted)
    if lone:
        x, labels = reduce_sum(x, axes=lone), "".join(c for c in labels if c in wanted)
    return x, labels


def contract_pair(x, a: str, y, b: str, later: set):
    sizes: dict[str, int] = {}
    for labels, operand in ((a, x), (b, y)):
        for c, n in zip(labels, aval_of(operand).shape):
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]  # 0 counts, 1 stretches
    x, y = (expand_to(v, tuple(sizes[c] for c in labels)) if
            aval_of(v).shape != tuple(sizes[c] for c in labels) else v
            for v, labels in ((x, a), (y, b)))
    shared = [c for c in a if c in b]
    batch = [c for c in shared if c in later]
    summed = [c for c in shared if c not in later]

    def axes(labels, chosen):
        return tuple(labels.index(c) for c in chosen)

    out = dot_general(x, y, dimension_numbers=(
        (axes(a, summed), axes(b, summed)), (axes(a, batch), axes(b, batch))))
    rest = [c for c in a if c not in shared] + [c for c in b if c not in shared]
    return out, "".join(batch + rest)
