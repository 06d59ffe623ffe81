"""The table, the tape, transforms and both faces on a device that a stand-in for CuPy plays
(`tests/fake_cupy`): equal numbers, and no way to the host that nobody asked for.

What only a real device can show is in `tests/test_gpu.py`.
"""

from __future__ import annotations

import copy
import importlib
import io
import pickle

import numpy as np
import pytest

import compat.jax as jax
import compat.jax.numpy as jnp
import compat.torch as torch
from compat.differential.rows import row_examples
from compat.torch import nn
from minigrad import core, devices
from minigrad.core import box, table
from minigrad.devices.moving import transfer
from tests import fake_cupy, simulator
from tests.device_programs import PROGRAMS
from tests.rows import all_rows

F = nn.functional
ON_HOST = {  # LAPACK's, which CuPy lacks; and a series whose length the numbers decide
    "tridiagonal_solve", "cholesky_update", "tridiagonal", "hessenberg", "schur", "eig",
    "igamma_grad_a"}
pytestmark = [
    pytest.mark.skipif(simulator.compiler() is None, reason="no C++ compiler for the simulator"),
    pytest.mark.filterwarnings("ignore:.*has no CUDA kernel here:RuntimeWarning")]


@pytest.fixture(scope="module", autouse=True)
def counts():
    with fake_cupy.installed() as counts:
        yield counts


def on_device(x):
    return transfer(box(x), devices.cuda(0))


def close(ours, expected) -> None:
    ours, expected = (np.asarray(devices.fetch(x)) for x in (ours, expected))
    assert (ours.shape, ours.dtype) == (expected.shape, expected.dtype)
    if expected.dtype.kind in "biu":
        np.testing.assert_array_equal(ours, expected)
        return
    tolerance = {1: 0.1, 2: 1e-2}.get(expected.dtype.itemsize, 1e-5)
    if expected.dtype.kind == "V":
        ours, expected = ours.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(ours, expected, tolerance, tolerance)


# ------------------------------------------------------------------ the table

ROWS: dict[str, list] = {}
for _row in all_rows():
    ROWS.setdefault(_row.name, []).append(_row)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_primitive(name, counts):
    """Every row of a primitive: the numbers of the NumPy kernel, without a look at the host."""
    ran = 0
    for row in ROWS[name]:
        operands = row_examples(row)[0]
        try:
            expected = table[name](*map(box, operands), **row.params)
        except (TypeError, ValueError, NotImplementedError, OverflowError):
            continue  # a row of what is refused, which has nothing to do with a device
        given = [on_device(x) for x in operands]
        counts.clear()
        outs = table[name](*given, **row.params)
        if name not in ON_HOST and not row.params.get("pivoting"):
            assert counts.to_host == 0, f"{row}: numbers came to the host"
        outs, expected = (x if isinstance(x, list) else [x] for x in (outs, expected))
        for ours, theirs in zip(outs, expected, strict=True):
            assert not operands or devices.place_of(ours.spec) is devices.cuda(0)
            close(ours.value, theirs.value)
            ran += 1
    assert ran or name in ("custom_linear_solve",), f"no row of {name} was run"


@pytest.mark.parametrize("name", sorted(
    n for n, rows in ROWS.items()
    if rows[0].differentiable and n not in ON_HOST | {"igamma", "igammac"}))
def test_gradient(name, counts):
    """The first row of a primitive, backwards on the tape."""
    row = ROWS[name][0]
    operands = row_examples(row)[0]

    def gradients(place):
        leaves = [transfer(box(x), place) for x in operands]
        wanted = [x for x in leaves if core.aval_of(x).dtype.kind in "fc"]
        for x in wanted:
            x.requires_grad_()
        outs = table[name](*leaves, **row.params)
        outs = [o for o in (outs if isinstance(outs, list) else [outs]) if o.requires_grad]
        for k, o in enumerate(outs):
            seed = np.linspace(0.5, 1.5, o.size).reshape(o.shape).astype(o.dtype)
            o.backward(transfer(box(seed), place), retain_graph=k + 1 < len(outs))
        return [x.grad for x in wanted]

    expected = gradients(None)
    counts.clear()
    ours = gradients(devices.cuda(0))
    assert counts.to_host == 0
    for g, e in zip(ours, expected, strict=True):
        assert (g is None) == (e is None)
        if g is not None:
            close(g.value, e.value)


