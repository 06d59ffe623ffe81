"""Programs of modules in PyTorch's idiom; `tests/test_torch_nn.py` runs them on both packages."""

from __future__ import annotations

import copy
import importlib
from collections import OrderedDict

from tests.torch_programs import error

PROGRAMS: dict = {}


def program(fn):
    PROGRAMS[fn.__name__] = fn
    return fn


def net(torch):
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(OrderedDict(first=nn.Linear(3, 4), act=nn.Tanh(), last=nn.Linear(4, 2)))


@program
def initial_values(torch):
    torch.manual_seed(1)
    init = torch.nn.init
    w, k = torch.empty(6, 5), torch.empty(4, 2, 3, 3)
    for name, args in (("uniform_", (-1, 2)), ("normal_", (1, 2)), ("constant_", (3.0,)),
                       ("ones_", ()), ("zeros_", ()), ("xavier_uniform_", (2.0,)),
                       ("xavier_normal_", ()), ("kaiming_uniform_", (0.1, "fan_out")),
                       ("kaiming_normal_", (0, "fan_in", "relu")), ("trunc_normal_", ()),
                       ("trunc_normal_", (0.0, 1.0, 1.0, 2.0)), ("orthogonal_", (2.0,)),
                       ("sparse_", (0.4,))):
        getattr(init, name)(w, *args)
        yield name, w.clone()
        if name != "sparse_":
            yield getattr(init, name)(k, *args).clone()
    yield init.eye_(w).clone(), init.dirac_(k).clone(), init.dirac_(k, 2).clone()
    yield init.orthogonal_(torch.empty(3, 7)), torch.rand(1)
    yield error(init.eye_, k), error(init.dirac_, w), error(init.xavier_uniform_, torch.empty(3))
    yield error(init.kaiming_uniform_, w, mode="fan"), error(init.calculate_gain, "nothing")
    yield [init.calculate_gain(n) for n in ("linear", "tanh", "relu", "selu", "leaky_relu")]
    yield init.uniform(torch.empty(2)).shape, init.kaiming_normal(torch.empty(2, 3)).shape


@program
def module_tree(torch):
    nn = torch.nn
    model = net(torch)
    model.first.register_module("inner", nn.ReLU())
    yield repr(model), model.get_submodule("first.inner"), error(model.get_submodule, "first.no")
    yield error(model.get_submodule, "first.weight"), model.get_parameter("last.bias")
    yield error(model.get_parameter, "last.no"), error(model.get_buffer, "last.weight")
    model.set_submodule("act", nn.GELU())
    yield repr(model), [n for n, _ in model.named_modules()]
    model.act = nn.Sigmoid()  # keeps its place
    yield [n for n, _ in model.named_children()], model(torch.ones(1, 3))
    shared = nn.ModuleList([model.first, model.first])
    yield [n for n, _ in shared.named_parameters()]
    yield [n for n, _ in shared.named_parameters(remove_duplicate=False)]
    yield [n for n, _ in model.named_parameters("prefix")], len(list(model.parameters(False)))
    yield model.train(False).training, model.first.training, error(model.train, 3)
    yield model.requires_grad_(False).first.weight.requires_grad
    yield error(setattr, nn.Module(), "x", 3), error(nn.Linear, 2)[0]
    model.extra = None
    model.register_parameter("empty", None)
    yield model.empty, "empty" in dict(model.named_parameters()), error(delattr, model, "no")

    class Late(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    yield error(Late), error(model.add_module, "train", nn.ReLU()), error(model.add_module, "", 0)
    yield error(model.register_buffer, "a.b", None), error(model.register_parameter, "x", 3)
    twin = copy.deepcopy(model)
    twin.last.weight.data.zero_()
    yield bool((model.last.weight == 0).all()), twin.last.weight.is_leaf
    yield model.double().first.weight.dtype, model.half().first.bias.dtype
    yield model.to(torch.float32).first.bias.dtype, error(model.to, torch.int32)


@program
def hooks(torch):
    model, seen = net(torch), []
    x = torch.ones(2, 3, requires_grad=True)
    pre = model.first.register_forward_pre_hook(
        lambda m, args, kwargs: ((args[0] * 2,), kwargs), with_kwargs=True)
    model.first.register_forward_hook(lambda m, args, out: seen.append(tuple(out.shape)))
    model.first.register_forward_hook(lambda m, args, out: out + 1, prepend=True)
    model.act.register_full_backward_hook(lambda m, gi, go: seen.append(
        [g.clone() for g in gi + go]))
    model.last.register_full_backward_pre_hook(lambda m, go: tuple(g * 2 for g in go))
    model.last.register_full_backward_hook(lambda m, gi, go: tuple(g * 3 for g in gi))
    out = model(x)
    out.sum().backward()
    yield out, x.grad, model.last.weight.grad, seen
    pre.remove()
    yield model(x), len(seen)
    leaf = torch.nn.Linear(2, 2)
    leaf.register_full_backward_hook(lambda m, gi, go: seen.append([g is None for g in gi + go]))
    leaf(torch.ones(1, 2)).sum().backward()
    yield seen[-1]
    always = []
    bad = torch.nn.Linear(2, 2)
    bad.register_forward_hook(lambda m, args, out: always.append(out), always_call=True)
    yield error(bad, torch.ones(3))[0], always


@program
def states(torch):
    model, other, seen = net(torch), net(torch), []
    torch.nn.init.ones_(other.first.weight)
    model.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(("before", prefix)))
    model.register_state_dict_post_hook(
        lambda m, state, prefix, meta: state.update(note=torch.ones(1)))
    other.register_load_state_dict_pre_hook(
        lambda m, state, prefix, *rest: state.pop("note", None) and seen.append("popped"))
    other.register_load_state_dict_post_hook(lambda m, keys: seen.append(repr(keys)))
    state = model.state_dict()
    yield list(state), seen, repr(other.load_state_dict(state)), seen, other.first.weight
    yield error(model.load_state_dict, [1]), dict(state._metadata)
    state = OrderedDict(net(torch).state_dict())
    state["first.weight"], state["act.x"] = torch.ones(1, 1), torch.ones(1)
    del state["last.bias"]
    yield error_text(model.load_state_dict, state), error_text(model.load_state_dict, state, False)
    fresh = {k: v.clone() for k, v in net(torch).state_dict().items()}
    model.load_state_dict(fresh, assign=True)
    fresh["first.weight"][0] = 9
    yield model.first.weight, model.first.weight.requires_grad, type(model.first.weight).__name__
    yield model.state_dict(prefix="p.", keep_vars=True)["p.last.bias"].requires_grad

    class Extra(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.value = 1

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]

    one, two = Extra(), Extra()
    one.value = 5
    yield one.state_dict(), repr(two.load_state_dict(one.state_dict())), two.value
    yield error(two.load_state_dict, {}), error(two.load_state_dict, {"x": 1})

    class Custom(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(2))

        def _load_from_state_dict(self, state_dict, prefix, *args):
            if prefix + "old" in state_dict:
                state_dict[prefix + "w"] = state_dict.pop(prefix + "old")
            super()._load_from_state_dict(state_dict, prefix, *args)

    holder = torch.nn.ModuleDict({"a": Custom()})
    yield repr(holder.load_state_dict({"a.old": torch.ones(2)})), holder["a"].w


