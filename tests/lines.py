"""Print the size of the code: `python -m tests.lines`.

A line counts when it holds code: blank lines, comments and docstrings do not.
"""

import ast
import io
import tokenize
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINE = "minigrad"  # the files directly in minigrad/: what a learner reads first
ENGINE_BUDGET = 2_200
TOP_FOLDERS = ("minigrad", "kernels", "compat", "tests", "examples")

NOT_CODE = {
    tokenize.ENCODING,
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def docstring_lines(source: str) -> set[int]:
    """The numbers of the lines on which docstrings stand."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0]
                lines.update(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return lines


def code_lines(source: str) -> int:
    """How many lines of `source` hold code."""
    documentation = docstring_lines(source)
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and token.start[0] in documentation
        if token.type not in NOT_CODE and not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def python_files(*folders: str) -> list[Path]:
    """The Python files below these folders of the repository, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def main() -> None:
    by_folder: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for path in python_files(*TOP_FOLDERS):
        count = code_lines(path.read_text(encoding="utf-8"))
        by_folder[path.relative_to(ROOT).parent.as_posix()].append((path.name, count))

    subtotals = {folder: sum(count for _, count in files) for folder, files in by_folder.items()}
    for folder, files in by_folder.items():
        print(f"{folder}/")
        for name, count in files:
            print(f"    {name:<28}{count:>7,}")
        print(f"    {'':-<35}\n    {'subtotal':<28}{subtotals[folder]:>7,}\n")

    for top in TOP_FOLDERS:
        total = sum(
            count for folder, count in subtotals.items() if f"{folder}/".startswith(f"{top}/")
        )
        print(f"{top + '/':<32}{total:>7,}")
    print(f"{'all':<32}{sum(subtotals.values()):>7,}")
    engine = subtotals.get(ENGINE, 0)
    print(f"{f'engine ({ENGINE}/*.py)':<32}{engine:>7,} of {ENGINE_BUDGET:,}")


if __name__ == "__main__":
    main()
