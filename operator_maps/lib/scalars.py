"""Constants of one element as Python numbers: `x * 0.5` instead of a tensor of one element."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Operand

_UNMIXED = (ir.DataType.UINT16, ir.DataType.UINT32, ir.DataType.UINT64)
"""MindSpore refuses a Python number beside a tensor of these."""


def numbers(a: Operand, b: Operand) -> tuple[Arg, Arg]:
    """Two inputs that are broadcast against each other, at most one of them as a Python number."""
    right = number(b, a)
    return (a, right) if right is not b else (number(a, b), b)


def number(value: Operand, beside: Operand) -> Arg:
    """`value` as a Python number where the result next to the tensor `beside` stays the same; else `value` itself.

    MindSpore rounds a Python float beside a float64 tensor to float32, so there only a float that survives this is
    written as a number.
    """
    if value.dtype is None or value.dtype != beside.dtype or value.dtype in _UNMIXED or value.kind not in "iuf":
        return value
    if value.rank and (beside.rank is None or beside.rank < value.rank):
        return value
    found = value.number_or_tensor()
    survives = value.dtype != ir.DataType.DOUBLE or (isinstance(found, float) and np.float32(found) == found)
    return found if survives else value
