"""What programs have around their training loop: scalers, scripts, groups of one process, global
hooks, older names. Each row is an expression of `t`, that is torch or compat.torch."""

import importlib
import warnings

import pytest

import compat.torch
from compat.substitution import substituted

real = pytest.importorskip("torch")
WORLDS = (real, compat.torch)


def everywhere(t):
    """Hooks of all modules, in the order in which they are called."""
    seen: list = []
    place = importlib.import_module(f"{t.__name__}.nn.modules.module")
    handles = [
        place.register_module_forward_hook(lambda m, a, o: seen.append(("f", type(m).__name__))),
        place.register_module_forward_pre_hook(lambda m, a: seen.append(("p", type(m).__name__))),
        place.register_module_full_backward_hook(
            lambda m, i, o: seen.append(("b", type(m).__name__)))]
    net = t.nn.Sequential(t.nn.Linear(2, 3), t.nn.ReLU())
    net(t.ones(1, 2)).sum().backward()
    for handle in handles:
        handle.remove()
    net(t.ones(1, 2)).sum().backward()
    return seen


def parts_of_data(t):
    sampler = importlib.import_module(f"{t.__name__}.utils.data.distributed").DistributedSampler
    made = [sampler(range(n), num_replicas=3, rank=rank, shuffle=shuffle, drop_last=drop)
            for n in (10, 7) for rank in range(3) for shuffle in (False, True)
            for drop in (False, True)]
    for one in made:
        one.set_epoch(2)
    return [(list(one), len(one)) for one in made]


def scaled_steps(t):
    """Five steps, the fourth with infinite gradients."""
    t.manual_seed(0)
    net = t.nn.Linear(3, 1)
    optimizer = t.optim.SGD(net.parameters(), lr=0.1)
    scaler = t.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    seen = []
    for step in range(5):
        optimizer.zero_grad()
        loss = net(t.ones(2, 3)).sum() * (float("inf") if step == 3 else 1)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        seen.append((scaler.get_scale(), net.weight.tolist(), scaler.state_dict()))
    return seen


def of_each(t):
    x, y = [t.ones(2), t.arange(3.0)], [t.full((2,), 2.0), t.ones(3)]
    new = [t._foreach_add(x, y, alpha=2), t._foreach_mul(x, 2.0), t._foreach_maximum(x, 0.5),
           t._foreach_maximum(x, y), t._foreach_norm(x), t._foreach_sqrt(y),
           t._foreach_pow(x, 2), t._foreach_addcmul(x, y, y, value=2),
           t._foreach_addcdiv(x, y, y, 0.5), t._foreach_lerp(x, y, 0.3),
           t._foreach_div(x, [2.0, 3.0])]
    t._foreach_add_(x, y)
    t._foreach_neg_(x)
    t._foreach_zero_(y)
    t._foreach_copy_(y, x)
    return new, x, y


def nest(t):
    tree = importlib.import_module(f"{t.__name__}.utils._pytree")
    leaves, spec = tree.tree_flatten({"b": [1, None, (2, 3)], "a": 4})
    return leaves, tree.tree_unflatten(leaves, spec), tree.tree_map(max, [1, 5], [3, 4])


def ensemble(t):
    """Stacked modules through the older functions of the package functorch."""
    with substituted("torch") if t is compat.torch else warnings.catch_warnings():
        warnings.simplefilter("ignore")
        functorch = importlib.import_module("functorch")
        t.manual_seed(0)
        models = [t.nn.Linear(2, 3) for _ in range(4)]
        function, params, buffers = functorch.combine_state_for_ensemble(models)
        one, weights = functorch.make_functional(models[0])
        out = functorch.vmap(function, (0, 0, None))(params, buffers, t.ones(5, 2))
        return out, one(weights, t.ones(5, 2)), [w.requires_grad for w in weights]


def channels_dropped(t):
    """Whole channels, for inputs of each rank; the masks are PyTorch's bits."""
    out = []
    for shape in ((4, 6), (4, 6, 5), (4, 6, 5, 5), (2, 3, 2, 2, 2), (3,)):
        for name in ("Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"):
            t.manual_seed(0)
            try:
                out.append(getattr(t.nn, name)(0.5)(t.ones(shape)))
            except RuntimeError as error:
                out.append(str(error))
    return out


def subclass(t):
    class Named(t.Tensor):
        @staticmethod
        def __new__(cls, data, name):
            made = super().__new__(cls, data)
            made.title = name
            return made

        def __init__(self, data, name):
            super().__init__()

    made = Named([1, 2], "x")
    return type(made).__name__, made.title, (made + 1).tolist()


