"""`torch.nn.utils.parametrizations`."""

from __future__ import annotations

from compat.torch.autograd import no_grad
from compat.torch.creation import eye, zeros_like
from compat.torch.joining import cat
from compat.torch.linalg import householder_product, matrix_exp, solve
from compat.torch.methods import FUNCTIONS
from compat.torch.nn.module import Module
from compat.torch.nn.utils.parametrize import register_parametrization
from compat.torch.nn.utils.weights import parametrized_spectral_norm as spectral_norm
from compat.torch.nn.utils.weights import parametrized_weight_norm as weight_norm
from compat.torch.random import randn
from compat.torch.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]
MAPS = ("matrix_exp", "cayley", "householder")
geqrf = FUNCTIONS["geqrf"]


def nearest_orthogonal(matrix):
    """The orthogonal factor of QR, its signs those that make R's diagonal positive."""
    packed, tau = geqrf(matrix)
    return householder_product(packed, tau) * packed.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class Orthogonal(Module):
    """Orthonormal columns (or rows, if there are fewer) from any matrix: the exponential or the
    Cayley transform of its skew part, or a product of reflections. Source: Lezcano-Casado (2019).
    With a base, the map starts at that orthogonal matrix."""

    base: Tensor | None

    def __init__(self, weight, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X):
        wide = X.size(-2) < X.size(-1)
        X = X.mT if wide else X
        rows, columns = X.shape[-2:]
        if self.orthogonal_map == "householder":
            below = X.tril(diagonal=-1)  # reflections, with ones on their diagonal unwritten
            tau = 2.0 / (1.0 + (below * below).sum(dim=-2))
            Q = householder_product(below, tau)
            Q = Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            X = X.tril()
            if rows != columns:
                nothing = X.new_zeros(rows, rows - columns).expand(*X.shape[:-2], -1, -1)
                X = cat([X, nothing], dim=-1)
            skew = X - X.mH
            if self.orthogonal_map == "matrix_exp":
                Q = matrix_exp(skew)
            else:
                one = eye(rows, dtype=X.dtype)
                Q = solve(one - 0.5 * skew, one + 0.5 * skew)
            Q = Q[..., :columns] if rows != columns else Q
        Q = self.base @ Q if self.trivialized else Q
        return Q.mT if wide else Q

    @no_grad()
    def right_inverse(self, Q):
        if Q.shape != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got a "
                             f"tensor of shape {Q.shape}.")
        given, wide = Q, Q.size(-2) < Q.size(-1)
        Q = Q.mT if wide else Q
        rows, columns = Q.shape[-2:]
        if not self.trivialized:
            if self.orthogonal_map != "householder":
                raise NotImplementedError("It is not possible to assign to the matrix exponential "
                                          "or the Cayley parametrizations when "
                                          "use_trivialization=False.")
            packed, tau = geqrf(Q)
            diagonal = packed.diagonal(dim1=-2, dim2=-1)
            diagonal.sign_()
            diagonal[tau == 0.0] *= -1
            return packed.mT if wide else packed
        if rows != columns:
            more = randn(*Q.shape[:-2], rows, rows - columns, dtype=Q.dtype)
            self.base = nearest_orthogonal(cat([Q, more], dim=-1))
        else:
            self.base = Q.clone() if is_orthogonal(Q) else nearest_orthogonal(Q)
        start = zeros_like(given)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start


def is_orthogonal(Q) -> bool:
    one = eye(Q.size(-1), dtype=Q.dtype)
    error = 10.0 * Q.size(-2) * (1.1920929e-07 if Q.dtype.itemsize == 4 else 2.220446049250313e-16)
    return bool(((Q.mH @ Q - one).abs() <= error).all())


def orthogonal(module: Module, name: str = "weight", orthogonal_map: str | None = None, *,
               use_trivialization: bool = True) -> Module:
    """Keep a matrix of the module orthogonal, by one of the maps."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.dim() < 2:
        raise ValueError("Expected a matrix or batch of matrices. "
                         f"Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError('orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
                         f"Got: {orthogonal_map}")
    orth = Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    register_parametrization(module, name, orth, unsafe=True)
    return module