def error_text(call, *args, **kwargs):
    try:
        return repr(call(*args, **kwargs))
    except Exception as e:
        return type(e).__name__, str(e)


@program
def lazy(torch):
    nn = torch.nn
    torch.manual_seed(2)
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(),
                          nn.LazyLinear(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    yield repr(model), error(lambda: model[0].weight.shape)[0]
    out = model(torch.randn(2, 3, 6, 6))
    out.sum().backward()
    optimizer.step()
    yield repr(model), out, dict(model.state_dict())
    state = {k: v.clone() for k, v in model.state_dict().items()}
    again = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(),
                          nn.LazyLinear(2))
    yield repr(again.load_state_dict(state)), again.eval()(torch.ones(1, 3, 6, 6))


@program
def packed(torch):
    rnn = torch.nn.utils.rnn
    torch.manual_seed(3)
    parts = [torch.randn(n, 3) for n in (2, 5, 3)]
    padded = rnn.pad_sequence(parts, batch_first=True, padding_value=-1.0)
    yield padded, rnn.pad_sequence(parts, padding_side="left")
    pack = rnn.pack_padded_sequence(padded, torch.tensor([2, 5, 3]), True, enforce_sorted=False)
    yield tuple(pack), rnn.pad_packed_sequence(pack, True, 7.0, 6)
    yield rnn.unpack_sequence(pack), rnn.unpad_sequence(padded, torch.tensor([2, 5, 3]), True)
    yield error(rnn.pack_padded_sequence, padded, [2, 5, 3], True), error(
        rnn.pack_sequence, parts), error(rnn.pack_padded_sequence, padded, [5, 0, 0], True)
    for name in ("LSTM", "GRU", "RNN"):
        model = getattr(torch.nn, name)(3, 4, 2, bidirectional=True)
        out, state = model(pack)
        loss = out.data.sin().sum()
        loss.backward()
        yield out.data, state, [p.grad for p in model.parameters()]
    yield error(model, torch.ones(2, 5, 7)), error(model, torch.ones(3)), error(
        model, torch.ones(5, 2, 3), torch.ones(4, 3, 4))
    yield error(torch.nn.LSTM, 3, 0), error(torch.nn.RNN, 3, 2, nonlinearity="no")


