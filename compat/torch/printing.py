"""How a torch.Tensor prints: `tensor_str`, and the options of `torch.set_printoptions`.

One format is chosen for all numbers of a tensor (integers, fixed point or scientific) and all are
padded to the width of the widest; a tensor of more than `threshold` elements shows its edges only.
"""

import contextlib
import dataclasses
import math

import numpy as np


@dataclasses.dataclass
class PrintOptions:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None  # None: decided for each tensor


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

options = PrintOptions()


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """`torch.set_printoptions`: start from `profile` if given, then change what is not None.

    `sci_mode` alone is always set: leaving it out puts it back to None, as in PyTorch.
    """
    changes = dataclasses.asdict(PROFILES[profile]) if profile in PROFILES else {}
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes |= {name: value for name, value in given.items() if value is not None}
    changes["sci_mode"] = sci_mode
    for name, value in changes.items():
        setattr(options, name, value)


def get_printoptions():
    """The options as a dict that `set_printoptions` takes."""
    return dataclasses.asdict(options)


@contextlib.contextmanager
def printoptions(**changes):
    """`set_printoptions(**changes)` for the length of a `with` block."""
    before = get_printoptions()
    set_printoptions(**changes)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_str(
    array,
    *,
    requires_grad=False,
    grad_fn_name=None,
    default_dtype=np.float32,
    device="cpu",
    class_prefix="tensor(",
):
    """`repr` of a torch.Tensor that holds `array`, a NumPy array of any shape and dtype.

    `grad_fn_name` ("MulBackward0") takes precedence over `requires_grad`. A dtype is named unless
    it can be guessed: the default float, its complex partner, int64 and bool.

    >>> print(tensor_str(np.arange(3.0), requires_grad=True))
    tensor([0., 1., 2.], dtype=torch.float64, requires_grad=True)
    """
    array = np.asarray(array)
    suffixes = []
    if device != "cpu":
        suffixes.append(f"device='{device}'")
    if (array.size == 0 and array.ndim != 1) or (array.size and not options.edgeitems):
        suffixes.append(f"size={array.shape}")
    if not _dtype_is_implied(array, np.dtype(default_dtype)):
        suffixes.append(f"dtype=torch.{array.dtype.name}")
    if grad_fn_name is not None:
        suffixes.append(f"grad_fn=<{grad_fn_name}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    indent = len(class_prefix)
    return _with_suffixes(class_prefix + _numbers_str(array, indent), suffixes, indent)


def parameter_str(array, **keywords):
    """`repr` of a torch.nn.Parameter; the keywords are those of `tensor_str`."""
    return "Parameter containing:\n" + tensor_str(array, **keywords)


def _dtype_is_implied(array, default_dtype):
    if array.size == 0:
        return array.dtype == default_dtype
    default_complex = np.complex128 if default_dtype == np.float64 else np.complex64
    return array.dtype in (default_dtype, default_complex, np.int64, np.bool_)


def _with_suffixes(text, suffixes, indent):
    """Append ", suffix" for each, on a new line where the last one is full, and close."""
    # PyTorch counts two characters too many, so lines end a little early; and after a line break
    # it counts what stands on the new line only.
    width = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if width + len(suffix) + 2 > options.linewidth:
            text += ",\n" + " " * indent + suffix
            width = indent + len(suffix)
        else:
            text += ", " + suffix
            width += len(suffix) + 2
    return text + ")"


def _numbers_str(array, indent):
    if array.size == 0:
        return "[]"
    # Every float is a float64 too, bfloat16 and its kin included (NumPy's kind "V").
    wide = {"f": np.float64, "V": np.float64, "c": np.complex128}.get(array.dtype.kind)
    array = array if wide is None else array.astype(wide)
    summarize = array.size > options.threshold
    shown = _edges(array) if summarize else array
    if array.dtype.kind == "c":
        format_number, width = _complex_format(shown)
    elif array.dtype.kind == "f":
        format_number, width = _float_format(shown)
    else:
        format_number, width = _plain_format(shown)
    if array.ndim == 0:
        return format_number(array.item())
    return _nested_str(array, indent, summarize, format_number, width)


# Formats: what one number looks like, and the width that the widest takes.


def _plain_format(shown):
    """Integers and truth values."""
    width = max((len(str(value)) for value in shown.ravel().tolist()), default=1)
    return lambda value: str(value).rjust(width), width


def _float_format(shown):
    values = shown[np.isfinite(shown) & (shown != 0)]
    if not values.size:  # nothing to measure: "0." and "nan" are never padded
        return _format_integral, 1
    integral = (values == np.ceil(values)).all()
    scientific = options.sci_mode
    if scientific is None:
        scientific = _spans_too_much(np.abs(values))
    if scientific:
        spec = f".{options.precision}e"
    elif integral:
        # One more for the point; nan and inf, which have none, are padded to match.
        width = max(len(f"{value:.0f}") + 1 for value in values.tolist())
        return lambda value: _format_integral(value).rjust(width), width
    else:
        spec = f".{options.precision}f"
    width = max(len(format(value, spec)) for value in values.tolist())
    return lambda value: format(value, spec).rjust(width), width


def _format_integral(value):
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _spans_too_much(magnitudes):
    """Fixed point would hide digits: a large ratio, or numbers too large or too small."""
    smallest, largest = magnitudes.min().item(), magnitudes.max().item()
    return largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4


def _complex_format(shown):
    format_real, real_width = _float_format(shown.real)
    format_imag, imag_width = _float_format(shown.imag)

    def format_number(value):
        imag = format_imag(value.imag).lstrip() + "j"
        sign = "" if imag[0] == "-" else "+"
        return format_real(value.real) + sign + imag

    return format_number, real_width + imag_width + 1


# Layout: brackets, commas and line breaks.


def _edges(array):
    """The elements that a summary shows: `edgeitems` at both ends of every axis."""
    count = options.edgeitems
    for axis, length in enumerate(array.shape):
        if length > 2 * count:
            shown = [*range(count), *range(length - count, length)]
            array = np.take(array, np.array(shown, np.intp), axis)
    return array


def _nested_str(array, indent, summarize, format_number, width):
    """An axis in brackets: rows of numbers, wrapped at the line width, or blocks of rows."""
    vector = array.ndim == 1
    if vector:
        items = [format_number(value) for value in _ends(array, summarize).tolist()]
    else:
        items = [
            _nested_str(row, indent + 1, summarize, format_number, width)
            for row in _ends(array, summarize)
        ]
    if summarize and len(array) > 2 * options.edgeitems:
        items.insert(options.edgeitems, " ..." if vector and items else "...")
    line_break = "," + "\n" * max(array.ndim - 1, 1) + " " * (indent + 1)
    if not vector:
        return "[" + line_break.join(items) + "]"
    per_line = max(1, (options.linewidth - indent) // (width + 2))
    lines = [
        ", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)
    ]
    return "[" + line_break.join(lines) + "]"


def _ends(array, summarize):
    count = options.edgeitems
    if not summarize or len(array) <= 2 * count:
        return array
    return np.concatenate([array[:count], array[len(array) - count :]])
