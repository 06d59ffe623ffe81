"""CUDA kernels without a GPU: a part of the corpus (`python -m tests.cuda` takes all of it) is
compiled by NVRTC and run by the grid simulator against the reference evaluator."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

import compat.jax as jax
import compat.jax.numpy as jnp
import compat.torch
from compat.differential import engine_x64
from kernels.cuda import Schedule, emit_kernel, nvrtc, prelude
from kernels.grammar import KernelError
from minigrad import devices
from minigrad.compiler import Overlap
from minigrad.compiler.device import DeviceExecutable, ManyStep, device_plan
from minigrad.core import aval_of, box
from minigrad.program import stage
from tests import compositions, fake_cupy, random_programs
from tests.bench import cuda as bench, jax_programs, torch_programs
from tests.bench.table import difference
from tests.cuda import corpus
from tests.cuda.check import ARCHITECTURES, Corpus, distance
from tests.simulator import Deadlock, compiler, simulate
from tests.simulator.machine import SimulatedMachine

needs_nvrtc = pytest.mark.skipif(nvrtc.library() is None,
                                 reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc")
needs_compiler = pytest.mark.skipif(compiler() is None,
                                    reason="no C++ compiler to play the grid with")


def sample() -> list[corpus.Program]:
    """What the ordinary suite has time for: of each part something."""
    return [*list(corpus.elementwise())[::37], *list(corpus.conversions())[::9],
            *list(corpus.reductions())[::3], *list(corpus.formulas())[::2],
            *corpus.recorded("MLP step", jax_programs.mlp, 1e-4),
            *corpus.staged("torch GPT step", lambda t: torch_programs.gpt(t, 1, 32, 2, 16, 2, 24))]


@pytest.fixture(scope="module")
def kernels() -> Corpus:
    return Corpus(sample())


@needs_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_compiles(kernels, architecture):
    assert len(kernels.texts) > 120
    assert kernels.compile(architecture) > 0


@needs_compiler
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "in reverse"])
def test_every_kernel_equals_the_reference(kernels, order):
    apart = {program.name: found for program, found in kernels.run(order)}
    assert {name: found for name, found in apart.items() if not found <= 1} == {}


def program_of(function, *arrays, tolerance=2e-5) -> corpus.Program:
    return corpus.of_jax(function, *arrays, name="here", tolerance=tolerance)


def executable(program: corpus.Program, **options) -> DeviceExecutable:
    return DeviceExecutable(device_plan(program.program), SimulatedMachine(**options),
                            lambda primitive: primitive.impl)


def normal(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# ------------------------------------------------------------------ would the proof notice?


def normalized(x):
    """Two sums, the second of which uses the shared memory of the first again."""
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)


FIRST = "if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;\n        __syncthreads();"
LAST = "__syncthreads();  // before the next reduction writes there"
WRONG = {
    "a shuffle from too near": ("other = N / 2", "other = N / 4"),
    "a shuffle of the wrong value": ("T(__shfl_xor_sync(mask, x, other))",
                                     "T(__shfl_xor_sync(mask, x, 1))"),
    "no barrier before reading": (FIRST, FIRST.splitlines()[0]),
    "no barrier before writing again": (LAST, ""),
    "a warp left out": ("k < N / 32", "k < N / 32 - 1"),
    "a barrier that one thread skips": (FIRST, FIRST.replace(
        "__syncthreads();", "if (threadIdx.x) __syncthreads();")),
    "a row that ends too early": ("if (j < 4100)", "if (j < 4096)"),
}


@needs_compiler
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_noticed(name):
    program = program_of(normalized, normal(2, 4100))
    before, after = WRONG[name]

    def change(source: str) -> str:
        assert before in source
        return source.replace(before, after)

    def apart(**options) -> float:
        try:
            return distance(program, executable(program, **options)(program.operands))
        except Deadlock:
            return np.inf

    assert apart() <= 1
    assert max(apart(order=order, change=change) for order in (1, -1)) > 1


# ------------------------------------------------------------------ programs on a device


def random_composition(seed: int) -> corpus.Program:
    random = Random(seed)
    shapes = random_programs.random_shapes(random)
    transforms = random_programs.random_tower(random, shapes, 2)
    program = random_programs.random_program(random, shapes, compositions.allowed(transforms))
    operands = compositions.arguments(program.shapes, transforms, seed)
    tower = compositions.tower(compositions.engine(), program, transforms)
    staged = stage(lambda *xs: list(tower(*xs)), [aval_of(x) for x in operands])
    return corpus.Program(f"seed {seed}", staged, operands, tolerance=1e-9)


@needs_compiler
def test_random_programs_under_random_transforms():
    """Those of `test_compositions.py`, whose results are of the size of 1."""
    with engine_x64(True):
        found = Corpus([random_composition(seed) for seed in range(1, 12)])
        assert {program.name: far for program, far in found.run() if not far <= 1} == {}



@needs_compiler
def test_results_are_the_same_bits_in_any_order():
    x = normal(300, 130)
    program = program_of(jax.grad(lambda x: jnp.sum(jax.nn.softmax(x) ** 2) + jnp.sum(x ** 3)), x)
    first, second = (executable(program, order=order)([x])[0] for order in (1, -1))
    assert first.tobytes() == second.tobytes()


@needs_compiler
def test_an_optimizer_is_one_launch():
    """And one more for the parameters that do not move in packs of four."""
    (program,) = corpus.recorded("MLP step", jax_programs.mlp, 1e-4)
    plan = device_plan(program.program)
    many = [step for step in plan.steps if isinstance(step, ManyStep)]
    assert [len(step.sets) for step in many] == [3]
    run = DeviceExecutable(plan, SimulatedMachine(), lambda primitive: primitive.impl)
    assert distance(program, run(program.operands)) <= 1


@needs_compiler
def test_operands_that_are_written():
    """A program that writes operands does so in place, and refuses those that share memory."""
    program = program_of(lambda x, y: jnp.exp(x) + y, normal(64), normal(64, seed=1))
    run = DeviceExecutable(device_plan(program.program, {0: 0}), SimulatedMachine(),
                           lambda primitive: primitive.impl)
    memory = run.machine.empty((200,), np.dtype("f4"))
    memory[...] = np.arange(200)
    x, y = memory[:64], memory[64:128]
    expected = np.exp(x) + y
    (out,) = run([x, y])
    assert out is x
    np.testing.assert_array_max_ulp(x, expected, 2)
    for wrong in ([memory[:64], memory[32:96]], [memory[:128:2], memory[128:192]]):
        before = memory.copy()
        with pytest.raises(Overlap):
            run(wrong)
        assert memory.tobytes() == before.tobytes()


@needs_compiler
def test_equal_arrays_replay_a_graph():
    """Where nothing but launches and copies are called, the third call on the same arrays is
    captured."""
    x = normal(40, 30)
    program = program_of(
        lambda x: jax.lax.scan(lambda c, r: (jnp.tanh(c + r), jnp.sum(c)), x[0], x), x)
    run, graphs = executable(program), []

    def capture(steps):
        graphs.append(steps)
        return steps

    run.machine.capture = capture
    held = {}
    fresh = run.machine.empty
    run.machine.empty = lambda shape, dtype: held.setdefault((shape, str(dtype)),
                                                             fresh(shape, dtype))
    x = run.machine.operand(x, x.shape, x.dtype)
    for _ in range(5):
        outs = run([x])
    assert len(graphs) == 1
    assert distance(program, outs) <= 1
    other = program_of(lambda x: jnp.exp(x @ x.T) @ x, normal(8, 4))
    assert not executable(other).graphable  # products are cuBLAS's, which graphs do not take


def test_kernels_are_printed_for_a_device_that_is_not_there():
    text = jax.jit(lambda x: jnp.tanh(x) * 2).kernels(jnp.ones((4, 16)), device="cuda")
    assert 'extern "C" __global__' in text
    assert "tanhf(" in text
    step = compat.torch.compile(lambda x: compat.torch.softmax(x, -1))
    x = compat.torch.ones(4, 16)
    step(x)
    (variant,) = step.variants.values()
    assert "Maximum()" in variant.jitted.kernels(x, device="cuda")
    with pytest.raises(ValueError, match="for the CPU and for 'cuda', not for 'tpu'"):
        variant.jitted.kernels(x, device="tpu")


def test_a_loop_that_is_no_reduction_is_refused():
    text = "def f(a0, a1, start, stop):\n    for i in range(start, stop):\n" \
           "        t = f32(0)\n        for j in range(8):\n            t = a0[j] - t\n" \
           "        a1[i] = t\n"
    with pytest.raises(KernelError, match="carries t: no reduction"):
        emit_kernel(text, {"a0": "f32*", "a1": "f32*"}, Schedule(frozenset("j"), 8), 3)


@needs_compiler
@pytest.mark.parametrize("schedule", [
    Schedule(frozenset("i"), largest=1 << 31), Schedule(frozenset("j"), 12, largest=1 << 31)],
    ids=["flat", "rows"])
def test_positions_of_large_arrays_are_wide(schedule):
    """Of 2^29 elements and more; here the array only seems to be so large."""
    body = "        a1[i] = a0[i] + 1.0\n" if "i" in schedule.threads else \
        "        t = f32(0)\n        for j in range(12):\n            t += a0[i * 12 + j]\n" \
        "        a1[i] = t\n"
    text = "def f(a0, a1, start, stop):\n    for i in range(start, stop):\n" + body
    kernel = emit_kernel(text, {"a0": "f32*", "a1": "f32*"}, schedule, 64)
    assert "i64 i = " in kernel.text
    assert "i64(blockIdx.x)" in kernel.text
    assert "i64(gridDim.x)" in kernel.text
    x, out = normal(64 * 12), np.empty(64, np.float32)
    simulate(prelude() + kernel.text, "f", (kernel.grid(),), kernel.block, [x, out])
    expected = x[:64] + 1 if "i" in schedule.threads else x.reshape(64, 12).sum(1)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_a_text_that_nvrtc_refuses_says_where():
    if nvrtc.library() is None:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc")
    with pytest.raises(nvrtc.CompileError, match=r"kernels.cu\(1\).*nonsense"):
        nvrtc.compiled("nonsense f();", "sm_90", ())


# ------------------------------------------------------------------ through the faces


def on_device(array):
    return box(devices.put(np.asarray(array), devices.cuda(0)), type(jnp.ones(1)))


@needs_compiler
def test_a_jitted_function_of_device_arrays_runs_its_kernels():
    """Regions by our kernels, products and sorts by CuPy's; nothing is fetched on the way."""
    def f(x, y):
        w = jax.nn.softmax(x @ x.T) @ x
        return w * y, jnp.sort(w, axis=0).sum(), jnp.cumsum(x, 0)[-1] + 1

    x, y = normal(20, 12), normal(12, seed=1)
    expected = jax.jit(f)(x, y)
    with fake_cupy.installed() as counts:
        jitted, given = jax.jit(f), (on_device(x), on_device(y))
        jitted(*given)
        counts.clear()
        outs = jitted(*given)
        assert vars(counts) == {"get": 0, "put": 0, "scalar": 0, "synchronize": 0}
        assert "team<" in jitted.kernels(*given)
        assert "us  dot_general(" in jitted.explain(*given)
        assert [devices.device_of(out) for out in outs] == [devices.cuda(0)] * 3
        found = [devices.fetch(out.value) for out in outs]
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-5, atol=2e-5)


