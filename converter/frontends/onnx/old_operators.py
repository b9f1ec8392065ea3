"""Operators before opset 7, for onnx's own evaluator: onnxruntime has none of them, and the evaluator lacks some.

Others it mistakes: it ignores `axis`, which aligns the second operand of a broadcast with an axis of the first; it
trains a batch norm of one output, which means inference; and it counts the padding of an average pool. What later
versions only take without some attributes, it runs as such. Source: https://onnx.ai/onnx/operators/, versions 1 to 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

_ALIGNED = {
    "Add": np.add,
    "And": np.logical_and,
    "Div": np.divide,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "Mul": np.multiply,
    "Or": np.logical_or,
    "Pow": np.power,
    "Sub": np.subtract,
    "Xor": np.logical_xor,
}
_FIRST_WITHOUT = 7


def old_operators(model: onnx.ModelProto) -> list[Any]:
    """Classes of onnx's evaluator for operators before opset 7 that it lacks or mistakes; none for newer models."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("", _FIRST_WITHOUT) >= _FIRST_WITHOUT:
        return []
    from onnx.reference.op_run import OpRun

    def aligned(function: Any) -> Any:
        def run(self: Any, a: np.ndarray, b: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
            axis = attributes.get("axis")
            if attributes.get("broadcast") and axis is not None:
                b = b.reshape(b.shape + (1,) * (a.ndim - axis % a.ndim - b.ndim))
            result = np.asarray(function(a, b))
            return (result if result.dtype == bool else result.astype(a.dtype),)

        return run

    functions = {name: aligned(function) for name, function in _ALIGNED.items()} | _FUNCTIONS
    return [type(name, (OpRun,), {"op_domain": "", "op_schema": None, "_run": run}) for name, run in functions.items()]


def _as_newer(self: Any, *inputs: np.ndarray, **_: Any) -> tuple[np.ndarray | None, ...]:
    """The operator at a version that the evaluator has right, without the attributes that only older ones have."""
    from onnx.reference import ReferenceEvaluator

    node = onnx.NodeProto()
    node.CopyFrom(self.onnx_node)
    kept = [attribute for attribute in node.attribute if attribute.name not in _DROPPED]
    del node.attribute[:]
    node.attribute.extend(kept)
    read, written = ([onnx.ValueInfoProto(name=name) for name in names if name] for names in (node.input, node.output))
    graph = onnx.helper.make_graph([node], "newer", read, written)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", _NEWER)])
    feeds = {name: array for name, array in zip(node.input, inputs, strict=False) if name}
    made = dict(zip([name for name in node.output if name], ReferenceEvaluator(model).run(None, feeds), strict=True))
    return tuple(made.get(name) for name in node.output)


_DROPPED = ("consumed_inputs", "output_sequence")
_NEWER = 14


def _batch_norm(self: Any, x: np.ndarray, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
    """In training mode where it has more than one output; with `spatial=0`, statistics are per activation."""
    spatial = given[0].ndim == 1
    scale, bias, mean, variance = (each.reshape((-1,) + (1,) * (x.ndim - 2)) if spatial else each for each in given)
    epsilon = np.asarray(attributes.get("epsilon") or 1e-5, x.dtype)
    count = len(self.onnx_node.output)
    if count == 1:
        return ((x - mean) / np.sqrt(variance + epsilon) * scale + bias,)
    axes = (0, *range(2, x.ndim)) if spatial else (0,)
    momentum = np.asarray(0.9 if attributes.get("momentum") is None else attributes["momentum"], x.dtype)
    now = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    moved = (momentum * old + (1 - momentum) * new for old, new in zip((mean, variance), now, strict=True))
    y = (x - now[0]) / np.sqrt(now[1] + epsilon) * scale + bias
    return (y, *(each.reshape(given[0].shape) for each in (*moved, *now)))[:count]


def _cast(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    to = attributes["to"]
    element_type = onnx.TensorProto.DataType.Value(to) if isinstance(to, str) else to
    return (x.astype(onnx.helper.tensor_dtype_to_np_dtype(element_type)),)


def _clip(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    low, high = attributes.get("min"), attributes.get("max")
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    return (x if high is None else np.minimum(x, np.asarray(high, x.dtype)),)


def _concat(self: Any, *parts: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    axis = attributes.get("axis")
    return (np.concatenate(parts, 1 if axis is None else axis),)


def _constant_fill(self: Any, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(attributes.get("dtype") or onnx.TensorProto.FLOAT)
    return (np.full(_filled_shape(given, attributes), attributes.get("value") or 0, dtype),)


def _dropout(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
    return (x, np.ones_like(x))[: len(self.onnx_node.output)]


def _gemm(self: Any, a: np.ndarray, b: np.ndarray, c: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    alpha, beta = (1.0 if attributes.get(name) is None else attributes[name] for name in ("alpha", "beta"))
    product = (a.T if attributes.get("transA") else a) @ (b.T if attributes.get("transB") else b)
    return ((alpha * product + beta * c).astype(a.dtype),)


def _given_tensor_fill(self: Any, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    return (np.array(attributes["values"], np.float32).reshape(_filled_shape(given, attributes)),)


def _filled_shape(given: tuple[np.ndarray, ...], attributes: dict[str, Any]) -> list[int]:
    """The shape of an input, or the values in it, with `extra_shape` behind; without an input `shape`."""
    if not given:
        return list(attributes["shape"])
    shape = given[0].tolist() if attributes.get("input_as_shape") else given[0].shape
    return [*shape, *(attributes.get("extra_shape") or ())]


def _global_lp_pool(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    p, axes = attributes.get("p") or 2, tuple(range(2, x.ndim))
    return ((np.abs(x) ** p).sum(axes, keepdims=True) ** (1 / p),)


def _reshape(self: Any, x: np.ndarray, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    shape = given[0] if given else attributes["shape"]
    return (x.reshape([x.shape[i] if extent == 0 else extent for i, extent in enumerate(shape)]),)


def _split(self: Any, x: np.ndarray, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
    axis, count = attributes.get("axis") or 0, len(self.onnx_node.output)
    lengths = given[0] if given else attributes.get("split")
    return tuple(np.split(x, count if lengths is None else np.cumsum(lengths)[:-1].astype(np.int64), axis))


def _tile(self: Any, x: np.ndarray, count: np.ndarray, *axis: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    """Version 1 repeats along one axis; version 6 takes a count for each."""
    if not axis:
        return (np.tile(x, count.tolist()),)
    return (np.concatenate([x] * int(count), int(axis[0])),)


def _upsample(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    """Of images: an element of the result stands at its index, divided by the scale, in the source."""
    for axis, name in ((2, "height_scale"), (3, "width_scale")):
        extent, scale = x.shape[axis], attributes[name]
        at = np.minimum(np.arange(int(extent * scale)) / scale, extent - 1)
        low = np.floor(at).astype(np.int64)
        below = x.take(low, axis)
        if attributes.get("mode") == "bilinear":
            above = x.take(np.minimum(low + 1, extent - 1), axis)
            weight = (at - low).reshape((-1,) + (1,) * (3 - axis)).astype(x.dtype)
            x = below + (above - below) * weight
        else:
            x = below
    return (x,)


_FUNCTIONS = {
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "ConstantFill": _constant_fill,
    "Dropout": _dropout,
    "Gemm": _gemm,
    "GivenTensorFill": _given_tensor_fill,
    "GlobalLpPool": _global_lp_pool,
    "Reshape": _reshape,
    "Split": _split,
    "Tile": _tile,
    "Upsample": _upsample,
    **dict.fromkeys(
        ("AveragePool", "GRU", "InstanceNormalization", "LSTM", "Max", "Mean", "Min", "RNN", "Sum"), _as_newer
    ),
}
