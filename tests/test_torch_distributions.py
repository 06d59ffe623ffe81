"""torch.distributions against PyTorch: draws from equal seeds, densities, moments, divergences."""

import inspect

import numpy as np
import pytest
import torch

import compat.torch as ours

V = [[0.3, 1.2, 2.5], [0.7, 0.9, 1.8]]  # positive numbers
P = [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]  # proportions
R = [[-0.4, 0.0, 1.3], [0.8, -2.0, 0.1]]  # any numbers
L = [[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.4, 1.5]]

DISTRIBUTIONS = {
    "Normal": dict(loc=R, scale=V), "Laplace": dict(loc=R, scale=V), "Cauchy": dict(loc=R, scale=V),
    "Gumbel": dict(loc=R, scale=V), "Uniform": dict(low=R, high=[[1.0, 2.0, 3.0]] * 2),
    "Exponential": dict(rate=V), "Gamma": dict(concentration=V, rate=V), "Chi2": dict(df=V),
    "Beta": dict(concentration1=V, concentration0=V), "Dirichlet": dict(concentration=V),
    "StudentT": dict(df=V, loc=R, scale=V), "LogNormal": dict(loc=R, scale=V),
    "LogisticNormal": dict(loc=R, scale=V), "HalfNormal": dict(scale=V),
    "HalfCauchy": dict(scale=V), "Weibull": dict(scale=V, concentration=V),
    "Pareto": dict(scale=V, alpha=V), "Bernoulli": dict(probs=P),
    "Bernoulli logits": dict(logits=R),
    "Geometric": dict(probs=P), "Categorical": dict(probs=P), "Categorical logits": dict(logits=R),
    "OneHotCategorical": dict(probs=P), "Multinomial": dict(total_count=4, probs=P),
    "Poisson": dict(rate=V), "Binomial": dict(total_count=5, probs=P),
    "NegativeBinomial": dict(total_count=V, probs=P),
    "RelaxedBernoulli": dict(temperature=[0.7], probs=P),
    "RelaxedOneHotCategorical": dict(temperature=[0.7], probs=P),
    "MultivariateNormal": dict(loc=R, scale_tril=L),
}
BITS = {"Dirichlet": 1e-5, "Beta": 1e-5}


def build(library, name, grad=False):
    kwargs = {k: v if isinstance(v, int) else
              library.tensor(v, dtype=library.float64, requires_grad=grad)
              for k, v in DISTRIBUTIONS[name].items()}
    return getattr(library.distributions, name.split()[0])(**kwargs), kwargs


