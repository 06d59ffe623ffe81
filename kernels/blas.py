"""Products of matrices through the OpenBLAS that NumPy brings.

`np.matmul` reaches the same library, but lets it start threads of its own, and those and our pool
(`kernels/pool.py`) stall each other. Here OpenBLAS runs with one thread on tiles of the result,
and the pool does the tiles. How a product is tiled depends on its sizes alone, so its bits do not
depend on the number of threads; what the host program sees of OpenBLAS's threads is put back
after each product.

`plan_product` folds transposed operands, axes in any order and up to two batch axes into the flags
and strides of BLAS; only what has no constant stride is copied. Tiles are called through ctypes
until that has cost as much as compiling `GEMM` does once (`kernels/heat.py`).
Where NumPy has another BLAS all of it is `np.matmul`; `MINIGRAD_BLAS=default` asks for that.

OpenBLAS chooses its kernels by the name of the processor and takes AMD's with AVX-512 for a
Haswell, at half the speed. `use_wide_kernels` has it choose again; `OPENBLAS_CORETYPE`, which is
the user's own choice, or `MINIGRAD_BLAS=default` prevent it.
"""

from __future__ import annotations

import ctypes
import math
import os
import struct
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kernels import heat, pool
from kernels.memory import address_of

F32, F64, C64, C128 = (np.dtype(t) for t in "fdFD")
LETTERS = {F32: "s", F64: "d", C64: "c", C128: "z"}
NO_TRANSPOSE, TRANSPOSE = 111, 112
THREADED = 64**3  # multiplications; OpenBLAS starts threads above this
TILE_WORK = THREADED  # multiplications that are worth a chunk, about 3 µs
SMALL_WORK = 1_000_000
LARGEST_TILE = 1024  # rows or columns
PACKING = ("Haswell", "Zen", "Sandybridge", "Nehalem", "Core2", "Barcelona", "Prescott")

# ------------------------------------------------------------------ the library


class Library(NamedTuple):
    """OpenBLAS: gemm for each dtype, and the functions that get and set its number of threads."""

    gemm: dict[np.dtype, Callable]
    get_threads: Callable[[], int]
    set_threads: Callable[[int], None]
    core: str


@lru_cache(1)
def library() -> Library | None:
    """The OpenBLAS in NumPy's wheel, with 64-bit integers; None where NumPy has another BLAS."""
    if os.environ.get("MINIGRAD_BLAS") == "default":
        return None
    try:
        shared = ctypes.PyDLL(str(library_path()))  # a PyDLL keeps Python's lock
        free = ctypes.CDLL(str(library_path()))
        size, enum, pointer = ctypes.c_int64, ctypes.c_int, ctypes.c_void_p
        gemm = {}
        for dtype, letter in LETTERS.items():
            scalar = {F32: ctypes.c_float, F64: ctypes.c_double}.get(dtype, pointer)
            gemm[dtype] = getattr(free, f"scipy_cblas_{letter}gemm64_")
            gemm[dtype].argtypes = (enum, enum, enum, size, size, size, scalar, pointer, size,
                                    pointer, size, scalar, pointer, size)
            gemm[dtype].restype = None
        shared.scipy_openblas_set_num_threads64_.restype = None
        use_wide_kernels(shared)
        found = Library(gemm, shared.scipy_openblas_get_num_threads64_,
                        shared.scipy_openblas_set_num_threads64_, core_name(shared))
    except (AttributeError, OSError):
        return None
    pool.keep_blas_alone(*map(function_address, (found.get_threads, found.set_threads)))
    return found


def library_path() -> Path:
    """NumPy's wheels for Linux and Windows keep it in `numpy.libs`, those for macOS inside."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for path in sorted(folder.glob("libscipy_openblas64_*")):
            return path
    raise OSError("NumPy has no OpenBLAS of its own")


def function_address(function) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def core_name(shared) -> str:
    """For which processor the library's kernels are."""
    name = shared.scipy_openblas_get_corename64_
    name.restype = ctypes.c_char_p
    return name().decode()


