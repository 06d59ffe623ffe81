"""Files exchanged with PyTorch in both directions, what `load` refuses, killed saves."""

from __future__ import annotations

import collections
import io
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch as theirs

import compat.torch as ours
from compat import safetensors as tensors_of_ours
from tests.lines import ROOT
from tests.test_torch_face import check, plain
from tests.torch_nn_modules import MODULES

BOTH = [(theirs, ours), (ours, theirs), (ours, ours)]
NAMES = ["from theirs", "from ours", "ours alone"]


def exchanged(writer, reader, make, **options):
    file = io.BytesIO()
    writer.save(make(writer), file)
    file.seek(0)
    return reader.load(file, **options)


def checkpoint(torch):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 2, 5, 5)).sum().backward()
    optimizer.step()
    return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3,
            "names": ["a", ("b", 1.5)], "on": True, "none": None, "big": 2**70, "raw": b"bytes",
            "counts": collections.Counter("aab")}


def tensors(torch):
    x = torch.arange(12.0).reshape(3, 4)
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
             torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128, torch.uint16,
             torch.uint32, torch.uint64)
    return [x, x.t(), x[1:, ::2], x[0].expand(2, 4), torch.tensor(3.5), torch.zeros(0, 3),
            torch.nn.Parameter(x[:2]), x.clone().requires_grad_(),
            x.shape, x.dtype, torch.device("cpu"), *(torch.ones(2).to(k) for k in kinds)]


@pytest.mark.parametrize("writer, reader", BOTH, ids=NAMES)
@pytest.mark.parametrize("make", [checkpoint, tensors])
def test_exchange(writer, reader, make):
    got, expected = exchanged(writer, reader, make), make(writer)
    check(plain(expected), plain(got), 1e-6, 1e-6)


@pytest.mark.parametrize("writer, reader", BOTH, ids=NAMES)
def test_what_travels_with_tensors(writer, reader):
    base, part, parameter, leaf = exchanged(
        writer, reader, lambda torch: (lambda x: [x, x[1:], torch.nn.Parameter(x), torch.ones(
            2, requires_grad=True)])(torch.zeros(3)))
    part[0] = 7
    assert base[1] == 7  # the memory is shared again
    assert type(parameter) is reader.nn.Parameter
    assert parameter.requires_grad
    assert leaf.requires_grad
    state = exchanged(writer, reader, checkpoint)["model"]
    assert type(state) is collections.OrderedDict
    assert state._metadata["1"] == {"version": 2}


@pytest.mark.parametrize("writer, reader", BOTH[:2], ids=NAMES[:2])
@pytest.mark.parametrize("name", ["Conv2d", "LSTM deep", "Transformer", "BatchNorm2d", "PReLU"])
def test_state_dicts_load(writer, reader, name, tmp_path):
    make = MODULES[name][0]
    one, other = make(writer), make(reader)
    writer.save(one.state_dict(), tmp_path / "model.pt")
    assert repr(other.load_state_dict(reader.load(tmp_path / "model.pt"))) == \
        "<All keys matched successfully>"
    check(plain(dict(one.state_dict())), plain(dict(other.state_dict())))


def test_records_are_aligned_and_named_as_pytorch_names_them(tmp_path):
    for torch in (theirs, ours):
        torch.save({"a": torch.ones(3), "b": torch.ones(5)}, tmp_path / "net.pt")
        with zipfile.ZipFile(tmp_path / "net.pt") as archive:
            assert {"net/data.pkl", "net/byteorder", "net/data/0", "net/data/1", "net/version"} \
                <= set(archive.namelist())
            for info in archive.infolist():
                if "/data/" in info.filename:
                    archive.fp.seek(info.header_offset + 26)
                    lengths = np.frombuffer(archive.fp.read(4), "<u2")
                    assert (info.header_offset + 30 + lengths.sum()) % 64 == 0


def test_torch_maps_our_files_into_memory(tmp_path):
    ours.save({"a": ours.arange(5.0)}, tmp_path / "net.pt")
    assert theirs.load(tmp_path / "net.pt", mmap=True)["a"].tolist() == [0, 1, 2, 3, 4]


