"""jax.debug: prints and calls that happen when the program runs."""

from compat.jax.callbacks import debug_callback as callback
from compat.jax.callbacks import debug_log as log
from compat.jax.callbacks import debug_print as print


class DebugEffect:
    """The effect of `print` and `callback`."""


class OrderedDebugEffect:
    """The same, in order."""


def breakpoint(*, backend=None, filter_frames=True, num_frames=None, ordered=False, token=None,
               **kwargs):
    """Python's debugger where the program is traced."""
    import builtins

    builtins.breakpoint()


__all__ = ["DebugEffect", "OrderedDebugEffect", "breakpoint", "callback", "log", "print"]