def use_wide_kernels(shared) -> bool:
    """Have OpenBLAS use AVX-512 where it took the processor for one without; says if it did.

    It reads its choice from the environment, which is as before afterwards. Between leaving the
    old kernels and finding the new ones there are none: so not while other threads may compute.
    """
    if (core_name(shared) not in ("Haswell", "Zen") or not has_avx512()
            or threading.active_count() > 1 or "OPENBLAS_CORETYPE" in os.environ):
        return False
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
    try:
        shared.gotoblas_dynamic_quit()
        shared.gotoblas_dynamic_init()
    finally:
        del os.environ["OPENBLAS_CORETYPE"]
    return core_name(shared) == "SkylakeX"


def has_avx512() -> bool:
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features
    except ImportError:
        return False
    return features.get("AVX512_SKX", False)


class OneThread:
    """`with one_thread:` OpenBLAS works alone; whoever leaves last puts back what was set."""

    def __init__(self):
        self.lock, self.users, self.before = threading.Lock(), 0, 0

    def __enter__(self):
        with self.lock:
            if self.users == 0:
                self.before = library().get_threads()
                library().set_threads(1)
            self.users += 1

    def __exit__(self, *_):
        with self.lock:
            self.users -= 1
            if self.users == 0:
                library().set_threads(self.before)


    def after_fork(self) -> None:
        """In a child that was forked within `with one_thread`, nobody would leave."""
        self.lock = threading.Lock()
        if self.users:
            self.users = 0
            library().set_threads(self.before)


one_thread = OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_thread.after_fork)



def each(function: Callable[[int, int], object], extent: int, grain: int) -> None:
    """`pool.each` for functions that call BLAS."""
    if library() is None:
        pool.each(function, extent, grain)
        return
    with one_thread:
        pool.each(function, extent, grain)


# ------------------------------------------------------------------ a product as calls of gemm


class Product(NamedTuple):
    """How to compute one product: what every product of these shapes and strides has in common.

    A table is the addresses of x, y and the result, then `tail`; in a compiled program:

        pool.run(native_gemm(product.dtype).address, product.table(x, y, out),
                 product.extent, product.grain)
    """

    shape: tuple[int, ...]  # of the result: batch, free axes of x, free axes of y
    dtype: np.dtype
    extent: int  # tiles
    grain: int  # tiles in a chunk
    tail: bytes
    multiplications: int
    vector: bool  # one row or one column in each matrix: BLAS has gemv for that

    def table(self, x: int, y: int, out: int) -> bytes:
        return pack_addresses(x, y, out) + self.tail

    def __call__(self, x, y):
        out = np.empty(self.shape, self.dtype)
        run_tiles(self, self.table(address_of(x), address_of(y), address_of(out)))
        return out


pack_addresses = struct.Struct("3q").pack


