"""torch.distributions. https://docs.pytorch.org/docs/stable/distributions.html"""

from compat.torch.distributions import constraints, kl, transforms
from compat.torch.distributions.composed import (
    HalfCauchy, HalfNormal, Independent, LogisticNormal, LogNormal, MixtureSameFamily,
    MultivariateNormal, Pareto, TransformedDistribution, Weibull,
)
from compat.torch.distributions.continuous import (
    Beta, Cauchy, Chi2, Dirichlet, Exponential, Gamma, Gumbel, Laplace, Normal, StudentT, Uniform,
)
from compat.torch.distributions.discrete import (
    Bernoulli, Binomial, Categorical, Geometric, Multinomial, NegativeBinomial, OneHotCategorical,
    OneHotCategoricalStraightThrough, Poisson, RelaxedBernoulli, RelaxedOneHotCategorical,
)
from compat.torch.distributions.distribution import Distribution, ExponentialFamily
from compat.torch.distributions.kl import kl_divergence, register_kl
from compat.torch.distributions.transforms import (
    AbsTransform, AffineTransform, ComposeTransform, ExpTransform, LowerCholeskyTransform,
    PowerTransform, ReshapeTransform, SigmoidTransform, SoftmaxTransform, SoftplusTransform,
    StickBreakingTransform, TanhTransform, Transform, identity_transform,
)