def orthogonal(t):
    """The maps, for square, wide and tall matrices, at their start and next to it."""
    place = importlib.import_module(f"{t.__name__}.nn.utils.parametrizations")
    out = []
    for shape in ((3, 3), (3, 5), (5, 3)):
        for name in ("matrix_exp", "cayley", "householder"):
            t.manual_seed(0)
            net = place.orthogonal(t.nn.Linear(*shape), orthogonal_map=name)
            with t.no_grad():
                net.parametrizations.weight.original.add_(0.1)
            w = net.weight.detach()
            out.append((w.round(decimals=3) + 0.0, (w @ w.mT).trace().round().item()))
    return out


def without_prefix(t):
    state = t.nn.DataParallel(t.nn.Linear(1, 1)).state_dict()
    t.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    return list(state), list(state._metadata)


def sparse_adam(t):
    x = t.ones(2, requires_grad=True)
    x.sum().backward()
    t.optim.SparseAdam([x]).step()


def hook_handle(t):
    net = t.nn.Linear(1, 1)
    handle = net.register_forward_hook(lambda m, a, o: o)
    kept = handle.id in handle.hooks_dict_ref(), callable(next(iter(net._forward_hooks.values())))
    handle.remove()
    return kept, handle.id in handle.hooks_dict_ref()


LOGITS = [[0.1, 0.2], [0.3, 0.4]]
ROWS = {
    "hooks of all modules": everywhere,
    "distributed sampler": parts_of_data,
    "gradient scaler": scaled_steps,
    "scaler without its device": lambda t: t.cuda.amp.GradScaler().state_dict(),
    "foreach": of_each,
    "nests": nest,
    "functorch": ensemble,
    "dropout of channels": channels_dropped,
    "orthogonal": orthogonal,
    "orthogonal of a vector": lambda t: importlib.import_module(
        f"{t.__name__}.nn.utils.parametrizations").orthogonal(t.nn.Linear(2, 2), "bias"),
    "SparseAdam": sparse_adam,
    "handle of a hook": hook_handle,
    "prefix of a state": without_prefix,
    "nests of numbers and Tensors": lambda t: [
        t.tensor([t.ones(1), 2.0]), t.tensor([[t.ones(1)], [t.ones(1, 1)]]),
        t.tensor([t.tensor(3), t.tensor(2.0)]), t.tensor([(1, 2), [3, 4]])],
    "sizes by name": lambda t: [
        t.zeros(size=(2, 3)).shape, t.rand(size=[2]).shape, t.randn(size=(1, 2)).shape,
        t.ones(1).new_full(size=(2,), fill_value=3), t.ones(2, 3).clone(
            memory_format=t.contiguous_format)],
    "indices in lists": lambda t: [
        t.arange(12).view(3, 4)[[[0, 1], [1, 2]]], t.arange(3)[[]], t.arange(3)[[0, 2]],
        t.arange(3)[[t.tensor([0, 1])]]],
    "set_": lambda t: t.ones(2).set_(t.zeros(3)),
    "padding a generator": lambda t: t.nn.utils.rnn.pad_sequence(t.ones(n) for n in (2, 1)),
    "padding a number": lambda t: t.nn.utils.rnn.pad_sequence(5),
    "vectors of integers": lambda t: t.nn.Embedding.from_pretrained(
        t.tensor([[1, 2], [3, 4]]))(t.tensor([1])),
    "too few gradients": lambda t: [net := t.nn.Sigmoid(), net.register_full_backward_hook(
        lambda m, i, o: i[:-1]), net(t.ones(2, requires_grad=True)).sum().backward()],
    "ragged nest": lambda t: t.tensor([[1, 2], 3]),
    "nest of Tensors": lambda t: t.tensor([t.ones(2), t.ones(2)]),
    "Tensor of None": lambda t: t.tensor([None]),
    "script": lambda t: t.jit.script(t.nn.Sequential(t.nn.Linear(2, 3), t.nn.ReLU())),
    "state of a script": lambda t: list(t.jit.script(t.nn.Linear(2, 3)).state_dict()),
    "traced": lambda t: t.jit.trace(t.nn.ReLU(), t.ones(2))(t.tensor([-1.0, 2.0])),
    "size_average": lambda t: [
        t.nn.functional.binary_cross_entropy(t.tensor(LOGITS), t.tensor(LOGITS),
                                             size_average=False),
        t.nn.functional.cross_entropy(t.tensor(LOGITS), t.tensor([0, 1]), reduce=False),
        t.nn.functional.mse_loss(t.tensor(LOGITS), t.ones(2, 2), False),
        t.nn.BCELoss(size_average=False)(t.tensor(LOGITS), t.tensor(LOGITS))],
    "Tensor of numbers": lambda t: [t.Tensor([1, 2]), t.Tensor(2, 3).shape, t.Tensor(),
                                    t.Tensor(t.ones(2, dtype=t.int64)), t.LongTensor([1])],
    "Tensor of a number": lambda t: t.Tensor(1.5),
    "Variable": lambda t: t.autograd.Variable(t.ones(2), requires_grad=True),
    "Variable of a list": lambda t: t.autograd.Variable([1]),
    "is a Variable": lambda t: isinstance(t.ones(2), t.autograd.Variable),
    "subclass": subclass,
    "index of a number": lambda t: t.tensor(1.0)[0],
    "two indices of a number": lambda t: t.tensor(1.0)[0, 0],
    "schedule of a profile": lambda t: [importlib.import_module(
        f"{t.__name__}.profiler").schedule(wait=1, warmup=1, active=2, repeat=1)(i).name
        for i in range(6)],
    "places of modules": lambda t: [
        issubclass(t.nn.BatchNorm2d, t.nn.modules.batchnorm._BatchNorm),
        issubclass(t.nn.Conv1d, t.nn.modules.conv._ConvNd),
        t.nn.modules.linear.Linear is t.nn.Linear, t.nn.modules.rnn.LSTM is t.nn.LSTM],
    "other devices": lambda t: [t.ones(1).is_xpu, t.cuda.memory_allocated(),
                                t.cuda.is_bf16_supported() is True],
}


