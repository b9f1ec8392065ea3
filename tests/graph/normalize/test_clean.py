"""What contributes nothing goes; what the graph's ends need stays."""

from __future__ import annotations

import onnx
import pytest
from graph.normalize.harness import assert_equals_original, find, normalized, operators, parse


def names_of_outputs(graph) -> list[str]:
    return [value.name for value in graph.graph.outputs]


def test_identities_go() -> None:
    text = "g (float[3] x) => (float[3] y) { a = Identity(x) b = Neg(a) c = Identity(b) y = Identity(c) }"
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["Neg"]
    assert names_of_outputs(graph) == ["y"]


@pytest.mark.parametrize(
    ("node", "left"),
    [
        ("Slice (r, start, end)", []),
        ("Slice (r, start, end, axis, step)", []),
        ("Add (r, zero)", []),
        ("Slice (r, start, two)", ["Slice"]),
        ("Slice (r, one, end)", ["Slice"]),
        ("Slice (r, start, end, axis, two)", ["Slice"]),
        ("Add (r, one)", ["Add"]),
    ],
)
def test_nodes_that_return_their_input_go(node: str, left: list[str]) -> None:
    constants = "start = Constant <value_ints = [0]> () end = Constant <value_ints = [9223372036854775807]> () "
    constants += "axis = Constant <value_ints = [0]> () step = Constant <value_ints = [1]> () "
    constants += (
        "one = Constant <value_ints = [1]> () two = Constant <value_ints = [2]> () zero = Constant <value_int = 0> ()"
    )
    text = f"g (int64[n] x) => (int64[m] y) {{ {constants} r = Neg (x) s = {node} y = Abs (s) }}"
    assert operators(assert_equals_original(parse(text, 20))) == ["Neg", *left, "Abs"]


@pytest.mark.parametrize(
    ("node", "left"), [("Mul (r, one)", []), ("Div (r, one)", []), ("Mul (r, w)", ["Mul"]), ("Div (one, r)", ["Div"])]
)
def test_a_factor_of_1_goes_unless_it_may_be_a_parameter(node: str, left: list[str]) -> None:
    text = f"""<ir_version: 8, opset_import: ["" : 17], producer_name: "pytorch">
    g (float[n] x) => (float[n] y) <float[1] w = {{1.0}}> {{
        one = Constant <value_float = 1.0> () r = Exp (x) s = {node} y = Abs (s)
    }}"""
    assert operators(assert_equals_original(onnx.parser.parse_model(text))) == ["Exp", *left, "Abs"]


@pytest.mark.parametrize(
    ("mask", "x", "left"),
    [
        ("Expand (zero, extents)", "float[n,2,3]", []),
        ("Expand (one, extents)", "float[n,2,3]", ["Add"]),
        ("Expand (zero, extents)", "float[n,1,3]", ["Add"]),
    ],
)
def test_a_mask_that_hides_nothing_goes(mask: str, x: str, left: list[str]) -> None:
    constants = "zero = Constant <value_float = 0.0> () one = Constant <value_float = 1.0> () "
    constants += "extents = Constant <value_ints = [2, 3]> ()"
    text = f"g ({x} x) => (float[n,2,3] y) {{ {constants} mask = {mask} r = Neg (x) s = Add (r, mask) y = Abs (s) }}"
    assert operators(assert_equals_original(parse(text, 20))) == ["Neg", *left, "Abs"]


def test_identities_between_ends_stay() -> None:
    text = "g (float[3] x) => (float[3] y, float[3] z, float[3] w) { y = Identity(x) z = Neg(x) w = Identity(z) }"
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["Identity", "Neg", "Identity"]
    assert names_of_outputs(graph) == ["y", "z", "w"]