@program
def norms_of_weights(torch):
    utils = torch.nn.utils
    torch.manual_seed(4)
    x = torch.randn(3, 5)
    for wrap, unwrap in ((utils.weight_norm, utils.remove_weight_norm),
                         (utils.spectral_norm, utils.remove_spectral_norm)):
        layer = wrap(torch.nn.Linear(5, 4))
        layer(x).sum().backward()
        yield layer(x), sorted(layer.state_dict().items()), [p.grad for p in layer.parameters()]
        yield repr(layer), unwrap(layer)(x), [n for n, _ in layer.named_parameters()]
        yield error(unwrap, layer)[0]
    for wrap in (utils.parametrizations.weight_norm, utils.parametrizations.spectral_norm):
        layer = wrap(torch.nn.ConvTranspose1d(2, 3, 2))
        layer(torch.ones(1, 2, 4)).pow(2).sum().backward()
        yield repr(layer), layer.weight, list(layer.state_dict()), [
            p.grad for p in layer.parameters()]
        yield copy.deepcopy(layer).weight, utils.parametrize.remove_parametrizations(
            layer, "weight").weight, repr(layer)


@program
def parametrizations(torch):
    nn, P = torch.nn, torch.nn.utils.parametrize

    class Symmetric(nn.Module):
        def forward(self, w):
            return w.triu() + w.triu(1).transpose(-1, -2)

        def right_inverse(self, w):
            return w.triu()

    class Scale(nn.Module):
        def forward(self, w):
            return w * 2

        def right_inverse(self, w):
            return w / 2

    class Bare(nn.Module):
        def forward(self, w):
            return -w

    torch.manual_seed(5)
    layer = nn.Linear(3, 3)
    P.register_parametrization(layer, "weight", Symmetric())
    P.register_parametrization(layer, "weight", Scale())
    yield repr(layer), layer.weight, [n for n, _ in layer.named_parameters()]
    yield P.is_parametrized(layer), P.is_parametrized(layer, "bias"), type(layer).__name__
    layer.weight = torch.arange(9.0).reshape(3, 3)
    layer(torch.ones(1, 3)).sum().backward()
    yield layer.weight, layer.parametrizations.weight.original.grad
    with P.cached():
        yield layer.weight is layer.weight
    other = nn.Linear(3, 3)
    P.register_parametrization(other, "weight", Symmetric())
    P.register_parametrization(other, "bias", Bare())
    yield error(setattr, other, "bias", torch.ones(3)), other.bias
    yield repr(other.load_state_dict(layer.state_dict(), strict=False))
    yield isinstance(other, nn.Linear), error(setattr, other, "weight", torch.ones(3, 3))
    P.remove_parametrizations(layer, "weight", leave_parametrized=True)
    yield repr(layer), layer.weight, type(layer).__name__
    yield error(P.register_parametrization, layer, "no", Scale())[0]
    yield error(P.remove_parametrizations, layer, "weight")[0]


@program
def pruning(torch):
    prune = importlib.import_module(f"{torch.__name__}.nn.utils.prune")
    torch.manual_seed(6)
    layer = torch.nn.Linear(5, 4)
    prune.l1_unstructured(layer, "weight", 0.3)
    yield layer.weight, sorted(layer.state_dict()), prune.is_pruned(layer)
    prune.random_unstructured(layer, "weight", 3)
    prune.ln_structured(layer, "weight", 1, 2, 0)
    yield layer.weight_mask, layer(torch.ones(1, 5)), layer._forward_pre_hooks.__len__()
    layer(torch.ones(1, 5)).sum().backward()
    yield layer.weight_orig.grad
    prune.remove(layer, "weight")
    yield layer.weight, prune.is_pruned(layer), [n for n, _ in layer.named_parameters()]
    model = net(torch)
    prune.global_unstructured([(model.first, "weight"), (model.last, "weight")],
                              prune.L1Unstructured, amount=0.5)
    yield model.first.weight_mask, model.last.weight_mask, model(torch.ones(1, 3))
    prune.custom_from_mask(model.last, "bias", torch.tensor([0.0, 1.0]))
    prune.random_structured(model.first, "weight", 2, 0)
    yield model.last.bias, model.first.weight
    yield error(prune.random_structured, model.first, "bias", 2, 0)
    yield error(prune.l1_unstructured, layer, "weight", 1.5), error(
        prune.l1_unstructured, layer, "weight", -1), error(prune.remove, layer, "weight")[0]


