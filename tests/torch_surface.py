"""Programs over the wider surface of torch: autograd's tools, views and their memory, in-place
forms, out=, complex numbers, masks, spectra, testing. Each returns what is to be equal."""

from __future__ import annotations

import copy
import pickle
import warnings


def raised(function) -> str:
    """The class and the first line of what a call raises."""
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return "nothing"


def numbers(torch, *shape):
    torch.manual_seed(1)
    return torch.randn(*shape, dtype=torch.float64)


# ------------------------------------------------------------------ autograd


def jacobians(torch):
    F, x = torch.autograd.functional, numbers(torch, 3)

    def f(x):
        return torch.stack([x[0] * x[1], x[2].exp(), x.sum()])

    def g(a, b):
        return (a * b ** 2).sum()

    ones = torch.ones(3, dtype=torch.float64)
    return [F.jacobian(f, x), F.hessian(lambda x: (x ** 3).sum(), x), F.vjp(f, x, ones),
            F.jvp(f, x, ones), F.hvp(g, (x, x), (ones, ones)), F.vhp(g, (x, x), (ones, ones)),
            F.jacobian(lambda a, b: a * b, (x, x)), F.hessian(g, (x, x)),
            raised(lambda: F.vjp(f, x)), raised(lambda: F.jacobian(f, [1]))]


def dual_numbers(torch):
    fw, x = torch.autograd.forward_ad, numbers(torch, 3)
    with fw.dual_level():
        dual = fw.make_dual(x, torch.ones_like(x))
        out = fw.unpack_dual((dual * dual).sin() + x)
        plain = fw.unpack_dual(x * 2)
    return [out.primal, out.tangent, plain.tangent, raised(lambda: fw.make_dual(x, x))]


def checks(torch):
    x = numbers(torch, 3).requires_grad_()
    z = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128, requires_grad=True)

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    check = torch.autograd.gradcheck
    return [check(lambda x: x.sin() * x, (x,)), check(lambda z: z * z.conj() * z, (z,)),
            torch.autograd.gradgradcheck(lambda x: x.sin() * x, (x,)),
            check(Wrong.apply, (x,), raise_exception=False),
            raised(lambda: check(Wrong.apply, (x,)))]


def saved_tensor_hooks(torch):
    packed = []

    def pack(x):
        packed.append(tuple(x.shape))
        return x * 2

    a = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        (a * a).exp().sum().backward()
    with torch.autograd.graph.disable_saved_tensors_hooks("none here"):
        refused = raised(lambda: torch.autograd.graph.saved_tensors_hooks(
            pack, pack).__enter__())
    return [a.grad, len(packed), refused]


def anomalies(torch):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            message = raised(lambda: torch.tensor(
                [-1.0], requires_grad=True).sqrt().sum().backward())
    reports = [str(w.message) for w in seen if "Error detected" in str(w.message)]
    return [message, reports[0].splitlines()[0], "torch_surface" in reports[0]]


def checkpoints(torch):
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(3, 3), torch.ones(2, 3, requires_grad=True)

    def block(x):
        return torch.nn.functional.dropout(torch.relu(layer(x)), 0.5)

    from importlib import import_module

    checkpoint = import_module(f"{torch.__name__}.utils.checkpoint")
    out = checkpoint.checkpoint(block, x, use_reentrant=False)
    out.square().sum().backward()
    chained = checkpoint.checkpoint_sequential([torch.sin, torch.exp, torch.cos], 2, x,
                                               use_reentrant=False)
    return [out, x.grad, layer.weight.grad, chained, torch.autograd.grad(chained.sum(), x)]


def batched_grads(torch):
    a = torch.arange(3.0, requires_grad=True)
    y = a * a
    edge = torch.autograd.graph.get_gradient_edge(y)
    return [torch.autograd.grad(y, [a], torch.eye(3), is_grads_batched=True), edge.node.name(),
            edge.output_nr]


def transforms(torch):
    x = numbers(torch, 3, 2)
    func = torch.func
    out, pushed = func.linearize(lambda x: x.sin(), x)
    noisy = func.vmap(lambda x: x + torch.randn(2, dtype=torch.float64), randomness="different")
    torch.manual_seed(3)
    return [out, pushed(torch.ones_like(x)), noisy(x),
            func.vmap(lambda x: x + torch.randn(2), randomness="same")(x),
            raised(lambda: func.vmap(lambda x: x + torch.randn(2))(x)),
            func.vmap(lambda x: x * 2, chunk_size=2)(x),
            func.hessian(lambda x: (x ** 3).sum())(x[0]),
            func.vmap(lambda x, y: x * y, in_dims=(0, None))(x, torch.tensor(2.0)),
            func.vmap(func.grad(lambda x: x.prod()))(x)]


# ------------------------------------------------------------------ views, writes, out=