def test_identities_in_branches_that_capture() -> None:
    text = """g (float[3] x, bool c) => (float[3] y) {
        z = Neg(x)
        y = If (c) <
            then_branch = t () => (float[3] a) { a = Identity(z) },
            else_branch = e () => (float[3] b) { d = Abs(z) f = Identity(d) b = Identity(f) }
        >
    }"""
    assert operators(assert_equals_original(parse(text, 20))) == ["Neg", "If", "Identity", "Abs"]


def test_a_constant_output_has_a_node() -> None:
    text = "g (float[3] x) => (float[3] y, int64[2] z) { y = Neg(x) z = Constant <value_ints = [1, 2]> () }"
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["Neg", "Identity"]
    assert names_of_outputs(graph) == ["y", "z"]


def test_dead_code_goes_from_branches_too() -> None:
    text = """g (float[3] x, bool c) => (float[3] y) <float[3] unused = {1.0, 2.0, 3.0}> {
        dead = Exp(x)
        onlyfordead = Abs(x)
        y = If (c) <
            then_branch = t () => (float[3] a) <float w = {1.0}> { q = Sin(onlyfordead) a = Neg(x) },
            else_branch = e () => (float[3] b) { b = Floor(x) }
        >
    }"""
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["If", "Neg", "Floor"]
    assert not graph.graph.initializers


def test_a_branch_that_folding_leaves_out_uses_nothing_any_more() -> None:
    text = """g (float[3] x) => (float[3] y) {
        never = Exp(x)
        c = Constant <value = bool {1}> ()
        y = If (c) <
            then_branch = t () => (float[3] a) { a = Neg(x) },
            else_branch = e () => (float[3] b) { b = Floor(never) }
        >
    }"""
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["Neg"]
    assert [use.node.op_type for use in graph.graph.inputs[0].uses()] == ["Neg"]


def test_outputs_that_nobody_uses_are_left_out() -> None:
    text = "g (float[1,1,4] x) => (float[1,1,3] y) { [pool] y, i = MaxPool <kernel_shape = [2]> (x) }"
    assert len(find(normalized(parse(text, 20)), "pool").outputs) == 1


@pytest.mark.parametrize("removed", ["d = Neg(i)", "d = SequenceConstruct(y, i)"])
def test_what_is_removed_reads_nothing_any_more(removed: str) -> None:
    text = f"g (float[1,1,4] x) => (float[1,1,3] y) {{ [pool] y, i = MaxPool <kernel_shape = [2]> (x) {removed} }}"
    pool = find(normalized(parse(text, 20)), "pool")
    assert len(pool.outputs) == 1
    assert not pool.outputs[0].uses()


def test_nodes_are_in_order_whatever_the_file_s() -> None:
    graph = normalized(parse("g (float[3] x) => (float[3] y) { y = Neg(b) b = Abs(a) a = Exp(x) }", 20))
    assert operators(graph) == ["Exp", "Abs", "Neg"]


@pytest.mark.parametrize(
    ("operator", "others"),
    [
        ("Conv(x, w, BIAS)", ["x", "w"]),
        ("ConvTranspose(x, w, BIAS)", ["x", "w"]),
        ("DeformConv(x, w, offset, BIAS, mask)", ["x", "w", "offset", "mask"]),
    ],
)
@pytest.mark.parametrize("bias", ["invented", "bias"])
def test_only_a_bias_of_zeros_that_folding_made_goes(operator: str, others: list[str], bias: str) -> None:
    inputs = "float[2,2,1,1] w, float[1,2,3,3] offset, float[1,1,3,3] mask"
    text = f"""g (float[1,2,3,3] x, {inputs}) => (float[1,2,3,3] y)
    <int64[1] two = {{2}}, float[2] bias = {{0.0, 0.0}}> {{
        invented = ConstantOfShape(two)
        y = {operator.replace("BIAS", bias)}
    }}"""
    node = next(iter(assert_equals_original(parse(text, 22)).graph))
    names = [value.name for value in node.inputs if value is not None]
    assert [name for name in names if name != "bias"] == others
    assert ("bias" in names) == (bias == "bias")
