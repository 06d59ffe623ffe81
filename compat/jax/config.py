"""`jax.config`, and the context managers that change it for a while."""

from __future__ import annotations

from contextlib import contextmanager

from compat.jax.jitting import JittedFunction
from minigrad import core
from minigrad.core import config as settings
from minigrad.jit import Jitted

# Settings that have a meaning here, by JAX's names; the rest are kept and have no effect.
DEFAULTS = {"jax_debug_nans": False, "jax_debug_infs": False, "jax_platforms": "cpu",
            "jax_default_matmul_precision": None, "jax_numpy_rank_promotion": "allow",
            "jax_default_device": None, "jax_numpy_dtype_promotion": "standard",
            "jax_default_prng_impl": "threefry2x32", "jax_threefry_partitionable": True,
            "jax_enable_checks": False, "jax_check_tracer_leaks": False, "jax_log_compiles": False,
            "jax_traceback_filtering": "auto", "jax_platform_name": "cpu",
            "jax_num_cpu_devices": None, "jax_compilation_cache_dir": None}


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
debug_nans = setting("jax_debug_nans", "A NaN in a result is a FloatingPointError.")
debug_infs = setting("jax_debug_infs", "An infinity in a result is a FloatingPointError.")
default_matmul_precision = setting("jax_default_matmul_precision",
                                   "How exact products are; always float32 here.", None)
default_device = setting("jax_default_device", "Where new arrays go.", None)
numpy_rank_promotion = setting("jax_numpy_rank_promotion", "What broadcasting of ranks does.")
checking_leaks = setting("jax_check_tracer_leaks", "Leaked tracers are looked for.")


@contextmanager
def ensure_compile_time_eval():
    """Operations on known values run now, also while a function is traced."""
    with core.using(core.EAGER):
        yield
