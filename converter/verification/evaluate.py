"""Evaluate: run a small ONNX model by onnxruntime, or by onnx's own evaluator if onnxruntime cannot run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

Runner = Callable[[Mapping[str, Any]], list[Any]]
"""A function that runs a model: from its inputs by name to the list of its outputs."""


class NoReference(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised when a node has no reference; the message gives the reason."""


def runner_of(model: onnx.ModelProto, operators: Sequence[Any] = ()) -> Runner:
    """A function that runs a model, and may be called repeatedly; it raises NoReference when neither evaluator can.

    `operators` are `OpRun` classes for onnx's evaluator, for operators that ONNX does not have.
    """
    try:
        session = _session(model)
    except Exception as refused:  # onnxruntime's errors have no class in common
        return _by_onnx(model, operators, _short(refused))

    def run(feeds: Mapping[str, Any]) -> list[Any]:
        try:
            return list(session.run(None, dict(feeds)))
        except Exception as refused:
            return _by_onnx(model, operators, _short(refused))(feeds)

    return run


def by_onnx(model: onnx.ModelProto, operators: Sequence[Any] = ()) -> Runner:
    """A function that runs a model by onnx's own evaluator, in the precision of the inputs."""
    return _by_onnx(model, operators, "not asked")


def _session(model: onnx.ModelProto) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")  # no saturation at 16 bits without VNNI
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # every node has a session: no thread pool for each
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _by_onnx(model: onnx.ModelProto, operators: Sequence[Any], refusal: str) -> Runner:
    from onnx.reference import ReferenceEvaluator

    def run(feeds: Mapping[str, Any]) -> list[Any]:
        try:
            with np.errstate(all="ignore"):
                return list(ReferenceEvaluator(model, new_ops=list(operators)).run(None, dict(feeds)))
        except Exception as error:  # whatever an operator's Python implementation may raise
            raise NoReference(
                f"neither onnxruntime ({refusal}) nor onnx's evaluator ({_short(error)}) runs it by itself"
            ) from error

    return run


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:150]