def close(got, expected, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(got.detach()), expected.detach().numpy(), rtol, 1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_and_densities(name):
    (mine, given), (theirs, expected) = build(ours, name, True), build(torch, name, True)
    assert repr(mine) == repr(theirs)
    assert mine.batch_shape == theirs.batch_shape and mine.event_shape == theirs.event_shape
    ours.manual_seed(3), torch.manual_seed(3)
    drawn, value = mine.sample((4,)), theirs.sample((4,))
    assert drawn.shape == value.shape and str(drawn.dtype) == str(value.dtype)
    close(drawn, value, BITS.get(name, 1e-9))
    log_prob = mine.log_prob(ours.from_numpy(value.numpy()))
    close(log_prob, theirs.log_prob(value))
    log_prob.sum().backward(), theirs.log_prob(value).sum().backward()
    for key, x in given.items():
        if not isinstance(x, int) and expected[key].grad is not None:
            close(x.grad, expected[key].grad, 1e-7)


@pytest.mark.parametrize("attribute", ["mean", "variance", "mode", "stddev"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_moments(name, attribute):
    (mine, _), (theirs, _) = build(ours, name), build(torch, name)
    try:
        expected = getattr(theirs, attribute)
    except NotImplementedError:
        return
    if name in ("LogisticNormal", "Pareto", "Weibull", "HalfCauchy", "Chi2", "Beta", "Dirichlet",
                "StudentT", "Multinomial", "NegativeBinomial") and attribute != "mean":
        return
    close(getattr(mine, attribute), expected)


@pytest.mark.parametrize("name", [n for n in DISTRIBUTIONS if "logits" not in n])
def test_signatures_and_larger_batches(name):
    def shown(library):
        cls = getattr(library.distributions, name)
        parameters = inspect.signature(cls).parameters.values()
        larger = build(library, name)[0].expand((4, 2, 3)[:len(build(library, name)[0].batch_shape)
                                                          + 1])
        library.manual_seed(3)
        x = larger.sample()
        return [(p.name, p.kind, p.default) for p in parameters], x, larger.log_prob(x)

    (signature, drawn, log_prob), (expected, value, density) = shown(ours), shown(torch)
    assert signature == expected
    close(drawn, value, BITS.get(name, 1e-9))
    close(log_prob, density, BITS.get(name, 1e-9))


@pytest.mark.parametrize("way", ["cdf", "icdf"])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_quantiles(name, way):
    (mine, _), (theirs, _) = build(ours, name), build(torch, name)
    try:
        expected = getattr(theirs, way)(torch.tensor(P, dtype=torch.float64))
    except (NotImplementedError, ValueError):
        return
    close(getattr(mine, way)(ours.tensor(P, dtype=ours.float64)), expected)


@pytest.mark.parametrize("name", [n for n in DISTRIBUTIONS if n not in (
    "Weibull", "Multinomial", "Binomial", "Geometric", "LogisticNormal", "RelaxedBernoulli",
    "RelaxedOneHotCategorical", "Poisson", "NegativeBinomial")])
def test_entropy(name):
    (mine, _), (theirs, _) = build(ours, name), build(torch, name)
    close(mine.entropy(), theirs.entropy())


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Gumbel", "Uniform", "Exponential", "Gamma",
                                  "StudentT", "LogNormal", "HalfNormal", "Weibull", "Pareto",
                                  "RelaxedBernoulli", "MultivariateNormal", "LogisticNormal"])
def test_gradients_through_draws(name):
    (mine, given), (theirs, expected) = build(ours, name, True), build(torch, name, True)
    ours.manual_seed(3), torch.manual_seed(3)
    mine.rsample((2,)).sum().backward(), theirs.rsample((2,)).sum().backward()
    for key, x in given.items():
        if expected[key].grad is not None:
            # PyTorch approximates the derivative of a gamma number, to about 5e-4
            close(x.grad, expected[key].grad, 2e-3 if name in ("Gamma", "StudentT") else 1e-7)


@pytest.mark.parametrize("name", ["Normal", "Bernoulli", "Categorical", "Exponential", "Gamma",
                                  "Beta", "Dirichlet", "Laplace", "Poisson", "Geometric",
                                  "OneHotCategorical", "MultivariateNormal", "LogNormal"])
def test_divergences(name):
    def divergence(library):
        p, _ = build(library, name)
        kwargs = {k: library.tensor(v, dtype=library.float64).flip(0) if k != "scale_tril"
                  else library.eye(3, dtype=library.float64)
                  for k, v in DISTRIBUTIONS[name].items()}
        q = getattr(library.distributions, name)(**kwargs)
        return library.distributions.kl_divergence(p, q)

    close(divergence(ours), divergence(torch))


def test_composed():
    def run(library):
        d = library.distributions
        rows = library.tensor(R), library.tensor(V)
        mixture = d.MixtureSameFamily(d.Categorical(library.tensor(P)), d.Normal(*rows))
        independent = d.Independent(d.Normal(*rows), 1)
        squashed = d.TransformedDistribution(d.Normal(*rows), [
            d.TanhTransform(), d.AffineTransform(1.0, 2.0)])
        library.manual_seed(1)
        out = []
        for each in (mixture, independent, squashed):
            x = each.sample((3,))
            out += [x, each.log_prob(x)]
        return [o.double() for o in out] + [independent.expand((4, 2)).log_prob(rows[0]).double()]

    for got, expected in zip(run(ours), run(torch)):
        close(got, expected, 2e-5)


def test_wrong_parameters_and_values_are_named():
    def message(library, call):
        with pytest.raises(ValueError) as caught:
            call(library.distributions, library)
        return str(caught.value)

    for call in (lambda d, t: d.Normal(t.tensor(0.0), t.tensor(-1.0)),
                 lambda d, t: d.Categorical(t.tensor([0.5, -0.5])),
                 lambda d, t: d.Exponential(t.tensor(1.0)).log_prob(t.tensor(-1.0)),
                 lambda d, t: d.Bernoulli(t.tensor(0.5), t.tensor(0.0)),
                 lambda d, t: d.Normal(t.zeros(3), t.ones(3)).log_prob(t.zeros(2))):
        assert message(ours, call) == message(torch, call)
