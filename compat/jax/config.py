"""`jax.config`, and the context managers that change it for a while."""

from __future__ import annotations

from contextlib import contextmanager

from compat.jax.devices import CHOSEN
from compat.jax.jitting import JittedFunction
from minigrad import core
from minigrad.core import config as settings
from minigrad.jit import Jitted

# Settings by JAX's names without "jax_", and their defaults. Those of CHECKED, `enable_x64` and
# `disable_jit` have a meaning here; the rest are kept and have no effect.
DEFAULTS: dict = {
    "debug_nans": False, "debug_infs": False, "platforms": "cpu", "platform_name": "cpu",
    "default_matmul_precision": None, "default_device": None, "default_prng_impl": "threefry2x32",
    "num_cpu_devices": None, "compilation_cache_dir": None, "traceback_filtering": "auto",
    "numpy_rank_promotion": "allow", "numpy_dtype_promotion": "standard",
    "legacy_prng_key": "allow", "threefry_partitionable": True, "cpu_enable_async_dispatch": True,
    "allow_f16_reductions": True, "transfer_guard": None, "array_garbage_collection_guard": None,
    "persistent_cache_min_compile_time_secs": 1.0, "persistent_cache_min_entry_size_bytes": 0,
    **dict.fromkeys("transfer_guard_host_to_device transfer_guard_device_to_device "
                    "transfer_guard_device_to_host".split()),
    **dict.fromkeys("enable_checks check_tracer_leaks log_compiles debug_key_reuse "
                    "enable_custom_prng explain_cache_misses softmax_custom_jvp thread_guard "
                    "no_tracing no_execution remove_size_one_mesh_axis_from_type "
                    "jax2tf_associative_scan_reductions".split(), False),
    **dict.fromkeys("enable_compilation_cache auto_pcast".split(), True),
}
DEFAULTS = {f"jax_{name}": value for name, value in DEFAULTS.items()}


class Config:
    """Settings by JAX's names."""

    def __init__(self):
        self.__dict__["values"] = dict(DEFAULTS)

    def update(self, name: str, value) -> None:
        if name == "jax_enable_x64":
            settings.set("x64", bool(value))
        elif name == "jax_disable_jit":
            Jitted.enabled = not value
        elif name not in self.values:
            raise AttributeError(f"Unrecognized config option: {name}")
        elif self.values[name] != value:
            self.values[name] = value
            if name == "jax_default_device":
                CHOSEN[:] = [] if value is None else [value]
            if name in CHECKED:  # what was derived before does not look at results
                for clear in core.caches_to_clear:
                    clear()
                for jitted in JittedFunction.alive:
                    jitted.launches.clear()

    def __getattr__(self, name: str):
        known = {"jax_enable_x64": settings.x64, "x64_enabled": settings.x64,
                 "jax_disable_jit": not Jitted.enabled, **self.values}
        try:
            return known[name]
        except KeyError:
            raise AttributeError(f"Unrecognized config option: {name}") from None

    def read(self, name: str):
        return getattr(self, name)

    def parse_flags_with_absl(self) -> None:
        """Nothing to do: settings come from calls."""


CHECKED = ("jax_debug_nans", "jax_debug_infs")
config = Config()


def setting(name: str, doc: str, default=True):
    """A context manager for one setting."""

    @contextmanager
    def context(new_val=default):
        old = config.read(name)
        config.update(name, new_val)
        try:
            yield
        finally:
            config.update(name, old)

    context.__name__, context.__doc__ = name.removeprefix("jax_"), doc
    return context


enable_x64 = setting("jax_enable_x64", "64-bit types inside the `with` block.")
disable_jit = setting("jax_disable_jit", "Functions under `jit` run as they are written.")
checking_leaks = setting("jax_check_tracer_leaks", "Leaked tracers are looked for.")


def __getattr__(name: str):
    """The context manager for a setting by its name."""
    if f"jax_{name}" in DEFAULTS:
        return setting(f"jax_{name}", f"The setting {name}, inside the `with` block.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@contextmanager
def ensure_compile_time_eval():
    """Operations on known values run now, also while a function is traced."""
    with core.using(core.EAGER):
        yield
