"""A node that cannot be brought to the project's opset is set aside, and only that node."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import assert_equals_original, find, normalized, operators, parse

from converter.graph.annotations import OPSET, REFUSED, refusal_of

REFUSALS = {
    "statistics that training keeps": (
        9,
        """(float[2,3] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2,3] y, float[3] z) {
            [it] y, n, o, z, p = BatchNormalization <momentum = 0.5> (x, s, b, m, v)
        }""",
        "saved_mean",
    ),
    "training of every activation": (
        7,
        """(float[2,3,4] x, float[3,4] s, float[3,4] b, float[3,4] m, float[3,4] v) => (float[2,3,4] y, float[3,4] z) {
            [it] y, z = BatchNormalization <spatial = 0, momentum = 0.5> (x, s, b, m, v)
        }""",
        "spatial=0",
    ),
    "an operator without a definition": (
        7,
        "(float[3] x) => (float[3] y) { [it] y = GRUUnit <drop_states = 1> (x) }",
        f"ONNX {OPSET} has no such operator",
    ),
    "a broadcast of unknown rank": (
        6,
        "(float[3,4] x, float s) => (float y) { a = lib.Unknown(x) [it] y = Add <broadcast = 1, axis = 0> (a, s) }",
        "rank of 'a' is unknown",
    ),
    "a tile by a computed number": (
        1,
        "(float[3] x, float t) => (float y) <float a = {0}> { [it] y = Tile(x, t, a) }",
        "'t' is not a constant",
    ),
    "a norm of a broken order": (
        1,
        "(float[1,2,3] x) => (float[1,2,1] y) { [it] y = GlobalLpPool <p = 1.5> (x) }",
        "1.5",
    ),
    "an unknown type": (1, '(float[3] x) => (float[3] y) { [it] y = Cast <to = "REAL"> (x) }', "'REAL' is unknown"),
    "TensorFlow's half pixels between pixels": (
        11,
        """(float[1,1,4,4] x) => (float[1,1,8,8] y) <float[0] r = {}, float[4] s = {1.0, 1.0, 2.0, 2.0}> {
            [it] y = Resize <mode = "linear", coordinate_transformation_mode = "tf_half_pixel_for_nn"> (x, r, s)
        }""",
        "tf_half_pixel_for_nn",
    ),
    "sequences of different lengths": (
        8,
        """(int64[4] l, float[4,2] x, float[4,3,2] q) => (float[4,2] y) {
            [it] y = Scan (l, x, q) <num_scan_inputs = 1,
                body = b (float[2] s, float[2] e) => (float[2] t) { t = Add(s, e) }>
        }""",
        "sequence_lens",
    ),
}


@pytest.mark.parametrize(("opset", "text", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_only_the_node_is_set_aside(opset: int, text: str, reason: str) -> None:
    """Its neighbours are upgraded, and it keeps everything that a stub tells."""
    neighbour = "[neighbour] w = Neg(x) }"
    model = parse(f"g {text[: text.rindex('}')]} {neighbour}", opset, '"lib": 1')
    model.graph.output.add(name="w")
    original = next(node for node in model.graph.node if node.name == "it")
    graph = normalized(model)
    node = find(graph, "it")
    assert node.domain == REFUSED
    assert node.op_type == original.op_type
    assert [value.name if value else "" for value in node.inputs] == list(original.input)
    assert set(node.attributes) == {attribute.name for attribute in original.attribute}
    refusal = refusal_of(node)
    assert refusal is not None
    assert refusal[0] == f"{original.op_type}-{opset}"
    assert reason in refusal[1]
    assert refusal_of(find(graph, "neighbour")) is None


def test_refusals_in_branches() -> None:
    text = """g (float[3] x, bool c) => (float[3] y) {
        y = If (c) <
            then_branch = t () => (float[3] a) { [it] a = Unheard(x) },
            else_branch = e () => (float[3] b) { [kept] b = Clip <min = 0.0> (x) }
        >
    }"""
    graph = normalized(parse(text, 7))
    assert refusal_of(find(graph, "it")) == ("Unheard-7", f"ONNX {OPSET} has no such operator")
    assert refusal_of(find(graph, "kept")) is None


def test_other_domains_pass_untouched() -> None:
    text = """g (float[3] x) => (float[3] y) {
        a = com.microsoft.Softmax <axis = 1> (x)
        b = my.own.Softmax <axis = 1, note = "as it is"> (a)
        y = Softmax <axis = -1> (b)
    }"""
    graph = normalized(parse(text, 11, '"com.microsoft": 1', '"my.own": 3'))
    first, second, third = graph.graph
    assert (first.domain, first.attributes.get_int("axis")) == ("com.microsoft", 1)
    assert (second.domain, second.attributes.get_string("note")) == ("my.own", "as it is")
    assert third.attributes.get_int("axis") == -1
    assert (graph.opset_imports[""], graph.opset_imports["my.own"]) == (OPSET, 3)


def test_onnx_s_own_domain_has_two_names() -> None:
    model = parse("g (float[2,3,4] x) => (float[2,3,4] y) { y = Softmax(x) }", 11)
    model.opset_import[0].domain = model.graph.node[0].domain = "ai.onnx"
    assert operators(normalized(model)) == ["Flatten", "Softmax", "Reshape"]


def test_no_opset_means_the_first() -> None:
    model = parse("g (float[3] x) => (float[3] y) { y = Relu <consumed_inputs = [0]> (x) }", 1, ir_version=3)
    del model.opset_import[:]
    assert not next(iter(normalized(model).graph)).attributes


def test_subgraphs_are_upgraded_with_what_they_capture() -> None:
    text = """g (float[3,4,5] x, bool c) => (float[3,4,5] y) {
        z = Clip <max = 0.5> (x)
        y = If (c) <
            then_branch = t () => (float[3,4,5] a) { a = Softmax <axis = 1> (z) },
            else_branch = e () => (float[3,4,5] b) { d = Unsqueeze <axes = [0]> (z) b = Squeeze <axes = [0]> (d) }
        >
    }"""
    model = parse(text, 10)
    graph = assert_equals_original(model)
    assert operators(graph) == ["Clip", "If", "Flatten", "Softmax", "Reshape", "Unsqueeze", "Squeeze"]


def test_softmax_of_unknown_rank_over_the_last_axis() -> None:
    text = "g (float[3,4] x) => (float y) { a = lib.Unknown(x) y = Softmax <axis = -1> (a) }"
    assert operators(normalized(parse(text, 11, '"lib": 1'))) == ["Unknown", "Softmax"]


def test_softmax_of_unknown_rank_over_several_axes() -> None:
    text = "g (float[3,4] x) => (float y) { a = lib.Unknown(x) y = Softmax <axis = 2> (a) }"
    graph = normalized(parse(text, 11, '"lib": 1'))
    assert operators(graph) == ["Unknown", "Shape", "Flatten", "Softmax", "Reshape"]


def test_a_rank_that_only_newer_versions_infer() -> None:
    """Reshape-5 says nothing of its rank when the shape is computed; the Softmax behind it asks."""
    text = """g (float[N,3,4] x) => (float y) {
        s = Shape(x)
        a = Reshape(x, s)
        y = Softmax <axis = 2> (a)
    }"""
    model = parse(text, 11)
    graph = normalized(model)
    assert "Flatten" not in operators(graph)


def test_weights_of_a_group_norm_stay_weights() -> None:
    weight = np.array([1.0, 2.0], np.float32)
    text = "g (float[N,4,3] x) => (float[N,4,3] y) { y = GroupNormalization <num_groups = 2> (x, w, w) }"
    model = parse(text, 18)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    graph = assert_equals_original(model)
    assert graph.graph.initializers["w"].const_value.numpy().tolist() == [1.0, 2.0]
