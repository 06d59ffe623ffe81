"""How much of a framework's public surface its face has: `python -m compat.coverage torch`.

The framework itself says which names are public. A name without a meaning for dense arrays on a
CPU is left out, for a reason that stands in a table here; every other name counts.
"""

from __future__ import annotations

import argparse
import importlib
import re
import types
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Face:
    """What is compared: namespaces, and why some of their names do not count.

    excluded: reason -> regular expression over `namespace:name`.
    """

    name: str
    namespaces: Sequence[str]
    excluded: Mapping[str, str] = field(default_factory=dict)

    def reason(self, namespace: str, name: str) -> str | None:
        """Why a name is left out, or None."""
        return next((reason for reason, pattern in self.excluded.items()
                     if re.fullmatch(pattern, f"{namespace}:{name}")), None)


TORCH = Face(
    name="torch",
    namespaces=("torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.nn.init",
                "torch.nn.utils", "torch.optim", "torch.optim.lr_scheduler", "torch.utils.data",
                "torch.utils.checkpoint", "torch.linalg", "torch.fft", "torch.special",
                "torch.autograd", "torch.autograd.functional", "torch.autograd.forward_ad",
                "torch.autograd.graph", "torch.func", "torch.testing", "torch.signal.windows"),
    excluded={
        "sparse and compressed layouts": (
            r"(?!torch.nn.init).*:(.*sparse.*|.*_(csr|csc|bsr|bsc|coo)|(col|row|ccol|crow)_indices(_copy)?|coalesce"
            r"|is_coalesced|to_dense|indices(_copy)?|values(_copy)?|dense_dim|[hds]*s[pm]*mm|sspaddmm"
            r"|hspmm|SparseAdam|to_mkldnn|is_mkldnn|enforce_grad_layout_policy)"),
        "quantization": (
            r".*:(q_.*|.*quant(?!ile).*|qscheme|c?q?u?int[1-7]|qu?int\d+(x\d)?|bits?[\dx]*|int_repr"
            r"|fused_moving_avg.*|choose_qparams.*|Scaling.*|Swizzle.*|(.*_)?scaled_(grouped_)?mm"
            r"|grouped_mm)"),
        "dtypes that NumPy cannot hold": r".*:(float[48]_.*|complex32|chalf)",
        "other devices and their libraries": (
            r".*:(cuda|xpu|ipu|mtia|(is_)?(cudnn|miopen|mkldnn|fbgemm|mps|maia|hpu|ipu|mtia|vulkan|"
            r"xla|xpu)(_.*)?|.*_vulkan_.*|pin_memory|is_pinned|record_stream|Stream.*|Event"
            r"|(get|set)_device_states|DefaultDeviceType|get_device_module|AcceleratorError"
            r"|OutOfMemoryError|batch_norm_(back|elemt|gather|stats|update).*|jiterator.*"
            r"|set_override_stale_.*|set_warn_on_accumulate_.*|convert_conv.*_memory_format"
            r"|save_on_cpu|region_activation_memory_budget)"),
        "the compiler of TorchScript, and the runtime's own classes": (
            r"torch:((?!(Tensor|Size|Generator|[A-Z][a-z]+Tensor)$)[A-Z].*|import_ir_.*|parse_.*"
            r"|fork|wait|merge_type_.*|unify_type_list|cond|init_num_threads)"
            r"|torch.autograd:NestedIO.*|torch.testing:FileCheck"),
        "symbolic shapes": r"torch:sym_.*|torch:thread_safe_generator",
        "mixed precision and distribution (a later issue)": (
            r"torch:.*autocast.*|.*:(DataParallel|Distributed.*|SyncBatchNorm|is_distributed"
            r"|is_shared|share_memory_)"),
        "storage without a Tensor": (
            r".*:(.*_?storage|storage_type|set_|is_set_to|from_file|const_data_ptr"
            r"|module_load|dim_order)"),
        "nested tensors": r".*:(is_nested|to_padded_tensor)",
        "internals that are visible by accident": (
            r".*:(native_.*|conv_tbc|convolution|.*_renorm_|norm_except_dim"
            r"|slice_inverse|hash_tensor|has_(torch_function.*|mkl|lapack|openmp|spectral)"
            r"|handle_torch_function|boolean_dispatch|assert_int_or_pair|GRID_.*|Broadcasting.*"
            r"|DType|Callable|Optional|TYPE_CHECKING|.*_notes|factory_kwargs|typename"
            r"|grid_sampler.*|affine_grid_generator|rnn_(tanh|relu)(_cell)?|(lstm|gru)(_cell)?"
            r"|is_storage|debug_unwrap|rearrange|variable|LinearCrossEntropy.*"
            r"|linear_cross_entropy|SAC_.*|GraphExecGroup|.*[sS]elective.*|CheckpointPolicy"
            r"|argument_validation|.*datapipes?.*|runtime_validation.*|.*DataPipe|DataChunk"
            r"|non_deterministic|set_checkpoint_early_stop|grad_dtype)|torch.(fft|nn.functional):Tensor"),
        "removed: PyTorch itself raises": (
            r"torch.Tensor:(volatile|name|eig|symeig|lstsq|solve|lu|reinforce|resize|resize_as)"
            r"|torch.nn:(Container|CrossMapLRN2d|NLLLoss2d)"),
    },
)

