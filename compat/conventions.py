"""Where PyTorch and JAX answer the same question differently.

    python -m compat.conventions                     the table, measured
    python -m compat.conventions --html page.html    the same as a page

Each row is a question in both languages, and why the answers differ. Nothing is recorded: the
answers are asked of real PyTorch and real JAX where they are installed, and of minigrad's two
faces, which have to give the answer of the framework they mirror.
"""

from __future__ import annotations

import argparse
import html
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from compat.differential.page import document
from compat.differential.worlds import Text


@dataclass(frozen=True)
class Convention:
    """The same question in both languages, as expressions."""

    topic: str
    name: str
    torch: str
    jax: str
    why: str

    def text(self, library: str) -> str:
        return self.torch if library == "torch" else self.jax


def grad(torch: str, jax: str, at: str) -> tuple[str, str]:
    """The gradient of a function of one array, in both languages."""
    return f"torch.func.grad({torch})(torch.tensor({at}))", f"jax.grad({jax})(jnp.array({at}))"


G, P, R, I, L, D, E = ("gradients", "promotion and dtypes", "reductions", "indexing",
                       "linear algebra", "defaults and names", "errors")

CONVENTIONS = [Convention(*row) for row in [
    # ---------------------------------------------------------------- gradients
    (G, "abs at 0", *grad("torch.abs", "jnp.abs", "0."),
     "torch multiplies by sign(x), which is 0 there; jax selects by x >= 0"),
    (G, "clip at its bound", *grad("lambda x: torch.clamp(x, min=0.)",
                                   "lambda x: jnp.clip(x, 0.)", "0."),
     "torch passes the gradient wherever x >= min; jax clips by max and min, which share ties"),
    (G, "hardtanh at 1", *grad("F.hardtanh", "jax.nn.hard_tanh", "1."),
     "torch counts the end as saturated; jax counts it as the middle piece"),
    (G, "leaky_relu at 0", *grad("F.leaky_relu", "jax.nn.leaky_relu", "0."),
     "torch takes the slope of x > 0, jax that of x >= 0"),
    (G, "x ** 0. at 0", *grad("lambda x: x ** torch.tensor(0.)",
                              "lambda x: x ** jnp.array(0.)", "0."),
     "torch masks an exponent of zero; jax computes 0 * 0 ** -1"),
    (G, "norm of the zero vector", *grad("torch.linalg.norm", "jnp.linalg.norm", "[0., 0.]"),
     "torch masks the division by a norm of zero, jax differentiates the square root"),
    (G, "atan2 at the origin", *grad("lambda x: torch.atan2(x, x)",
                                     "lambda x: jnp.arctan2(x, x)", "0."),
     "torch masks a radius of zero, jax divides by it"),
    (G, "max along an axis with ties", *grad("lambda x: x.max(0).values", "lambda x: x.max(0)",
                                             "[1., 1., 0.]"),
     "torch follows the one index it returns; jax shares among equals"),
    (G, "1-norm at a zero", *grad("lambda x: torch.linalg.norm(x, 1)",
                                  "lambda x: jnp.linalg.norm(x, 1)", "[0., 1.]"),
     "as abs at 0"),
    (G, "std of equal numbers", *grad("torch.std", "lambda x: jnp.std(x, ddof=1)", "[1., 1.]"),
     "torch masks a standard deviation of zero, jax differentiates the square root"),
    (G, "clip at an array bound", *grad("lambda x: torch.clamp(x, torch.tensor(0.))",
                                        "lambda x: jnp.clip(x, jnp.array(0.))", "0."),
     "as clip at a number"),
    (G, "cummax over ties", *grad("lambda x: torch.cummax(x, 0).values.sum()",
                                  "lambda x: lax.cummax(x).sum()", "[1., 1., 0.]"),
     "torch follows the last of equal indices, jax shares pairwise"),
    (G, "median of equal numbers", *grad("torch.median", "jnp.median", "[1., 1., 1.]"),
     "torch shares among equals; jax sorts and takes one"),
    (G, "logaddexp at infinity", *grad("lambda x: torch.logaddexp(x, x)",
                                       "lambda x: jnp.logaddexp(x, x)", "float('inf')"),
     "torch subtracts infinities; jax guards the difference, twice"),
    (G, "of |z|^2 for complex z",
     "torch.func.grad(lambda z: (z * z.conj()).real)(torch.tensor(1 + 2j))",
     "jax.grad(lambda z: (z * z.conj()).real)(jnp.array(1 + 2j))",
     "torch gives the direction of ascent, jax its conjugate, the transpose of the derivative"),
    (G, "an input that is not used",
     "(lambda x, y: torch.autograd.grad((y * 2).sum(), x))("
     "torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True))",
     "jax.grad(lambda x, y: (y * 2).sum())(jnp.ones(1), jnp.ones(1))",
     "torch asks for allow_unused; a function's derivative is simply zero"),
    (G, "backward a second time",
     "(lambda x: (lambda y: (torch.autograd.grad(y, x), torch.autograd.grad(y, x)))(x.exp()))("
     "torch.tensor(0., requires_grad=True))",
     "(lambda pull: (pull(1.)[0], pull(1.)[0]))(jax.vjp(jnp.exp, 0.)[1])",
     "torch frees the graph as it goes; a pullback is a function like any other"),
    # ---------------------------------------------------------------- promotion
    (P, "the dtype of an integer", "torch.tensor(1).dtype", "jnp.array(1).dtype",
     "torch keeps 64-bit integers; jax has 32 bits unless x64 is enabled"),
    (P, "the dtype of argmax", "torch.argmax(torch.ones(3)).dtype",
     "jnp.argmax(jnp.ones(3)).dtype", "an index has the default integer's dtype"),
    (P, "a float16 array times a float32 scalar array",
     "(torch.ones(3, dtype=torch.float16) * torch.tensor(2.)).dtype",
     "(jnp.ones(3, jnp.float16) * jnp.array(2., jnp.float32)).dtype",
     "in torch arrays of rank 0 give way to others of their kind; in jax rank does not count"),
    (P, "sum of int32", "torch.ones(3, dtype=torch.int32).sum().dtype",
     "jnp.ones(3, jnp.int32).sum().dtype", "torch sums integers in int64"),
    (P, "sum of uint8", "torch.ones(3, dtype=torch.uint8).sum().dtype",
     "jnp.ones(3, jnp.uint8).sum().dtype", "torch sums integers in int64; jax keeps the sign"),
    (P, "prod of int32", "torch.ones(3, dtype=torch.int32).prod().dtype",
     "jnp.ones(3, jnp.int32).prod().dtype", "as sums"),
    (P, "cumsum of int32", "torch.cumsum(torch.ones(3, dtype=torch.int32), 0).dtype",
     "jnp.cumsum(jnp.ones(3, jnp.int32)).dtype", "as sums"),
    (P, "mean of integers", "torch.tensor([1, 2]).mean()", "jnp.array([1, 2]).mean()",
     "torch refuses, since the mean would not be an integer; jax makes floats of them"),
    (P, "minus of booleans", "torch.tensor(True) - torch.tensor(True)",
     "jnp.array(True) - jnp.array(True)",
     "both refuse and advise logical operations, with an error class of their own"),
    (P, "1e10 as int32", "torch.tensor(1e10).to(torch.int32)", "jnp.array(1e10).astype(jnp.int32)",
     "torch does what the processor does; XLA saturates"),
    (P, "-1.5 as uint8", "torch.tensor(-1.5).to(torch.uint8)",
     "jnp.array(-1.5).astype(jnp.uint8)", "torch wraps around; XLA saturates"),
    (P, "nan as int32", "torch.tensor(float('nan')).to(torch.int32)",
     "jnp.array(float('nan')).astype(jnp.int32)", "x86 gives the smallest integer, XLA zero"),
    (P, "7 / 2 by the function div", "torch.div(torch.tensor(7), torch.tensor(2))",
     "lax.div(jnp.array(7), jnp.array(2))", "torch.div is true division; lax.div truncates"),
    (P, "-7 rem 2", "torch.remainder(torch.tensor(-7), 2)",
     "lax.rem(jnp.array(-7), jnp.array(2))",
     "torch.remainder has the sign of the divisor, lax.rem that of the dividend"),
    (P, "1 // 0", "torch.tensor(1) // torch.tensor(0)", "jnp.array(1) // jnp.array(0)",
     "torch raises; XLA divides to all bits set, -1, and rounding down takes one more"),
    (P, "1 % 0", "torch.tensor(1) % torch.tensor(0)", "jnp.array(1) % jnp.array(0)",
     "torch raises; XLA has no exceptions"),
    (P, "uint8 array plus an int8 scalar array",
     "(torch.ones(2, dtype=torch.uint8) + torch.ones((), dtype=torch.int8)).dtype",
     "(jnp.ones(2, jnp.uint8) + jnp.ones((), jnp.int8)).dtype",
     "integers are one kind to torch, and the scalar gives way; jax finds what holds both"),
    (P, "the dtype of 2 ** 31", "torch.tensor(2 ** 31).dtype", "jnp.array(2 ** 31).dtype",
     "it does not fit 32 bits"),
    (P, "a float64 asked for", "torch.ones(1, dtype=torch.float64).dtype",
     "jnp.ones(1, 'float64').dtype", "without x64, jax gives 32 bits and a warning"),
    (P, "an integer to the power -1", "torch.tensor(2) ** -1", "jnp.array(2) ** -1",
     "both refuse, with an error class of their own"),
    (P, "float matrix times integer matrix",
     "torch.eye(2) @ torch.ones(2, 2, dtype=torch.int32)",
     "jnp.eye(2) @ jnp.ones((2, 2), jnp.int32)", "torch promotes for arithmetic, not for products"),
    (P, "heaviside of nan", "torch.heaviside(torch.tensor(float('nan')), torch.tensor(1.))",
     "jnp.heaviside(jnp.array(jnp.nan), 1.)", "as sign"),
    (P, "sign of nan", "torch.sign(torch.tensor(float('nan')))",
     "jnp.sign(jnp.array(float('nan')))", "torch compares, and nothing holds; jax passes nan on"),
    (P, "digamma at 0", "torch.digamma(torch.tensor(0.))",
     "jax.scipy.special.digamma(jnp.array(0.))", "a pole of both signs: torch takes the limit"),
    # ---------------------------------------------------------------- reductions
    (R, "var", "torch.var(torch.tensor([1., 2., 3.]))", "jnp.var(jnp.array([1., 2., 3.]))",
     "torch divides by n - 1 (a sample), jax by n as NumPy does"),
    (R, "std of one number", "torch.std(torch.tensor([1.]))", "jnp.std(jnp.array([1.]))",
     "torch divides by n - 1 = 0"),
    (R, "median of two numbers", "torch.median(torch.tensor([1., 2.]))",
     "jnp.median(jnp.array([1., 2.]))", "torch gives the lower of the two, jax their mean"),
    (R, "max of nothing", "torch.max(torch.zeros(0))", "jnp.max(jnp.zeros(0))",
     "no identity for max; the classes of the errors differ"),
    (R, "argmax of nothing", "torch.argmax(torch.zeros(0))", "jnp.argmax(jnp.zeros(0))",
     "as above"),
    (R, "max of complex numbers", "torch.max(torch.tensor([1j, 1 + 0j]))",
     "jnp.max(jnp.array([1j, 1 + 0j]))",
     "torch orders real numbers only; NumPy, and so jax, goes by the real part first"),
    (R, "unique of two nans", "len(torch.unique(torch.tensor([float('nan')] * 2)))",
     "len(jnp.unique(jnp.array([float('nan')] * 2)))",
     "nan is unlike nan in torch; NumPy, and so jax, counts them as equal"),
    (R, "max along an axis", "type(torch.ones(2, 3).max(0)).__name__",
     "type(jnp.ones((2, 3)).max(0).shape).__name__",
     "torch returns values and indices together, jax an array (here: its shape)"),
    # ---------------------------------------------------------------- indexing
    (I, "an index beyond the end", "torch.arange(3.)[5]", "jnp.arange(3.)[jnp.array(5)]",
     "a compiled program cannot raise: jax clamps to the last element"),
    (I, "take beyond the end", "torch.take(torch.arange(3.), torch.tensor(5))",
     "jnp.take(jnp.arange(3.), 5)", "torch raises; jnp.take fills with nan"),
    (I, "writing beyond the end", "torch.zeros(2).index_fill(0, torch.tensor([5]), 1.)",
     "jnp.zeros(2).at[jnp.array([5])].set(1.)", "torch raises; jax drops the update"),
    (I, "a class beyond the last in one_hot", "F.one_hot(torch.tensor(5), 3)",
     "jax.nn.one_hot(5, 3)", "torch raises; in jax the row is zero"),
    (I, "an index far below zero", "torch.arange(3.)[-5]", "jnp.arange(3.)[jnp.array(-5)]",
     "jax clamps to the first element"),
    (I, "a list as an index", "torch.ones(2, 3)[[0, 1]].shape",
     "jnp.ones((2, 3))[[0, 1]].shape", "jax asks for an array, to have no doubt what is meant"),
    (I, "a float index", "torch.arange(3)[torch.tensor(1.)]", "jnp.arange(3)[jnp.array(1.)]",
     "each with its class of error"),
    (I, "a uint8 array as an index", "torch.arange(2)[torch.tensor([1, 0], dtype=torch.uint8)]",
     "jnp.arange(2)[jnp.array([1, 0], dtype=jnp.uint8)]",
     "uint8 was torch's boolean once, and still is a mask"),
    (I, "nonzero", "torch.nonzero(torch.tensor([0, 1, 1])).shape",
     "jnp.nonzero(jnp.array([0, 1, 1]))[0].shape",
     "torch gives a row of coordinates for each, NumPy an array for each axis"),
    (I, "meshgrid", "torch.meshgrid(torch.arange(2), torch.arange(3))[0].shape",
     "jnp.meshgrid(jnp.arange(2), jnp.arange(3))[0].shape",
     "torch indexes by ij (and warns that it will change), NumPy by xy"),
    (I, "concatenating what is empty", "torch.cat([torch.zeros(0), torch.ones(2, 2)]).shape",
     "jnp.concatenate([jnp.zeros(0), jnp.ones((2, 2))]).shape",
     "torch skips an empty vector, for old programs' sake"),
    (I, "a negative step", "torch.arange(3.)[::-1]", "jnp.arange(3.)[::-1]",
     "torch's strides are never negative: use flip"),
    (I, "writing into an array", "(lambda x: (x.__setitem__(0, 5.), x)[1])(torch.zeros(2))",
     "(lambda x: (x.__setitem__(0, 5.), x)[1])(jnp.zeros(2))",
     "arrays of jax are immutable: x.at[0].set(5.) gives a new one"),
    (I, "adding at a repeated index",
     "(lambda x: (x.__setitem__([0, 0], x[[0, 0]] + 1), x)[1])(torch.zeros(2))",
     "jnp.zeros(2).at[jnp.array([0, 0])].add(1)",
     "x[i] += 1 reads, adds and writes; .at[i].add(1) adds every time"),
    (I, "squeeze of an axis that is not 1", "torch.ones(2, 3).squeeze(0).shape",
     "jnp.ones((2, 3)).squeeze(0).shape", "torch leaves it, NumPy's rule is an error"),
    (I, "split(x, 2) of six", "[len(p) for p in torch.split(torch.arange(6), 2)]",
     "[len(p) for p in jnp.split(jnp.arange(6), 2)]",
     "torch asks for the size of a piece, NumPy for their number"),
    (I, "repeat", "torch.tensor([1, 2]).repeat(2)", "jnp.array([1, 2]).repeat(2)",
     "torch repeats the whole, as NumPy's tile does; NumPy's repeat repeats elements"),
    (I, "transpose(0, 2) of three axes", "torch.ones(2, 3, 4).transpose(0, 2).shape",
     "jnp.ones((2, 3, 4)).transpose(0, 2).shape",
     "torch swaps two axes; NumPy wants the whole permutation"),
    (I, "pad by (1, 0)", "F.pad(torch.ones(2, 2), (1, 0)).shape",
     "jnp.pad(jnp.ones((2, 2)), (1, 0)).shape",
     "torch counts pairs from the last axis; NumPy means every axis"),
    # ---------------------------------------------------------------- linear algebra
    (L, "cholesky of an indefinite matrix", "torch.linalg.cholesky(-torch.eye(2))",
     "jnp.linalg.cholesky(-jnp.eye(2))", "torch raises; a compiled program answers nan"),
    (L, "inverse of a singular matrix", "torch.linalg.inv(torch.zeros(2, 2))",
     "jnp.linalg.inv(jnp.zeros((2, 2)))", "torch raises; a compiled program divides by zero"),
    (L, "solving with a singular matrix", "torch.linalg.solve(torch.zeros(1, 1), torch.ones(1))",
     "jnp.linalg.solve(jnp.zeros((1, 1)), jnp.ones(1))", "as above"),
    (L, "matmul of a scalar", "torch.matmul(torch.tensor(1.), torch.ones(2))",
     "jnp.matmul(jnp.array(1.), jnp.ones(2))", "each with its class of error"),
    (L, "outer of a matrix", "torch.outer(torch.ones(2, 2), torch.ones(2)).shape",
     "jnp.outer(jnp.ones((2, 2)), jnp.ones(2)).shape", "NumPy flattens, torch wants vectors"),
    (L, "dot of two matrices", "torch.dot(torch.eye(2), torch.eye(2))",
     "jnp.dot(jnp.eye(2), jnp.eye(2))", "torch.dot is for vectors; NumPy's multiplies matrices"),
    (L, "the weight of a linear layer, 2 to 3", "torch.nn.Linear(2, 3).weight.shape",
     "jax.nn.initializers.lecun_normal()(jax.random.key(0), (2, 3)).shape",
     "torch keeps (out, in) and multiplies by the transpose; jax libraries keep (in, out)"),
    (L, "a strided convolution with padding 'same'",
     "F.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), stride=2, padding='same').shape",
     "lax.conv(jnp.ones((1, 1, 4, 4)), jnp.ones((1, 1, 3, 3)), (2, 2), 'SAME').shape",
     "torch allows 'same' for stride 1 only; XLA's SAME divides and rounds up"),
    # ---------------------------------------------------------------- defaults and names
    (D, "gelu(1)", "F.gelu(torch.tensor(1.))", "jax.nn.gelu(jnp.array(1.))",
     "torch uses erf by default, jax the approximation by tanh"),
    (D, "softmax along which axis", "torch.softmax(torch.ones(2, 4))",
     "jax.nn.softmax(jnp.ones((2, 4)))", "torch insists on dim; jax takes the last"),
    (D, "the dtype of one_hot", "F.one_hot(torch.tensor(0), 2).dtype",
     "jax.nn.one_hot(0, 2).dtype", "torch gives integers, jax floats that can be multiplied"),
    (D, "the dtype of an integer range", "torch.arange(3).dtype", "jnp.arange(3).dtype",
     "the default integer"),
    (D, "ones(2, 3)", "torch.ones(2, 3).shape", "jnp.ones(2, 3).shape",
     "torch takes sizes one by one; NumPy's second argument is the dtype"),
    (D, "a Hann window of 4", "torch.hann_window(4)", "jnp.hanning(4)",
     "torch's is periodic, for spectra; NumPy's symmetric, for filters"),
    (D, "int of one number in a vector", "int(torch.tensor([3]))", "int(jnp.array([3]))",
     "torch takes the only element; NumPy has come to insist on rank 0"),
    (D, "repr", "repr(torch.tensor([1., 2.]))", "repr(jnp.array([1., 2.]))",
     "jax names the dtype also where it is the default"),
    (D, "where a size is", "torch.ones(2, 3).size()", "jnp.ones((2, 3)).size",
     "size() is torch's shape; NumPy's size counts elements"),
    # ---------------------------------------------------------------- errors
    (E, "the truth of two numbers", "bool(torch.ones(2))", "bool(jnp.ones(2))",
     "RuntimeError is torch's usual class; jax follows NumPy with ValueError"),
    (E, "shapes that do not broadcast", "torch.ones(2) + torch.ones(3)",
     "jnp.ones(2) + jnp.ones(3)", "as above, TypeError in jax"),
    (E, "a gradient by an integer", "torch.func.grad(lambda x: x * 1.)(torch.tensor(1))",
     "jax.grad(lambda x: x * 1.)(jnp.array(1))", "both refuse, each with its class"),
    (E, "a gradient of a vector", "torch.func.grad(lambda x: x)(torch.ones(2))",
     "jax.grad(lambda x: x)(jnp.ones(2))", "both want a scalar, each with its class"),
    (E, "an axis that is not there", "torch.ones(2).sum(3)", "jnp.ones(2).sum(3)",
     "IndexError in torch; NumPy's AxisError is a ValueError in jax"),
    (E, "reshape to what does not fit", "torch.ones(4).reshape(3)", "jnp.ones(4).reshape(3)",
     "RuntimeError beside TypeError"),
]]