@program
def gradients_clipped(torch):
    utils = torch.nn.utils
    model = net(torch)
    x = torch.ones(2, 3)
    for kind in (2.0, 1.0, float("inf")):
        model.zero_grad()
        (model(x) * 10).sum().backward()
        yield utils.clip_grad_norm_(model.parameters(), 0.5, kind), model.first.weight.grad
    utils.clip_grad_value_(model.parameters(), 0.01)
    yield model.last.weight.grad, utils.get_total_norm([p.grad for p in model.parameters()])
    vector = utils.parameters_to_vector(model.parameters())
    utils.vector_to_parameters(vector * 2, model.parameters())
    yield vector, model.first.weight, model.first.weight.is_leaf
    model.first.weight.grad.fill_(float("nan"))
    yield error(utils.clip_grad_norm_, model.parameters(), 1.0, error_if_nonfinite=True)
    conv, norm = torch.nn.Conv2d(2, 3, 2).eval(), torch.nn.BatchNorm2d(3).eval()
    norm.running_mean.fill_(0.5)
    fused = utils.fuse_conv_bn_eval(conv, norm)
    x = torch.randn(1, 2, 4, 4)
    yield fused(x), norm(conv(x))


@program
def attention_masks(torch):
    torch.manual_seed(7)
    model = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(2, 4, 8)
    causal = torch.ones(4, 4).triu(1).bool()
    padding = torch.tensor([[False] * 4, [False, False, True, True]])
    yield model(x, x, x, attn_mask=causal), model(x, x, x, key_padding_mask=padding)
    yield model(x, x, x, attn_mask=causal.float() * -9, average_attn_weights=False)
    yield model(x, x, x, attn_mask=causal.expand(4, 4, 4), key_padding_mask=padding,
                need_weights=False)[0]
    yield model(x[0], x[0], x[0]), error(torch.nn.MultiheadAttention, 7, 2)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    yield layer(x, src_key_padding_mask=padding)[0], layer(x, causal)
    yield error(torch.nn.TransformerEncoderLayer, 8, 2, activation="no")
    yield torch.nn.Transformer.generate_square_subsequent_mask(3)


@program
def adaptive_softmax(torch):
    torch.manual_seed(8)
    model = torch.nn.AdaptiveLogSoftmaxWithLoss(32, 10, [2, 5], head_bias=True)
    x = torch.randn(4, 32)
    yield model.log_prob(x), model.predict(x), model(x[0], torch.tensor(3))
    yield error(model, x, torch.tensor([1, 2, 3, 10])), error(model, x, torch.tensor([1, 2]))
    yield error(torch.nn.AdaptiveLogSoftmaxWithLoss, 6, 10, [5, 2])


@program
def errors(torch):
    nn, F = torch.nn, torch.nn.functional
    x = torch.ones(2, 3)
    yield error(nn.Conv2d, 3, 4, 3, groups=2), error(nn.Conv2d, 3, 4, 3, padding="no")[0]
    yield error(nn.Conv2d, 4, 4, 3, padding="same", stride=2), error(nn.GroupNorm, 3, 4)
    yield error(nn.BatchNorm1d(3), torch.ones(2, 3, 4, 5)), error(nn.BatchNorm2d(3), x)
    yield error(nn.BatchNorm1d(3), torch.ones(1, 3)), error(nn.LayerNorm(4), x)
    yield error(nn.Embedding(3, 2), torch.tensor([5])), error(nn.Embedding, 3, 2, 7)
    yield error(nn.Linear(2, 2), x), error(nn.Dropout, 1.5), error(F.dropout, x, -1.0)
    yield error(F.cross_entropy, x, torch.tensor([0, 5])), error(F.glu, x)
    yield error(F.interpolate, torch.ones(1, 1, 2, 2)), error(F.pad, x, (1,))
    yield error(F.max_pool2d, torch.ones(1, 1, 2, 2), 3), error(F.gelu, x, approximate="no")
    yield error(F.l1_loss, x, x, reduction="no"), error(F.one_hot, torch.tensor([-1]))
    yield error(F.scaled_dot_product_attention, torch.ones(1, 2, 3), torch.ones(1, 2, 3),
                torch.ones(1, 2, 3), torch.ones(2, 2), is_causal=True)[0]
    yield error(nn.Softmax2d(), x), error(nn.ReLU, no=1)[0], error(nn.MaxPool2d)[0]
    yield error(nn.FractionalMaxPool2d, 2), error(nn.Upsample(scale_factor=2), x)[0]
    yield error(F.grid_sample, torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 2), "no")


@program
def ensembles(torch):
    func = torch.func
    models = [net(torch) for _ in range(3)]
    params, buffers = func.stack_module_state(models)
    base, x = copy.deepcopy(models[0]), torch.ones(2, 3)

    def loss(params, buffers, x):
        return func.functional_call(base, (params, buffers), (x,)).pow(2).mean()

    gradients = func.vmap(func.grad(loss), in_dims=(0, 0, None))(params, buffers, x)
    yield list(params), list(gradients), gradients
    _, pull = func.vjp(lambda p: func.functional_call(base, p, (x,)), dict(base.named_parameters()))
    yield list(pull(torch.ones(2, 2))[0])