def memory_of_views(torch):
    z = torch.zeros(3, 4)
    z.diagonal().fill_(2)
    z.diagonal(1).add_(torch.arange(3.0))
    z.unfold(1, 2, 2)[:, 1].mul_(3)
    z.as_strided((2, 2), (4, 1), 1).sub_(1)
    z.fill_diagonal_(7)
    c = torch.tensor([1 + 2j, 3j])
    c.real.mul_(5)
    c.imag.add_(1)
    v = torch.zeros(2, 3)
    w = v[0]
    v.t_().unsqueeze_(0)
    w.fill_(1)
    windows = torch.arange(10.0).unfold(0, 3, 2)
    return [z, c, v, list(v.stride()), windows, list(windows.stride()),
            z.view(torch.int32).shape, z[0].view(torch.int32)]


def writes_under_the_tape(torch):
    q = torch.ones(3, 3, requires_grad=True)
    r = q * 1
    r[0] += 5
    r.diagonal().mul_(3.0)
    r.t()[2].copy_(torch.arange(3.0))
    r.select(0, 1).clamp_(max=2)
    name = r.grad_fn.name()
    (r * r).sum().backward()
    leaf = torch.ones(2, requires_grad=True)
    return [r, name, repr(r), q.grad, raised(lambda: leaf.add_(1)),
            raised(lambda: torch.ones(2).add_(torch.ones(3, 2))),
            raised(lambda: torch.ones(2, dtype=torch.int64).mul_(1.5)),
            raised(lambda: torch.ones(1).expand(3).add_(1))]


def out_arguments(torch):
    x, grown, kept = torch.arange(6.0).reshape(3, 2), torch.empty(0), torch.zeros(3, 2)
    view = kept.clone()
    torch.add(x, x, out=grown)
    torch.mul(x, 2, out=kept)
    torch.sum(x, axis=0, out=view[0])
    values, places = torch.empty(0), torch.empty(0, dtype=torch.int64)
    torch.sort(-x, 0, out=(values, places))
    return [grown, kept, view, values, places, torch.sum(x, axis=1, keepdims=True),
            raised(lambda: torch.add(x, x, out=torch.empty(3, 2, dtype=torch.int64))),
            raised(lambda: torch.add(x.clone().requires_grad_(), x, out=torch.empty(0))),
            raised(lambda: torch.add(x, x, out=torch.empty(1).expand(3, 2)))]


def devices(torch):
    x = torch.ones(2)
    return [raised(lambda: torch.ones(2, device="cuda")), raised(lambda: x.cuda()),
            raised(lambda: x.to("cuda")), repr(torch.device("cuda:1")), torch.cuda.is_available(),
            torch.cuda.device_count(), x.to("cpu") is x, str(x.device), raised(
                lambda: torch.device("nowhere").type).split(":")[0]]


def pickles(torch):
    p = torch.nn.Parameter(torch.arange(4.0).reshape(2, 2))
    again = pickle.loads(pickle.dumps(p))
    made = copy.deepcopy({"p": p, "q": [p]})
    return [again, type(again).__name__, again.requires_grad, made["p"] is made["q"][0],
            [repr(pickle.loads(pickle.dumps(v))) for v in (
                torch.float32, p.shape, torch.device("cpu"), torch.strided)],
            torch.FloatTensor([1, 2]), torch.LongTensor(2).shape, isinstance(p, torch.FloatTensor)]


# ------------------------------------------------------------------ families of functions


def masks(torch):
    x = numbers(torch, 3, 4)
    mask = x > -0.3
    names = ("sum", "mean", "amax", "amin", "var", "std", "prod", "argmax", "logsumexp")
    return [getattr(torch.masked, n)(x, 1, mask=mask) for n in names] + [
        getattr(torch.masked, n)(x, 1, mask=mask) for n in (
            "softmax", "log_softmax", "cumsum", "cumprod")] + [
        torch.masked.median(x, 1, mask=mask), torch.masked.norm(x, 2.0, 1, mask=mask)]


def spectra(torch):
    x, w = numbers(torch, 64), torch.hann_window(16, dtype=torch.float64)
    s = torch.stft(x, 16, window=w, return_complex=True)
    return [s, torch.istft(s, 16, window=w, length=64), torch.fft.rfft(x), torch.fft.fftfreq(5),
            torch.fft.fftshift(x), torch.signal.windows.gaussian(8, std=2.0),
            torch.signal.windows.kaiser(5), raised(lambda: torch.stft(x, 16)),
            raised(lambda: torch.fft.fft(x, norm="loud"))]


def singular_matrices(torch):
    a, bad = numbers(torch, 3, 3), torch.zeros(2, 2)
    la, tall = torch.linalg, numbers(torch, 4, 2)
    return [la.solve(a, a[0]), la.inv(a), la.det(a), list(la.slogdet(a)), list(la.qr(a)),
            la.pinv(tall), la.matrix_rank(bad), la.cond(a), la.norm(a, "nuc"),
            la.matrix_power(a, -2),
            la.matrix_exp(a), la.lstsq(tall, a[:1].expand(4, 3)).solution, type(la.svd(a)).__name__,
            raised(lambda: la.inv(bad)), raised(lambda: la.cholesky(-torch.eye(2))),
            raised(lambda: la.inv(tall)), raised(lambda: la.det(torch.ones(2, 2, dtype=torch.int))),
            raised(lambda: la.solve(a, torch.ones(2, dtype=torch.float64)))]


