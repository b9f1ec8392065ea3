"""ONNX files: reading, cutting at any value, running the original."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper, parser

from converter.errors import (
    BadParamError,
    GraphInitError,
    ModelLoadingError,
    NodeInputTypeNotSupportError,
    ParamMissingError,
    SourceRunError,
)
from converter.frontends.onnx.model_file import load, start
from converter.frontends.source import Request, Source
from converter.graph.normalize import normalize


def ran(original: Any, feeds: dict[str, Any]) -> list[np.ndarray]:
    return start(original)(feeds)


TWO_INPUTS = """
<ir_version: 8, opset_import: ["" : 17], producer_name: "hand", producer_version: "1">
net (float[N,4] a, float[N,4] b) => (float[N,4] sum, float[N,4] act)
<float[4] w = {1, 2, 3, 4}, float[4] unused = {0, 0, 0, 0}>
{
    [scale] scaled = Mul (a, w)
    [body_add] sum = Add (scaled, b)
    [tail] act = Relu (sum)
}
"""

# The body of an If takes `scaled` and the weight `w` from the graph around it.
CAPTURES = """
<ir_version: 8, opset_import: ["" : 17]>
net (bool flag, float[N,4] a) => (float[N,4] y)
<float[4] w = {1, 2, 3, 4}, float[4] v = {5, 6, 7, 8}>
{
    scaled = Mul (a, w)
    [choice] y = If (flag) <
        then_branch = then () => (float[N,4] t) { t = Add (scaled, v) },
        else_branch = otherwise () => (float[N,4] e) { e = Mul (scaled, w) }
    >
}
"""


@pytest.fixture
def save(tmp_path):
    """Write a model, given as ONNX text or as a proto; returns a function that loads it with the user's ends."""

    def saved(model: str | onnx.ModelProto, name: str = "net.onnx"):
        model = parser.parse_model(model) if isinstance(model, str) else model
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())

        def loaded(inputs=(), outputs=(), shapes=()) -> Source:
            return load(Request(path, tuple(inputs), tuple(outputs), tuple(shapes)))

        return loaded

    return saved


def operators(source: Source) -> list[str]:
    return [node.op_type for node in source.model.graph.node]