@needs_compiler
def test_a_compiled_torch_step_on_a_device():
    """A network, its gradients and Adam: the losses are those of the CPU, and of what goes to the
    device each time there are two numbers."""
    def losses(device: str) -> list[float]:
        compat.torch.set_default_device(device)
        try:
            step = compat.torch.compile(torch_programs.mlp(compat.torch))
            found = [step() for _ in range(3)]
            fake_cupy.counts.clear()
            found.append(step())
        finally:
            compat.torch.set_default_device("cpu")
        assert fake_cupy.counts.to_host == fake_cupy.counts.synchronize == 0
        assert fake_cupy.counts.put <= 2
        return [float(x.detach().cpu()) for x in found]

    expected = losses("cpu")
    with fake_cupy.installed():
        np.testing.assert_allclose(losses("cuda"), expected, rtol=1e-5)


def test_without_kernels_of_our_own(monkeypatch):
    """`MINIGRAD_COMPILER=numpy`: one primitive after another, by CuPy."""
    monkeypatch.setenv("MINIGRAD_COMPILER", "numpy")
    x = normal(6, 5)
    with fake_cupy.installed():
        out = jax.jit(lambda x: jax.nn.softmax(x) + 1)(on_device(x))
        found = devices.fetch(out.value)
    np.testing.assert_allclose(found, np.asarray(jax.nn.softmax(x) + 1), rtol=1e-6)


