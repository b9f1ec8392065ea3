"""References: nodes that onnxruntime refuses, random ones, and those of unknown operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from harness import model_of
from verification.network import compared

from converter.verification.evaluate import NoReference, by_onnx
from converter.verification.job import Probe
from converter.verification.prober import RAISED, Prober
from converter.verification.reference import LARGE, Reference
from operator_maps import registry

RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def test_an_operator_newer_than_onnxruntime_is_run_by_onnx() -> None:
    x = floats(2, 3)
    model = ir.from_proto(model_of("SwiGLU", (x, x), opset=28))
    assert Reference(model).outputs("y0", {"x0": x, "x1": x})[0].shape == x.shape


def test_a_random_node_has_no_reference() -> None:
    x = floats(2, 3)
    model = ir.from_proto(model_of("RandomNormalLike", (x,)))
    with pytest.raises(NoReference, match="random"):
        Reference(model).outputs("y0", {"x0": x})


@pytest.mark.parametrize(("sorts", "verdict"), [(0, "same"), (1, "differs")])
def test_elements_that_need_no_order_may_come_in_another(sorts: int, verdict: str) -> None:
    x, found = np.array([[3.0, 9.0, 5.0]], np.float32), []
    model = ir.from_proto(model_of("TopK", (x, np.array([2])), constants=(1,), outputs=2, sorted=sorts))
    probe = Probe("node", "onnx::TopK", "y0", inputs=(("x0", 1),), outputs=((0, "y0"),))
    prober = Prober([probe], Reference(model), lambda **line: found.append(line["node"]["verdict"]))
    prober._judge(0, [x], [np.array([[5.0, 9.0]], np.float32)])
    assert found == [verdict]


def test_an_operator_of_nobody_has_no_reference() -> None:
    node = onnx.helper.make_node("Secret", ["x"], ["y"], domain="nobody")
    ends = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "secret", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("nobody", 1)]
    reference = Reference(ir.from_proto(onnx.helper.make_model(graph, opset_imports=opsets)))
    with pytest.raises(NoReference, match="neither onnxruntime"):
        reference.outputs("y", {"x": floats(2)})


def test_a_large_weight_is_fed_and_its_session_serves_other_inputs() -> None:
    weight = floats(32, 32)
    model = ir.from_proto(model_of("MatMul", (floats(2, 32), weight), constants=(1,)))
    reference = Reference(model)
    for x in (floats(2, 32), floats(3, 32)):
        np.testing.assert_allclose(reference.outputs("y0", {"x0": x})[0], x @ weight, rtol=1e-4, atol=1e-5)
    assert weight.nbytes > LARGE
    assert len(reference._kept) == 1


def test_64_bits_decide_where_onnxruntime_is_off(tmp_path: Path) -> None:
    x = (1000.0 + 1e-2 * RANDOM.standard_normal((1, 1, 64, 64))).astype(np.float32)  # nearly nothing but its mean
    model = ir.from_proto(model_of("InstanceNormalization", (x, np.ones(1, np.float32), np.zeros(1, np.float32))))
    inputs = {"x0": x, "x1": np.ones(1, np.float32), "x2": np.zeros(1, np.float32)}
    (exact,) = Reference(model).in_float64("y0", inputs)
    wide = x.astype(np.float64)
    want = (wide - wide.mean()) / np.sqrt(wide.var() + 1e-5)
    np.testing.assert_allclose(exact, want, rtol=1e-6, atol=1e-6)


def test_a_node_whose_first_output_has_no_name_is_found(tmp_path: Path) -> None:
    feeds = floats(5, 2, 3), floats(1, 16, 3), floats(1, 16, 4)
    model = model_of("LSTM", feeds, constants=(1, 2), outputs=2, hidden_size=4)
    model.graph.node[0].output[0] = ""
    del model.graph.output[0]
    found = compared(model, registry.load(), tmp_path)
    assert {node.verdict for node in found.nodes.values()} == {"same"}


def test_parts_of_a_loop_are_stacked_along_an_axis_of_their_own() -> None:
    text = """<ir_version: 9, opset_import: ["": 17]>
    g (int64 n, bool c, float[a, b] x) => (float[a, b] y, float[n, a, b] parts, int64[n] places) {
        y, parts, places = Loop (n, c, x) <body = step (int64 i, bool before, float[a, b] p)
            => (bool after, float[a, b] q, float[a, b] part, int64 place) {
                after = Identity(before)
                q = Add(p, p)
                part = Identity(q)
                place = Identity(i)
            }>
    }"""
    feeds = {"n": np.array(3), "c": np.array(True), "x": floats(1, 4)}
    _, parts, places = by_onnx(onnx.parser.parse_model(text))(feeds)
    np.testing.assert_array_equal(parts, [feeds["x"] * 2, feeds["x"] * 4, feeds["x"] * 8])
    assert places.tolist() == [0, 1, 2]


def test_a_node_whose_inputs_raise_is_not_comparable() -> None:
    x, found = np.array([[3.0, 9.0, 5.0]], np.float32), []
    model = ir.from_proto(model_of("Relu", (x,)))
    probe = Probe("node", "onnx::Relu", "y0", inputs=(("x0", 1),), outputs=((0, "y0"),))
    prober = Prober([probe], Reference(model), lambda **line: found.append(line))
    assert prober.after(0, [RAISED]) is RAISED
    assert [line["node"]["verdict"] for line in found if "node" in line] == ["not comparable"]
