"""The source runs part by part as it runs as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, parser

from converter.verification.by_layer import parts
from converter.verification.by_layer.parts import run_by_parts


def test_a_model_with_external_data(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 2000)
    ids = np.arange(12).reshape(2, 6)
    model = onnx.load(decoder.file, load_external_data=False)
    inner = next(node.output[0] for node in model.graph.node if "layers.1" in node.name)
    kept: dict[str, Any] = {}
    (made,) = run_by_parts(model, decoder.file.parent, {"input_ids": ids}, {inner, "input_ids"}, kept.__setitem__)
    (whole,) = onnxruntime.InferenceSession(str(decoder.file)).run(None, {"input_ids": ids})
    np.testing.assert_allclose(made, whole, atol=1e-5)
    assert kept["input_ids"] is ids
    assert kept[inner].shape == (2, 6, 16)


def test_a_part_holds_few_weights(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, run = [], parts.runner_of

    def noted(model: onnx.ModelProto) -> Any:
        sizes.append(sum(4 * np.prod([d.dim_value for d in i.type.tensor_type.shape.dim]) for i in model.graph.input))
        assert model.ByteSize() < 50_000  # the weights are fed
        return run(model)

    monkeypatch.setattr(parts, "PART", 4000)
    monkeypatch.setattr(parts, "SMALL", 1000)
    monkeypatch.setattr(parts, "runner_of", noted)
    model = onnx.load(decoder.file, load_external_data=False)
    run_by_parts(model, decoder.file.parent, {"input_ids": np.zeros((1, 2), np.int64)}, (), lambda name, value: None)
    assert len(sizes) > 4
    assert max(sizes) < 6000


CAPTURING = """
<ir_version: 10, opset_import: ["" : 20]>
g (float[2] x) => (float[2] y, float[2] w)
<float[2] w = {3, 4}>
{
    a = Relu (x)
    b = Add (a, w)
    total = ReduceSum <keepdims = 0> (x)
    zero = Sub (total, total)
    positive = GreaterOrEqual (total, zero)
    y = If (positive) <
        then_branch = one () => (float[2] p) { p = Add (a, b) },
        else_branch = other () => (float[2] q) { q = Mul (a, w) }
    >
}
"""


def test_values_that_a_branch_captures_and_outputs_that_are_weights(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "NODES", 1)
    x = np.array([1, -1], np.float32)
    made = run_by_parts(parser.parse_model(CAPTURING), tmp_path, {"x": x}, (), lambda name, value: None)
    np.testing.assert_array_equal(made, [[5, 4], [3, 4]])


def test_weights_in_bfloat16_are_read_as_float32(tmp_path) -> None:
    weight = numpy_helper.from_array(np.array([1.5, 2.0], np.float32).astype(helper.tensor_dtype_to_np_dtype(16)), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (made,) = run_by_parts(model, tmp_path, {"x": np.ones(2, np.float32)}, (), lambda name, value: None, wide=True)
    np.testing.assert_array_equal(made, np.array([1.5, 2.0], np.float32))
