"""What a job needs is looked at before it runs."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

import converter
from converter.verification.supervise import blown_up


@pytest.mark.parametrize("extents", [(2**40, 3), (2**62, 2**62)])
def test_inputs_that_do_not_fit_into_memory(extents: tuple[int, ...], tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, extents) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    file = tmp_path / "huge.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    result = converter.convert(file, output=tmp_path)
    assert result.verdict == "not verified"
    assert result.verification is not None
    assert "the inputs take" in result.verification.note


def unverified(tmp_path: Path, text: str) -> str:
    """Why a model is not verified."""
    file = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}'), file)
    result = converter.convert(file, output=tmp_path)
    assert result.verdict == "not verified"
    assert result.verification is not None
    return result.verification.note


def test_a_tensor_that_is_enormous_beside_its_model(tmp_path: Path) -> None:
    text = "g (float[2] x) => (float[n] y) <int64[1] times = {8589934592}> { y = Tile (x, times) }"
    assert "'y' would take 68.7 GB" in unverified(tmp_path, text)


@pytest.mark.parametrize("dtype", [ir.DataType.UNDEFINED, ir.DataType.STRING])
def test_what_holds_no_numbers_has_no_size(dtype: ir.DataType) -> None:
    """A list of TensorFlow's has no element type that ONNX knows."""
    node = ir.node("TensorListReserve", [], name="list")
    node.outputs[0].shape, node.outputs[0].dtype = ir.Shape([4, 4]), dtype
    assert blown_up(ir.Graph([], node.outputs, nodes=[node], opset_imports={"": 18})) == ""


def test_a_loop_that_doubles_what_it_is_given(tmp_path: Path) -> None:
    """Nothing but the run itself tells how large its result is: 2 numbers become 4 GB."""
    body = "b (int64 i, bool c, float[n] h) => (bool d, float[m] r) { d = Identity (c) r = Concat <axis = 0> (h, h) }"
    nodes = f"z = Loop (n, , x) <body = {body}> y = ReduceMax <keepdims = 0> (z)"
    text = f"g (float[2] x) => (float y) <int64 n = {{29}}> {{ {nodes} }}"
    assert "it held more than 2.5 GB of memory (--verify_memory)" in unverified(tmp_path, text)
