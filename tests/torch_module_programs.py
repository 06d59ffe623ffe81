"""Programs of modules, random numbers, data and optimizers; as `tests/torch_programs.py`."""

from __future__ import annotations

import copy
from collections import OrderedDict

from tests.torch_programs import error

# ------------------------------------------------------------------ modules


def network(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
            self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 1, bias=False)})
            self.scale = nn.Parameter(torch.ones(1))
            self.register_buffer("count", torch.zeros(1))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.drop = nn.Dropout(0.2)

        def forward(self, x):
            x = self.norm(self.conv(x)).relu().mean((2, 3))
            for block in self.blocks:
                x = block(x)
            return {name: head(x) for name, head in self.heads.items()}

    torch.manual_seed(1)
    return Net()


def modules(torch):
    net = network(torch)
    yield repr(net), [n for n, _ in net.named_parameters()], [n for n, _ in net.named_buffers()]
    yield [n for n, _ in net.named_modules()], [n for n, _ in net.named_children()]
    yield list(net.state_dict()), net.training, net.eval().drop.training
    yield len(list(net.parameters()))
    yield dict(net.named_parameters()), net.state_dict()
    yield net(torch.ones(2, 1, 5, 5))
    other = network(torch)
    torch.nn.init.zeros_(other.conv.weight)
    yield repr(other.load_state_dict(net.state_dict())), other.conv.weight
    state = net.state_dict()
    state.pop("scale")
    state["extra"] = torch.ones(1)
    yield error(net.load_state_dict, state), repr(net.load_state_dict(state, strict=False))
    state["conv.bias"] = torch.ones(7)
    yield error(net.load_state_dict, state)
    yield net.get_submodule("blocks.1")
    double = torch.nn.Linear(2, 1, bias=False).double()
    double(torch.ones(1, 2).double()).sum().backward()
    yield double.weight.grad
    yield net.double().scale.dtype, net.float().norm.running_var.dtype
    yield net.requires_grad_(False).scale.requires_grad, net.norm.num_batches_tracked.dtype
    yield error(setattr, net, "scale", torch.ones(1)), error(lambda: net.missing)
    yield error(net.register_buffer, "conv", torch.ones(1)), error(net.add_module, "a.b", net.conv)


def containers(torch):
    nn = torch.nn
    seq = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), act=nn.ReLU()))
    seq.append(nn.Linear(3, 1))
    yield repr(seq), len(seq), repr(seq[0]), repr(seq[1:]), repr(seq.first), repr(seq[-1])
    items = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    items.insert(1, nn.GELU())
    items += [nn.Sigmoid()]
    del items[0]
    yield repr(items), [type(m).__name__ for m in items], repr(nn.ModuleList(
        [nn.Linear(2, 2) for _ in range(3)])), error(lambda: items[9])
    params = nn.ParameterList([nn.Parameter(torch.ones(2, 3)), torch.zeros(4)])
    yield len(params), [p.requires_grad for p in params], [n for n, _ in params.named_parameters()]
    named = nn.ParameterDict({"a": nn.Parameter(torch.ones(2))})
    yield list(named.keys()), "a" in named, error(seq.register_parameter, "p", torch.ones(1))


def layer_reprs(torch):
    nn = torch.nn
    yield [repr(m) for m in (
        nn.Linear(2, 3, bias=False), nn.Conv1d(2, 4, 3, stride=2, padding=1, groups=2, bias=False),
        nn.Conv2d(2, 4, (3, 5), dilation=2, padding="valid"), nn.ConvTranspose2d(2, 3, 2, 2),
        nn.BatchNorm1d(3, momentum=None), nn.BatchNorm2d(3, affine=False), nn.LayerNorm((2, 3)),
        nn.GroupNorm(2, 4), nn.RMSNorm(3), nn.Dropout(0.1), nn.Dropout2d(), nn.Embedding(5, 2, 1),
        nn.ReLU(), nn.ReLU(inplace=True), nn.GELU(), nn.GELU("tanh"), nn.Tanh(), nn.Sigmoid(),
        nn.Softmax(dim=1), nn.Softmax(), nn.LogSoftmax(-1), nn.LeakyReLU(0.2), nn.ELU(), nn.SiLU(),
        nn.Softplus(), nn.Hardtanh(), nn.Flatten(), nn.Identity(), nn.MaxPool2d(2),
        nn.MaxPool2d(3, stride=2, padding=1), nn.AvgPool2d(2), nn.AvgPool1d(2),
        nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((2, 3)), nn.CrossEntropyLoss(), nn.MSELoss(),
        nn.BCEWithLogitsLoss(), nn.NLLLoss(), nn.MultiheadAttention(4, 2), nn.Bilinear(2, 3, 4),
        nn.TransformerEncoderLayer(4, 2, 8), nn.Unflatten(1, (2, 2)), nn.GLU())]


