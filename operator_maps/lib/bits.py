"""Bits of numbers that are read as another type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr, kind_of

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


_FORMS = {ir.DataType.FLOAT16: (10, 15, 16), ir.DataType.FLOAT: (23, 127, 32), ir.DataType.DOUBLE: (52, 1023, 64)}
"""Floats: stored digits, bias of the exponent, bits."""


def bit_cast(node: Node, x: Operand, *, to: int) -> Arg:
    """BitCast: a cast between integers; the bits of floats are computed, as MindSpore's graph mode reads none."""
    made = node.mindspore_dtype(to)
    form = next((_FORMS[kind] for kind in (x.dtype, ir.DataType(to)) if kind in _FORMS), None)
    if form is None or x.kind == kind_of(ir.DataType(to)) == "f":
        if x.kind not in "iub" or kind_of(ir.DataType(to)) not in "iu":
            raise node.decline("the bits of this type are not known")
        return expr("{0}.astype({1})", x, made)
    digits, bias, width = form
    powers = node.constant(np.ldexp(1.0, np.arange(1 - bias, bias + 1)), "powers")
    if x.kind == "f":
        return expr("{0}({1}, {2}, {3}, {4}).astype({5})", bits_of_float, x, powers, digits, width, made)
    signed = expr(f"{{0}}.astype(ms.int{width})", x) if x.kind == "u" else x
    return expr("{0}({1}, {2}, {3}, {4}).astype({5})", float_of_bits, signed, powers, digits, width, made)


def bits_of_float(x, powers, digits, width):
    """The bits of floats as int64: sign, exponent (how many of the normal powers of 2 are not larger) and digits."""
    size = ops.where(ops.isfinite(x), ops.abs(x), ops.zeros_like(x)).astype(ms.float64)
    exponent = (ops.unsqueeze(size, -1) >= powers).astype(ms.int64).sum(-1)
    power = ops.gather(powers, ops.maximum(exponent - 1, 0), 0)
    whole = (size / power * 2.0**digits).astype(ms.int64)
    bits = whole + ops.maximum(exponent - 1, 0) * 2**digits
    bits = ops.where(ops.isinf(x), (powers.shape[0] + 1) * 2**digits, bits)
    bits = ops.where(ops.isnan(x), (powers.shape[0] + 1) * 2**digits + 2 ** (digits - 1), bits)
    negative = ops.logical_or(x < 0, ops.logical_and(x == 0, ops.reciprocal(x) < 0)).astype(ms.int64)
    return bits + ops.bitwise_left_shift(negative, width - 1) * (1 if width == 64 else -1)


def float_of_bits(bits, powers, digits, width):
    """The floats whose bits are integers, as float64."""
    wide = bits.astype(ms.int64)
    rest = ops.bitwise_and(wide, (2 ** (width - 2) - 1) * 2 + 1)
    exponent, stored = ops.bitwise_right_shift(rest, digits), ops.bitwise_and(rest, 2**digits - 1)
    whole = stored + (exponent > 0).astype(ms.int64) * 2**digits
    count = powers.shape[0]
    power = ops.gather(powers, ops.clamp(exponent - 1, 0, count - 1), 0)
    size = whole.astype(ms.float64) * 0.5**digits * power
    special = ops.where(stored == 0, float("inf"), float("nan")).astype(ms.float64)
    size = ops.where(exponent > count, special, size)
    return ops.where(wide < 0, -size, size)
