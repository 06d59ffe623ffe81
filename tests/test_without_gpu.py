"""A machine without a GPU answers as PyTorch's build for the CPU and JAX without a plugin do."""

from __future__ import annotations

import io
import operator

import jax as real_jax
import pytest
import torch as real_torch

import compat.jax as jax
import compat.torch as torch
from minigrad import devices
from tests.fake_cupy.names import installed, kept

pytestmark = pytest.mark.skipif(not devices.availability(), reason="there is a GPU")


def answer(question, library):
    try:
        asked = library.cuda if isinstance(question, operator.methodcaller) else library
        found = question(asked)
    except Exception as error:
        return type(error).__name__, str(error)
    return found if isinstance(found, (int, str, list, dict, tuple, type(None))) else str(found)


def loaded(torch, place):
    saved = io.BytesIO()
    torch.save(torch.ones(2), saved)
    saved.seek(0)
    return torch.load(saved, map_location=place).tolist()


QUESTIONS = {
    name: operator.methodcaller(name) for name in (
        "is_available device_count current_device get_device_name get_device_properties "
        "synchronize memory_allocated max_memory_allocated memory_reserved max_memory_reserved "
        "empty_cache memory_stats current_stream default_stream is_initialized init "
        "get_device_capability get_arch_list is_bf16_supported mem_get_info seed seed_all "
        "initial_seed get_rng_state get_rng_state_all ipc_collect Stream Event").split()} | {
    "manual_seed": lambda torch: torch.cuda.manual_seed(0),
    "manual_seed_all": lambda torch: torch.cuda.manual_seed_all(0),
    "a stream of None": lambda torch: torch.cuda.stream(None).__enter__(),
    "set_device(-1)": lambda torch: torch.cuda.set_device(-1),
    "properties of 0": lambda torch: torch.cuda.get_device_properties(0),
    "peers": lambda torch: torch.cuda.can_device_access_peer(0, 1),
    "to": lambda torch: torch.ones(2).to("cuda"),
    "to a device": lambda torch: torch.ones(2).to(torch.device("cuda", 1)),
    "cuda": lambda torch: torch.ones(2).cuda(),
    "cpu": lambda torch: torch.ones(2).cpu().tolist(),
    "a factory": lambda torch: torch.zeros(2, device="cuda:3"),
    "a random factory": lambda torch: torch.rand(2, device="cuda"),
    "another device": lambda torch: torch.zeros(2, device="cpu").device,
    "a module": lambda torch: torch.nn.Linear(2, 2).cuda(),
    "a module on": lambda torch: torch.nn.Linear(2, 2, device="cuda"),
    "a module to": lambda torch: torch.nn.Linear(2, 2).to("cuda"),
    "get_device": lambda torch: torch.ones(2).get_device(),
    "is_pinned": lambda torch: torch.ones(2).is_pinned(),
    "pin_memory": lambda torch: torch.ones(2).pin_memory(),
    "of equal names": lambda torch: torch.device("cuda") == torch.device("cuda:0"),
    "a number below zero": lambda torch: torch.device("cuda:-1"),
    "load cpu": lambda torch: loaded(torch, "cpu"),
    "load cuda": lambda torch: loaded(torch, "cuda"),
    "load by names": lambda torch: loaded(torch, {"cpu": "cuda:0"}),
    "load by a function": lambda torch: loaded(torch, lambda storage, place: storage),
    "built": lambda torch: torch.backends.cuda.is_built(),
}


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_torch(name):
    assert answer(QUESTIONS[name], torch) == answer(QUESTIONS[name], real_torch)


def test_a_default_device_that_is_not_there():
    for library in (torch, real_torch):
        library.set_default_device("cuda")
        try:
            with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
                library.zeros(2)
        finally:
            library.set_default_device(None)
        assert library.zeros(2).device == library.device("cpu")


@pytest.mark.parametrize("ask", [
    lambda jax: jax.devices("gpu"), lambda jax: jax.devices("cuda"),
    lambda jax: jax.local_devices(backend="gpu"), lambda jax: jax.default_backend(),
    lambda jax: [str(d) for d in jax.devices("cpu")], lambda jax: jax.numpy.ones(2).committed])
def test_jax(ask):
    assert answer(ask, jax) == answer(ask, real_jax)


def test_the_stand_in_offers_what_cupy_has():
    """The kept list of names is that of the CuPy that is installed here."""
    cupy = pytest.importorskip("cupy")
    if cupy.__version__ != kept()["version"]:
        pytest.skip(f"the list is of CuPy {kept()['version']}")
    assert installed() == kept()
