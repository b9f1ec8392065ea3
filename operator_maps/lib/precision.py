"""Computing in float32 what float16 does not hold on the way to what it holds: the square of 256 is infinite."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from converter.rows import Arg, Expression, expr


def in_float32(dtype: ir.DataType | None, compute: Callable[..., Expression], *tensors: Arg) -> Expression:
    """`compute(*tensors)`, of tensors of float16 in float32; the result has their type."""
    if dtype != ir.DataType.FLOAT16:
        return compute(*tensors)
    wide = [None if each is None else expr("{0}.astype(ms.float32)", each) for each in tensors]
    return expr("{0}.astype(ms.float16)", compute(*wide))