def closeness(torch):
    close = torch.testing.assert_close
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 4.0])
    pairs = [(a, b), (1.0, 2.0), ([a, a], [a, b]), (a, b.double()), (a[:2], b),
             ({"x": a}, {"x": b}), (torch.tensor([1, 2]), torch.tensor([1, 3])), (1, 2),
             (a[0], b[2]), ((a,), (a, b)), (a, a + 1e-7)]
    found = []
    for x, y in pairs:
        try:
            found.append(close(x, y))
        except AssertionError as error:
            found.append(str(error))
    torch.manual_seed(0)
    make = torch.testing.make_tensor
    return [*found, make((2, 3), dtype=torch.float32, device="cpu"),
            make(3, dtype=torch.int64, device="cpu")]


def numbers_under_transforms(torch):
    """Values may be looked at, detached, and kept out of a gradient; classes are the face's."""
    f, x = torch.func, numbers(torch, 3)

    def slope(x):
        return x * 2 if x > 0 else -x * x.item()

    def frozen(x):
        with torch.no_grad():
            y = x * 2
        return (x * y).sum()

    def batched(x, w):
        return x * 2 if (w > 0).all() else x

    ad, stats = torch.autograd.forward_ad, torch.zeros(2, dtype=torch.float64)
    with ad.dual_level():
        dual = ad.make_dual(numbers(torch, 4, 2), torch.ones(4, 2, dtype=torch.float64))
        torch.nn.functional.batch_norm(dual, stats, torch.ones_like(stats), training=True)
        seen = [type(ad.unpack_dual(torch.ceil(dual))[0]) is torch.Tensor,
                ad.unpack_dual(dual.detach())[1], ad.unpack_dual((dual * dual).exp())[1]]
    return [[f.grad(slope)(v) for v in x], f.jvp(slope, (x[0],), (x[1],)), f.grad(frozen)(x),
            f.grad(lambda x: (x * x.detach()).sum())(x), f.vmap(f.grad(frozen))(x[:, None]),
            f.jvp(lambda x: x * x.detach(), (x,), (x,)), f.vmap(batched, (0, None))(x, x.abs()),
            f.vmap(lambda a, n: torch.linspace(a, 1, n, dtype=x.dtype), (0, None))(x, 4),
            f.vmap(torch.isin, (0, None))(x, x[:2]), type(f.vmap(lambda x: torch.ones(2))(
                x)) is torch.Tensor, stats, seen]


def whole_quotients(torch):
    one, zero = torch.tensor([1, 2]), torch.tensor([1, 0])
    return [raised(lambda: one // zero), raised(lambda: one % 0), raised(lambda: 1 % zero),
            raised(lambda: torch.fmod(one, zero)), one / zero, one // zero[:1], zero % one,
            raised(lambda: torch.div(one, zero, rounding_mode="trunc")),
            raised(lambda: one.bool() // one.bool()), torch.ones(2) // zero]


def ties(torch):
    """Which of several equal elements is chosen."""
    torch.manual_seed(3)
    x = torch.randint(0, 9, (4, 90))
    return [x.topk(5), x.topk(60, largest=False), x.topk(1), x.float().topk(40, sorted=False),
            x.kthvalue(30), x.mode(), x[:, :14].mode(), x.median(1), x.t().topk(3, 0)]


def numbers_alone(torch):
    """Two Python numbers, powers that wrap, edges with equal or disordered bins."""
    a, inf = torch.tensor([-3, -2, 2, 7, -9223372036854775808]), float("inf")
    x = torch.tensor([0.0, inf, -1.0], requires_grad=True)
    slope, = torch.autograd.grad(torch.copysign(x, torch.tensor(-1.0)).sum(), x)
    edges = torch.tensor([0.0, 2.0, 1.0, 3.0])
    return [torch.add(3, 2), torch.mul(3.5, 2), torch.div(3, 2), torch.floor_divide(7, 2),
            raised(lambda: torch.sub(True, True)), [torch.pow(a, torch.tensor(n)) for n in
            (63, 64, 127, 1000, 9223372036854775807)], slope,
            torch.histogramdd(torch.linspace(0, 3, 12).reshape(6, 2), [edges, edges])[0],
            torch.tensor([1, 2], dtype=torch.uint8).abs(),
            torch.einsum("...i,oij,...j->...o", torch.ones(0, 3), torch.ones(5, 3, 4),
                         torch.ones(0, 4))]


PROGRAMS = {f.__name__: f for f in (
    ties, numbers_alone,
    numbers_under_transforms, whole_quotients,
    jacobians, dual_numbers, checks, saved_tensor_hooks, anomalies, checkpoints, batched_grads,
    transforms, memory_of_views, writes_under_the_tape, out_arguments, devices, pickles, masks,
    spectra, singular_matrices, closeness)}