def test_every_primitive_has_kernels_for_a_device():
    """What goes through the host is known, and listed."""
    kernels = importlib.import_module("kernels.cupy_gpu").by_name()
    linalg = importlib.import_module("kernels.cupy_linalg")
    of_faces = {n for n, p in table.items() if str(p.impl.__module__).startswith("compat")}
    missing = set(table) - set(kernels) - set(linalg.kernels) - devices.ANYWHERE - of_faces
    assert missing <= THROUGH_THE_HOST, f"without a kernel: {sorted(missing - THROUGH_THE_HOST)}"
    assert set(linalg.ON_HOST) <= ON_HOST


THROUGH_THE_HOST = set(  # callbacks, and the generators, whose state is the host's
    "pure_callback io_callback debug_callback random_bits random_clone random_fold_in random_gamma "
    "random_seed random_split random_unwrap random_wrap".split())

# ------------------------------------------------------------------ programs


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_program(name, counts):
    """Loss curves of the host, and nothing fetched while the program runs."""
    expected = PROGRAMS[name](torch, "cpu")
    counts.clear()
    ours = PROGRAMS[name](torch, "cuda")
    assert counts.to_host == 0
    assert {loss.device.type for loss in ours} == {"cuda"}
    np.testing.assert_allclose([float(x) for x in ours], [float(x) for x in expected], 1e-5, 1e-6)


def loss_of(w, x):
    return jnp.mean(jnp.tanh(x @ w) ** 2)


TRANSFORMS = {
    "grad": lambda w, x: jax.grad(loss_of)(w, x),
    "jvp": lambda w, x: jax.jvp(lambda v: loss_of(v, x), (w,), (w,))[1],
    "vmap": lambda w, x: jax.vmap(lambda row: jnp.sort(row @ w))(x),
    "hessian": lambda w, x: jax.hessian(loss_of)(w, x),
    "grad of vmap": lambda w, x: jax.grad(lambda v: jax.vmap(lambda r: loss_of(v, r))(x).sum())(w),
    "scan": lambda w, x: jax.lax.scan(lambda c, r: (c + r, c * r), x[0], x)[1],
    "fori_loop": lambda w, x: jax.lax.fori_loop(0, 3, lambda i, c: c * 2, x),
    "cond": lambda w, x: jax.lax.cond(True, jnp.sin, jnp.cos, x),
    "checkpoint": lambda w, x: jax.grad(jax.checkpoint(loss_of))(w, x),
    "at": lambda w, x: x.at[0].add(1.0).at[:, 1].multiply(2.0),
    "take": lambda w, x: x[:, jnp.array([0, 2])],
    "reduce": lambda w, x: jax.lax.reduce(x, np.float32(0), jax.lax.add, (0,)),
}


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_transform(name, counts):
    w, x = (np.linspace(-1, 1, n * m, dtype=np.float32).reshape(n, m) for n, m in ((3, 4), (5, 3)))
    expected = TRANSFORMS[name](jnp.asarray(w), jnp.asarray(x))
    gpu = jax.devices("gpu")[0]
    w, x = jax.device_put((w, x), gpu)
    counts.clear()
    ours = TRANSFORMS[name](w, x)
    assert counts.to_host == 0 and ours.device is gpu
    close(ours.value, expected.value)


