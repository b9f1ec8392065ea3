from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter import convert
from converter.errors import ConverterError, GraphInitError, SubGraphSearchingError
from converter.frontends import diagnose_invalid_model

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)


def written(path: Path, nodes: list[onnx.NodeProto]) -> Path:
    graph = helper.make_graph(nodes, "g", [X], [Y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def garbled(path: Path) -> None:
    written(path, [helper.make_node("Relu", ["x"], ["inner"]), helper.make_node("Abs", ["inner"], ["y"])])
    path.write_bytes(path.read_bytes().replace(b"inner", b"in\xffer"))


def short(path: Path) -> None:
    tensor = numpy_helper.from_array(np.array([2, 1], np.int64))
    tensor.dims[0] = 5
    nodes = [
        helper.make_node("Constant", [], ["shape"], value=tensor),
        helper.make_node("Expand", ["x", "shape"], ["y"]),
    ]
    written(path, nodes)


def untyped(path: Path) -> None:
    node = helper.make_node("Elu", ["x"], ["y"], "one", alpha=0.5)
    node.attribute[0].ClearField("type")
    written(path, [node])


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (garbled, r"the model is invalid: the name b'in\xffer' is no text: the file is damaged."),
        (short, "the model is invalid: "),
        (untyped, "the model is invalid: Field 'type' of 'attr' is required but missing."),
    ],
)
def test_the_model_is_blamed_where_it_is_invalid(tmp_path: Path, damage, text: str) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "m.onnx"
    damage(file)
    with pytest.raises(GraphInitError) as caught:
        convert(file, output=tmp_path / "out", verify=False)
    assert caught.value.message.startswith(text)
    assert caught.value.message.endswith("Export or copy the model again.")


@pytest.mark.parametrize("expected", [True, False])
def test_a_valid_model_is_not_blamed(tmp_path: Path, expected: bool) -> None:
    file = written(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    error = SubGraphSearchingError("odd", expected=expected)
    with pytest.raises(ConverterError) as caught, diagnose_invalid_model(file):
        raise error
    assert caught.value is error


def test_an_expected_error_is_not_diagnosed(tmp_path: Path) -> None:
    with pytest.raises(SubGraphSearchingError), diagnose_invalid_model(tmp_path / "missing.onnx"):
        raise SubGraphSearchingError("odd")
