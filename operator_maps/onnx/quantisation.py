"""Quantisation: quantise and dequantise, and matrix products and convolutions of integers.

Source: https://onnx.ai/onnx/operators/. Tensors keep their integer types (uint8, int8, int32), and results are those of
the source, bit for bit. MindSpore has convolutions of floats only: integer convolutions run in float32, which is exact
as long as their sums are below 2**24.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Expression, Node, Operand, Unpacked, expr
from operator_maps.lib.windows import window_of
from operator_maps.onnx.convolution import check_channels, convolve
from operator_maps.onnx.slicing import subscript

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def quantize_linear(
    node: Node,
    x: Operand,
    scale: Operand,
    zero_point: Operand | None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Arg:
    """QuantizeLinear per tensor, per axis or per block, to 8 or 16 bits.

    Raises:
        Unsupported: MindSpore lacks the integer type, or the rank of the input is unknown.
    """
    working = _working(ir.DataType(precision) if precision else scale.dtype, node.outputs[0].dtype)
    value: Arg = x if x.dtype == working else expr("{0}.astype({1})", x, node.mindspore_dtype(working))
    divisor = _broadcastable(node, scale, x, axis, block_size)
    quotient = expr("{0} / {1}", value, _scale_in(node, working, scale, divisor))
    return _quantized(node, quotient, _broadcastable(node, zero_point, x, axis, block_size))


def dequantize_linear(
    node: Node,
    x: Operand,
    scale: Operand,
    zero_point: Operand | None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
) -> Arg:
    """DequantizeLinear per tensor, per axis or per block.

    Raises:
        Unsupported: the rank of the input is unknown.
    """
    dtype = node.outputs[0].dtype
    working = _working(dtype, x.dtype)
    factor = _scale_in(node, working, scale, _broadcastable(node, scale, x, axis, block_size))
    zero = _broadcastable(node, zero_point, x, axis, block_size)
    product = expr("{0} * {1}", _minus_zero_point(x, zero, node.mindspore_dtype(working)), factor)
    return product if working == dtype else expr("{0}.astype({1})", product, node.dtype())


def dynamic_quantize_linear(node: Node, x: Operand) -> Arg:
    """DynamicQuantizeLinear: to uint8, over the range of the input."""
    return Unpacked(expr("{0}({1})", quantize_dynamically, x))


def mat_mul_integer(
    node: Node, a: Operand, b: Operand, a_zero_point: Operand | None, b_zero_point: Operand | None
) -> Arg:
    """MatMulInteger: a matrix product in int32."""
    return _integer_product(a, b, a_zero_point, b_zero_point)


def qlinear_mat_mul(
    node: Node,
    a: Operand,
    a_scale: Operand,
    a_zero_point: Operand,
    b: Operand,
    b_scale: Operand,
    b_zero_point: Operand,
    y_scale: Operand,
    y_zero_point: Operand,
) -> Arg:
    """QLinearMatMul: a matrix product in int32, rescaled and quantised again."""
    product = expr("{0}.astype({1})", _integer_product(a, b, a_zero_point, b_zero_point), _float(y_scale))
    scale = _requantisation_factor(_per_row(a_scale), _scalar(b_scale), _scalar(y_scale))
    return _quantized(node, expr("{0} * {1}", product, scale), _scalar(y_zero_point))


def conv_integer(
    node: Node,
    x: Operand,
    w: Operand,
    x_zero_point: Operand | None,
    w_zero_point: Operand | None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Arg:
    """ConvInteger: a convolution of the integers minus their zero points, in float32."""
    y = _integer_convolution(node, x, w, (x_zero_point, w_zero_point), auto_pad, dilations, group, pads, strides)
    return expr("{0}.astype({1})", y, node.dtype())


def qlinear_conv(
    node: Node,
    x: Operand,
    x_scale: Operand,
    x_zero_point: Operand,
    w: Operand,
    w_scale: Operand,
    w_zero_point: Operand,
    y_scale: Operand,
    y_zero_point: Operand,
    b: Operand | None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Arg:
    """QLinearConv: a convolution of the integers minus their zero points, in float32, rescaled and quantised again."""
    y = _integer_convolution(node, x, w, (x_zero_point, w_zero_point), auto_pad, dilations, group, pads, strides)
    rank = w.rank or 0
    if b is not None:
        y = expr("{0} + {1}", y, _per_channel(expr("{0}.astype(ms.float32)", b), rank))
    scale = _requantisation_factor(_scalar(x_scale), _scalar(w_scale), _scalar(y_scale))
    if isinstance(scale, Expression) and w_scale.size != 1:
        scale = _per_channel(scale, rank)
    return _quantized(node, expr("{0} * {1}", y, scale), _scalar(y_zero_point))


# Shared by the rows


def _working(dtype: ir.DataType | None, integers: ir.DataType | None) -> ir.DataType | None:
    """The type in which numbers of a type are scaled: that of 16 bits does not hold the integers of 16 bits."""
    return ir.DataType.FLOAT if dtype == ir.DataType.FLOAT16 and integers and integers.itemsize > 1 else dtype


def _scale_in(node: Node, working: ir.DataType | None, scale: Operand, factor: Arg) -> Arg:
    """A scale, as `factor`, in the type in which is computed."""
    if scale.dtype in (None, working):
        return factor
    if isinstance(factor, (Operand, Expression)):
        return expr("{0}.astype({1})", factor, node.mindspore_dtype(working))
    return float(scale.dtype.numpy().type(factor))  # what is short for 16 bits is another number for 32


def _quantized(node: Node, value: Arg, zero_point: Arg) -> Expression:
    return expr("{0}({1}, {2}, {3})", quantize, value, zero_point, node.dtype())


def _minus_zero_point(x: Operand, zero_point: Arg, dtype: Arg) -> Expression:
    """An integer tensor minus its zero point, in a wider type."""
    wide = expr("{0}.astype({1})", x, dtype)
    return wide if zero_point == 0 else expr("{0} - {1}", wide, zero_point)


def _scalar(value: Operand | None) -> Arg:
    """A scale or zero point: a Python number if it is a scalar constant; 0 if it is absent or zero everywhere."""
    if value is None or (value.kind in "iu" and value.constant is not None and not value.constant.any()):
        return 0
    return value.number_or_tensor()


def _broadcastable(node: Node, value: Operand | None, x: Operand, axis: int, block_size: int) -> Arg:
    """A scale or zero point, reshaped or repeated (per block) so that it broadcasts against `x`."""
    found = _scalar(value)
    if value is not None and value.dtype == ir.DataType.UINT16 and isinstance(found, Operand):
        found = expr("{0}.astype(ms.float32)", found)  # MindSpore combines uint16 with no other type
    if value is None or not isinstance(found, (Operand, Expression)) or value.rank == 0:
        return found
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    axis %= x.rank
    if value.rank == 1 and not block_size:
        return found if axis == x.rank - 1 else expr("{0}.reshape({1})", found, (-1, *(1,) * (x.rank - 1 - axis)))
    extent = x.shape[axis] if x.shape is not None else None
    repeated = expr("{0}.repeat_interleave({1}, {2})", found, block_size, axis)
    if extent is not None and extent % block_size == 0:
        return repeated
    end = expr("{0}.shape[{1}]", x, axis) if extent is None else extent  # the last block may be incomplete
    return subscript(repeated, {axis: slice(None, end)})


def _per_row(value: Operand) -> Arg:
    """A scale or zero point of the left factor of a matrix product: a scalar, or (rows, 1)."""
    found = _scalar(value)
    return expr("{0}.unsqueeze(-1)", found) if isinstance(found, Operand) and value.rank else found


def _per_channel(value: Arg, rank: int) -> Expression:
    """A vector (C,) reshaped so that it broadcasts against (N, C, …) of this rank."""
    return expr("{0}.reshape({1})", value, (-1, *(1,) * (rank - 2)))


def _requantisation_factor(a_scale: Arg, b_scale: Arg, y_scale: Arg) -> Arg:
    """The requantisation factor a_scale * b_scale / y_scale, in float32 as in the operators' definitions."""
    scales = (a_scale, b_scale, y_scale)
    if all(isinstance(scale, float) for scale in scales):
        a, b, y = map(np.float32, scales)
        return float(str(a * b / y))
    return expr("{0} * {1} / {2}", *scales)