def module_hooks(torch):
    calls = []
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    first = layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    layer.register_forward_hook(lambda m, args, out: calls.append(out.shape) or out + 1)
    yield layer(torch.ones(1, 2)), calls
    first.remove()
    yield layer(torch.ones(1, 2))
    counts = []
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.ReLU()))
    net.apply(lambda m: counts.append(type(m).__name__))
    yield counts
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin[0].weight.add_(1)
    yield bool((net[0].weight == twin[0].weight).any()), error(torch.nn.Module().forward)


# ------------------------------------------------------------------ random numbers and data


def seeds(torch):
    torch.manual_seed(7)
    yield torch.rand(5), torch.randn(3), torch.randn(20), torch.randint(0, 100, (6,))
    yield torch.randperm(9), torch.rand(3, dtype=torch.float64), torch.bernoulli(
        torch.full((6,), 0.5))
    yield torch.multinomial(torch.tensor([0.1, 0.2, 0.7]), 5, replacement=True)
    yield torch.empty(4).uniform_(-2, 3), torch.empty(20).normal_(1, 2)
    yield torch.rand_like(torch.ones(2))
    yield torch.empty(4).exponential_(), torch.empty(5).bernoulli_(0.3)
    yield torch.normal(0.0, 1.0, (3,))
    state = torch.get_rng_state()
    a = torch.rand(3)
    torch.set_rng_state(state)
    yield a, torch.rand(3), torch.initial_seed(), state
    g = torch.Generator().manual_seed(3)
    yield torch.randn(3, generator=g), torch.randperm(5, generator=g)


def initial_values(torch):
    torch.manual_seed(0)
    nn = torch.nn
    for layer in (nn.Linear(5, 3), nn.Conv2d(2, 3, 3), nn.Embedding(4, 3), nn.Conv1d(2, 2, 2),
                  nn.BatchNorm1d(3), nn.LayerNorm(3), nn.MultiheadAttention(4, 2),
                  nn.TransformerEncoderLayer(4, 2, 8), nn.Bilinear(2, 3, 4),
                  nn.ConvTranspose2d(2, 4, 3)):
        yield layer.state_dict()
    w = torch.empty(6, 5)
    init = nn.init
    yield init.xavier_uniform_(w).clone(), init.xavier_normal_(w).clone(), w.shape
    yield init.kaiming_normal_(w, nonlinearity="relu").clone(), init.normal_(w, 1, 2).clone()
    yield init.kaiming_uniform_(w, mode="fan_out").clone(), init.constant_(w, 3).clone()
    yield init.trunc_normal_(w, std=0.02).clone(), init.eye_(w).clone(), init.calculate_gain("tanh")