def outcome(row, t):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(row(t)).replace("compat.", "")
        except Exception as error:
            return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("name", ROWS)
def test_the_same(name):
    theirs, ours = (outcome(ROWS[name], t) for t in WORLDS)
    assert ours == theirs


def test_group_of_one(monkeypatch):
    """A group of one process runs, one of more is refused."""
    dist, t = compat.torch.distributed, compat.torch
    with pytest.raises(ValueError, match="RANK expected"):
        dist.init_process_group("gloo")
    with pytest.raises(NotImplementedError, match="2 processes"):
        dist.init_process_group("gloo", rank=0, world_size=2, init_method="tcp://localhost:1")
    dist.init_process_group("gloo", rank=0, world_size=1, init_method="tcp://localhost:1")
    try:
        net = t.nn.parallel.DistributedDataParallel(t.nn.Linear(2, 1))
        net(t.ones(1, 2)).sum().backward()
        grad = net.module.weight.grad
        dist.all_reduce(grad)
        gathered = [t.zeros(1, 2)]
        dist.all_gather(gathered, grad)
        assert gathered[0].tolist() == [[1, 1]] and dist.get_world_size() == 1
        assert list(net.state_dict()) == ["module.weight", "module.bias"]
    finally:
        dist.destroy_process_group()


def raises_in_a_process(number):
    raise RuntimeError(f"number {number}")


def test_spawned_error():
    with pytest.raises(Exception, match="number 0"):
        compat.torch.multiprocessing.spawn(raises_in_a_process, nprocs=1)


def test_profile_into_a_file(tmp_path):
    t = compat.torch
    handler = t.profiler.tensorboard_trace_handler(str(tmp_path))
    with t.profiler.profile(activities=[t.profiler.ProfilerActivity.CPU],
                            on_trace_ready=handler):
        t.ones(3).exp()
    (file,) = tmp_path.iterdir()
    assert "aten::exp" in file.read_text()


def test_events(tmp_path):
    """Event files hold framed records whose checksums are those of TFRecord."""
    import struct

    from compat.torch.utils.tensorboard import SummaryWriter, records

    assert records.masked_crc(b"123456789") == struct.pack(
        "<I", ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", compat.torch.tensor(1.5), 3)
        writer.add_histogram("weights", compat.torch.arange(9.0), 1)
        writer.add_text("note", "hello")
        writer.add_images("batch", compat.torch.rand(2, 1, 4, 5))
    (file,) = tmp_path.iterdir()
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12:12 + length]
        assert data[:16 + length] == records.record(body)
        found.append(body)
        data = data[16 + length:]
    assert len(found) == 5 and b"brain.Event:2" in found[0]
    assert records.summary("loss", records.field(2, 1.5)) in found[1]
    assert b"\x89PNG" in found[4]
