"""`torch.linalg`: factorizations, solving, norms and products over the primitives of the table."""

from inspect import isfunction

from compat.torch.linalg import determinants, factors, norms, powers, solving
from compat.torch.linalg.checks import LinAlgError
from compat.torch.products import matmul
from compat.torch.signatures import public

__all__ = ["LinAlgError", "matmul"]
__all__ += (
    "cholesky cholesky_ex cholesky_inverse cholesky_solve cond cross det diagonal eig eigh eigvals "
    "eigvalsh geqrf householder_product inv inv_ex ldl_factor ldl_factor_ex ldl_solve logdet lstsq "
    "lu lu_factor lu_factor_ex lu_solve lu_unpack matrix_exp matrix_norm matrix_power matrix_rank "
    "multi_dot norm ormqr pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv "
    "tensorsolve triangular_solve vander vecdot vector_norm").split()
globals().update({
    name: public(value) for module in (determinants, factors, norms, powers, solving)
    for name, value in vars(module).items() if name in __all__ and isfunction(value)
    and value.__module__ == module.__name__})