@lru_cache(4096)
def plan_product(x_shape, x_strides, y_shape, y_strides, dtype, dimension_numbers):
    """A `Product`, or None where an operand has to be copied first (or BLAS has no such gemm).

    Strides are in bytes. Axes are merged into rows, terms, columns and batch where each has one
    stride; of rows and terms of an operand one must be contiguous.
    """
    if library() is None or dtype not in LETTERS:
        return None
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = remaining(len(x_shape), x_contract, x_batch)
    y_free = remaining(len(y_shape), y_contract, y_batch)
    size = dtype.itemsize
    rows, x_row = merged(x_shape, x_strides, x_free, size)
    terms, x_term = merged(x_shape, x_strides, x_contract, size)
    y_terms, y_term = merged(y_shape, y_strides, y_contract, size)
    columns, y_column = merged(y_shape, y_strides, y_free, size)
    batch = merge_batch(x_shape, x_strides, x_batch, y_strides, y_batch)
    x_flag, x_lead = layout(rows, x_row, terms, x_term, size)
    y_flag, y_lead = layout(y_terms, y_term, columns, y_column, size)
    if batch is None or not x_flag or not y_flag or min(rows, columns, terms) == 0:
        return None
    outer, inner, x_outer, x_inner, y_outer, y_inner = batch
    tile_rows, tile_columns = tiles(rows, columns, terms)
    down, across = -(-rows // tile_rows), -(-columns // tile_columns)
    matrix = rows * columns * size
    words = (function_address(library().gemm[dtype]), x_flag, y_flag, rows, columns, terms,
             x_lead, y_lead, columns, tile_rows, tile_columns, across, down * across, inner,
             x_outer, x_inner, y_outer, y_inner, inner * matrix, matrix, tile_rows * x_row,
             tile_columns * y_column, tile_rows * columns * size, tile_columns * size)
    work = min(tile_rows, rows) * min(tile_columns, columns) * terms
    shape = (*(x_shape[i] for i in x_batch), *(x_shape[i] for i in x_free),
             *(y_shape[i] for i in y_free))
    extent = outer * inner * down * across
    return Product(shape, dtype, extent, max(1, TILE_WORK // work),
                   struct.pack(f"{len(words)}q", *words), extent * work, 1 in (rows, columns))


def remaining(ndim: int, *taken) -> tuple[int, ...]:
    used = {axis for axes in taken for axis in axes}
    return tuple(axis for axis in range(ndim) if axis not in used)


def merged(shape, strides, axes, itemsize) -> tuple[int, int | None]:
    """Size and stride of `axes` taken as one axis, the last of them fastest; None: has none."""
    total, step = 1, None
    for axis in reversed(axes):
        if shape[axis] == 1:
            continue
        if step is None:
            step = strides[axis]
        elif strides[axis] != step * total:
            return math.prod(shape[a] for a in axes), None
        total *= shape[axis]
    return math.prod(shape[a] for a in axes), itemsize if step is None else step


def merge_batch(shape, x_strides, x_axes, y_strides, y_axes):
    """The batch axes as an outer and an inner one, with their strides in x and y; else None."""
    loops: list[list[int]] = []  # size, stride in x, stride in y; the innermost first
    for i, j in zip(reversed(x_axes), reversed(y_axes)):
        if shape[i] == 1:
            continue
        last = loops[-1] if loops else None
        if last and x_strides[i] == last[1] * last[0] and y_strides[j] == last[2] * last[0]:
            last[0] *= shape[i]
        else:
            loops.append([shape[i], x_strides[i], y_strides[j]])
    if len(loops) > 2:
        return None
    inner, outer = [*loops, [1, 0, 0], [1, 0, 0]][:2]
    return outer[0], inner[0], outer[1], inner[1], outer[2], inner[2]


def layout(rows, row_step, columns, column_step, itemsize) -> tuple[int, int]:
    """BLAS's flag and leading dimension for a matrix in memory; flag 0: it must be copied.

    A step of zero or below, as of broadcast and reversed axes, is nothing that BLAS takes.
    """
    for flag, long, step, short, unit in (
            (NO_TRANSPOSE, rows, row_step, columns, column_step),
            (TRANSPOSE, columns, column_step, rows, row_step)):
        if unit is None or step is None or (unit != itemsize and short != 1):
            continue
        if long == 1:
            return flag, short
        if step % itemsize == 0 and step >= short * itemsize:
            return flag, step // itemsize
    return 0, 0


def tiles(rows: int, columns: int, terms: int) -> tuple[int, int]:
    """The rows and columns of a tile.

    For some processors OpenBLAS has kernels that pack nothing, up to SMALL_WORK, and twice as
    fast: so products of a few times that are cut into strips of that work. Others are cut in two
    or four, as every piece packs its operands anew: a tile of 1024 rows spends a few percent on
    that, and strips of 8 rows as much as on the product.
    """
    work = rows * columns * terms
    if work < 2 * TILE_WORK:
        return rows, columns
    if work < 8 * SMALL_WORK:
        pieces = 2  # two threads get as much each
        if library().core not in PACKING:
            pieces *= max(1, -(-work // (2 * SMALL_WORK)))
        if rows >= columns or rows >= 4 * pieces:
            return strip(rows, pieces), columns
        return rows, strip(columns, pieces)
    if min(rows, columns) >= 512:
        return half(rows), half(columns)
    return (half(rows), columns) if rows >= columns else (rows, half(columns))


def strip(size: int, pieces: int) -> int:
    """A piece of `size`, in multiples of what fills vectors: 16, or 4 where it is narrow."""
    piece = -(-size // pieces)
    unit = 16 if piece >= 16 else 4
    return min(size, -(-piece // unit) * unit)


def half(size: int) -> int:
    return min(LARGEST_TILE, -(-size // 32) * 16)


# ------------------------------------------------------------------ running it

def run_tiles(product: Product, table: bytes) -> None:
    if heat.ready("products", product.multiplications):
        pool.run(native_gemm(product.dtype).address, table, product.extent, product.grain)
        return
    words = struct.unpack(f"{len(table) // 8}q", table)
    several = product.multiplications > 400 * TILE_WORK  # Python's threads start in 100 µs
    each(lambda start, stop: gemm_tiles(product.dtype, words, start, stop),
         product.extent, product.grain if several else product.extent)


def gemm_tiles(dtype, words, start: int, stop: int) -> None:
    """What `GEMM` below does, in Python."""
    (x, y, out, _, x_flag, y_flag, rows, columns, terms, x_lead, y_lead, out_lead, tile_rows,
     tile_columns, across, per_matrix, inner, x_outer, x_inner, y_outer, y_inner, out_outer,
     out_inner, x_down, y_across, out_down, out_across) = words
    gemm = library().gemm[dtype]
    alpha, beta = 1.0, 0.0
    if dtype.kind == "c":
        scalars = np.array([1, 0], dtype)
        alpha, beta = address_of(scalars[:1]), address_of(scalars[1:])
    for unit in range(start, stop):
        matrix, tile = divmod(unit, per_matrix)
        (b, a), (r, c) = divmod(matrix, inner), divmod(tile, across)
        gemm(101, x_flag, y_flag, min(tile_rows, rows - r * tile_rows),
             min(tile_columns, columns - c * tile_columns), terms, alpha,
             x + b * x_outer + a * x_inner + r * x_down, x_lead,
             y + b * y_outer + a * y_inner + c * y_across, y_lead, beta,
             out + b * out_outer + a * out_inner + r * out_down + c * out_across, out_lead)


NAMES = ("x y out gemm x_flag y_flag rows columns terms x_lead y_lead out_lead tile_rows "
         "tile_columns across per_matrix inner x_outer x_inner y_outer y_inner out_outer out_inner "
         "x_down y_across out_down out_across").split()
SCALARS = {  # how BLAS is given one and zero
    "s": ("float 1.0", "float 0.0"), "d": ("double 1.0", "double 0.0"),
    "c": ("ptr @one32", "ptr @zero"), "z": ("ptr @one64", "ptr @zero"),
}
GEMM = """
@one32 = internal constant [2 x float] [float 1.0, float 0.0]
@one64 = internal constant [2 x double] [double 1.0, double 0.0]
@zero = internal constant [2 x double] zeroinitializer
declare i64 @llvm.smin.i64(i64, i64)
define void @NAME(ptr %table, i64 %start, i64 %stop) {
entry:
LOADS
  %f = inttoptr i64 %gemm to ptr
  %x.flag = trunc i64 %x_flag to i32
  %y.flag = trunc i64 %y_flag to i32
  br label %tile
tile:
  %unit = phi i64 [ %start, %entry ], [ %unit.next, %tile ]
  %matrix = udiv i64 %unit, %per_matrix
  %t = urem i64 %unit, %per_matrix
  %b = udiv i64 %matrix, %inner
  %a = urem i64 %matrix, %inner
  %r = udiv i64 %t, %across
  %c = urem i64 %t, %across
  %r.first = mul i64 %r, %tile_rows
  %r.left = sub i64 %rows, %r.first
  %r.count = call i64 @llvm.smin.i64(i64 %r.left, i64 %tile_rows)
  %c.first = mul i64 %c, %tile_columns
  %c.left = sub i64 %columns, %c.first
  %c.count = call i64 @llvm.smin.i64(i64 %c.left, i64 %tile_columns)
OFFSETS
  call void %f(i32 101, i32 %x.flag, i32 %y.flag, i64 %r.count, i64 %c.count, i64 %terms, ONE,
    ptr %x.p, i64 %x_lead, ptr %y.p, i64 %y_lead, ZERO, ptr %out.p, i64 %out_lead)
  %unit.next = add i64 %unit, 1
  %more = icmp slt i64 %unit.next, %stop
  br i1 %more, label %tile, label %done
done:
  ret void
}
"""


@lru_cache
def native_gemm(dtype: np.dtype):
    """`gemm_tiles` in machine code, a kernel for the pool."""
    from kernels.native import compile_ir

    name = f"{LETTERS[dtype]}gemm_tiles"
    return compile_ir(gemm_ir(LETTERS[dtype]), name)[name]


def gemm_ir(letter: str) -> str:
    loads = [f"  %{name}.at = getelementptr i64, ptr %table, i64 {i}\n"
             f"  %{name} = load i64, ptr %{name}.at\n" for i, name in enumerate(NAMES)]
    offsets = []
    for operand, steps in (("x", "b x_outer a x_inner r x_down"),
                           ("y", "b y_outer a y_inner c y_across"),
                           ("out", "b out_outer a out_inner r out_down c out_across")):
        words, sum_ = steps.split(), f"%{operand}"
        for i, (index, step) in enumerate(zip(words[::2], words[1::2])):
            offsets.append(f"  %{operand}.m{i} = mul i64 %{index}, %{step}\n"
                           f"  %{operand}.s{i} = add i64 {sum_}, %{operand}.m{i}\n")
            sum_ = f"%{operand}.s{i}"
        offsets.append(f"  %{operand}.p = inttoptr i64 {sum_} to ptr\n")
    one, zero = SCALARS[letter]
    text = GEMM.replace("NAME", f"{letter}gemm_tiles").replace("LOADS\n", "".join(loads))
    return text.replace("OFFSETS\n", "".join(offsets)).replace("ONE", one).replace("ZERO", zero)


# ------------------------------------------------------------------ any product


def dot(x, y, dimension_numbers, small=None):
    """`dot_general` of two arrays of one floating or complex dtype that BLAS has. `small` is how
    NumPy does it, for products so small that BLAS would not share them out."""
    product = plan_product(x.shape, x.strides, y.shape, y.strides, x.dtype, dimension_numbers)
    if product is not None and not product.vector:
        if product.multiplications > THREADED:
            return product(x, y)
        if small is not None:
            return small(x, y)
    left, right, shape = as_matrices(x, y, dimension_numbers)
    product = plan_product(left.shape, left.strides, right.shape, right.strides, x.dtype, MATMUL)
    if product is None or product.multiplications <= THREADED or product.vector:
        return alone(np.matmul, left, right).reshape(shape)
    return product(left, right).reshape(shape)


MATMUL = ((2,), (1,)), ((0,), (0,))  # (batch, rows, terms) by (batch, terms, columns)


def matmul(x, y):
    """`np.matmul` of operands with the same batch axes."""
    if x.dtype not in LETTERS or x.size + y.size <= 8192:
        return np.matmul(x, y)
    batch = tuple(range(x.ndim - 2))
    return dot(x, y, (((x.ndim - 1,), (x.ndim - 2,)), (batch, batch)), np.matmul)


def as_matrices(x, y, dimension_numbers):
    """The operands with three axes each, copied where that needs it, and the result's shape."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = remaining(x.ndim, x_contract, x_batch)
    y_free = remaining(y.ndim, y_contract, y_batch)
    shape = (*(x.shape[i] for i in x_batch), *(x.shape[i] for i in x_free),
             *(y.shape[i] for i in y_free))
    terms = math.prod(x.shape[i] for i in x_contract)
    rows, columns = (math.prod(a.shape[i] for i in free) for a, free in ((x, x_free), (y, y_free)))
    batch = math.prod(x.shape[i] for i in x_batch)
    left = x.transpose(*x_batch, *x_free, *x_contract).reshape(batch, rows, terms)
    right = y.transpose(*y_batch, *y_contract, *y_free).reshape(batch, terms, columns)
    return left, right, shape


def alone(function, x, y):
    """`function(x, y)` with one OpenBLAS thread where it would start more."""
    if x.size + y.size < 4096 or library() is None:
        return function(x, y)
    with one_thread:
        return function(x, y)