def test_jit_on_a_device(counts):
    w, x = np.ones((3, 4), np.float32), np.arange(6, dtype=np.float32).reshape(2, 3)
    step = jax.jit(lambda w, x: w - 0.1 * jax.grad(loss_of)(w, x))
    expected = step(jnp.asarray(w), jnp.asarray(x))
    gpu = jax.devices("gpu")[0]
    w, x = jax.device_put((w, x), gpu)
    for _ in range(4):
        counts.clear()
        ours = step(w, x)
        assert counts.to_host == 0 and ours.device is gpu
        close(ours.value, expected.value)


# ------------------------------------------------------------------ the torch face


def test_a_tensor_knows_its_device():
    x = torch.ones(2, 3).to("cuda")
    assert x.is_cuda and not x.is_cpu and x.get_device() == 0
    assert x.device == torch.device("cuda", 0) and x.cpu().device == torch.device("cpu")
    assert x.to("cuda") is x and x.cuda(0) is x and x.cpu().to("cpu").is_cpu
    assert repr(x[0]) == "tensor([1., 1., 1.], device='cuda:0')"
    assert x.stride() == (3, 1) and x.data_ptr() and x.t().storage_offset() == 0


MAKERS = {
    "zeros": lambda d: torch.zeros(2, device=d), "ones": lambda d: torch.ones(2, device=d),
    "empty": lambda d: torch.empty(2, device=d), "full": lambda d: torch.full((2,), 3, device=d),
    "arange": lambda d: torch.arange(3, device=d), "eye": lambda d: torch.eye(2, device=d),
    "linspace": lambda d: torch.linspace(0, 1, 3, device=d),
    "tensor": lambda d: torch.tensor([1.0, 2.0], device=d),
    "as_tensor": lambda d: torch.as_tensor([1, 2], device=d),
    "rand": lambda d: torch.rand(2, device=d), "randn": lambda d: torch.randn(2, device=d),
    "randint": lambda d: torch.randint(5, (2,), device=d),
    "randperm": lambda d: torch.randperm(4, device=d),
    "scalar_tensor": lambda d: torch.scalar_tensor(1.5, device=d),
    "tril_indices": lambda d: torch.tril_indices(2, 2, device=d),
    "hann_window": lambda d: torch.hann_window(4, device=d),
    "zeros_like": lambda d: torch.zeros_like(torch.ones(2), device=d),
}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_factories(name):
    made = MAKERS[name]("cuda")
    assert made.device.type == "cuda" and MAKERS[name](None).device.type == "cpu"
    assert MAKERS[name](torch.device("cuda", 0)).device.index == 0


def test_factories_in_the_likeness_of_a_tensor():
    x = torch.ones(2, device="cuda")
    for made in (torch.zeros_like(x), torch.rand_like(x), torch.full_like(x, 2), x.new_zeros(3),
                 x.new_tensor([1.0]), x.new_full((2,), 1.0), torch.randn_like(x), x.clone(),
                 torch.tensor(x), torch.as_tensor(x), x.new_empty(2), torch.bernoulli(x * 0.5),
                 torch.multinomial(x, 1), x.nonzero(), x[x > 0], x.double(), x.type_as(x)):
        assert made.is_cuda


def test_the_default_device():
    with torch.device("cuda"):
        assert torch.zeros(2).is_cuda and torch.tensor(1.0).is_cuda
        assert nn.Linear(2, 2).weight.is_cuda
        assert torch.zeros(2, device="cpu").is_cpu and torch.get_default_device().type == "cuda"
    assert torch.zeros(2).is_cpu
    torch.set_default_device("cuda")
    try:
        assert torch.ones(2).is_cuda
    finally:
        torch.set_default_device(None)


def test_a_factory_makes_a_leaf():
    w = torch.zeros(3, device="cuda", requires_grad=True)
    assert w.is_leaf
    (w * 2).sum().backward()
    assert w.grad.is_cuda and w.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_transfer_is_on_the_graph():
    w = torch.ones(3, requires_grad=True)
    y = w.to("cuda")
    assert y.grad_fn.name() == "ToCopyBackward0"
    (y ** 2).sum().backward()
    assert w.grad.is_cpu and w.grad.tolist() == [2.0, 2.0, 2.0]
    (again,) = torch.autograd.grad((w.cuda() ** 3).sum().cpu(), w, create_graph=True)
    (second,) = torch.autograd.grad(again.sum(), w)
    assert second.tolist() == [6.0, 6.0, 6.0]


