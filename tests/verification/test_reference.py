"""References: what idioms compute, agreed on by NumPy and the operator tables; what onnxruntime refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from harness import model_of
from verification.network import compared

from converter.verification.evaluate import NoReference
from converter.verification.reference import Reference
from operator_maps import registry

RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


FUSIONS: dict[str, tuple[tuple[np.ndarray, ...], dict[str, Any]]] = {
    "ChannelShuffle": ((floats(2, 6, 3, 4),), {"groups": 3}),
    "Dense": ((floats(2, 5, 3), floats(3, 4), floats(4)), {}),
    "PixelUnshuffle": ((floats(2, 3, 4, 6),), {"factor": 2}),
    "RepeatInterleave": ((floats(2, 3, 4),), {"repeats": 3, "axis": 1}),
    "Roll": ((floats(2, 5),), {"shift": 2, "axis": 1}),
    "RotateHalf": ((floats(2, 3, 8),), {}),
    "Standardize": ((floats(2, 3, 4),), {"axes": [-1], "epsilon": 1e-3}),
}


@pytest.mark.parametrize("name", FUSIONS)
def test_an_idiom_has_a_reference(name: str, tmp_path: Path) -> None:
    inputs, attributes = FUSIONS[name]
    model = model_of(name, inputs, domain="fusion", constants=range(1, len(inputs)), **attributes)
    found = compared(model, registry.load(), tmp_path)
    assert [(node.verdict, node.cosine is not None) for node in found.nodes.values()] == [("same", True)]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_a_recurrent_layer_has_a_reference(operator: str, gates: int, direction: str, tmp_path: Path) -> None:
    directions, hidden, features = (2 if direction == "bidirectional" else 1), 4, 3
    weights = (
        floats(directions, gates * hidden, features),
        floats(directions, gates * hidden, hidden),
        floats(directions, 2 * gates * hidden),
    )
    options: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if operator == "GRU":
        options["linear_before_reset"] = 1
    model = model_of(operator, (floats(5, 2, features), *weights), constants=(1, 2, 3), outputs=2, **options)
    found = compared(model, registry.load(), tmp_path)
    assert f"nn.{operator}(" in found.made.script.text
    assert {node.verdict for node in found.nodes.values()} == {"same"}


def test_an_operator_newer_than_onnxruntime_is_run_by_onnx() -> None:
    x = floats(2, 3)
    model = ir.from_proto(model_of("SwiGLU", (x, x), opset=28))
    assert Reference(model).outputs("y0", {"x0": x, "x1": x})[0].shape == x.shape


def test_a_random_node_has_no_reference() -> None:
    x = floats(2, 3)
    model = ir.from_proto(model_of("RandomNormalLike", (x,)))
    with pytest.raises(NoReference, match="random"):
        Reference(model).outputs("y0", {"x0": x})


def test_an_operator_of_nobody_has_no_reference() -> None:
    node = onnx.helper.make_node("Secret", ["x"], ["y"], domain="nobody")
    ends = [onnx.helper.make_tensor_value_info(name, 1, [2]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "secret", ends[:1], ends[1:])
    opsets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("nobody", 1)]
    reference = Reference(ir.from_proto(onnx.helper.make_model(graph, opset_imports=opsets)))
    with pytest.raises(NoReference, match="neither onnxruntime"):
        reference.outputs("y", {"x": floats(2)})


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