def example(source: Source, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {end.name: rng.standard_normal(end.example).astype(end.dtype) for end in source.inputs}


def test_the_model_as_it_is(save):
    source = save(TWO_INPUTS)()
    assert [(end.name, end.value, end.dtype, end.shape, end.example) for end in source.inputs] == [
        ("a", "a", np.float32, ("N", 4), (1, 4)),
        ("b", "b", np.float32, ("N", 4), (1, 4)),
    ]
    assert [(end.name, end.shape) for end in source.outputs] == [("sum", ("N", 4)), ("act", ("N", 4))]
    assert source.description == "net.onnx (hand 1, opset 17)"
    assert operators(source) == ["Mul", "Add", "Relu"]
    assert [tensor.name for tensor in source.model.graph.initializer] == ["w"]
    onnx.checker.check_model(source.model)


@pytest.mark.parametrize(
    ("inputs", "outputs", "left"),
    [
        (["scaled", "b"], ["act"], ["Add", "Relu"]),
        (["a"], ["scale"], ["Mul"]),
        (["b", "a"], ["body_add:0"], ["Mul", "Add"]),
        (["sum"], ["tail"], ["Relu"]),
        (["sum"], ["sum"], []),
        (["sum", "a"], ["scaled", "act"], ["Mul", "Relu"]),
        (["w", "a"], ["scaled"], ["Mul"]),  # a weight can be an input
        (["a", "b", "w"], ["act", "sum"], ["Mul", "Add", "Relu"]),
        ([], ["scaled"], ["Mul"]),
    ],
)
def test_cut(save, inputs, outputs, left):
    source = save(TWO_INPUTS)(inputs, outputs)
    graph = source.model.graph
    assert operators(source) == left
    assert [value.name for value in graph.input] == [end.value for end in source.inputs]
    assert [value.name for value in graph.output] == [end.value for end in source.outputs]
    assert {tensor.name for tensor in graph.initializer} <= {"w"} - {end.value for end in source.inputs}
    onnx.checker.check_model(source.model)


def test_a_cut_model_computes_what_the_whole_computes(save):
    loaded = save(TWO_INPUTS)
    whole, head, tail = loaded(), loaded(["a"], ["scaled"]), loaded(["b", "scaled"], ["act", "sum"])
    feeds = example(whole)
    (scaled,) = ran(head.original, {"a": feeds["a"]})
    parts = ran(tail.original, {"scaled": scaled, "b": feeds["b"]})
    for part, expected in zip(parts, reversed(ran(whole.original, feeds)), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_sub_graphs_keep_what_they_capture(save):
    loaded = save(CAPTURES)
    source = loaded(["scaled", "flag"], ["choice"])
    assert operators(source) == ["If"]
    assert {tensor.name for tensor in source.model.graph.initializer} == {"v", "w"}
    x = np.ones((2, 4), np.float32)
    (y,) = ran(source.original, {"flag": np.array(True), "scaled": x})
    np.testing.assert_array_equal(y, x + np.array([5, 6, 7, 8], np.float32))
    with pytest.raises(ParamMissingError, match=r"need the input\(s\) 'a'"):
        loaded(["flag"], ["y"])


@pytest.mark.parametrize(
    ("inputs", "outputs", "error", "message"),
    [
        (["b"], ["act"], ParamMissingError, r"the outputs 'act' need the input\(s\) 'a'.*node 'scale' \(Mul\)"),
        (["act"], ["sum"], ParamMissingError, r"'a', 'b'"),
        (["a", "c"], [], BadParamError, r"input node 'c' is not in the graph"),
        ([], ["axt"], BadParamError, r"output node 'axt'.*Nearest names: 'act'.*own outputs: 'sum', 'act'"),
        (["a", "scale", "scaled"], [], BadParamError, r"'scaled' is given twice"),
    ],
)
def test_ends_that_do_not_fit(save, inputs, outputs, error, message):
    with pytest.raises(error, match=message):
        save(TWO_INPUTS)(inputs, outputs)


def test_values_named_like_outputs_of_nodes(save):
    model = parser.parse_model(TWO_INPUTS)
    text = onnx.printer.to_text(model)
    assert "scaled" in text
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == "scaled":
                    names[index] = "tail:0"  # also the first output of the node `tail`: the value wins
    source = save(model)(["tail:0", "b"], ["tail"])
    assert [end.name for end in source.inputs] == ["tail:0", "b"]
    assert [end.name for end in source.outputs] == ["act"]


def test_half_of_a_node_that_has_two_outputs(save):
    source = save("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[4] x) => (float[2] y)
        { left, right = Split (x)   y = Add (left, right) }
    """)(["x", "left"], ["y"])
    onnx.checker.check_model(source.model)
    feeds = {"x": np.arange(4, dtype=np.float32), "left": np.zeros(2, np.float32)}
    np.testing.assert_array_equal(ran(source.original, feeds)[0], [2, 3])


def test_weights_that_are_also_inputs(save):
    model = parser.parse_model(TWO_INPUTS)
    model.ir_version = 3
    model.graph.input.append(helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [4]))
    loaded = save(model)
    assert [end.name for end in loaded().inputs] == ["a", "b"]
    onnx.checker.check_model(loaded().model)
    assert [end.name for end in loaded(["b", "a", "w"]).inputs] == ["b", "a", "w"]


def test_shapes_and_types_inside_the_graph(save):
    source = save(TWO_INPUTS)(["scaled", "b"], ["act"], ["5,4", "5,4"])
    assert [(end.dtype, end.shape, end.example) for end in source.inputs] == [(np.float32, ("N", 4), (5, 4))] * 2
    unknown = save("""
        <ir_version: 8, opset_import: ["" : 17, "mine" : 1]>
        net (float16[2] x) => (float[2] y) { mid = mine.Op (x)   y = mine.Op (mid) }
    """)(["mid"])
    assert (unknown.inputs[0].dtype, unknown.inputs[0].shape) == (np.float32, None)
    assert (
        save("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (int64[3,2] x) => (y) { mid = Transpose (x)   y = Cast <to = 10> (mid) }
    """)(["mid"])
        .outputs[0]
        .dtype
        == np.float16
    )


def test_a_letter_frees_what_the_model_fixes(save):
    source = save("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[1,4] x) => (float[1,4] y) <float[1,4] mid> { mid = Relu (x)   y = Neg (mid) }
    """)(shapes=["N,4"])
    assert (source.inputs[0].shape, source.inputs[0].example) == (("N", 4), (1, 4))
    assert not source.model.graph.value_info
    (y,) = ran(source.original, {"x": -np.ones((3, 4), np.float32)})
    assert y.shape == (3, 4)


def test_letters_replace_the_names_of_the_source(save):
    source = save("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[batch,4] x) => (float[batch,4] y) <float[batch,4] mid> { mid = Relu (x)   y = Neg (mid) }
    """)(shapes=["B,4"])
    assert source.outputs[0].shape == ("B", 4)
    assert source.model.graph.value_info[0].type.tensor_type.shape.dim[0].dim_param == "B"


def test_functions_and_metadata_stay(save):
    model = parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 17, "local" : 1]>
        net (float[4] x) => (float[4] y) { mid = local.Twice (x)   y = Relu (mid) }
        <domain: "local", opset_import: ["" : 17]>
        Twice (a) => (b) { b = Add (a, a) }
    """)
    model.metadata_props.add(key="author", value="me")
    model.graph.node[0].metadata_props.add(key="scope", value="block.0")
    source = save(model)(outputs=["mid"])
    assert [function.name for function in source.model.functions] == ["Twice"]
    assert source.model.metadata_props[0].value == "me"
    assert source.model.graph.node[0].metadata_props[0].value == "block.0"
    np.testing.assert_array_equal(ran(source.original, {"x": np.ones(4, np.float32)})[0], [2, 2, 2, 2])


def graph_of(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("x", "y")]
    return helper.make_model(
        helper.make_graph(nodes, "net", ends[:1], ends[1:]), ir_version=8, opset_imports=[helper.make_opsetid("", 17)]
    )


def test_nodes_come_into_order(save):
    relu, neg = helper.make_node("Relu", ["mid"], ["y"]), helper.make_node("Neg", ["x"], ["mid"])
    assert operators(save(graph_of(relu, neg))()) == ["Neg", "Relu"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("Relu", ["ghost"], ["y"])], r"the Relu that makes 'y' reads 'ghost', which nothing in the graph makes"),
        ([("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])], r"'y' is made twice"),
        ([("Add", ["x", "q"], ["p"]), ("Neg", ["p"], ["q"]), ("Relu", ["q"], ["y"])], r"part of a cycle"),
        ([("Add", ["x", "y"], ["y"])], r"part of a cycle"),
        ([], r"the graph's output reads 'y'"),
    ],
)
def test_invalid_graphs(save, nodes, message):
    with pytest.raises(GraphInitError, match=message):
        save(graph_of(*(helper.make_node(*node) for node in nodes)))()


def test_a_constant_with_the_name_of_what_a_node_makes(save):
    model = parser.parse_model(TWO_INPUTS)
    node = next(node for node in model.graph.node if "w" in node.input)
    model.graph.initializer[0].name = node.input[list(node.input).index("w")] = node.output[0]
    with pytest.raises(
        GraphInitError, match=f"makes '{node.output[0]}', which is the name of a constant, too"
    ) as error:
        save(model)()
    assert error.value.expected


@pytest.mark.parametrize("dims", [(-4,), (2**40, 2**40), (2**62, 4), (1000, 1000)])
def test_constants_that_are_too_short(save, dims):
    model = parser.parse_model(TWO_INPUTS)
    model.graph.initializer[0].ClearField("dims")
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises(GraphInitError, match="the constant 'w' has not as much data as its shape") as error:
        save(model)()
    assert error.value.expected


def test_ends_of_no_element_type(save):
    model = parser.parse_model(TWO_INPUTS)
    model.graph.input[1].type.tensor_type.elem_type = 99
    with pytest.raises(GraphInitError, match="'b' has the element type 99, which ONNX does not have"):
        save(model)()


def test_ends_that_hold_tensors(save):
    source = save("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (optional(seq(float[2, N])) x) => (seq(float[2, N]) y) { y = OptionalGetElement (x) }
    """)()
    assert (source.inputs[0].container, source.inputs[0].shape) == (("optional", "sequence"), (2, "N"))
    assert source.outputs[0].container == ("sequence",)
    assert source.model.graph.input[0].type.optional_type.elem_type.sequence_type.elem_type.tensor_type.elem_type == 1