MIXED = ("Expected all tensors to be on the same device, but found at least two devices, cuda:0 "
         "and cpu!")


@pytest.mark.parametrize("mix", [
    lambda x, y: x + y, lambda x, y: y * x, lambda x, y: torch.matmul(x, y),
    lambda x, y: torch.cat([x, y]), lambda x, y: torch.where(x > 0, x, y),
    lambda x, y: F.linear(x, y), lambda x, y: x.add_(y)])
def test_tensors_on_two_devices(mix):
    with pytest.raises(RuntimeError) as error:
        mix(torch.ones(2, 2, device="cuda"), torch.ones(2, 2))
    assert str(error.value) == MIXED


def test_scalars_of_the_host_go_along():
    x = torch.ones(2, device="cuda")
    assert (x * torch.tensor(2.0)).tolist() == [2.0, 2.0] and (torch.tensor(2.0) + x).is_cuda
    assert x[torch.tensor([1])].is_cuda  # so do indices


def test_numpy_is_refused():
    x = torch.ones(2, device="cuda")
    text = ("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first.")
    for convert in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(TypeError) as error:
            convert()
        assert str(error.value) == text
    assert x.cpu().numpy().tolist() == x.numpy(force=True).tolist() == [1.0, 1.0]
    assert x.sum().item() == 2.0 and bool(x.any()) and int(x[0]) == 1


def test_copies_between_devices():
    host, device = torch.zeros(2), torch.zeros(2, device="cuda")
    host.copy_(torch.ones(2, device="cuda"))
    device.copy_(torch.ones(2))
    assert host.is_cpu and device.is_cuda and host.tolist() == device.tolist() == [1.0, 1.0]


def test_in_place_and_views_on_a_device():
    x = torch.arange(6.0, device="cuda").reshape(2, 3)
    x[0, 1:] += 10
    row = x[1]
    row.zero_()
    x[x > 5] = -1.0
    assert x.tolist() == [[0.0, -1.0, -1.0], [0.0, 0.0, 0.0]] and row._base is not None
    w = torch.ones(2, device="cuda", requires_grad=True)
    y = w * w
    y.add_(1)
    v = torch.ones(2, device="cuda", requires_grad=True).exp()
    v.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        v.sum().backward()
    y.sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]


def test_modules_move_with_gradients_and_buffers():
    module = nn.BatchNorm1d(3)
    module(torch.ones(4, 3)).sum().backward()
    same = module.weight
    assert module.to("cuda") is module and module.weight is same
    assert {t.device.type for t in module.state_dict().values()} == {"cuda"}
    assert module.weight.grad.is_cuda and module.cpu().running_mean.is_cpu


def test_optimizer_state_is_where_the_parameter_is():
    module = nn.Linear(2, 2).cuda()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2, device="cuda")).sum().backward()
    optimizer.step()
    state = optimizer.state[module.weight]
    assert all(t.is_cuda for t in state.values())
    again = torch.optim.Adam(module.parameters())
    again.load_state_dict(optimizer.state_dict())
    assert all(t.is_cuda for t in again.state[module.weight].values())


def test_files_remember_the_device():
    saved = io.BytesIO()
    torch.save({"x": torch.arange(3.0, device="cuda"), "y": torch.ones(2)}, saved)

    def load(**options):
        saved.seek(0)
        return torch.load(saved, **options)

    assert load()["x"].is_cuda and load()["y"].is_cpu
    assert load(map_location="cpu")["x"].tolist() == [0.0, 1.0, 2.0]
    assert load(map_location="cuda")["y"].is_cuda
    assert load(map_location={"cuda:0": "cpu"})["x"].is_cpu
    assert load(map_location=lambda storage, place: storage)["x"].is_cpu
    assert load(map_location=lambda storage, place: storage.cuda(0))["y"].is_cuda


