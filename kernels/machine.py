"""LLVM's text to machine code, and machine code into this process, through llvmlite."""

from __future__ import annotations

import functools
import platform
import threading

import llvmlite.binding as llvm

from kernels.grammar import KernelError

lock = threading.RLock()  # llvmlite compiles one module at a time anyway
X86 = ("x86_64", "AMD64")


def new_machine(speed: int = 2) -> llvm.TargetMachine:
    """For the processor that this runs on.

    On x86 addresses are written in full: an engine may put constants more than 2 GiB from the code
    that reads them, further than a relative address reaches, and LLVM would end the process.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    reach = {"reloc": "static", "codemodel": "large"} if platform.machine() in X86 \
        else {"reloc": "pic", "codemodel": "small"}
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu_name(), features=cpu_features(), opt=speed, **reach)


target_machine = functools.cache(new_machine)


@functools.cache
def cpu_name() -> str:
    return llvm.get_host_cpu_name()


@functools.cache
def cpu_features() -> str:
    try:
        return llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM cannot ask this processor; its name alone is a safe answer
        return ""


@functools.cache
def wide_vectors() -> bool:
    """LLVM prefers half vectors on some processors whose whole ones are faster for us."""
    return platform.machine() in ("x86_64", "AMD64") and "+avx512f" in cpu_features()


@functools.cache
def has_masks() -> bool:
    """Whether masked loads and stores of any width are instructions."""
    return wide_vectors() and all(f"+avx512{part}" in cpu_features() for part in ("bw", "dq", "vl"))


@functools.cache
def scales_by_exponents() -> bool:
    """Whether LLVM has one instruction for `ldexp` on vectors; elsewhere it calls the C library."""
    return wide_vectors() and llvm.llvm_version_info >= (22,)


@functools.cache
def converts_halves() -> bool:
    """Whether f16 and f32 convert by instructions; elsewhere LLVM calls what nobody brings."""
    if platform.machine() in ("x86_64", "AMD64"):
        return "+f16c" in cpu_features()
    return platform.machine() in ("arm64", "aarch64")


@functools.cache
def vector_bits() -> int:
    features = cpu_features()
    return 512 if wide_vectors() else 256 if "+avx2" in features or "+avx," in features else 128


def optimised(text: str, rename: dict[str, str], vectors: bool) -> llvm.ModuleRef:
    """The module of LLVM's text, with some of its functions renamed. Where loops are over vectors
    already there is little left to do, and the whole pipeline would take most of the time."""
    machine = target_machine()
    header = f'target triple = "{machine.triple}"\ntarget datalayout = "{machine.target_data}"\n'
    try:
        module = llvm.parse_assembly(header + text)
        for name, full in rename.items():
            module.get_function(name).name = full
    except (NameError, RuntimeError) as error:
        raise KernelError(f"LLVM does not accept this: {error}\n{text}") from None
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    if vectors:
        passes = llvm.create_new_module_pass_manager()
        passes.add_new_gvn_pass()
        passes.add_instruction_combine_pass()
    else:
        passes = builder.getModulePassManager()
    passes.run(module, builder)
    return module


def object_file(text: str, rename: dict[str, str], vectors: bool = False) -> bytes:
    with lock:
        return target_machine().emit_object(optimised(text, rename, vectors))


def assembly(text: str, vectors: bool = False) -> str:
    """What the processor will run, for reading."""
    with lock:
        return target_machine().emit_assembly(optimised(text, {}, vectors))


# ---- loading ---------------------------------------------------------------------------------


class Shelf:
    """An engine that holds the machine code of some object files. Making one costs a millisecond
    and adding a file 0.03, so several share one; it is freed with the last of them."""

    size = 64
    current: Shelf | None = None

    def __init__(self) -> None:
        self.engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), new_machine())
        self.files = 0

    @staticmethod
    def with_room() -> Shelf:
        if Shelf.current is None or Shelf.current.files == Shelf.size:
            Shelf.current = Shelf()
        Shelf.current.files += 1
        return Shelf.current


class Code:
    """The machine code of one object file, in this process for as long as this lives.

    Functions of two files must not share a name: a shelf finds them by it.
    """

    def __init__(self, data: bytes):
        with lock:
            self.shelf = Shelf.with_room()
            self.shelf.engine.add_object_file(llvm.ObjectFileRef.from_data(data))
            self.shelf.engine.finalize_object()

    def address(self, name: str) -> int:
        with lock:
            address = self.shelf.engine.get_function_address(name)
        if not address:
            raise KernelError(f"the object file has no function {name}")
        return address
