"""Check a fusion: the numbers before and after, and that no node is forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from converter.graph.annotations import OPSET
from converter.graph.fusions import fuse_operators
from converter.graph.normalize import normalize
from converter.graph.provenance import merged_nodes_of, operator_of
from converter.verification.reference import op_runs
from operator_maps.registry import fused_operators

OPERATORS = fused_operators()


def model_of(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    """A model from a graph in onnx's text form: `(float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }`."""
    graph = onnx.parser.parse_graph(f"test {text}")
    graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items())
    opsets = [onnx.helper.make_opsetid("", 20)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    proto = ir.to_proto(model)
    proto.opset_import.append(onnx.helper.make_opsetid("fusion", 1))
    return ReferenceEvaluator(proto, new_ops=op_runs(OPERATORS)).run(None, feeds)


def fused(text: str, *feeds: np.ndarray, rtol: float = 1e-5, atol: float = 1e-6, **weights: np.ndarray) -> list[str]:
    """Fuse the operators of a model, given as for `model_of`: the numbers must stay, and every node be kept in mind.

    Returns the operators that are left.
    """
    model = normalize(model_of(text, **weights), Path())
    assert model.opset_imports[""] == OPSET
    named = dict(zip([value.name for value in model.graph.inputs], feeds, strict=True))
    before, wanted = sorted((operator_of(node), node.name) for node in model.graph), run(model, named)
    outputs = [(value.name, value.dtype, len(value.shape)) for value in model.graph.outputs]
    fuse_operators(model, OPERATORS)
    for got, want in zip(run(model, named), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol, atol)
    after = [(operator_of(node), node.name) for node in model.graph if operator_of(node)]
    after += [absorbed[:2] for node in model.graph for absorbed in merged_nodes_of(node)]
    assert sorted(after) == before
    assert [(value.name, value.dtype, len(value.shape)) for value in model.graph.outputs] == outputs
    return [node.op_type for node in model.graph]
