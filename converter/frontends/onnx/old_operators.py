"""Operators before opset 7, for onnx's own evaluator: onnxruntime has none of them, and the evaluator lacks some.

Others it mistakes: it ignores `axis`, which aligns the second operand of a broadcast with an axis of the first; and it
trains a batch norm of one output, which means inference. Source: https://onnx.ai/onnx/operators/, versions 1 to 6.
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
    return [type(name, (OpRun,), {"op_domain": "", "_run": run}) for name, run in functions.items()]


def _batch_norm(self: Any, x: np.ndarray, *vectors: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    scale, bias, mean, variance = (vector.reshape((-1,) + (1,) * (x.ndim - 2)) for vector in vectors)
    epsilon = np.asarray(attributes.get("epsilon") or 1e-5, x.dtype)
    return ((x - mean) / np.sqrt(variance + epsilon) * scale + bias,)


def _clip(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    low, high = attributes.get("min"), attributes.get("max")
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    return (x if high is None else np.minimum(x, np.asarray(high, x.dtype)),)


def _dropout(self: Any, x: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
    return (x, np.ones_like(x))[: len(self.onnx_node.output)]


def _gemm(self: Any, a: np.ndarray, b: np.ndarray, c: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    alpha, beta = (1.0 if attributes.get(name) is None else attributes[name] for name in ("alpha", "beta"))
    product = (a.T if attributes.get("transA") else a) @ (b.T if attributes.get("transB") else b)
    return ((alpha * product + beta * c).astype(a.dtype),)


def _reshape(self: Any, x: np.ndarray, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
    shape = given[0] if given else attributes["shape"]
    return (x.reshape([x.shape[i] if extent == 0 else extent for i, extent in enumerate(shape)]),)


def _split(self: Any, x: np.ndarray, *given: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
    axis, count = attributes.get("axis") or 0, len(self.onnx_node.output)
    lengths = given[0] if given else attributes.get("split")
    return tuple(np.split(x, count if lengths is None else np.cumsum(lengths)[:-1], axis))


_FUNCTIONS = {
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Dropout": _dropout,
    "Gemm": _gemm,
    "Reshape": _reshape,
    "Split": _split,
}
