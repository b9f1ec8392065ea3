"""Constants of one element as Python numbers: `x * 0.5` instead of a tensor of one element."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Operand

_UNMIXED = (ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64)
"""Element types of tensors that MindSpore does not combine with a Python number."""


def operands_with_scalar(a: Operand, b: Operand) -> tuple[Arg, Arg]:
    """The two inputs of a broadcasting operator; at most one of them, if a scalar constant, as a Python number."""
    right = scalar_or_tensor(b, a)
    return (a, right) if right is not b else (scalar_or_tensor(a, b), b)


def scalar_or_tensor(value: Operand, other: Operand) -> Arg:
    """`value` as a Python number if combining it with the tensor `other` gives the same result; else `value` itself.

    MindSpore rounds a Python float to float32 when the tensor is float64. With such a tensor only a float that float32
    represents exactly is written as a number.
    """
    if value.dtype is None or value.dtype != other.dtype or value.dtype in _UNMIXED or value.kind not in "iuf":
        return value
    if value.rank and (other.rank is None or other.rank < value.rank):
        return value
    found = value.number_or_tensor()
    exact = value.dtype != ir.DataType.DOUBLE or (isinstance(found, float) and np.float32(found) == found)
    return found if exact else value