# ------------------------------------------------------------------ asking


@cache
def ask(row: Convention, library: str, ours: bool) -> str:
    """The answer of one framework, or of the face that mirrors it, as short text."""
    try:
        with np.errstate(all="ignore"):
            return spell(Text(row.text(library)).run(library, ours))
    except Exception as error:
        return f"raises {type(error).__name__}"


def spell(answer) -> str:
    """Numbers to five digits; dtypes by their name; tuples and lists as Python shows them."""
    if hasattr(answer, "detach"):
        answer = answer.detach()
    if type(answer).__name__ == "Size":
        return str(tuple(answer))
    if isinstance(answer, (list, tuple)):
        inner = ", ".join(map(spell, answer))
        comma = "," if len(answer) == 1 else ""
        return f"[{inner}]" if isinstance(answer, list) else f"({inner}{comma})"
    if type(answer).__name__ == "dtype" or isinstance(answer, type):
        return str(answer).rsplit(".", 1)[-1]
    if isinstance(answer, (str, bool, int)):
        return str(answer)
    array = np.asarray(answer)
    if array.dtype.kind in "fc":
        text = np.array2string(array, precision=5, separator=", ", floatmode="maxprec")
        return " ".join(text.split())
    return str(array.tolist())


def installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def measured() -> Iterator[tuple[Convention, dict[str, str], dict[str, str]]]:
    """(row, the frameworks' answers, the faces' answers); a framework that is not installed is
    left out."""
    for row in CONVENTIONS:
        yield (row, {lib: ask(row, lib, False) for lib in ("torch", "jax") if installed(lib)},
               {lib: ask(row, lib, True) for lib in ("torch", "jax")})


