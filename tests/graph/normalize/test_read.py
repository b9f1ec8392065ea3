"""The protobuf becomes a graph, or an error that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from graph.normalize.harness import normalized, operators, parse

from converter.errors import GraphInitError
from converter.graph.normalize import normalize


def sparse(name: str) -> onnx.SparseTensorProto:
    values = onnx.numpy_helper.from_array(np.array([1, 2], np.float32), name)
    indices = onnx.numpy_helper.from_array(np.array([[0, 1], [1, 0]], np.int64), f"{name} indices")
    return onnx.helper.make_sparse_tensor(values, indices, [2, 2])


def test_sparse_tensors_become_dense() -> None:
    model = parse("g (float[2,2] x) => (float[2,2] y) { b = Add(x, w) y = Add(b, c) }", 13)
    model.graph.sparse_initializer.append(sparse("w"))
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], sparse_value=sparse("c")))
    graph = normalized(model)
    for name in ("w", "c"):
        assert graph.graph.initializers[name].const_value.numpy().tolist() == [[0, 1], [2, 0]]
    assert model.graph.sparse_initializer


def test_constants_of_every_kind_become_initializers() -> None:
    text = """g (float[2] x) => (float[2] y, int64[2] z, string[2] s) {
        a = Constant <value_float = 2.0> ()
        b = Constant <value_floats = [1.0, 2.0]> ()
        c = Constant <value_ints = [3, 4]> ()
        d = Constant <value_strings = ["p", "q"]> ()
        e = Constant <value_int = 5> ()
        f = Mul(x, a)
        y = Add(f, b)
        z = lib.Use(c, e)
        s = lib.Use(d)
    }"""
    values = normalized(parse(text, 20, '"lib": 1')).graph.initializers
    arrays = {name: value.const_value.numpy() for name, value in values.items()}
    assert {name: array.dtype.kind for name, array in arrays.items()} == {
        "a": "f",
        "b": "f",
        "c": "i",
        "d": "O",
        "e": "i",
    }
    assert {name: array.shape for name, array in arrays.items()} == {"a": (), "b": (2,), "c": (2,), "d": (2,), "e": ()}


def test_initializers_are_no_inputs() -> None:
    model = parse("g (float[2] x, float[2] w) => (float[2] y) { y = Add(x, w) }", 7, ir_version=3)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(2, np.float32), "w"))
    assert [value.name for value in normalized(model).graph.inputs] == ["x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g (float[2] x) => (float[2] y) { [it] y = Add(x, missing) }", "'missing' that node 'it' needs"),
        ("g (float[2] x) => (float[2] y) { z = Neg(x) }", "'y' that the graph's outputs need"),
        ("g (float[2] x) => (float[2] y) { a = Add(x, y) y = Neg(a) }", "cycle"),
    ],
)
def test_graphs_that_are_none(text: str, message: str) -> None:
    with pytest.raises(GraphInitError, match=message):
        normalized(parse(text, 20))


def test_a_model_without_nodes() -> None:
    assert operators(normalized(parse("g (float[2] x) => (float[2] y) { y = Identity(x) }", 20))) == ["Identity"]


def test_external_data_is_mapped_while_somebody_reads_it(tmp_path: Path) -> None:
    tensors = [
        onnx.numpy_helper.from_array(np.array([number, 2], np.float32), name) for number, name in enumerate("wc")
    ]
    model = parse("g (float[2] x) => (float[2] y) { b = Add(x, w) y = Add(b, c) }", 13)
    model.graph.initializer.append(tensors[0])
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], value=tensors[1]))
    options = {"location": "net.data", "size_threshold": 0, "convert_attribute": True}
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, **options)
    graph = normalize(onnx.load(tmp_path / "net.onnx", load_external_data=False), tmp_path).graph
    arrays = [graph.initializers[name].const_value.numpy() for name in "wc"]
    assert [array.tolist() for array in arrays] == [[0, 2], [1, 2]]
    assert [graph.initializers[name].const_value.tobytes() for name in "wc"] == [array.tobytes() for array in arrays]
    del arrays
    assert "net.data" not in Path("/proc/self/maps").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", [-3, 29, 999])
def test_an_operator_set_that_nobody_knows(version: int) -> None:
    model = parse("g (float[2] x) => (float[2] y) { y = Relu(x) }", 17)
    model.opset_import[0].version = version
    with pytest.raises(GraphInitError, match=f"in operator set {version}, and the sets 1 to 28 are known"):
        normalize(model, Path())
