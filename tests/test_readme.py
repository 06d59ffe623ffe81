"""What README shows is what its code prints."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


class UpToTheEnd(doctest.OutputChecker):
    """Blank lines after what is printed show in no document."""

    def check_output(self, want, got, optionflags):
        return want.rstrip() == got.rstrip()


def test_sessions():
    for block in (b for b in BLOCKS if b.startswith(">>>")):
        parsed = doctest.DocTestParser().get_doctest(block, {}, "README.md", "README.md", 0)
        assert parsed.examples
        out = io.StringIO()
        runner = doctest.DocTestRunner(UpToTheEnd(), verbose=False)
        assert runner.run(parsed, out=out.write).failed == 0, out.getvalue()


@pytest.mark.parametrize("block", [b for b in BLOCKS if not b.startswith(">>>")])
def test_programs_print_what_stands_beside_print(block):
    (shown,) = re.findall(r"^print\(.*?\) +# (.*)$", block, re.MULTILINE)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(block, {})
    assert out.getvalue().strip() == shown


def test_the_cuda_text():
    """The lines of it that README quotes."""
    import compat.jax as jax

    text = jax.jit(jax.nn.softmax).kernels(jax.numpy.ones((4096, 1000)), device="cuda")
    (quoted,) = re.findall(r"```cuda\n(.*?)```", TEXT, re.DOTALL)
    for line in quoted.splitlines():
        assert line == "..." or line.split("      //")[0].strip() in text
