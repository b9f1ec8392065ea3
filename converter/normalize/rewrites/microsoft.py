"""Operators of onnxruntime's own domain, com.microsoft, which its optimiser and its quantiser write.

Each is put together from ONNX's operators, so that what follows knows types and shapes, and one row serves both.
Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from converter.normalize.edit import Edit, RefusedError

Rewrite = Callable[[Edit], None]

DOMAIN = "com.microsoft"


# Activations


def gelu(edit: Edit) -> None:
    """Gelu: the exact one."""
    edit.become("Gelu", [edit.input(0)])


def bias_gelu(edit: Edit) -> None:
    """BiasGelu: Gelu of a sum."""
    edit.become("Gelu", [edit.before("Add", edit.input(0), edit.input(1))])


def fast_gelu(edit: Edit) -> None:
    """FastGelu: Gelu by tanh, of a sum where there is a bias."""
    x, bias = edit.input(0), edit.input(1)
    edit.become("Gelu", [x if bias is None else edit.before("Add", x, bias)], approximate="tanh")


def quick_gelu(edit: Edit) -> None:
    """QuickGelu: x sigmoid(alpha x)."""
    edit.become("Swish", [edit.input(0)], alpha=edit.get("alpha", 1.702))


# Products


def fused_mat_mul(edit: Edit) -> None:
    """FusedMatMul: a scaled product, either side transposed."""
    if edit.get("transBatchA", 0) or edit.get("transBatchB", 0):
        raise RefusedError("it moves the batch axis (transBatchA, transBatchB)")
    factors = [
        _swapped(edit, edit.input(index)) if edit.get(name, 0) else edit.input(index)
        for index, name in enumerate(("transA", "transB"))
    ]
    alpha = edit.get("alpha", 1.0)
    if alpha == 1:
        edit.become("MatMul", factors)
    else:
        edit.become("Mul", [edit.before("MatMul", *factors), edit.like("alpha", alpha, edit.input(0))])


def _swapped(edit: Edit, value: ir.Value | None) -> ir.Value | None:
    """Transpose the last two axes."""
    rank = len(edit.shape(value))
    return value if rank < 2 else edit.before("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])


def fused_gemm(edit: Edit) -> None:
    """FusedGemm: Gemm and an activation."""
    _activated(edit, "Gemm", ("alpha", "beta", "transA", "transB"))


def fused_conv(edit: Edit) -> None:
    """FusedConv: Conv, plus a tensor, and an activation."""
    if edit.input(3) is None:
        _activated(edit, "Conv", _WINDOW)
        return
    inputs = edit.node.inputs[:3]
    summed = edit.before("Add", edit.before("Conv", *inputs, **_kept(edit, _WINDOW)), edit.input(3))
    edit.become(_activation(edit), [summed], **_activation_attributes(edit))


_WINDOW = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
_PARAMETERS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Relu": (), "Sigmoid": (), "Tanh": ()}


def _activated(edit: Edit, op_type: str, attributes: tuple[str, ...]) -> None:
    product = edit.before(op_type, *edit.node.inputs, **_kept(edit, attributes))
    edit.become(_activation(edit), [product], **_activation_attributes(edit))


def _kept(edit: Edit, names: tuple[str, ...]) -> dict[str, object]:
    return {name: edit.get(name) for name in names if edit.get(name) is not None}


def _activation(edit: Edit) -> str:
    name = edit.get("activation", "")
    if name not in _PARAMETERS:
        raise RefusedError(f"its activation '{name}' is unknown")
    return name


def _activation_attributes(edit: Edit) -> dict[str, float]:
    """An activation's attributes: FusedConv has a list of them, FusedGemm one of each."""
    names = _PARAMETERS[_activation(edit)]
    given = edit.get("activation_params") or [edit.get(f"activation_{name}") for name in names]
    return {name: value for name, value in zip(names, given, strict=False) if value is not None}


# Norms


def skip_layer_normalization(edit: Edit) -> None:
    """SkipLayerNormalization: LayerNormalization of a sum."""
    total = _sum_of_skip(edit, edit.input(4))
    inputs = [total, edit.input(2), *([] if edit.input(3) is None else [edit.input(3)])]
    edit.become("LayerNormalization", inputs, epsilon=edit.get("epsilon", 1e-12))


def skip_simplified_layer_normalization(edit: Edit) -> None:
    """SkipSimplifiedLayerNormalization: RMSNormalization of a sum."""
    total = _sum_of_skip(edit, edit.input(3))
    edit.become("RMSNormalization", [total, edit.input(2)], epsilon=edit.get("epsilon", 1e-5))


def _sum_of_skip(edit: Edit, bias: ir.Value | None) -> ir.Value:
    """The sum that is normalised; it is the node's fourth output too."""
    outputs = edit.node.outputs
    if any(value.uses() or value.is_graph_output() for value in outputs[1:3]):
        raise RefusedError("its outputs mean and inv_std_var are used")
    total = edit.before("Add", edit.input(0), edit.input(1))
    if bias is not None:
        total = edit.before("Add", total, bias)
    if len(outputs) > 3:
        edit.replace_output(3, total)
    edit.node.resize_outputs(1)
    return total


