"""Operators in ONNX's domain without specification: from exporters before version 10, and from onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from converter.graph.edit import Edit

Rewrite = Callable[[Edit], None]


def affine(edit: Edit) -> None:
    """Affine: alpha x + beta."""
    data = edit.input(0)
    scale, shift = edit.like("alpha", edit.get("alpha", 1.0), data), edit.like("beta", edit.get("beta", 0.0), data)
    edit.become("Add", [edit.before("Mul", data, scale), shift])


def constant_fill(edit: Edit) -> None:
    """ConstantFill: a tensor full of `value`, of a shape that is an attribute, or follows from the input."""
    dtype = ir.DataType(edit.get("dtype", ir.DataType.FLOAT.value)).numpy()
    value = np.array([edit.get("value", 0.0)], dtype)
    edit.become("ConstantOfShape", [_filled_shape(edit)], value=ir.tensor(value))


def crop(edit: Edit) -> None:
    """Crop: remove `border` (left, top, right, bottom), or keep `scale` (height, width) from left and top on."""
    left, top, right, bottom = edit.get("border")
    ends = [-bottom or np.iinfo(np.int64).max, -right or np.iinfo(np.int64).max]
    if size := edit.get("scale"):
        ends = [top + size[0], left + size[1]]
    starts, axes = edit.ints("starts", [top, left]), edit.ints("axes", [2, 3])
    edit.become("Slice", [edit.input(0), starts, edit.ints("ends", ends), axes])


def dynamic_slice(edit: Edit) -> None:
    """DynamicSlice: Slice with its bounds as inputs, as in Slice-10."""
    edit.node.op_type = "Slice"


def given_tensor_fill(edit: Edit) -> None:
    """GivenTensorFill: the tensor `values`, of a shape that is an attribute, or follows from the input."""
    values = edit.constant("values", np.array(edit.get("values"), np.float32))
    edit.become("Reshape", [values, _filled_shape(edit)])


def image_scaler(edit: Edit) -> None:
    """ImageScaler: scale x + bias, with a bias per channel."""
    data = edit.input(0)
    dtype = data.dtype.numpy() if data is not None and data.dtype is not None else np.float32
    bias = edit.constant("bias", np.array(edit.get("bias"), dtype).reshape(-1, 1, 1))
    scaled = edit.before("Mul", data, edit.like("scale", edit.get("scale", 1.0), data))
    edit.become("Add", [scaled, bias])


def parametric_softplus(edit: Edit) -> None:
    """ParametricSoftplus: alpha softplus(beta x)."""
    _scaled(edit, "Softplus")


def scale(edit: Edit) -> None:
    """Scale: scale x."""
    data = edit.input(0)
    edit.become("Mul", [data, edit.like("scale", edit.get("scale", 1.0), data)])


def scaled_tanh(edit: Edit) -> None:
    """ScaledTanh: alpha tanh(beta x)."""
    _scaled(edit, "Tanh")


def simplified_layer_normalization(edit: Edit) -> None:
    """SimplifiedLayerNormalization of onnxruntime: RMSNormalization."""
    edit.become("RMSNormalization", edit.node.inputs[:2], **edit.given("axis", "epsilon", "stash_type"))
    edit.node.resize_outputs(1)


def _filled_shape(edit: Edit) -> ir.Value:
    """`shape`; with an input the values of this, or its shape, then `extra_shape`."""
    given = edit.input(0)
    if given is None:
        return edit.ints("shape", list(edit.get("shape", ())))
    as_shape = edit.get("input_as_shape", 0)
    shape = edit.before("Cast", given, to=ir.DataType.INT64) if as_shape else edit.before("Shape", given)
    extra = list(edit.get("extra_shape", ()))
    return edit.before("Concat", shape, edit.ints("extra_shape", extra), axis=0) if extra else shape


def _scaled(edit: Edit, op_type: str) -> None:
    data = edit.input(0)
    alpha, beta = (edit.like(name, edit.get(name, 1.0), data) for name in ("alpha", "beta"))
    edit.become("Mul", [edit.before(op_type, edit.before("Mul", data, beta)), alpha])


REWRITES: dict[str, Rewrite] = {
    "Affine": affine,
    "ConstantFill": constant_fill,
    "Crop": crop,
    "DynamicSlice": dynamic_slice,
    "GivenTensorFill": given_tensor_fill,
    "ImageScaler": image_scaler,
    "ParametricSoftplus": parametric_softplus,
    "Scale": scale,
    "ScaledTanh": scaled_tanh,
    "SimplifiedLayerNormalization": simplified_layer_normalization,
}
