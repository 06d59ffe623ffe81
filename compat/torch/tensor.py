"""`torch.Tensor` and `torch.nn.Parameter`: conventions over minigrad's Tensor.

The class holds what needs no computing: attributes, conversions, the place in the graph. Functions
are attached as methods by `methods.py`, from the tables of the files that define them.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from compat.torch import printing
from compat.torch.dtypes import CPU, NAMED, Size, device as Device, strided
from minigrad import core, devices, errors, tape
from minigrad.imperative import views
from minigrad.core import config, make_box, make_spec
from minigrad.imperative.hooks import Hooks, RemovableHandle
from minigrad.numpy.operators import concrete

SCALAR_DTYPES = {bool: core.BOOL, int: core.I64, float: core.F64, complex: core.C128}

NOT_A_LEAF = (
    "you can only change requires_grad flags of leaf variables. If you want to use a computed "
    "variable in a subgraph that doesn't require differentiation use "
    "var_no_grad = var.detach().")


class Storage:
    """A piece of memory, in bytes."""

    def __init__(self, array: np.ndarray):
        self.array = array

    def nbytes(self) -> int:
        return self.array.nbytes

    size = __len__ = nbytes

    def data_ptr(self) -> int:
        return devices.address(self.array)


class Tensor(core.Tensor):
    """An array with a place in the graph. `torch.tensor` and the other factories make them."""

    __slots__ = ()
    conjugates = True

    @classmethod
    def result_class(cls) -> type:
        return Tensor

    @staticmethod
    def scalar_dtype(kind: type) -> np.dtype:
        """Python scalars arrive in full precision, weakly typed; promotion narrows them."""
        return SCALAR_DTYPES[kind]

    # ---------------------------------------------------------------- what it is

    shape = property(lambda self: Size(self.spec.shape))
    dtype = property(lambda self: NAMED[self.spec.dtype])
    device = property(lambda self: Device("cuda", place.index)
                      if (place := devices.place_of(self.spec)) else CPU)
    itemsize = property(lambda self: self.spec.dtype.itemsize)
    nbytes = property(lambda self: self.numel() * self.itemsize)
    layout = property(lambda self: strided)
    is_cpu = property(lambda self: devices.place_of(self.spec) is None)
    is_cuda = property(lambda self: devices.place_of(self.spec) is not None)
    is_sparse = is_quantized = is_meta = is_nested = is_mps = is_xpu = is_sparse_csr \
        = is_mkldnn = is_hpu = is_xla = is_ipu = is_vulkan = is_mtia = property(lambda self: False)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one of its sizes."""
        if dim is None:
            return Size(self.spec.shape)
        return self.spec.shape[wrap_dim(dim, len(self.spec.shape))]

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self.spec.shape)

    def numel(self) -> int:
        """The number of elements."""
        return self.spec.aval.size

    ndimension, nelement = dim, numel

    def element_size(self) -> int:
        return self.spec.dtype.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps in elements from one position to the next along each dimension."""
        array = self.value if type(self.value) in core.worlds else array_of(self)
        strides = tuple(s // array.itemsize for s in array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self, memory_format=None) -> bool:
        if not self.spec.concrete:
            return True
        return isinstance(self.value, np.generic) or bool(self.value.flags.c_contiguous)

    def storage_offset(self) -> int:
        array = views.array_of(self)
        base = views.array_of(views.root_of(self))
        return (devices.address(array) - devices.address(base)) // self.itemsize

    def data_ptr(self) -> int:
        return devices.address(views.array_of(self))

    def untyped_storage(self) -> Storage:
        """The memory that this Tensor and its views share."""
        array = views.array_of(self)
        while type(array.base) is type(array):
            array = array.base
        return Storage(array)

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    def get_device(self) -> int:
        place = devices.place_of(self.spec)
        return -1 if place is None else place.index

    # ---------------------------------------------------------------- its numbers

    def item(self) -> Any:
        """The one number as a Python scalar."""
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to "
                               "Scalar")
        return array_of(self).reshape(())[()].item()

    def tolist(self) -> Any:
        return array_of(self).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array itself: it shares memory with the Tensor."""
        if self.spec.requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use "
                               "tensor.detach().numpy() instead.")
        core.to_array(self)
        place = devices.place_of(self.spec)
        if place is not None and not force:
            raise TypeError(f"can't convert {place} device type tensor to numpy. Use Tensor.cpu() "
                            "to copy the tensor to host memory first.")
        return devices.fetch(views.array_of(self))

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=bool(copy))

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError("Boolean value of Tensor with "
                               f"{'no values' if not self.numel() else 'more than one value'} "
                               "is ambiguous")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self.spec.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.spec.shape[0]

    def __iter__(self):
        if not self.spec.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element) -> bool:
        return bool((self == element).any())

    def __hash__(self) -> int:
        return id(self)

    def __format__(self, spec: str) -> str:
        if not self.spec.shape and self.spec.concrete:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __repr__(self) -> str:
        value = concrete(self)
        if value is None:
            return f"Tensor(shape={self.shape}, dtype={self.dtype}, traced)"
        node = self.grad_fn
        return printing.tensor_str(
            devices.fetch(value), requires_grad=self.spec.requires_grad, device=str(self.device),
            grad_fn_name=None if node is None else node.name().rpartition("::")[2],
            default_dtype=config.default_dtype)

    def __reduce_ex__(self, protocol):
        place = devices.place_of(self.spec)
        return rebuild, (type(self), array_of(self), self.spec.requires_grad and self.is_leaf,
                         None if place is None else place.index)

    def __deepcopy__(self, memo):
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support "
                               "the deepcopy protocol at the moment.")
        value = core.to_array(self)
        made = rebuild(type(self), value.copy(), self.spec.requires_grad)
        if self.grad is not None:
            made.grad = self.grad.clone()
        memo[id(self)] = made
        return made

    # ---------------------------------------------------------------- its place in the graph

    @property
    def is_leaf(self) -> bool:
        """Made by the user, or of no interest to the tape."""
        tensor = tape.current(self)
        return not tensor.spec.requires_grad or isinstance(tensor.node, tape.AccumulateGrad)

    @property
    def grad_fn(self):
        """The node that made the value; None for a leaf."""
        if self.is_leaf:
            return None
        node = tape.current(self).node
        return node.edges if type(node) is tape.Pick else node

    @property
    def grad(self):
        """The gradient that `backward` accumulated, or None."""
        return getattr(tape.current(self).node, "grad", None)

    @grad.setter
    def grad(self, new) -> None:
        tensor = tape.current(self)
        if new is not None and tuple(new.spec.shape) != tensor.spec.shape:
            raise RuntimeError("assigned grad has data of a different size")
        if tensor.node is None and new is not None:
            tensor.node = tape.AccumulateGrad(tensor.spec, Tensor)
        if tensor.node is not None:
            tensor.node.grad = new

    @property
    def requires_grad(self) -> bool:
        return tape.current(self).spec.requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, requires_grad: bool = True):
        """Ask for (or renounce) a gradient of this leaf."""
        tensor = tape.current(self)
        if requires_grad and not is_differentiable(tensor):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if not self.is_leaf:
            if not requires_grad:
                raise RuntimeError(NOT_A_LEAF)
        elif requires_grad:
            tape.leaf(tensor)
        else:
            tensor.spec = make_spec(tensor.spec.aval, False, tensor.spec.concrete)
        return self

    def detach(self):
        """The same memory, off the graph."""
        return views.detach(self)

    def detach_(self):
        """Take this Tensor itself off the graph."""
        tensor = tape.current(self)
        tensor.spec, tensor.node = make_spec(tensor.spec.aval, False, tensor.spec.concrete), None
        return self

    @property
    def data(self):
        """The same memory, off the graph. Assigning replaces the value and keeps the place."""
        return views.detach(self)

    @data.setter
    def data(self, new) -> None:
        tensor = tape.current(self)
        tensor.value = views.array_of(new) if new.spec.concrete else new.value
        tensor.spec = make_spec(new.spec.aval, tensor.spec.requires_grad, new.spec.concrete)
        if isinstance(tensor.node, tape.AccumulateGrad):
            tensor.node.leaf = tensor.spec  # gradients to come have the new dtype

    @property
    def _version(self) -> int:
        return tape.stamps.version(self.value)

    @property
    def _base(self):
        link = getattr(self, "view_of", None)
        return None if link is None else views.root_of(self)

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None) -> None:
        """Accumulate the gradient of this scalar into the leaves it came from."""
        tape.backward(self, gradient, retain_graph, create_graph, inputs)

    def register_hook(self, hook):
        """Call `hook(grad)` when the gradient arrives here; what it returns replaces it."""
        tensor = tape.current(self)
        if not tensor.spec.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return RemovableHandle(Hooks.of(tensor.node).tensor, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` after a gradient was added to `.grad`."""
        after = tape.current(self).node.__dict__.setdefault("after", {})
        return RemovableHandle(after, lambda node: hook(self))

    def retain_grad(self) -> None:
        """Keep the gradient that passes through here in `.grad`."""
        if self.is_leaf:
            return
        Hooks.of(tape.current(self).node).retain = True


class Parameter(Tensor):
    """A Tensor that a module trains: a leaf that wants a gradient."""

    __slots__ = ()

    def __new__(cls, data=None, requires_grad: bool = True):
        data = from_array(np.zeros(0, config.default_dtype)) if data is None else data
        made = views.detach(data)
        made = make_box(cls, made.value, made.spec)
        if requires_grad:
            made.requires_grad_()
        return made

    def __repr__(self) -> str:
        return "Parameter containing:\n" + Tensor.__repr__(self)


class Buffer(Tensor):
    """A Tensor that a module keeps and does not train."""

    __slots__ = ()

    def __new__(cls, data=None, *, persistent: bool = True):
        data = from_array(np.zeros(0, config.default_dtype)) if data is None else data
        made = make_box(cls, data.value, data.spec, data.node)
        made.persistent = persistent
        return made


def rebuild(cls: type, array, requires_grad: bool, index: int | None = None):
    """A Tensor from what was pickled of it: `index` is the number of its CUDA device."""
    made = from_array(array if index is None else devices.put(array, devices.cuda(index)), cls)
    return made.requires_grad_() if requires_grad else made


@functools.lru_cache(maxsize=4096)
def plain_spec(shape: tuple[int, ...], dtype: np.dtype):
    """The spec of a value that wants no gradient, kept so that it need not be interned again."""
    return make_spec(core.make_aval(shape, dtype))


def from_array(array, cls: type = Tensor) -> Any:
    """A Tensor over this very array."""
    if type(array) in core.worlds:
        return core.box(array, cls)
    return make_box(cls, array, plain_spec(array.shape, array.dtype))


def of_face(x) -> Any:
    """A value as a Tensor of this face, at its place in the graph; Python's numbers stay."""
    if isinstance(x, core.Tensor):
        return x if isinstance(x, Tensor) else make_box(Tensor, x.value, x.spec, x.node)
    return x if type(x) in core.PYTHON_SCALARS else core.box(x, Tensor)


def is_differentiable(tensor: core.Tensor) -> bool:
    return NAMED[tensor.spec.dtype].kind in "fc"


def known(x) -> bool:
    """Are the numbers there to be looked at? At level zero, and under `grad`, where values are
    only accompanied by tangents; not along a mapped axis, nor while a program is staged."""
    return concrete(x) is not None


def at_hand(x) -> bool:
    """Are the numbers known, without waiting for a device? There arguments are taken on trust."""
    return known(x) and devices.place_of(x.spec) is None


def array_of(x) -> np.ndarray:
    """The numbers, or JAX's error for a value that has none yet."""
    value = concrete(x)
    if value is None:
        raise errors.concretization_error(x.value)
    return np.asarray(devices.fetch(value))


def wrap_dim(dim: int, ndim: int) -> int:
    """A dimension counted from the front, or PyTorch's error."""
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError("Dimension out of range (expected to be in range of "
                         f"[{-bound}, {bound - 1}], but got {dim})")
    return dim % bound


def wrap_dims(dim, ndim: int) -> tuple[int, ...]:
    """Several dimensions, or all where none is given."""
    if dim is None or dim == () or dim == []:
        return tuple(range(ndim))
    if isinstance(dim, int):
        dim = (dim,)
    wrapped = tuple(wrap_dim(d, ndim) for d in dim)
    for d in wrapped:
        if wrapped.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return wrapped if ndim else ()
