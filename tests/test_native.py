"""Kernels in the subset: what they compute, and what is refused."""

import ml_dtypes
import numpy as np
import pytest

from kernels import llvm, machine
from kernels.grammar import Parameter
from kernels.native import KernelError, compile_ir, compile_kernels

NUMPY = {"bf16": ml_dtypes.bfloat16, "f16": np.float16, "f32": np.float32, "f64": np.float64,
         "bool": np.bool_, "i8": np.int8, "u8": np.uint8, "i32": np.int32, "i64": np.int64,
         "u32": np.uint32, "u64": np.uint64}


def compiled(source, **signature):
    name = source.split("def ")[-1].split("(")[0]
    return compile_kernels(source, {name: signature})[name]


def elementwise(body, *dtypes, result=None):
    """A kernel that sets out[i] to an expression of x, y, z."""
    names = "xyz"[:len(dtypes)]
    lines = [f"        {n} = {n}s[i]" for n in names]
    source = "\n".join([f"def kernel({', '.join(n + 's' for n in names)}, out, start, stop):",
                        "    for i in range(start, stop):", *lines, f"        out[i] = {body}", ""])
    signature = {n + "s": f"{d}*" for n, d in zip(names, dtypes)}
    kernel = compile_kernels(source, {"kernel": {**signature, "out": f"{result or dtypes[0]}*"}})

    def call(*args):
        args = [np.ascontiguousarray(a, NUMPY[d]) for a, d in zip(args, dtypes)]
        out = np.zeros(args[0].shape, NUMPY[result or dtypes[0]])
        kernel["kernel"](*args, out, stop=out.size)
        return out

    return call


def test_rows_with_reductions_branches_and_helpers():
    source = """
def both(x):
    return x * 2.0, x + 1.0

def rows(x, b, out, start, stop):
    for r in range(start, stop):
        largest = f32(-inf)
        for j in range(37):
            largest = maximum(largest, x[r * 37 + j])
        total = f32(0.0)
        for j in range(37):
            total += x[r * 37 + j] * b[j]
        count = 0
        if largest > 1.0:
            total = total + 1.0
            count += 1
        else:
            total = -total
        while count < 5:
            count += 2
        double, more = both(total)
        out[r] = double + more if largest > total else double - f32(count)
"""
    kernel = compiled(source, x="f32*", b="bf16* restrict", out="f32*")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 37)).astype(np.float32)
    b = rng.standard_normal(37).astype(ml_dtypes.bfloat16)
    out = np.zeros(50, np.float32)
    kernel(x, b, out, stop=50)
    largest, total = x.max(1), x @ b.astype(np.float32)
    total = np.where(largest > 1, total + 1, -total)
    count = np.where(largest > 1, 5, 6)
    expected = np.where(largest > total, 3 * total + 1, 2 * total - count)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_loops_over_vectors_with_loops_inside():
    """Sums down columns, 70 of them: two loops, of which the outer one runs over vectors."""
    source = """
def columns(x, start_at, out, start, stop):
    for j in range(start, stop):
        total, count, largest = f32(0.5), 0, start_at[j]
        for i in range(9):
            total += x[i * 70 + j] * f32(i)
            count += 2
            largest = maximum(largest, x[i * 70 + j])
        out[j] = total + largest if count == 18 else f32(nan)
"""
    kernel = compiled(source, x="f32*", start_at="f32*", out="f32*")
    x = np.random.default_rng(0).standard_normal((9, 70)).astype(np.float32)
    first, out = np.full(70, 0.75, np.float32), np.zeros(70, np.float32)
    kernel(x, first, out, start=3, stop=69)
    expected = 0.5 + np.arange(9, dtype=np.float32) @ x + np.maximum(x.max(0), 0.75)
    np.testing.assert_allclose(out[3:69], expected[3:69], rtol=1e-5)
    assert not out[:3].any() and not out[69:].any()


def test_arrays_that_a_loop_reads_and_writes_in_two_places():
    """Parts far enough apart for vectors, and parts that are not: a sum that runs along."""
    for apart, size in ((64, 128), (1, 65), (40, 104)):
        source = (f"def k(x, start, stop):\n    for j in range(64):\n"
                  f"        x[j + {apart}] = x[j] + x[j + {apart}]\n")
        x = np.arange(size, dtype=np.float64)
        expected = x.copy()
        for j in range(64):
            expected[j + apart] += expected[j]
        compiled(source, x="f64*")(x)
        np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 64])
