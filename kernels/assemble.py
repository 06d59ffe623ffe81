"""LLVM text to machine code in this process."""

from __future__ import annotations

from functools import lru_cache

import llvmlite.binding as llvm


@lru_cache(1)
def engine():
    """The compiler for this processor, and the place where its code lives."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3)
    return machine, llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def compile_ir(text: str, names) -> list[int]:
    """The addresses of the functions `names` of LLVM text, optimised and compiled."""
    machine, running = engine()
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3))
    builder.getModulePassManager().run(module, builder)
    running.add_module(module)
    running.finalize_object()
    return [running.get_function_address(name) for name in names]
