"""Small programs in PyTorch's idiom. Each takes the package and returns things to compare: reprs,
numbers, arrays, messages. `tests/test_torch_face.py` runs them on both packages."""

from __future__ import annotations


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
    after = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.sum()))
    (x * 3).sum().backward()
    after.remove()
    (x * 3).sum().backward()
    yield seen


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
    yield error(torch.nn.Linear(3, 2), b)
    yield error(torch.nn.functional.nll_loss, a, torch.tensor([5, 0]))
    yield error(lambda: torch.arange(3).float().mean().int().float().log().long().float().mean(2))
    yield error(lambda: torch.arange(3).mean()), error(lambda: torch.tensor([True]) - torch.tensor(
        [True])), error(lambda: torch.tensor(2) ** -1), error(iter, torch.tensor(1))
    yield error(torch.nn.Conv2d(3, 4, 3), torch.ones(1, 2, 8, 8)), error(
        torch.nn.BatchNorm2d(3), torch.ones(1, 3)), error(
        torch.nn.BatchNorm1d(3), torch.ones(1, 3)), error(torch.nn.Dropout, 1.5)
    yield error(torch.nn.functional.embedding, torch.tensor([9]), torch.ones(3, 2))
    yield error(torch.nn.functional.mse_loss, a, a, reduction="max")
    yield (a == None), (a != "x")  # noqa: E711


PROGRAMS = [tape, higher_order, grad_function, modes, hooks, custom_function, views,
            writes_and_gradients, in_place, creation, printing, errors]