def test_every_nth_element(step):
    kernel = compiled(f"def k(x, out, start, stop):\n    for j in range(start, stop):\n"
                      f"        out[j] = x[j * {step}] + x[j * {step} + {step - 1}]\n",
                      x="f32*", out="f32*")
    x = np.arange(203 * step, dtype=np.float32)
    out = np.zeros(203, np.float32)
    kernel(x, out, stop=203)
    np.testing.assert_array_equal(out, x[::step] + x[step - 1::step])


@pytest.mark.parametrize("first, second", [(0, 0), (1, 1), (3, 19), (5, 6), (15, 15)])
def test_arrays_written_past_the_caches(first, second):
    """Wherever they begin: on cache lines or not, alike or not; and what they add up to."""
    source = """
def k(x, y, z, total, start, stop):
    s = f32(0)
    for i in range(start, stop):
        y[i] = x[i] * 2.0
        z[i] = x[i] + 1.0
        s += x[i]
    total[0] = s
"""
    signature = dict(x="f32*", y="f32* restrict stream", z="f32* stream", total="f32*")
    rows = tuple(Parameter.parse(*row) for row in signature.items())
    assert machine.has_masks() == ("!nontemporal" in llvm.emit(source, {"k": rows})[0])
    kernel = compiled(source, **signature)
    x = np.arange(1000, dtype=np.float32)
    room = np.zeros((2, 1200), np.float32)
    y, z = (row[(-row.ctypes.data % 64) // 4 + k:][:1000]
            for row, k in zip(room, (first, second)))
    total = np.zeros(1, np.float32)
    for start, stop in ((0, 1000), (3, 9), (7, 7), (10, 500)):
        room[:] = 0
        kernel(x, y, z, total, start=start, stop=stop)
        np.testing.assert_array_equal(y[start:stop], 2 * x[start:stop])
        np.testing.assert_array_equal(z[start:stop], x[start:stop] + 1)
        assert np.count_nonzero(room[1]) == stop - start
        assert total == x[start:stop].sum()


def test_a_part_of_the_range_leaves_the_rest_alone():
    kernel = compiled("""
def fill(value, out, start, stop):
    for i in range(start, stop, 2):
        out[i] = value
""", value="i32", out="i32*")
    out = np.zeros(10, np.int32)
    kernel(7, out, start=3, stop=8)
    assert out.tolist() == [0, 0, 0, 7, 0, 7, 0, 7, 0, 0]


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_every_half_float_loads_and_stores_as_ml_dtypes_has_it(dtype):
    every = np.arange(65536, dtype=np.uint16).view(NUMPY[dtype])
    wide = elementwise("x", dtype, result="f32")(every)
    np.testing.assert_array_equal(wide, every.astype(np.float32))
    bits = np.random.default_rng(0).integers(0, 2**32, 300_000, dtype=np.uint32)
    with np.errstate(all="ignore"):
        close = np.concatenate([wide, np.nextafter(wide, np.float32(0)), bits.view(np.float32)])
        halfway = (wide[:-1] + wide[1:]) / 2
    for x in (close, halfway[np.isfinite(halfway)]):
        with np.errstate(all="ignore"):
            expected = x.astype(NUMPY[dtype])
        got = elementwise("x", "f32", result=dtype)(x)
        np.testing.assert_array_equal(got.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", ["i8", "u8", "i32", "u32", "i64", "u64"])
def test_integer_division(dtype):
    """Floors for `//` and `%`, lax's answers for `quotient` and `rem`; Python's integers know."""
    info = np.iinfo(NUMPY[dtype])
    some = [0, 1, 2, 3, 7, 100, info.max - 1, info.max]
    some += [info.min, info.min + 1, -1, -3] if info.min else []
    pairs = [(a, b) for a in some for b in some]

    def quotient(a, b):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) if b else -1

    def rem(a, b):
        return a - b * quotient(a, b) if b else a

    def check(body, rows, meaning):
        x, y = (np.array(column, NUMPY[dtype]) for column in zip(*rows))
        got = elementwise(body, dtype, dtype)(x, y).tolist()
        exact = [int(meaning(a, b)) & (1 << info.bits) - 1 for a, b in rows]
        assert [g & (1 << info.bits) - 1 for g in got] == exact

    check("x // y", pairs, lambda a, b: a // b if b else 0)  # the smallest // -1 wraps
    check("x % y", pairs, lambda a, b: a % b if b else 0)
    check("x // 8", pairs, lambda a, b: a // 8)
    check("x % 8", pairs, lambda a, b: a % 8)
    check("quotient(x, y)", pairs, quotient)
    check("rem(x, y)", pairs, rem)


def test_minimum_and_maximum_pass_nan_on():
    x = np.array([1, np.nan, 2, -np.inf, np.nan] * 7)
    y = np.array([3, 1, np.nan, np.inf, np.nan] * 7)
    for dtype in ("f32", "f64"):
        for name in ("minimum", "maximum"):
            np.testing.assert_array_equal(elementwise(f"{name}(x, y)", dtype, dtype)(x, y),
                                          getattr(np, name)(x, y))


def test_a_product_and_a_sum_round_once_where_the_processor_can():
    x = np.full(40, 1 + 2**-12)
    once, twice = 2.0**-24, 0.0
    got = elementwise("x * x - y", "f32", "f32")(x, np.float32(x) ** 2)
    assert set(got.tolist()) in ({once}, {twice})  # the same in vectors and in the remainder
    assert set(elementwise("fma(x, x, -y)", "f32", "f32")(x, np.float32(x) ** 2)) == {once}


@pytest.mark.parametrize("body, message", [
    ("x + y", "operands of types f32 and i32: cast one of them"),
    ("x + i", "operands of types f32 and i64"),
    ("x & x", "`&` is not for f32"),
    ("y + 0.5", "the literal 0.5 is no i32"),
    ("y + 5000000000", "does not fit into i32"),
    ("absent", "absent has no value here"),
    ("unknown(x)", "no function unknown for f32"),
    ("x ** 2", "Pow is not in the kernels' subset"),
    ("f64(x)", "a value of type f64 where f32 is needed"),
    ("xs", "the array xs needs a subscript"),
    ("x if x else x", "a value of type f32 where bool is needed"),
    ("[x]", "List is not in the kernels' subset"),
    ("sqrt(x, x)", "sqrt takes 1 arguments"),
    ("1 // 0 + y", "literals: "),
])
def test_errors_name_the_expression(body, message):
    with pytest.raises(KernelError) as error:
        elementwise(body, "f32", "i32", result="f32")
    assert message in str(error.value)
    assert "line 5" in str(error.value)


def test_errors_of_signatures():
    source = "def k(x, start, stop):\n    x[start] = 1.0\n"
    with pytest.raises(KernelError, match="x has the type 'f31\\*'; expected one of bool, i8"):
        compile_kernels(source, {"k": {"x": "f31*"}})
    with pytest.raises(KernelError, match=r"k\(x, start, stop\) does not match its signature"):
        compile_kernels(source, {"k": {"y": "f32*"}})
    with pytest.raises(KernelError, match="the source has no function q"):
        compile_kernels(source, {"q": {"x": "f32*"}})
    kernel = compile_kernels(source, {"k": {"x": "f32*"}})["k"]
    with pytest.raises(TypeError, match="x must be a C-contiguous array of f32"):
        kernel(np.zeros(3))
    with pytest.raises(TypeError, match="k takes 1 arguments, got 0"):
        kernel()


def test_text_written_by_hand():
    text = """
define void @seven(ptr %table, i64 %start, i64 %stop) {
  %out = load ptr, ptr %table
  %at = getelementptr i64, ptr %out, i64 %start
  store i64 7, ptr %at
  ret void
}
"""
    kernel = compile_ir(text, "seven")["seven"]
    out = np.zeros(3, np.int64)
    table = np.array([out.ctypes.data])
    kernel.entry(table.ctypes.data, 1, 2)
    assert out.tolist() == [0, 7, 0]
    with pytest.raises(KernelError, match="LLVM does not accept this"):
        compile_ir("define nothing", "seven")
    with pytest.raises(KernelError, match="LLVM does not accept this"):
        compile_ir(text, "eight")


def test_many_files_share_engines():
    kernels = [compiled(f"def k(x, start, stop):\n    x[start] = {n}\n", x="i64*")
               for n in range(70)]
    out = np.zeros(1, np.int64)
    for n, kernel in enumerate(kernels):
        kernel(out)
        assert out[0] == n
