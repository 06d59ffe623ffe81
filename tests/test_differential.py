"""The differential tool: what it compares, and that it finds, shrinks and locates what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from compat.differential import comparison, locate
from compat.differential.__main__ import main
from compat.differential.shrink import smallest
from compat.differential.tool import run_functions, run_texts
from minigrad import core
from tests.mutation import wrong_rule

pytest_plugins = ["compat.differential.fixture"]
X = np.linspace(-1.5, 2.0, 12, dtype=np.float32).reshape(3, 4)


def doubled(jvp):
    """A jvp whose tangent is twice what it should be."""
    def rule(primals, tangents, **params):
        out, tangent = jvp(primals, tangents, **params)
        return out, core.table["add_any"](tangent, tangent)

    return rule


# ------------------------------------------------------------------ what is compared


def test_neutral_names_run_on_every_side():
    result = run_texts(["lambda x: sin(x) * x"], [X])
    assert result.ok
    assert result.columns == [
        ("minigrad.jax", "jax"), ("minigrad.jax, compiled", "jax"), ("minigrad.torch", "torch"),
        ("minigrad.torch, compiled", "torch"), ("torch", "jax")]
    assert {c.question for c in result.cells} == {"value", "jvp", "gradient", "second", "vmap"}


def test_each_language_runs_on_its_own_sides():
    def ours(text):
        return {c.theirs for c in run_texts([text], [X]).cells}

    assert ours("lambda x: torch.relu(x)") == {"torch"}
    assert ours("lambda x: lax.reduce_precision(x, 5, 3)") == {"jax"}  # torch has none
    assert ours("lambda x: jnp.sum(x, axis=0)") == {"jax", "torch"}


def test_two_expressions_are_compared_with_one_another():
    same = run_texts(["lambda x: jnp.var(x)", "lambda x: torch.var(x, correction=0)"], [X])
    apart = run_texts(["lambda x: jnp.var(x)", "lambda x: torch.var(x)"], [X])
    assert same.ok and apart.ok  # each face agrees with its framework
    assert not [c for c in same.cells if c.problem]
    assert {c.question for c in apart.cells if c.problem} > {"value"}  # n - 1 beside n


@pytest.mark.parametrize("dtype", [np.complex64, np.int16, np.bool_, np.float16])
def test_the_compiled_path_joins_every_dtype(dtype):
    result = run_texts(["lambda x: (stack([x, x[:1].ravel()[0] + x]), concatenate([x, x]))"],
                       [np.arange(1, 4).astype(dtype)], ["value"])
    assert result.ok, result


def test_both_refuse_is_agreement():
    result = run_texts(["lambda x, y: jnp.add(x, y)"], [X, X[:2]])
    assert result.ok and "both TypeError" in str(result)


def test_an_ill_conditioned_function_is_forgiven_what_its_operands_round():
    x = np.float32([1.0000001, 0.99999994])
    assert run_texts(["lambda x: log(x) / (x - 1)"], [x], ["value", "gradient"]).ok
    assert run_texts(["lambda x: sin(1000 * x)"], [X], ["value", "gradient"]).ok


def test_a_function_of_ones_own():
    def loss(xp, x, y):
        return ((x - y) ** 2).mean()

    assert run_functions(loss, None, [X, X[::-1].copy()]).ok


def test_the_fixture(differential):
    differential("lambda x, y: ((x - y) ** 2).mean()", "3x4", "3x4")
    with wrong_rule("sin", "jvp", doubled), pytest.raises(AssertionError, match="differs"):
        differential("lambda x: sin(x)", "3")


# ------------------------------------------------------------------ found, shrunk, located


def test_a_wrong_rule_is_found_shrunk_and_located():
    with wrong_rule("tanh", "jvp", doubled):
        result = run_texts(["lambda x, w: jnp.exp(jnp.tanh(x @ w)).sum()"], [X, X.T.copy()])
    text = str(result)
    assert {c.question for c in result.mismatches} == {"jvp", "gradient", "second"}
    assert "smallest input that differs (jvp, minigrad.jax): [[0.0]] (float32); [[" in text
    first, culprit = text.split("the first equation that differs")[1].split("\n")[1:3]
    assert "dot_general" in first and first.endswith("equal")
    assert "tanh f32[1,1]    <-- differs" in culprit


def test_a_wrong_value_is_located_inside_a_loop():
    def rnn(xp, w, xs):
        import compat.jax
        import jax

        lib = compat.jax if xp.ours else jax

        def step(h, x):
            return lib.numpy.cos(lib.numpy.cumsum(h * w) + x), h

        return lib.lax.scan(step, lib.numpy.zeros(3), xs)

    def slightly(cumsum):
        return lambda x, **params: cumsum(x, **params) * np.float32(1.001)

    w, xs = np.float32([1, 2, 3]), np.linspace(0, 2, 12, dtype=np.float32).reshape(4, 3)
    with wrong_rule("cumsum", "impl", slightly):
        result = run_functions(rnn, None, [w, xs], ["value"])
    assert "inside scan" in str(result) and "<-- differs" in str(result), result
    assert "= cumsum" in str(result).split("<-- differs")[0].splitlines()[-1]


def test_shrinking_keeps_dimensions_together():
    x, w = np.ones((3, 4), np.float32) * 7, np.ones((4, 5), np.float32) * 9
    small_x, small_w = smallest([x, w], lambda a: (a[0] @ a[1]).max() > 60)
    assert small_x.shape == small_w.shape == (1, 1)
    assert {float(small_x[0, 0]), float(small_w[0, 0])} == {7.0, 9.0}


def test_distance_in_ulps():
    one = np.float32([1.0, -0.0])
    assert locate.ulps_apart(one, np.float32([np.nextafter(np.float32(1), 2), 0.0])) == 1
    assert locate.ulps_apart(np.float32([-1e-45]), np.float32([1e-45])) == 2
    assert locate.ulps_apart(np.float32([np.nan]), np.float32([np.nan])) == 0


# ------------------------------------------------------------------ the command

FILE = '''
import jax
import jax.numpy as jnp

def loss(x: "f32[3,4]", w: "f32[4,2]"):
    return _helper(jax.nn.gelu(x @ w)).mean()

def _helper(x):
    return jnp.where(x > 0, x, jnp.exp(x) - 1)

def rnn(xs: "f32[5,3]", w: "f32[3,3]"):
    return jax.lax.scan(lambda h, x: (jnp.tanh(h @ w + x), h.sum()), jnp.zeros(3), xs)
'''


def test_a_file_of_functions(tmp_path, capsys):
    path, page = tmp_path / "mine.py", tmp_path / "report.html"
    path.write_text(FILE)
    assert main([str(path), "--html", str(page), "--no-time"]) == 0
    shown = capsys.readouterr().out
    assert "loss    at f32[3,4], f32[4,2]" in shown and "rnn    at f32[5,3], f32[3,3]" in shown
    assert page.read_text().count("<svg") == 2


def test_the_status_of_the_command(capsys):
    with wrong_rule("sin", "jvp", doubled):
        assert main(["lambda x: jnp.sin(x)", "--shapes", "2", "--no-time"]) == 1
    assert main([]) == 2 and "FILE.py" in capsys.readouterr().out
    with pytest.raises(ValueError, match="A shape is spelled 3x4"):
        main(["lambda x: x", "--shapes", "3*4"])


def test_dtypes(capsys):
    assert main(["lambda x: xp.sin(x)", "--shapes", "scalar", "--no-time", "--dtypes", "f64",
                 "bfloat16", "complex64"]) == 0
    shown = capsys.readouterr().out
    assert all(aval in shown for aval in ("f64[]", "bf16[]", "c64[]"))


def test_tolerance_follows_the_condition():
    assert comparison.ULPS["second"] > comparison.ULPS["value"]
