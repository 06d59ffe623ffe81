"""How a jax.Array prints: NumPy's text of the numbers, then dtype and weak type."""

import numpy as np

PREFIX = "Array("


def array_repr(array, weak_type=False):
    """`repr` of a jax.Array that holds `array`.

    >>> array_repr(np.float32(1), weak_type=True)
    'Array(1., dtype=float32, weak_type=True)'
    """
    array = np.asarray(array)
    line_width = np.get_printoptions()["linewidth"]
    if array.size == 0:
        numbers = f"[], shape={array.shape}"
    else:
        numbers = np.array2string(
            array, prefix=PREFIX, suffix=",", separator=", ", max_line_width=line_width
        )
    kind = f"dtype={array.dtype.name}" + (", weak_type=True" if weak_type else "")
    last_line_width = len(numbers) - numbers.rfind("\n") + 1
    # JAX keeps the dtype on the same line also where it does not fit, only pushed to the right.
    fits = last_line_width + len(kind) + 2 <= line_width
    return f"{PREFIX}{numbers},{' ' if fits else ' ' * len(PREFIX)}{kind})"


def array_str(array):
    """`str` of a jax.Array: the bare numbers."""
    return str(np.asarray(array))


def array_format(array, format_spec):
    """`format` of a jax.Array: a 0-d array formats as its number."""
    array = np.asarray(array)
    return format(array if array.ndim else array[()], format_spec)


def key_array_repr(words):
    """`repr` of an array of typed keys (`jax.random.key`) with data uint32[..., 2]."""
    return f"Array({words.shape[:-1]}, dtype=key<fry>) overlaying:\n{words}"
