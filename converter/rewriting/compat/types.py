"""Types of elements: what makes tensors of one type, and bytes read as another."""

import math

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops


class TensorType:
    """torch.FloatTensor and its like: makes tensors of one type, and names this type."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __call__(self, *data, device=None):
        if len(data) == 1 and not isinstance(data[0], int):
            return ms.Tensor(list(data[0]) if isinstance(data[0], range) else data[0], self.dtype)
        return ops.zeros(data, dtype=self.dtype)


FloatTensor = TensorType(ms.float32)

DoubleTensor = TensorType(ms.float64)

HalfTensor = TensorType(ms.float16)

BFloat16Tensor = TensorType(ms.bfloat16)

LongTensor = TensorType(ms.int64)

IntTensor = TensorType(ms.int32)

ShortTensor = TensorType(ms.int16)

CharTensor = TensorType(ms.int8)

ByteTensor = TensorType(ms.uint8)

BoolTensor = TensorType(ms.bool_)

TYPES = {
    "Float": FloatTensor, "Double": DoubleTensor, "Half": HalfTensor, "BFloat16": BFloat16Tensor, "Long": LongTensor,
    "Int": IntTensor, "Short": ShortTensor, "Char": CharTensor, "Byte": ByteTensor, "Bool": BoolTensor,
}  # fmt: skip


def type_name(x):
    """Tensor.type without arguments: `torch.FloatTensor`, which `typed` takes, too."""
    for name, each in TYPES.items():
        if x.dtype == each.dtype:
            return f"torch.{name}Tensor"
    return str(x.dtype)


def new(x, data):
    """Tensor.new of a shape, here a tuple, or of data."""
    if isinstance(data, tuple):
        return x.new_zeros(data)
    return x.new_zeros((data,)) if isinstance(data, int) else ms.Tensor(data, x.dtype)


def resize_(x, *sizes):
    """Tensor.resize_: the elements in their order, and zeros behind them."""
    shape = sizes[0] if isinstance(sizes[0], (tuple, list)) else sizes
    count = math.prod(shape)
    rest = ops.zeros((max(count - x.size, 0),), dtype=x.dtype)
    return ops.cat((x.reshape((-1,)), rest))[:count].reshape(tuple(shape))


def formatted(self, form):
    """Format a tensor of one element as a number, as f-strings of PyTorch's do: MindSpore's tensors take no form."""
    return format(self.item() if self.ndim == 0 else str(self), form)


Tensor.__format__ = formatted


def typed(x, dtype):
    """Tensor.type of a type, of what makes tensors of it, or of its name, `torch.FloatTensor`."""
    if isinstance(dtype, str):
        dtype = TYPES[dtype.split(".")[-1][: -len("Tensor")]]
    return x.to(getattr(dtype, "dtype", dtype))


def bits(x, dtype):
    """Tensor.view of a type: the same bytes."""
    return ms.Tensor(np.ascontiguousarray(x.asnumpy()).view(ms.dtype_to_nptype(dtype)))


def index(value):
    """An index that NumPy made: MindSpore takes an array as a tensor, and an integer as Python's."""
    return ms.Tensor(value) if isinstance(value, np.ndarray) and value.ndim else value.item()


PRIORITY = 1000  # PyTorch's: without it `np.float64(0.5) * x` is an array, through which no gradient flows

Tensor.__array_priority__ = PRIORITY


def same_type(tensors):
    """Tensors of several types in the one that holds them all: integers beside floats become floats."""
    order = (
        ms.bool_, ms.uint8, ms.int8, ms.int16, ms.int32, ms.int64,
        ms.float16, ms.bfloat16, ms.float32, ms.float64, ms.complex64, ms.complex128,
    )  # fmt: skip
    found = order[max([order.index(each.dtype) for each in tensors])]
    return [each if each.dtype == found else each.astype(found) for each in tensors]