# ------------------------------------------------------------------ showing


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.conventions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", metavar="FILE", default="",
                        help="write the table as a page, too")
    options = parser.parse_args(argv)
    rows = list(measured())
    topic, wrong = "", 0
    for row, theirs, ours in rows:
        if row.topic != topic:
            topic = row.topic
            print(f"\n{topic}\n")
        differ = [lib for lib, answer in theirs.items() if ours[lib] != answer]
        wrong += bool(differ)
        shown = theirs or ours
        print(f"  {row.name:42}" + "".join(f" {lib} {shown[lib]:24}" for lib in shown))
        print(f"  {'':42} {row.why}")
        for lib in differ:
            print(f"  {'':42} compat.{lib} says {ours[lib]}")
    print(f"\n{len(rows)} conventions; compat.torch and compat.jax give their framework's answer "
          f"in {len(rows) - wrong}")
    if options.html:
        Path(options.html).write_text(page(rows), encoding="utf-8")
        print(f"written: {options.html}")
    return 1 if wrong else 0


def page(rows) -> str:
    parts = [f"<p>{len(rows)} questions that PyTorch and JAX answer differently, asked of both. "
             "minigrad's faces give the answer of the framework they mirror.</p>"]
    for topic in dict.fromkeys(row.topic for row, *_ in rows):
        parts.append(f"<h2>{html.escape(topic)}</h2><table><tr><th>question</th><th>PyTorch</th>"
                     "<th>JAX</th><th>why</th></tr>")
        parts += [page_row(*entry) for entry in rows if entry[0].topic == topic]
        parts.append("</table>")
    return document("Where PyTorch and JAX disagree", "".join(parts))


def page_row(row: Convention, theirs: dict, ours: dict) -> str:
    cells = [f"<td>{html.escape(row.name)}</td>"]
    for lib in ("torch", "jax"):
        answer = theirs.get(lib, ours[lib])
        kind = " class='bad'" if answer != ours[lib] else ""
        cells.append(f"<td{kind}><b>{html.escape(answer)}</b><br>"
                     f"<small><code>{html.escape(row.text(lib))}</code></small></td>")
    return f"<tr>{''.join(cells)}<td>{html.escape(row.why)}</td></tr>"


if __name__ == "__main__":
    sys.exit(main())