def _float(scale: Operand) -> Expression:
    return expr("ms.float16") if scale.dtype == ir.DataType.FLOAT16 else expr("ms.float32")


def _integer_product(a: Operand, b: Operand, a_zero_point: Operand | None, b_zero_point: Operand | None) -> Expression:
    wide = expr("ms.int32")
    rows = 0 if a_zero_point is None else _per_row(a_zero_point)
    return expr(
        "ops.matmul({0}, {1})",
        _minus_zero_point(a, rows, wide),
        _minus_zero_point(b, _scalar(b_zero_point), wide),
    )


def _integer_convolution(
    node: Node,
    x: Operand,
    w: Operand,
    zero_points: tuple[Operand | None, Operand | None],
    auto_pad: str,
    dilations: Sequence[int] | None,
    group: int,
    pads: Sequence[int] | None,
    strides: Sequence[int] | None,
) -> Expression:
    if w.shape is None or None in w.shape[2:]:
        raise node.decline("the extents of its kernel are unknown")
    check_channels(node, x, w, group)
    window = window_of(node, x, w.shape[2:], auto_pad, strides, dilations, pads)  # type: ignore[arg-type]
    x_zero, w_zero = (_scalar(zero_point) for zero_point in zero_points)
    if isinstance(w_zero, Operand) and w_zero.rank:
        w_zero = _per_channel(w_zero, len(w.shape) + 1)
    wide = expr("ms.float32")
    return convolve(_minus_zero_point(x, x_zero, wide), _minus_zero_point(w, w_zero, wide), window, group)


def quantize(x, zero_point, dtype):
    """Round to integers, half to even, move by the zero point, and saturate to the range of `dtype`."""
    if dtype == ms.uint8:
        low, high = 0, 255
    elif dtype == ms.int8:
        low, high = -128, 127
    elif dtype == ms.uint16:
        low, high = 0, 65535
    else:
        low, high = -32768, 32767
    return ops.clamp(ops.round(x) + zero_point, low, high).astype(dtype)


def quantize_dynamically(x):
    """Quantise to uint8 over the range of `x` and 0; return also the scale and the zero point."""
    low, high = ops.clamp(ops.amin(x), max=0.0), ops.clamp(ops.amax(x), 0.0)
    scale = ops.where(high > low, (high - low) / 255, ops.ones_like(low))
    zero_point = quantize(-low / scale, 0, ms.uint8)
    return quantize(x / scale, zero_point, ms.uint8), scale, zero_point


ROWS = {
    "ConvInteger": conv_integer,
    "DequantizeLinear": dequantize_linear,
    "DynamicQuantizeLinear": dynamic_quantize_linear,
    "MatMulInteger": mat_mul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_mat_mul,
    "QuantizeLinear": quantize_linear,
}