def test_ends_that_hold_no_tensors(save):
    loaded = save("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[2] x) => (map(int64, float) y) { mid = Relu (x)   y = Identity (mid) }
    """)
    with pytest.raises(NodeInputTypeNotSupportError, match=r"'y' is a map, not a tensor"):
        loaded()
    assert operators(loaded(outputs=["mid"])) == ["Relu"]


WHOLE = parser.parse_model(TWO_INPUTS).SerializeToString()


def nested(data: bytes, levels: int) -> bytes:
    """A model whose graph, given by its bytes, is inside as many branches of If; protobuf makes none so deep."""

    def field(number: int, content: bytes) -> bytes:
        size, head = len(content), bytes([number << 3 | 2])
        while size > 127:
            head, size = head + bytes([size & 127 | 128]), size >> 7
        return head + bytes([size]) + content

    for _ in range(levels):
        data = field(1, field(5, field(6, data)))
    return field(7, data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello, this is text\n" * 50, "is not an ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not an ONNX model"),
        (bytes(100), "is not an ONNX model"),
        (b"\n\x0c\n\x01x\x12\x07Const12", "is not an ONNX model"),  # the beginning of a TensorFlow graph
        (WHOLE[: len(WHOLE) // 2], r"is truncated: .* bytes are announced"),
        (WHOLE[:4], "is not a valid ONNX model|is truncated"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "its graph is missing"),
        (
            onnx.ModelProto(ir_version=8, graph=parser.parse_model(TWO_INPUTS).graph).SerializeToString(),
            "names no operator set",
        ),
        (nested(b"", 90), "nests graphs in If, Loop or Scan deeper than protobuf reads"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git lfs pull"),
    ],
)
def test_files_that_are_no_models(tmp_path, data, message):
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelLoadingError, match=message):
        load(Request(path))


@pytest.mark.parametrize("size", range(1, len(WHOLE), 7))
def test_a_truncated_file_is_never_taken_for_a_model(tmp_path, size):
    path = tmp_path / "net.onnx"
    path.write_bytes(WHOLE[:size])
    with pytest.raises(ModelLoadingError):
        load(Request(path))


@pytest.mark.parametrize("name", ["missing.onnx", "."])
def test_files_that_cannot_be_read(tmp_path, name):
    with pytest.raises(ModelLoadingError, match="cannot be read"):
        load(Request(tmp_path / name))


@pytest.fixture
def external(tmp_path):
    """A model whose weight lies in `net.data`."""
    weight = numpy_helper.from_array(np.array([1, 2], np.float32), "w")
    model = graph_of(helper.make_node("Mul", ["x", "w"], ["y"]))
    model.graph.initializer.append(weight)
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    return tmp_path / "net.onnx"


def test_external_data_stays_on_disk(external, monkeypatch):
    monkeypatch.chdir(external.parent.parent)
    source = load(Request(external.relative_to(external.parent.parent)))
    assert not source.model.graph.initializer[0].raw_data
    assert ran(source.original, {"x": np.ones(2, np.float32)})[0].tolist() == [1, 2]
    source.model.opset_import[0].version = 28  # onnxruntime 1.31 refuses it, the evaluator does not
    assert ran(source.original, {"x": np.ones(2, np.float32)})[0].tolist() == [1, 2]


def test_external_data_is_missing(external):
    (external.parent / "net.data").unlink()
    with pytest.raises(ModelLoadingError, match=r"lie in 'net\.data', which is missing"):
        load(Request(external))
    assert load(Request(external, output_nodes=("x",))).model.graph.output[0].name == "x"


def test_external_data_is_truncated(external):
    (external.parent / "net.data").write_bytes(b"1234")
    with pytest.raises(ModelLoadingError, match=r"'w' ends at byte 8 of 'net\.data', which has 4"):
        load(Request(external))


@pytest.mark.parametrize("location", ["../net.data", "/etc/passwd", "a/../../net.data"])
def test_external_data_outside_of_the_folder(external, location):
    model = onnx.load(external, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    external.write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadingError, match="outside the model's folder"):
        load(Request(external))


@pytest.mark.parametrize(("key", "value"), [("offset", "-4"), ("length", "4"), ("length", "x")])
def test_external_data_at_no_valid_place(external, key, value):
    model = onnx.load(external, load_external_data=False)
    place = {entry.key: entry for entry in model.graph.initializer[0].external_data}
    place[key].value = value
    external.write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadingError, match="'w' has no valid place"):
        load(Request(external))


def test_external_data_of_unknown_length(external):
    model = onnx.load(external, load_external_data=False)
    del model.graph.initializer[0].external_data[1:]
    external.write_bytes(model.SerializeToString())
    assert ran(load(Request(external)).original, {"x": np.ones(2, np.float32)})[0].tolist() == [1, 2]
    (external.parent / "net.data").write_bytes(b"1234")
    with pytest.raises(ModelLoadingError, match="'w' ends at byte 8"):
        load(Request(external))


def snapshot(tmp_path: Path) -> Path:
    """The model as the cache of a hub holds it: every file is a link to one of another name."""
    folder, blobs = tmp_path / "models--me--net" / "snapshots" / "123" / "onnx", tmp_path / "models--me--net" / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    for file in ("net.onnx", "net.data"):
        (folder / file).symlink_to((tmp_path / file).rename(blobs / f"hash of {file}"))
    return folder / "net.onnx"


@pytest.mark.parametrize("opset", [17, 28])
def test_external_data_in_the_cache_of_a_hub(external, tmp_path, opset):
    source = load(Request(snapshot(tmp_path)))
    source.model.opset_import[0].version = opset  # of 28, onnx's evaluator runs it
    assert ran(source.original, {"x": np.ones(2, np.float32)})[0].tolist() == [1, 2]


def test_external_data_behind_a_link_that_leads_out(external, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    external.rename(folder / "net.onnx")
    (folder / "net.data").symlink_to(tmp_path / "net.data")
    with pytest.raises(ModelLoadingError, match=r"'net\.data', a link that leads out of the model's folder"):
        load(Request(folder / "net.onnx"))


def test_blobs_that_are_a_link_themselves(external, tmp_path):
    """An archive may bring such folders: they are no cache."""
    file = snapshot(tmp_path)
    blobs = tmp_path / "models--me--net" / "blobs"
    blobs.rename(tmp_path / "elsewhere")
    blobs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelLoadingError, match="a link that leads out of the model's folder"):
        load(Request(file))


def test_external_data_in_folders_and_behind_links_inside(external, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "net.data").rename(tmp_path / "weights" / "part.bin")
    (tmp_path / "linked").symlink_to("weights")
    model = onnx.load(external, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "linked/part.bin"
    external.write_bytes(model.SerializeToString())
    assert ran(load(Request(external)).original, {"x": np.ones(2, np.float32)})[0].tolist() == [1, 2]


def test_a_shape_that_follows_from_external_data(external):
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> net (float[1,2,2] x) => (y) { y = Reshape (x, shape) }"""
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, -1]), "shape"))
    (external.parent / "shapes").mkdir()
    onnx.save(model, external, save_as_external_data=True, location="shapes/net.data", size_threshold=0)
    source = load(Request(external))
    assert source.model.graph.initializer[0].data_location == onnx.TensorProto.EXTERNAL
    assert source.outputs[0].shape == (1, 4)
    assert list(normalize(source.model, source.base_dir).graph.outputs[0].shape) == [1, 4]


