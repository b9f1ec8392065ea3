"""Types of elements: what makes tensors of one type, and bytes read as another."""

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
