"""Run a model as it was and as it is after normalisation, on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from onnx.reference import ReferenceEvaluator

from converter.graph.normalize import normalize

Feeds = Mapping[str, np.ndarray]
RUNTIME_OPSETS = (26, 21)  # the newest that onnxruntime 1.31 reads, and one for which it has every kernel
FREE = 2  # what a free dimension is when a model runs


def parse(text: str, opset: int, *domains: str, ir_version: int = 8) -> onnx.ModelProto:
    """A model from ONNX's text form without its header, such as `g (float[N] x) => (float[N] y) { y = Relu(x) }`."""
    imports = ", ".join((f'"": {opset}', *domains))
    return onnx.parser.parse_model(f"<ir_version: {ir_version}, opset_import: [{imports}]>\n{text}")


def feeds_for(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]] | None = None) -> dict[str, np.ndarray]:
    """Random inputs, of these shapes or the model's: normal where they are real, 0 or 1 where they are integers."""
    random = np.random.default_rng(0)
    known = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name not in known:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
            shape = [dim.dim_value if dim.HasField("dim_value") else FREE for dim in value.type.tensor_type.shape.dim]
            shape = (shapes or {}).get(value.name, shape)
            array = random.standard_normal(shape) if dtype.kind == "f" else random.integers(0, 2, shape)
            feeds[value.name] = np.asarray(array).astype(dtype)
    return feeds


def normalized(model: onnx.ModelProto) -> ir.Model:
    return normalize(model, Path())


def run_runtime(model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, dict(feeds))


def run_original(model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray]:
    """Run by onnxruntime, or by onnx's evaluator where onnxruntime lacks the operator."""
    try:
        return run_runtime(model, feeds)
    except Exception:  # onnxruntime has a dozen kinds
        return ReferenceEvaluator(model).run(None, dict(feeds))


def run_normalized(graph: ir.Model, feeds: Feeds) -> list[np.ndarray]:
    """Run by onnxruntime at the newest opset that it reads, or by onnx's evaluator."""
    proto = ir.to_proto(graph)
    for opset in RUNTIME_OPSETS:
        old = onnx.ModelProto()
        old.CopyFrom(proto)
        old.ir_version = 10
        next(entry for entry in old.opset_import if not entry.domain).version = opset
        try:
            return run_runtime(old, feeds)
        except Exception:  # as above
            continue
    return ReferenceEvaluator(proto).run(None, dict(feeds))


def assert_same(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float = 1e-6) -> None:
    assert len(actual) == len(expected)
    for got, want in zip(actual, expected, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def assert_equals_original(model: onnx.ModelProto) -> ir.Model:
    """Normalise `model` and compare it with itself; return the result."""
    graph, feeds = normalized(model), feeds_for(model)
    assert_same(run_normalized(graph, feeds), run_original(model, feeds))
    return graph


def operators(graph: ir.Model) -> list[str]:
    """The operators of the graph and its sub-graphs, in order."""
    return [node.op_type for node in graph.graph.all_nodes()]


def find(graph: ir.Model, name: str) -> ir.Node:
    """The node called `name`, in sub-graphs too."""
    return next(node for node in graph.graph.all_nodes() if node.name == name)
