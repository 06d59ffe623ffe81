"""Programs with state that `torch.compile` stages: writes to captured tensors, gradients, random
numbers. Each takes the package and `stage`, which is the identity or the package's compile."""

from __future__ import annotations


def descent(torch, stage):
    torch.manual_seed(0)
    w, x = torch.randn(3, requires_grad=True), torch.randn(5, 3)

    def step(rate):
        loss = ((x @ w) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w.sub_(rate * w.grad)
            w.grad = None
        return loss

    step = stage(step)
    return [step(0.1).item() for _ in range(3)], w


def random_numbers(torch, stage):
    torch.manual_seed(0)
    f = stage(lambda x: x + torch.randn(3) * torch.rand(3) + torch.randn(20).sum())
    return [f(torch.ones(3)) for _ in range(3)], torch.rand(2)


def writes(torch, stage):
    """What is made inside is new in every call; what is captured stays."""
    captured = torch.zeros(4, 3)

    def f(x):
        y = torch.zeros(4, 3)
        y[1] = x
        y[:, 0] += 2
        y.view(-1)[5] = 9.0
        y.t()[2] *= 3
        captured[0] = x.detach()
        captured.add_(1)
        return y.sum() + (y * captured).sum()

    f = stage(f)
    x = torch.tensor([1.0, 2.0, 3.0])
    return f(x), captured.clone(), f(x), captured


def own_backward(torch, stage):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 20 * ctx.saved_tensors[0] * g

    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def f():
        y = Square.apply(x)
        y.register_hook(lambda g: g * 2)
        y.sum().backward()

    f = stage(f)
    f()
    f()
    return x.grad


def accumulation(torch, stage):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    micro_batch = stage(lambda x: (model(x) ** 2).sum().backward())
    for i in range(4):
        micro_batch(torch.randn(2, 3))
        if i % 2:
            optimizer.step()
            optimizer.zero_grad()
    return list(model.parameters())


def recurrence(torch, stage):
    torch.manual_seed(0)
    gates, start = torch.nn.Linear(6, 16), torch.zeros(2, 4)

    def f(xs):
        h = c = start
        for x in xs.unbind(0):
            i, f, g, o = gates(torch.cat([x, h], 1)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h.sum()

    loss = stage(f)(torch.randn(5, 2, 2))
    loss.backward()
    return loss, gates.weight.grad


def meta_learning(torch, stage):
    """A gradient through two steps of gradient descent."""
    torch.manual_seed(0)
    w, x = torch.randn(3, requires_grad=True), torch.randn(4, 3)

    def f():
        fast = w
        for _ in range(2):
            g, = torch.autograd.grad(((x @ fast) ** 2).mean(), fast, create_graph=True)
            fast = fast - 0.1 * g
        loss = ((x @ fast - 1) ** 2).mean()
        loss.backward()
        return loss.detach()

    return stage(f)(), w.grad


def running_statistics(torch, stage):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    x = torch.randn(4, 1, 6, 6)
    out = stage(lambda x: model(x).relu())(x)
    model.eval()
    right = (out.flatten(1).argmax(1) == torch.arange(4)).float().mean()
    return out, model(x), right, model.state_dict()


def arguments_of_python(torch, stage):
    """Numbers stay numbers inside and outside."""
    f = stage(lambda a, d, k=2: {"s": (a * d["b"]).repeat(k), "t": (a, k)})
    ones, numbers = torch.ones(2), {"b": torch.arange(2.0)}
    return f(ones, numbers, k=3), f(ones, numbers, k=1)


def half(torch, stage):
    torch.manual_seed(0)
    model, x = torch.nn.Linear(3, 2).to(torch.bfloat16), torch.randn(2, 3).bfloat16()
    y = stage(lambda: model(x).float().softmax(1).sum(0))()
    y[0].backward()
    return y, model.weight.grad.float()


PROGRAMS = [descent, random_numbers, writes, own_backward, accumulation, recurrence, meta_learning,
            running_statistics, arguments_of_python, half]
