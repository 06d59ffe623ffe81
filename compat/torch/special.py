"""`torch.special`: the special functions by their own names."""

from compat.torch.pointwise import UNARY
from compat.torch.reductions import log_softmax, logsumexp, softmax

__all__ = ["digamma", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p",
           "log_softmax", "logsumexp", "psi", "softmax"]

erf, erfc, erfinv = UNARY["erf"], UNARY["erfc"], UNARY["erfinv"]
expit, gammaln, digamma, psi = (UNARY["sigmoid"], UNARY["lgamma"], UNARY["digamma"],
                                UNARY["digamma"])
expm1, exp2, log1p = UNARY["expm1"], UNARY["exp2"], UNARY["log1p"]
