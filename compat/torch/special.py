"""`torch.special`: the special functions by their own names."""

from compat.torch.methods import FUNCTIONS
from compat.torch.signatures import public

SAME = ("digamma erf erfc erfinv exp2 expm1 i0 log1p log_softmax logit logsumexp polygamma round "
        "sinc softmax xlogy")
OTHER = {"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma", "gammainc": "igamma",
         "gammaincc": "igammac", "multigammaln": "mvlgamma"}

globals().update({name: FUNCTIONS[name] for name in SAME.split()}
                 | {name: FUNCTIONS[meant] for name, meant in OTHER.items()}
                 | {name.removeprefix("special_"): public(f) for name, f in FUNCTIONS.items()
                    if name.startswith("special_")})