JAX = Face(
    name="jax",
    namespaces=("jax", "jax.numpy", "jax.lax", "jax.nn", "jax.random", "jax.tree_util", "jax.tree",
                "jax.numpy.linalg", "jax.numpy.fft", "jax.scipy.special", "jax.scipy.linalg",
                "jax.scipy.stats", "jax.scipy.signal", "jax.scipy.optimize", "jax.lax.linalg",
                "jax.nn.initializers", "jax.image", "jax.ops", "jax.flatten_util", "jax.debug",
                "jax.errors", "jax.dtypes", "jax.sharding", "jax.custom_derivatives",
                "jax.custom_batching", "jax.ad_checkpoint", "jax.typing", "jax.stages",
                "jax.example_libraries.stax", "jax.example_libraries.optimizers",
                "jax.experimental.checkify"),
    excluded={
        "mutable references, a type of their own": r"jax:(.*_ref|Ref|ref|freeze)",
        "several processes, and memory of other devices": (
            r"jax:(.*process.*|host_.*|array_garbage.*|make_array_from.*|transfer_guard.*"
            r"|thread_guard|no_execution|no_tracing)|jax.lax:(psend|precv|ragged_all_to_all.*)"),
        "settings of XLA and of JAX's own caches": (
            r"jax:(explain_cache_misses|log_compiles|jax2tf_.*|enable_custom_prng|legacy_prng_key"
            r"|debug_key_reuse|make_user_context|threefry_.*|allow_f16_.*|softmax_custom_.*"
            r"|auto_pcast|remove_size_one_.*|check_tracer_leaks|default_prng_impl"
            r"|no_.*|numpy_dtype_promotion|enable_checks|.*scan_reductions)"),
        "numbers in blocks with shared scales, which accelerators have": r".*:.*scaled_(dot|mat).*",
        "drawings of shardings": r"jax.debug:(visualize|inspect).*",
        "what the module itself imports": (
            r"jax.example_libraries.*:(jnp|lax|math|functools|random|partial|namedtuple|NamedTuple"
            r"|Callable|Any|annotations|map|zip|safe_.*|unzip2|.*Fn|Array|Params|State|Step|Updates"
            r"|Schedule|OptimizerState|relu|elu|selu|gelu|leaky_relu|sigmoid|softplus|softmax"
            r"|log_softmax|logsoftmax|standardize|normal|glorot.*|ones|zeros|randn|jax)"),
    },
)

FACES = {"torch": TORCH, "jax": JAX}


def public_names(owner) -> list[str]:
    """The names that a module or class offers: its `__all__`, or what has no underscore."""
    names = getattr(owner, "__all__", None) or dir(owner)
    return [name for name in dict.fromkeys(names) if not name.startswith("_")
            and not isinstance(getattr(owner, name, None), types.ModuleType)]


def lookup(path: str):
    """A module, or what a module holds, by its dotted path; None if there is no such thing."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found
    return None


@dataclass
class Coverage:
    """The names of one namespace."""

    namespace: str
    implemented: list[str]
    missing: list[str]
    excluded: dict[str, str]  # name -> reason

    @property
    def counted(self) -> int:
        return len(self.implemented) + len(self.missing)


def cover(face: Face, namespace: str) -> Coverage:
    """Look each public name of a namespace up in the mirror."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        owner, mirror = lookup(namespace), lookup(f"compat.{namespace}")
        found = Coverage(namespace, [], [], {})
        for name in public_names(owner):
            reason = face.reason(namespace, name)
            if reason is not None:
                found.excluded[name] = reason
            else:
                (found.implemented if hasattr(mirror, name) else found.missing).append(name)
    return found


def measure(name: str) -> list[Coverage]:
    """The coverage of each namespace of a face: "torch" or "jax"."""
    face = FACES[name]
    return [cover(face, namespace) for namespace in face.namespaces]


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m compat.coverage")
    parser.add_argument("face", choices=FACES)
    parser.add_argument("--implemented", action="store_true", help="print these names too")
    parser.add_argument("--excluded", action="store_true", help="print what is left out, and why")
    options = parser.parse_args(arguments)
    total = have = 0
    for c in measure(options.face):
        total, have = total + c.counted, have + len(c.implemented)
        print(f"{c.namespace}: {len(c.implemented)} of {c.counted} "
              f"({100 * len(c.implemented) / max(c.counted, 1):.0f} %)")
        if options.implemented:
            print(f"  implemented: {' '.join(c.implemented)}")
        if c.missing:
            print(f"  missing: {' '.join(c.missing)}")
        if options.excluded:
            for reason in dict.fromkeys(c.excluded.values()):
                print(f"  {reason}: {' '.join(n for n, r in c.excluded.items() if r == reason)}")
    print(f"all: {have} of {total} ({100 * have / max(total, 1):.1f} %)")


if __name__ == "__main__":
    main()
