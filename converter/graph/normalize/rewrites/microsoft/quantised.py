"""Quantised operators: dequantise, compute, quantise; products of integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError

Rewrite = Callable[[Edit], None]

# Quantised operators: dequantise, compute, quantise


def qlinear_binary(op_type: str) -> Rewrite:
    """QLinearAdd, QLinearMul."""

    def rewrite(edit: Edit) -> None:
        _requantize(edit, edit.before(op_type, _real(edit, 0), _real(edit, 3)), 6)

    return rewrite


def qlinear_unary(op_type: str, *attributes: str) -> Rewrite:
    """QLinearSigmoid, QLinearLeakyRelu and the pools."""

    def rewrite(edit: Edit) -> None:
        x, last = _real(edit, 0), edit.get("channels_last", 0)
        axes = [*range(len(edit.shape(x)))] if last else []
        if last:
            x = edit.before("Transpose", x, perm=[0, axes[-1], *axes[1:-1]])
        y = edit.before(op_type, x, **edit.given(*attributes))
        if last:
            y = edit.before("Transpose", y, perm=[0, *axes[2:], 1])
        _requantize(edit, y, 3)

    return rewrite


def qlinear_softmax(edit: Edit) -> None:
    """QLinearSoftmax; before `opset` 13 (an attribute), it is over all axes from `axis` on together."""
    x, axis = edit.input(0), edit.get("axis", -1)
    rank = len(edit.shape(x))
    if edit.get("opset", 13) < 13 and axis % rank != rank - 1:
        raise RefusedError("its axes from `axis` on are one, as before version 13")
    _requantize(edit, edit.before("Softmax", _real(edit, 0), axis=axis), 3)


def qlinear_concat(edit: Edit) -> None:
    """QLinearConcat."""
    parts = [_real(edit, index) for index in range(2, len(edit.node.inputs), 3)]
    _requantize(edit, edit.before("Concat", *parts, axis=edit.get("axis")), 0)


def qlinear_where(edit: Edit) -> None:
    """QLinearWhere."""
    _requantize(edit, edit.before("Where", edit.input(0), _real(edit, 1), _real(edit, 4)), 7)


def qgemm(edit: Edit) -> None:
    """QGemm: an integer product plus an integer bias, scaled; quantised again if there is an output scale."""
    a, a_scale, a_zero_point, b, b_scale, b_zero_point = edit.node.inputs[:6]
    factors = [
        edit.before("Transpose", value, perm=[1, 0]) if edit.get(name, 0) else value
        for value, name in ((a, "transA"), (b, "transB"))
    ]
    product = edit.before("MatMulInteger", *factors, a_zero_point, b_zero_point)
    if edit.input(6) is not None:
        product = edit.before("Add", product, edit.input(6))
    scale = _scale_of_product(edit, a_scale, b_scale, edit.get("alpha", 1.0))
    inputs = [edit.before("Cast", product, to=ir.DataType.FLOAT), scale]
    if edit.input(7) is None:
        edit.become("Mul", inputs)
    else:
        _requantize(edit, edit.before("Mul", *inputs), 7)


def mat_mul_integer_to_float(edit: Edit) -> None:
    """MatMulIntegerToFloat: an integer product, scaled to float, plus a bias."""
    a, b, a_scale, b_scale = edit.node.inputs[:4]
    product = edit.before("MatMulInteger", a, b, edit.input(4), edit.input(5))
    _scaled_sum(edit, product, _scale_of_product(edit, a_scale, b_scale), edit.input(6))


def real_product(
    edit: Edit,
    factors: tuple[ir.Value | None, ...],
    scales: tuple[ir.Value | None, ir.Value | None],
) -> ir.Value:
    """An integer product, scaled to float; `factors` are the two matrices and their zero points."""
    product = edit.before("Cast", edit.before("MatMulInteger", *factors), to=ir.DataType.FLOAT)
    return edit.before("Mul", product, _scale_of_product(edit, *scales))


def dynamic_quantize_mat_mul(edit: Edit) -> None:
    """DynamicQuantizeMatMul: the left factor is quantised by its minimum and maximum, then an integer product."""
    a, b, b_scale = edit.node.inputs[:3]
    quantized, a_scale, a_zero_point = edit.before_all("DynamicQuantizeLinear", 3, a)
    product = edit.before("MatMulInteger", quantized, b, a_zero_point, edit.input(3))
    _scaled_sum(edit, product, edit.before("Mul", a_scale, b_scale), edit.input(4))


def same(op_type: str) -> Rewrite:
    """An operator that ONNX has with the same inputs and attributes."""

    def rewrite(edit: Edit) -> None:
        edit.become(op_type, edit.node.inputs, **{name: value.value for name, value in edit.node.attributes.items()})

    return rewrite


def _real(edit: Edit, index: int) -> ir.Value:
    """Dequantise the input at `index`; the next two inputs are its scale and zero point."""
    return edit.before("DequantizeLinear", edit.input(index), edit.input(index + 1), edit.input(index + 2))


def _requantize(edit: Edit, value: ir.Value, index: int) -> None:
    """Turn the node into the quantisation of `value`; the inputs from `index` on are scale and zero point."""
    edit.become("QuantizeLinear", [value, edit.input(index), edit.input(index + 1)])


def _scaled_sum(edit: Edit, product: ir.Value, scale: ir.Value, bias: ir.Value | None) -> None:
    inputs = [edit.before("Cast", product, to=ir.DataType.FLOAT), scale]
    if bias is None:
        edit.become("Mul", inputs)
    else:
        edit.become("Add", [edit.before("Mul", *inputs), bias])


def _scale_of_product(edit: Edit, a_scale: ir.Value | None, b_scale: ir.Value | None, alpha: float = 1.0) -> ir.Value:
    """The scale of an integer product: a_scale * b_scale * alpha, as one constant if the scales are constant."""
    if a_scale is not None and b_scale is not None and None not in (a_scale.const_value, b_scale.const_value):
        return edit.constant("scale", (edit.array(a_scale) * edit.array(b_scale) * np.float32(alpha)).astype("f"))
    scale = edit.before("Mul", a_scale, b_scale)
    return scale if alpha == 1 else edit.before("Mul", scale, edit.like("alpha", alpha, a_scale))