# Quantised operators: dequantise, compute, quantise


def qlinear_binary(op_type: str) -> Rewrite:
    """QLinearAdd, QLinearMul."""

    def rewrite(edit: Edit) -> None:
        _requantize(edit, edit.before(op_type, _real(edit, 0), _real(edit, 3)), 6)

    return rewrite


def qlinear_unary(op_type: str, *attributes: str) -> Rewrite:
    """QLinearSigmoid, QLinearLeakyRelu and the pools."""

    def rewrite(edit: Edit) -> None:
        if edit.get("channels_last", 0):
            raise RefusedError("its channels come last")
        _requantize(edit, edit.before(op_type, _real(edit, 0), **_kept(edit, attributes)), 3)

    return rewrite


def qlinear_softmax(edit: Edit) -> None:
    """QLinearSoftmax; its attribute `opset` says whether `axis` is one axis, or begins those that are taken as one."""
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
    """QGemm: a product of integers plus an integer bias, scaled; quantised where there is a scale for it."""
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
    """MatMulIntegerToFloat: a product of integers, scaled, plus a bias."""
    a, b, a_scale, b_scale = edit.node.inputs[:4]
    product = edit.before("MatMulInteger", a, b, edit.input(4), edit.input(5))
    _scaled_sum(edit, product, _scale_of_product(edit, a_scale, b_scale), edit.input(6))


def dynamic_quantize_mat_mul(edit: Edit) -> None:
    """DynamicQuantizeMatMul: the left factor is quantised over its range, then multiplied as integers."""
    a, b, b_scale = edit.node.inputs[:3]
    quantized, a_scale, a_zero_point = edit.before_all("DynamicQuantizeLinear", 3, a)
    product = edit.before("MatMulInteger", quantized, b, a_zero_point, edit.input(3))
    _scaled_sum(edit, product, edit.before("Mul", a_scale, b_scale), edit.input(4))


def same(op_type: str) -> Rewrite:
    """An operator that ONNX has taken over, or that takes more types than ONNX's did once."""

    def rewrite(edit: Edit) -> None:
        edit.become(op_type, edit.node.inputs, **{name: value.value for name, value in edit.node.attributes.items()})

    return rewrite


def _real(edit: Edit, index: int) -> ir.Value:
    """The real numbers that the integers at `index` stand for; scale and zero point follow them."""
    return edit.before("DequantizeLinear", edit.input(index), edit.input(index + 1), edit.input(index + 2))


def _requantize(edit: Edit, value: ir.Value, index: int) -> None:
    """Let the node quantise `value`, by the scale and the zero point at `index`."""
    edit.become("QuantizeLinear", [value, edit.input(index), edit.input(index + 1)])


def _scaled_sum(edit: Edit, product: ir.Value, scale: ir.Value, bias: ir.Value | None) -> None:
    inputs = [edit.before("Cast", product, to=ir.DataType.FLOAT), scale]
    if bias is None:
        edit.become("Mul", inputs)
    else:
        edit.become("Add", [edit.before("Mul", *inputs), bias])


def _scale_of_product(edit: Edit, a_scale: ir.Value | None, b_scale: ir.Value | None, alpha: float = 1.0) -> ir.Value:
    """What an integer product is to be multiplied by: one constant where the scales are."""
    if a_scale is not None and b_scale is not None and None not in (a_scale.const_value, b_scale.const_value):
        return edit.constant("scale", (edit.array(a_scale) * edit.array(b_scale) * np.float32(alpha)).astype("f"))
    scale = edit.before("Mul", a_scale, b_scale)
    return scale if alpha == 1 else edit.before("Mul", scale, edit.like("alpha", alpha, a_scale))


REWRITES: dict[str, Rewrite] = {
    "BiasGelu": bias_gelu,
    "DequantizeLinear": same("DequantizeLinear"),
    "DynamicQuantizeMatMul": dynamic_quantize_mat_mul,
    "FastGelu": fast_gelu,
    "FusedConv": fused_conv,
    "FusedGemm": fused_gemm,
    "FusedMatMul": fused_mat_mul,
    "Gelu": gelu,
    "MatMulIntegerToFloat": mat_mul_integer_to_float,
    "QGemm": qgemm,
    "QLinearAdd": qlinear_binary("Add"),
    "QLinearAveragePool": qlinear_unary(
        "AveragePool", "auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"
    ),
    "QLinearConcat": qlinear_concat,
    "QLinearGlobalAveragePool": qlinear_unary("GlobalAveragePool"),
    "QLinearLeakyRelu": qlinear_unary("LeakyRelu", "alpha"),
    "QLinearMul": qlinear_binary("Mul"),
    "QLinearSigmoid": qlinear_unary("Sigmoid"),
    "QLinearSoftmax": qlinear_softmax,
    "QLinearWhere": qlinear_where,
    "QuantizeLinear": same("QuantizeLinear"),
    "QuickGelu": quick_gelu,
    "SkipLayerNormalization": skip_layer_normalization,
    "SkipSimplifiedLayerNormalization": skip_simplified_layer_normalization,
}