def test_whole_modules(tmp_path):
    net = ours.nn.Sequential(ours.nn.Linear(2, 3), ours.nn.ReLU(), ours.nn.MSELoss())
    ours.save(net, tmp_path / "net.pt")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        ours.load(tmp_path / "net.pt")
    again = ours.load(tmp_path / "net.pt", weights_only=False)
    assert repr(again) == repr(net)
    x = ours.ones(1, 2)
    assert again[0](x).tolist() == net[0](x).tolist()


# ------------------------------------------------------------------ what load refuses


class Evil:
    def __init__(self, function, args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def archive_of(pickled: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    return file


ATTACKS = {
    "system": pickle.dumps(Evil(os.system, ("touch attacked",))),
    "eval": pickle.dumps(Evil(eval, ("open('attacked', 'w')",))),
    "getattr": pickle.dumps(Evil(getattr, ("", "join"))), "nested": pickle.dumps(
        {"a": [Evil(exec, ("open('attacked', 'w')",))]}),
    "build on a class": b"ccollections\nOrderedDict\n}(Vx\nI1\nub.",
    "build on a function": b"ctorch._utils\n_rebuild_tensor_v2\n}(V__code__\nI1\nub.",
    "inst": b"(ios\nsystem\n.", "extension": b"\x82\x01.",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_code_from_a_file_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for torch in (theirs, ours):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(archive_of(ATTACKS[name]), weights_only=True)
    assert os.listdir(tmp_path) == []


def test_storages_are_checked():
    def evil(size, stride, offset):
        file = io.BytesIO()
        ours.save(ours.ones(2), file)
        data = file.getvalue().replace(b"K\x02\x85", bytes([75, size]) + b"\x85", 1)
        return io.BytesIO(data)

    with pytest.raises((RuntimeError, zipfile.BadZipFile)):
        ours.load(evil(200, 1, 0))


class Allowed:
    def __init__(self):
        self.value = 3


def test_allowed_globals():
    file = io.BytesIO()
    ours.save(Allowed(), file)
    with pytest.raises(pickle.UnpicklingError, match="Allowed was not an allowed global"):
        ours.load(file)
    with ours.serialization.safe_globals([Allowed]):
        assert ours.load(file).value == 3
    assert ours.serialization.get_safe_globals() == []


def test_no_archive(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match="failed finding central directory"):
        ours.load(path)
    with pytest.raises(FileNotFoundError):
        ours.load(tmp_path / "missing.pt")
    for torch in (theirs, ours):
        with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
            torch.save(1, tmp_path / "missing" / "x.pt")


# ------------------------------------------------------------------ a killed save


def test_a_killed_save_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "model.pt"
    ours.save({"a": ours.ones(3)}, path)
    script = textwrap.dedent(f"""
        import os, signal
        import compat.torch as torch

        class Last:
            def __reduce__(self):
                os.kill(os.getpid(), signal.SIGKILL)

        torch.save([torch.zeros(1_000_000), Last()], {str(path)!r})
    """)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={
        **os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
    assert ours.load(path)["a"].tolist() == [1, 1, 1]


def test_a_failed_save_leaves_nothing_behind(tmp_path):
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        ours.save({"a": ours.ones(3), "f": lambda: 1}, tmp_path / "model.pt")
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------ safetensors


def test_safetensors(tmp_path):
    kinds = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()

    def named(torch):
        return {k: torch.arange(6).reshape(2, 3).to(getattr(torch, k)) for k in kinds} | {
            "scalar": torch.tensor(1.5), "turned": torch.arange(6.0).reshape(2, 3).t().contiguous()}

    path = tmp_path / "a.safetensors"
    tensors_of_ours.save_file(named(ours), path, {"format": "pt"})
    check(plain(named(theirs)), plain({k: safetensors.torch.load_file(path)[k]
                                       for k in named(theirs)}))
    assert safetensors.torch.save(named(theirs)) == tensors_of_ours.save(named(ours))
    got = tensors_of_ours.load(safetensors.torch.save(named(theirs)))
    check(plain(named(theirs)), plain({k: got[k] for k in named(theirs)}))
    net = ours.nn.Linear(2, 3)
    tensors_of_ours.save_model(net, path)
    assert tensors_of_ours.load_model(ours.nn.Linear(2, 3), path) == ([], [])
    with pytest.raises(ValueError, match="invalid header length"):
        tensors_of_ours.load(b"\xff" * 20)