def loading(torch):
    data = torch.utils.data
    torch.manual_seed(0)
    dataset = data.TensorDataset(torch.arange(10.0).view(10, 1), torch.arange(10))
    loader = data.DataLoader(dataset, batch_size=4, shuffle=True)
    yield len(loader), [list(batch) for batch in loader], [list(batch) for batch in loader]
    train, test = data.random_split(dataset, [7, 3])
    yield len(train), list(train.indices), list(test.indices), test[0]
    parts = data.random_split(dataset, [0.5, 0.3, 0.2], torch.Generator().manual_seed(1))
    yield [list(p.indices) for p in parts], torch.rand(2)

    class Squares(data.Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return {"x": i * i, "y": float(i), "name": str(i)}

    yield list(data.DataLoader(Squares(), batch_size=2, drop_last=True))
    yield list(data.DataLoader(Squares(), batch_size=3, collate_fn=len))
    yield list(data.DataLoader(dataset, batch_size=None))[3], torch.rand(2)


# ------------------------------------------------------------------ optimizers


def schedules(torch):
    p = torch.nn.Parameter(torch.zeros(1))
    s = torch.optim.lr_scheduler
    for make in (lambda o: s.StepLR(o, 2, 0.5), lambda o: s.CosineAnnealingLR(o, 4, 0.01),
                 lambda o: s.LambdaLR(o, lambda e: 1 / (e + 1)), lambda o: s.ExponentialLR(o, 0.9),
                 lambda o: s.MultiStepLR(o, [1, 3]), lambda o: s.LinearLR(o, total_iters=3),
                 lambda o: s.ConstantLR(o, 0.5, 2)):
        optimizer = torch.optim.SGD([p], lr=0.1)
        schedule = make(optimizer)
        rates = []
        for _ in range(10):
            optimizer.step()
            schedule.step()
            rates += schedule.get_last_lr()
        yield rates


def optimizer_state(torch):
    p, q = (torch.nn.Parameter(torch.tensor([1.0, 2.0])) for _ in range(2))
    adam = torch.optim.Adam([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)
    for _ in range(2):
        adam.zero_grad()
        (p ** 2 + q ** 3).sum().backward()
        adam.step()
    yield p, q, adam.state_dict()["state"], repr(adam.state[p]["step"]), p.grad
    other = torch.optim.Adam([{"params": [p]}, {"params": [q]}], lr=0.1)
    other.load_state_dict(adam.state_dict())
    other.step()
    yield p, q, [g["lr"] for g in other.param_groups], len(other.param_groups)
    yield error(torch.optim.SGD, [p], lr=-1), error(torch.optim.Adam, []), error(
        torch.optim.SGD, p), error(torch.optim.SGD, [p * 2])
    norm = torch.nn.utils.clip_grad_norm_([p, q], 0.5)
    yield norm, p.grad, torch.nn.utils.parameters_to_vector([p, q])
    torch.nn.utils.clip_grad_value_([p, q], 0.01)
    yield q.grad
    loss = torch.optim.SGD([p], lr=0.1).step(lambda: (p ** 2).sum())
    yield loss


def functional_transforms(torch):
    f = torch.func
    x = torch.tensor([1.0, 2.0, 3.0])

    def loss(x):
        return (x.sin() * x ** 2).sum()

    yield f.grad(loss)(x), f.hessian(loss)(x), f.vmap(f.grad(loss))(torch.stack([x, x + 1]))
    yield f.jacrev(lambda x: x ** 2)(x), f.jacfwd(lambda x: x * x.sum())(x)
    yield f.grad_and_value(loss)(x)
    yield f.jvp(loss, (x,), (torch.ones(3),)), f.vjp(loss, x)[1](torch.tensor(2.0))
    yield f.vmap(torch.dot)(torch.ones(2, 3), torch.arange(6.0).view(2, 3))
    yield f.vmap(lambda a, b: a + b, in_dims=(0, None), out_dims=1)(torch.ones(2, 3), x)
    net = torch.nn.Linear(3, 1)
    torch.nn.init.ones_(net.weight)
    torch.nn.init.zeros_(net.bias)
    params = {k: v.detach() for k, v in net.named_parameters()}
    yield f.functional_call(net, params, (x,)), sorted(f.grad(lambda p: f.functional_call(
        net, p, (x,)).sum())(params).items())
    per_sample = f.vmap(f.grad(lambda p, v: f.functional_call(net, p, (v,)).pow(2).sum()),
                        in_dims=(None, 0))
    yield sorted(per_sample(params, torch.stack([x, -x])).items())


PROGRAMS = [modules, containers, layer_reprs, module_hooks, seeds, initial_values, loading,
            schedules, optimizer_state, functional_transforms]