def test_pickles_and_deep_copies():
    x = torch.arange(3.0, device="cuda")
    for again in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert again.is_cuda and again.tolist() == [0.0, 1.0, 2.0]
        assert again.data_ptr() != x.data_ptr()


def test_dlpack_shares_the_memory():
    x = torch.arange(3.0, device="cuda")
    assert x.__dlpack_device__()[0] == 2
    array = jnp.asarray(np.arange(3))
    assert jax.device_put(array, jax.devices("gpu")[0]).__dlpack_device__()[0] == 2


def test_questions_about_the_device():
    cuda = torch.cuda
    assert cuda.is_available() and cuda.device_count() == 1 and cuda.current_device() == 0
    assert cuda.get_device_name(0) == cuda.get_device_properties("cuda").name == "NVIDIA stand-in"
    assert cuda.get_device_capability() == (9, 0) and cuda.is_bf16_supported()
    cuda.synchronize()
    before = cuda.memory_allocated()
    x = torch.zeros(1000, device="cuda")
    assert cuda.memory_allocated() - before == 4000 <= cuda.max_memory_allocated()
    del x
    assert cuda.memory_allocated() == before and cuda.memory_stats()["allocated_bytes.all.current"]
    cuda.empty_cache()
    with cuda.device(0), cuda.stream(cuda.Stream()):
        start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        start.record()
        end.record()
        end.synchronize()
        assert start.elapsed_time(end) >= 0 and end.query()
    cuda.manual_seed_all(3)
    first = torch.rand(2, device="cuda").tolist()
    torch.manual_seed(3)
    assert torch.rand(2).tolist() == first
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.zeros(1, device="cuda:7")


def test_inference_mode_on_a_device():
    with torch.inference_mode():
        x = torch.ones(2, device="cuda") * 2
    assert x.is_inference() and x.is_cuda
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
        x.add_(1)


# ------------------------------------------------------------------ the jax face


def test_arrays_and_devices():
    gpu = jax.devices("gpu")[0]
    assert repr(gpu) == "CudaDevice(id=0)" and str(gpu) == "cuda:0" and gpu.platform == "gpu"
    x = jax.device_put(np.arange(3.0, dtype=np.float32), gpu)
    assert x.device is gpu and x.devices() == {gpu}
    assert repr(x) == "Array([0., 1., 2.], dtype=float32)"
    assert (x + jnp.ones(3)).device is gpu and (x * 2).device is gpu  # uncommitted ones go along
    assert np.asarray(x).tolist() == [0.0, 1.0, 2.0] and float(x[1]) == 1.0
    assert jax.device_put(x, jax.devices("cpu")[0]).device.platform == "cpu"
    with jax.default_device(gpu):
        assert jnp.zeros(2).device is gpu and jnp.array([1.0]).device is gpu
        assert jnp.arange(2).device is gpu
    assert jnp.zeros(2).device.platform == "cpu" and jnp.ones(2, device=gpu).device is gpu


# ------------------------------------------------------------------ two devices


def test_two_devices(counts):
    with fake_cupy.several(2):
        x = torch.ones(2, device="cuda:1", requires_grad=True)
        y = (x * 2).exp() + torch.tensor(1.0)
        y.sum().backward()
        assert y.device == x.grad.device == torch.device("cuda", 1)
        assert {a.value.device.id for a in (x, y, x.grad)} == {1}
        assert y.to("cuda:0").device.index == 0 and len(jax.devices("gpu")) == 2
        with torch.cuda.device(1):
            assert torch.zeros(1, device="cuda").device.index == torch.cuda.current_device() == 1
        with pytest.raises(RuntimeError) as error:
            y + torch.ones(2, device="cuda:0")
        assert str(error.value) == MIXED.replace("cuda:0 and cpu", "cuda:1 and cuda:0")
