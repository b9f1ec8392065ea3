"""Operators before opset 7, for onnx's own evaluator: onnxruntime has none of them, and the evaluator mistakes two.

It ignores `axis`, which aligns the second operand of a broadcast with an axis of the first; and it trains a batch norm
that has one output, which means inference. Source: https://onnx.ai/onnx/operators/, versions 1 to 6.
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
    """Classes of onnx's evaluator for operators of the model's opset that it mistakes; none for opset 7 and newer."""
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

    def batch_norm(self: Any, x: np.ndarray, *vectors: np.ndarray, **attributes: Any) -> tuple[np.ndarray]:
        scale, bias, mean, variance = (vector.reshape((-1,) + (1,) * (x.ndim - 2)) for vector in vectors)
        epsilon = np.asarray(attributes.get("epsilon") or 1e-5, x.dtype)
        return ((x - mean) / np.sqrt(variance + epsilon) * scale + bias,)

    functions = {name: aligned(function) for name, function in _ALIGNED.items()} | {"BatchNormalization": batch_norm}
    return [type(name, (OpRun,), {"op_domain": "", "_run": run}) for name, run in functions.items()]
