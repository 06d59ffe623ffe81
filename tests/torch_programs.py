"""Small programs in PyTorch's idiom. Each takes the package and returns things to compare: reprs,
numbers, arrays, messages. `tests/test_torch_face.py` runs them on both packages."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict


def error(call, *args, **kwargs):
    """Class and text of the exception that a call raises."""
    try:
        call(*args, **kwargs)
    except Exception as e:
        return type(e).__name__, str(e).split("\n")[0]
    return "no error"


# ------------------------------------------------------------------ the tape


def tape(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    yield repr(x), repr(y), repr(z), z.grad_fn.name(), z.grad_fn.next_functions[0][0].name()
    yield x.is_leaf, y.is_leaf, x.grad_fn, y.requires_grad, x.detach().requires_grad
    z.backward()
    yield x.grad
    (x * 3).sum().backward()
    yield x.grad, error(z.backward)
    x.grad = None
    yield x.grad, error(y.backward), error(torch.zeros(3).sum().backward)
    z = (x ** 3).sum()
    z.backward(retain_graph=True)
    z.backward()
    yield x.grad
    x.grad.zero_()
    yield x.grad


def higher_order(torch):
    x = torch.tensor([0.5, -1.5, 2.0], requires_grad=True)
    y = (x.sin() * x ** 3).sum()
    first, = torch.autograd.grad(y, x, create_graph=True)
    second, = torch.autograd.grad(first.sum(), x, create_graph=True)
    third, = torch.autograd.grad(second.sum(), x)
    yield first, second, third
    m = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.LayerNorm(4),
                            torch.nn.Linear(4, 1))
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(torch.linspace(-1, 1, p.numel()).reshape(p.shape) + i / 7)
    penalty, = torch.autograd.grad(m(x).sum(), x, create_graph=True)
    (penalty ** 2).sum().backward()
    yield x.grad, [p.grad for p in m.parameters()]


def grad_function(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor(3.0, requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    grad = torch.autograd.grad
    yield grad((x * w).sum(), [x, w])
    yield grad(x * w, x, torch.tensor([1.0, 10.0]))
    yield error(grad, (x * w).sum(), unused)
    yield grad((x * w).sum(), [x, unused], allow_unused=True)
    yield grad((x * w).sum(), [x, unused], materialize_grads=True, allow_unused=True)
    yield error(grad, x * w, x), error(grad, (x * w).sum(), torch.ones(2))
    y = x * w
    yield grad(y.sum(), y), x.grad


def modes(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        a = x * 2
        with torch.enable_grad():
            b = x * 2
        inside = torch.is_grad_enabled()
    yield a.requires_grad, b.requires_grad, inside, torch.is_grad_enabled()

    @torch.no_grad()
    def f():
        return x * 2

    with torch.set_grad_enabled(False):
        c = x * 2
    torch.set_grad_enabled(False)
    d = x * 2
    torch.set_grad_enabled(True)
    with torch.inference_mode():
        e = x * 2
    yield [v.requires_grad for v in (f(), c, d, e, x * 2)]


def hooks(torch):
    seen = []
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    handle = y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.clone()))
    y.retain_grad()
    y.sum().backward()
    yield x.grad, y.grad, seen
    handle.remove()
    (x * 3).sum().backward()
    yield x.grad


def custom_function(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x)
            ctx.scale = scale
            return x ** 3 * scale

        @staticmethod
        def backward(ctx, g):
            x, = ctx.saved_tensors
            return g * 3 * x ** 2 * ctx.scale, None

    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = Cube.apply(x, 2.0)
    yield y, y.grad_fn.name()
    g, = torch.autograd.grad(y.sum(), x, create_graph=True)
    g.sum().backward()
    yield g, x.grad

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x + 1

        @staticmethod
        def backward(ctx, a, b):
            return 2 * a + 10 * b

    p, q = Two.apply(x)
    x.grad = None
    (p.sum() + q.sum() * 3).backward()
    yield x.grad


# ------------------------------------------------------------------ views and writes


def views(torch):
    base = torch.arange(12.0).view(3, 4)
    row, column, flat, turned = base[1], base[:, 2], base.view(-1), base.t()
    row.mul_(10)
    yield base, column, flat, turned
    flat[0] = -1
    turned[3, 2] += 5
    base[::2, 1:3] = torch.tensor([7.0, 8.0])
    yield base, row, column, flat, turned
    base[base > 20] = 0
    base[[0, 1], [1, 2]] = torch.tensor([100.0, 200.0])
    yield base, flat
    scalar = torch.tensor(3.0)
    scalar.view(1).add_(1)
    yield scalar, base.expand(2, 3, 4).shape, base.is_contiguous(), turned.is_contiguous()
    yield base.stride(), turned.stride(), base[1:, ::2].storage_offset()
    yield base.numpy().shape, row.data_ptr() - base.data_ptr()
    array = base.numpy()
    array[0, 0] = 42
    yield base[0, 0].item(), torch.from_numpy(array)[0]


def writes_and_gradients(torch):
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = x * 2
    y[1:3] *= 10
    y[0] = 5
    (y * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    yield y, x.grad
    x.grad = None
    z = x.clone()
    v = z.view(2, 2)
    v.mul_(3)
    z.add_(1)
    (v ** 2).sum().backward()
    yield x.grad, v.grad_fn is not None
    x.grad = None
    out = torch.zeros(2, 4)
    out[0] = x
    out[1, ::2] = x[:2] * 7
    (out ** 2).sum().backward()
    yield x.grad, out
    a = x.exp()
    b = a * a
    a.add_(1)
    yield error(b.sum().backward)[1].split(":")[0]
    yield error(x.add_, 1), error(x.view(2, 2).add_, 1), error(x[0].fill_, 1)
    with torch.no_grad():
        x.add_(1)
    yield x, x._version


def in_place(torch):
    x = torch.tensor([1, 2, 3])
    yield error(x.add_, 0.5), x.add_(True), x.mul_(2)
    y = torch.ones(3)
    yield y.add_(x), y.sub_(1, alpha=2), y.div_(2), y.clamp_(0, 1), y.fill_(7), y.zero_()
    yield error(y.add_, torch.ones(2, 3)), error(y.copy_, torch.ones(2))
    yield torch.zeros(2, 3).copy_(torch.arange(3)), y.addcmul_(y + 1, y + 2, value=3)
    z = torch.zeros(2, 2)
    z += 1
    z *= torch.tensor(3)
    z -= torch.eye(2)
    z /= 2
    yield z, z.masked_fill_(z > 1, 0), z.requires_grad_().is_leaf


# ------------------------------------------------------------------ tensors


def creation(torch):
    yield torch.tensor(3), torch.tensor(3.0), torch.tensor([True, False]), torch.tensor([])
    yield torch.tensor([[1, 2.5], [3, 4]]), torch.tensor([1, 2], dtype=torch.float64)
    yield torch.zeros(2, 3), torch.ones((2,), dtype=torch.int32), torch.full((2,), 3.5)
    yield torch.full((2,), 3), torch.eye(2), torch.arange(5), torch.arange(1, 2, 0.25)
    yield torch.linspace(0, 1, 5), torch.linspace(-3, 7, 7), torch.zeros_like(torch.ones(2).int())
    yield torch.tensor(1.5).to(torch.int64), torch.ones(2).double(), torch.ones(2).bool()
    yield torch.ones(2, dtype=torch.bfloat16) / 3, torch.tensor(2 ** 40), torch.tensor(1e10)
    yield torch.tensor([1 + 2j]), torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    yield torch.tensor([1.0]).item(), torch.arange(4).reshape(2, 2).tolist()
    yield torch.finfo(torch.float32).eps, torch.iinfo(torch.int8).max, torch.finfo(torch.float32)
    yield torch.Size([2, 3]), torch.ones(2, 3).size(), torch.ones(2, 3).shape[1:], torch.float32
    yield torch.ones(2).dtype, torch.ones(2).device, torch.device("cpu"), torch.Size([2, 3]).numel()
    yield error(torch.tensor, [[1, 2], [3]]), error(torch.tensor, "a")
    yield torch.ones(2, 3).new_zeros(2), torch.get_default_dtype(), len(torch.ones(3, 2))
    yield f"{torch.tensor(1.23456):.2f}", bool(torch.tensor(1)), int(torch.tensor(2.7)), \
        float(torch.tensor(2)), [10, 20, 30][torch.tensor(1)], 2 in torch.tensor([1, 2])


def printing(torch):
    torch.manual_seed(0)
    yield repr(torch.randn(3, 4)), repr(torch.randn(40, 30)), str(torch.randint(0, 9, (3, 3)))
    x = torch.randn(2, 2, requires_grad=True)
    yield repr(x), repr(x * 2), repr(torch.nn.Parameter(torch.ones(2))), repr(x.double().detach())
    yield repr(x[0]), repr(x.t()), repr(x.sum()), repr(x.view(-1)), repr(torch.ones(0, 3))
    yield repr(x.max(1)).replace("torch.return_types.", "").split("(")[0], repr(x.mean(0))


def errors(torch):
    a, b = torch.ones(2, 3), torch.ones(4, 5)
    yield error(lambda: a + b), error(lambda: a @ b), error(lambda: a.view(4)), error(a.view, -1, 4)
    yield error(lambda: a + "x"), error(lambda: a * None), error(torch.mul, a, "x")
    yield error(lambda: a[5]), error(lambda: a[0, 0, 0]), error(lambda: a.sum(3)), error(a.item)
    yield error(lambda: bool(a)), error(lambda: a.squeeze(4)), error(a.expand, 4, 3)
    yield error(torch.cat, [a, b]), error(torch.stack, [a, b]), error(a.t().view, 6)
    yield error(lambda: torch.ones(2).int().requires_grad_()), error(lambda: a.float() @ a.double())
    yield error(lambda: torch.ones(2, requires_grad=True).numpy()), error(len, torch.tensor(1))
    yield error(torch.nn.Linear(3, 2), b), error(torch.nn.functional.nll_loss, a, torch.tensor([5, 0]))
    yield error(lambda: torch.arange(3).float().mean().int().float().log().long().float().mean(2))
    yield error(lambda: torch.arange(3).mean()), error(lambda: torch.tensor([True]) - torch.tensor(
        [True])), error(lambda: torch.tensor(2) ** -1), error(iter, torch.tensor(1))
    yield error(torch.nn.Conv2d(3, 4, 3), torch.ones(1, 2, 8, 8)), error(
        torch.nn.BatchNorm2d(3), torch.ones(1, 3)), error(
        torch.nn.BatchNorm1d(3), torch.ones(1, 3)), error(torch.nn.Dropout, 1.5)
    yield error(torch.nn.functional.embedding, torch.tensor([9]), torch.ones(3, 2))
    yield error(torch.nn.functional.mse_loss, a, a, reduction="max")
    yield (a == None), (a != "x")  # noqa: E711


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
    yield list(net.state_dict()), net.training, net.eval().drop.training, len(list(net.parameters()))
    yield dict(net.named_parameters()), net.state_dict()
    yield {k: v for k, v in net(torch.ones(2, 1, 5, 5)).items()}
    other = network(torch)
    torch.nn.init.zeros_(other.conv.weight)
    yield repr(other.load_state_dict(net.state_dict())), other.conv.weight
    state = net.state_dict()
    state.pop("scale")
    state["extra"] = torch.ones(1)
    yield error(net.load_state_dict, state), repr(net.load_state_dict(state, strict=False))
    state["conv.bias"] = torch.ones(7)
    yield error(net.load_state_dict, state)
    yield net.get_submodule("blocks.1"), net.double().scale.dtype, net.float().norm.running_var.dtype
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
    yield torch.randperm(9), torch.rand(3, dtype=torch.float64), torch.bernoulli(torch.full((6,), .5))
    yield torch.multinomial(torch.tensor([0.1, 0.2, 0.7]), 5, replacement=True)
    yield torch.empty(4).uniform_(-2, 3), torch.empty(20).normal_(1, 2), torch.rand_like(torch.ones(2))
    yield torch.empty(4).exponential_(), torch.empty(5).bernoulli_(0.3), torch.normal(0.0, 1.0, (3,))
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
    yield [b for b in data.DataLoader(Squares(), batch_size=3, collate_fn=len)]
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
    yield f.jacrev(lambda x: x ** 2)(x), f.jacfwd(lambda x: x * x.sum())(x), f.grad_and_value(loss)(x)
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


_ = io
PROGRAMS = [tape, higher_order, grad_function, modes, hooks, custom_function, views,
            writes_and_gradients, in_place, creation, printing, errors, modules, containers,
            layer_reprs, module_hooks, seeds, initial_values, loading, schedules, optimizer_state,
            functional_transforms]
