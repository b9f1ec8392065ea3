"""Evaluate: run a small ONNX model by onnxruntime, or by onnx's own evaluator if onnxruntime cannot run it."""

from __future__ import annotations

import functools
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
                return list(ReferenceEvaluator(model, new_ops=[*operators, _loop()]).run(None, dict(feeds)))
        except Exception as error:  # whatever an operator's Python implementation may raise
            raise NoReference(
                f"neither onnxruntime ({refusal}) nor onnx's evaluator ({_short(error)}) runs it by itself"
            ) from error

    return run


@functools.cache
def _loop() -> Any:
    """Onnx's Loop, whose scan outputs get an axis of their own: it joins the parts of iterations by `numpy.vstack`."""
    from onnx.reference.ops.op_loop import Loop

    class CorrectedLoop(Loop):
        op_domain = ""

        def _run(self, *arguments: Any, **options: Any) -> tuple[Any, ...]:
            shapes: list[tuple[int, ...]] = []
            run_body = self._run_body  # type: ignore[has-type]

            def recorded(*given: Any, **others: Any) -> Any:
                outputs = run_body(*given, **others)
                shapes[:] = [np.shape(part) for part in outputs[len(outputs) - self.K :]]
                return outputs

            self._run_body = recorded
            outputs = super()._run(*arguments, **options)
            self._run_body = run_body
            scanned = [part.reshape(-1, *shape) for part, shape in zip(outputs[self.N :], shapes, strict=False)]
            return (*outputs[: self.N], *scanned)

    CorrectedLoop.__name__ = "Loop"  # the operator's name
    return CorrectedLoop


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:150]
