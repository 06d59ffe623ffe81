"""minigrad: PyTorch's tape and JAX's transforms over one table of primitives."""

from minigrad.errors import check_not_shadowed

check_not_shadowed()

from kernels.memory import keep_freed_memory  # noqa: E402

keep_freed_memory()

from minigrad import core  # noqa: E402
from minigrad.ops import (  # noqa: E402  (each fills its part of the table)
    calls, collectives, contraction, control, convolution, decompositions, elementwise, fft,
    generators, indexing, joining, linear_calls, ordering, reduction, scattering, selection,
    shaping, solves, transcendental, windows,
)
from minigrad.batch import vmap  # noqa: E402
from minigrad.core import Tensor  # noqa: E402
from minigrad.eager import op  # noqa: E402
from minigrad.ops.flow import cond, fori_loop, scan, switch, while_loop  # noqa: E402
from minigrad.forward import jvp, linearize  # noqa: E402
from minigrad.jit import jit, make_jaxpr  # noqa: E402
from minigrad.numpy import operators  # noqa: E402  (gives Tensors `+`, `*`, `[]` ...)
from minigrad.ops.calls import custom_jvp, custom_vjp  # noqa: E402
from minigrad.ops.checkpoint import checkpoint  # noqa: E402
from minigrad.reverse import grad, hessian, jacfwd, jacrev, value_and_grad, vjp  # noqa: E402
from minigrad.show.derived import backward_source  # noqa: E402
from minigrad import numpy  # noqa: E402