def test_external_data_in_a_safetensors_file(external, tmp_path):
    import onnx_ir

    model = onnx_ir.load(external)
    (tmp_path / "saved").mkdir()
    onnx_ir.save_safetensors(model, tmp_path / "saved" / "net.onnx", size_threshold_bytes=0)
    source = load(Request(tmp_path / "saved" / "net.onnx"))
    assert source.files[1].suffix == ".safetensors"
    assert ran(source.original, {"x": np.ones(2, np.float32)})[0].tolist() == [1, 2]


def test_external_data_of_a_function(external):
    """The constants in a function are checked, too."""
    model = parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 17, "local" : 1]>
        net (float[2] x) => (float[2] y) { y = local.Scale (x) }
        <domain: "local", opset_import: ["" : 17]>
        Scale (a) => (b) { w = Constant <value = float[2] {1, 2}> ()   b = Mul (a, w) }
    """)
    (constant,) = (a.t for node in model.functions[0].node for a in node.attribute)
    constant.data_location = onnx.TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="../net.data")
    external.write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadingError, match="outside the model's folder"):
        load(Request(external))


@pytest.mark.parametrize(("ir_version", "opset"), [(8, 17), (onnx.IR_VERSION, 17), (onnx.IR_VERSION, 28)])
def test_run_models_that_onnxruntime_does_not_know(save, ir_version, opset):
    model = graph_of(helper.make_node("Relu", ["x"], ["y"]))
    model.ir_version, model.opset_import[0].version = ir_version, opset
    original = save(model)().original
    assert ran(original, {"x": np.array([-1, 1], np.float32)})[0].tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8])
def test_run_with_rare_types(save, dtype):
    model = graph_of(helper.make_node("Identity", ["x"], ["y"]))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = dtype
    source = save(model)()
    x = np.array([-1, 1], source.inputs[0].dtype)
    (y,) = ran(source.original, {"x": x})
    assert y.dtype == x.dtype
    assert y.tolist() == x.tolist()


@pytest.mark.parametrize(
    ("operator", "feeds", "message"),
    [
        ("Relu", np.zeros(3, np.float32), r"onnxruntime refuses these inputs: Got invalid dimensions"),
        ("Relu", np.zeros(2, np.int64), r"onnxruntime refuses these inputs: Unexpected input data type"),
        ("Mystery", np.zeros(2, np.float32), r"neither onnxruntime \(.*Mystery.*\) nor onnx's reference evaluator \("),
    ],
)
def test_run_fails(save, operator, feeds, message):
    with pytest.raises(SourceRunError, match=message) as error:
        ran(save(graph_of(helper.make_node(operator, ["x"], ["y"])))().original, {"x": feeds})
    assert "\n" not in str(error.value)
    assert "onnxruntime_src" not in str(error.value)


def test_run_what_may_have_any_order_in_order(save):
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[6] x) => (float[3] y, int64[3] i)
        { k = Constant <value_ints = [3]> () y, i = TopK <sorted = 0> (x, k) }"""
    y, i = ran(save(text)().original, {"x": np.array([1, 5, 3, 2, 6, 4], np.float32)})
    assert (y.tolist(), i.tolist()) == ([6, 5, 4], [4, 1, 5])


