"""The differential report as one HTML page, plots included."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence

import numpy as np

from compat.differential.comparison import Comparison

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; color: #222 }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem } h2 code { font-size: 1rem }
table { border-collapse: collapse; margin: .5rem 0 } td, th { padding: .25rem .8rem;
text-align: left; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }
th { font-weight: 600 } .bad { background: #fbe3e1 } .good { color: #24713b }
pre { background: #f6f6f4; padding: .8rem; overflow-x: auto; font-size: 13px }
.plots svg { width: 19rem; height: auto; margin-right: 1rem } small { color: #666 }
"""


def document(title: str, body: str) -> str:
    return (f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}"
            f"</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>\n")


def write(results: Sequence[Comparison]) -> str:
    """One page for several comparisons."""
    agree = sum(r.ok for r in results)
    summary = f"<p>{agree} of {len(results)} functions agree on every side.</p>"
    return document("minigrad, JAX and PyTorch", summary + "".join(map(section, results)))


def section(result: Comparison) -> str:
    name, _, operands = result.name.partition("    at ")
    details = "\n".join(result.details())
    return "".join([
        f"<h2><code>{html.escape(name)}</code> <small>{html.escape(operands)}</small></h2>",
        grid(result), f"<div class='plots'>{error_plot(result)}{time_plot(result)}</div>",
        f"<pre>{html.escape(details)}</pre>" if details else ""])


def grid(result: Comparison) -> str:
    heads = "".join(f"<th>{html.escape(a)}<br><small>beside {html.escape(b)}</small></th>"
                    for a, b in result.columns)
    rows = []
    for question in dict.fromkeys(c.question for c in result.cells):
        cells = {(c.ours, c.theirs): c for c in result.cells if c.question == question}
        row = [f"<th>{question}</th>"]
        for column in result.columns:
            cell = cells.get(column)
            ours = cell and cell.problem and cell.ours.startswith("minigrad")
            kind = "bad" if ours else "good" if cell and not cell.problem else ""
            row.append(f"<td class='{kind}'>{html.escape(str(cell or ''))}</td>")
        rows.append(f"<tr>{''.join(row)}</tr>")
    return f"<table><tr><th></th>{heads}</tr>{''.join(rows)}</table>"


def drawing(draw) -> str:
    """A small figure as SVG; nothing where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return ""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.2, 2.4), layout="constrained")
    draw(axes)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg"):]


def error_plot(result: Comparison) -> str:
    """Every element of every answer: its error in ulps of the largest number."""
    cells = [c for c in result.cells if c.errors and c.ours.startswith("minigrad")]
    if not cells:
        return ""

    def draw(axes):
        questions = list(dict.fromkeys(c.question for c in cells))
        columns = list(dict.fromkeys(c.ours for c in cells))
        for k, column in enumerate(columns):
            own = [c for c in cells if c.ours == column]
            x = [questions.index(c.question) + (k - 1.5) / 6 for c in own for e in c.errors
                 for _ in range(e.size)]
            y = np.concatenate([e.reshape(-1) for c in own for e in c.errors])
            axes.plot(x, np.where(np.isfinite(y), y, np.nan), ".", ms=4, alpha=0.6,
                      label=column.replace("minigrad.", ""))
        axes.set_yscale("symlog", linthresh=1)
        axes.set_xticks(range(len(questions)), questions, fontsize=7)
        axes.set_ylabel("error, ulp", fontsize=8)
        axes.legend(fontsize=6, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)

    return drawing(draw)


def time_plot(result: Comparison) -> str:
    if not result.times:
        return ""

    def draw(axes):
        names = list(result.times)
        times = [t * 1e6 for t in result.times.values()]
        colors = ["#4878a8" if n.startswith("minigrad") else "#bbb" for n in names]
        axes.barh(range(len(names)), times, color=colors, height=0.6)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_xlabel("one call, us", fontsize=8)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)

    return drawing(draw)