def test_products_in_tf32_under_pytorchs_names():
    torch = compat.torch
    with fake_cupy.installed():
        devices.cuda(0)
        for set_it, kind in ((lambda: torch.set_float32_matmul_precision("medium"), 4),
                             (lambda: torch.set_float32_matmul_precision("highest"), 1),
                             (lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True), 4),
                             (lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", False), 1)):
            set_it()
            assert fake_cupy.compute_types["float32"] == kind
            assert torch.backends.cuda.matmul.allow_tf32 == (kind == 4)
    with pytest.raises(RuntimeError, match="expects a str, but got int"):
        torch.set_float32_matmul_precision(1)
    with pytest.warns(UserWarning, match="foo is not one of"):
        torch.set_float32_matmul_precision("foo")
    with pytest.raises(AttributeError, match="Unknown attribute allow_tf"):
        torch.backends.cuda.matmul.allow_tf = True


# ------------------------------------------------------------------ the benchmark


def test_the_benchmark_says_that_there_is_no_gpu(capsys):
    with fake_cupy.installed(0):
        bench.main()
    assert "No GPU here, so nothing is measured" in capsys.readouterr().out


@needs_compiler
def test_the_benchmark_runs(capsys, monkeypatch):
    """On the stand-in, small: lines of every kind are run, and none of the times means anything."""
    monkeypatch.setattr(bench, "BATCHES", 1)
    monkeypatch.setattr(bench, "SECONDS", 0.0)
    with fake_cupy.installed():
        bench.main(["gelu float16", "layer norm backward", "tf32", "step"],
                   bench.Sizes(4096, (64,), (8,)))
        run = bench.Bench([], bench.Sizes())
        step, operands = run.update(jax, "mlp")
        given = jax.tree.map(run.on_device, operands)
        assert difference(run.fetched(jax, step(*given)), [
            np.asarray(x) for x in jax.tree.leaves(step(*operands))]) < 1e-4
    out = capsys.readouterr().out
    assert "Error" not in out.replace("RuntimeError: this build of", "")
    for word in ("layer norm backward 64", "matmul 8 tf32", "gpt step against torch.compile"):
        assert word in out