def test_run_few_bits_without_rounding_the_other_factor(save):
    """With accuracy_level 4, onnxruntime rounds the other factor to 8 bits."""
    text = """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]> net (float[1,32] x) => (float[1,1] y)
        <uint8[1,1,16] w = {153,153,153,153,153,153,153,153,153,153,153,153,153,153,153,153}, float[1] s = {1}>
        { y = com.microsoft.MatMulNBits <K = 32, N = 1, bits = 4, block_size = 32, accuracy_level = 4> (x, w, s) }"""
    x = np.linspace(0.01, 3.7, 32, dtype=np.float32)[None]
    np.testing.assert_allclose(ran(save(text)().original, {"x": x})[0], [[x.sum()]], 1e-6)


def test_run_without_optimisations(save):
    """Of a Range backwards, one of onnxruntime 1.31's optimisations makes nothing."""
    text = """<ir_version: 8, opset_import: ["" : 17]> net (float[N] x) => (float[N] y)
        <int64 last = {-1}, int64 one = {1}> {
        s = Shape (x) z = Constant <value = int64 {0}> () n = Gather (s, z) f = Sub (n, one) i = Range (f, last, last)
        y = Gather (x, i)
    }"""
    (y,) = ran(save(text)().original, {"x": np.array([1, 2, 3], np.float32)})
    assert y.tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ("request_of", "whole"),
    [({}, True), ({"output_nodes": ("h",)}, False), ({"shapes": ("4",)}, False)],
    ids=["whole", "cut", "shape"],
)
@pytest.mark.parametrize("ir_version", [10, 1000], ids=["known", "too new"])
def test_the_runtime_reads_a_file_that_nothing_was_cut_from(
    tmp_path: Path, request_of: dict[str, tuple[str, ...]], whole: bool, ir_version: int
) -> None:
    file = tmp_path / "net.onnx"
    header = f'<ir_version: {ir_version}, opset_import: ["" : 20]>'
    file.write_bytes(
        onnx.parser.parse_model(
            f"{header} g (float[N] x) => (float[N] y) {{ h = Relu(x) y = Neg(h) }}"
        ).SerializeToString()
    )
    source = load(Request(file, **request_of))
    assert source.original.model_file == (file if whole else None)
    if whole:
        (found,) = start(replace(source.original, model=None))({"x": np.array([1, -2], np.float32)})
        assert found.tolist() == [-1, 0]
