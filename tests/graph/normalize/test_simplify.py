"""onnxoptimizer takes out operators that undo each other, and costs nothing else."""

from __future__ import annotations

import pytest
from graph.normalize.harness import assert_equals_original, find, normalized, operators, parse

from converter.graph.normalize import simplify

TRANSPOSES = """g (float[N,3,4,5] x) => (float[N,3,4,5] y) {
    [before] a = Relu(x)
    [there] b = Transpose <perm = [0, 2, 3, 1]> (a)
    [back] c = Transpose <perm = [0, 3, 1, 2]> (b)
    [after] y = Neg(c)
}"""


def test_transposes_that_undo_each_other() -> None:
    assert operators(assert_equals_original(parse(TRANSPOSES, 20))) == ["Relu", "Neg"]


def test_it_is_onnxoptimizer_that_takes_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simplify.onnxoptimizer, "optimize", lambda model, passes: model)
    assert operators(normalized(parse(TRANSPOSES, 20))) == ["Relu", "Transpose", "Transpose", "Neg"]


def test_an_error_of_onnxoptimizer_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: object, passes: object) -> None:
        raise RuntimeError("an operator that it does not know")

    monkeypatch.setattr(simplify.onnxoptimizer, "optimize", fail)
    assert operators(assert_equals_original(parse(TRANSPOSES, 20))) == ["Relu", "Transpose", "Transpose", "Neg"]


def test_transposes_in_a_row_become_one_and_keep_their_metadata() -> None:
    model = parse(TRANSPOSES.replace("[0, 3, 1, 2]", "[3, 2, 1, 0]").replace("float[N,3,4,5] y", "float y"), 20)
    model.graph.node[2].metadata_props.add(key="scope", value="here")
    graph = assert_equals_original(model)
    assert operators(graph) == ["Relu", "Transpose", "Neg"]
    assert find(graph, "back").metadata_props["scope"] == "here"


def test_a_value_that_others_use_stays() -> None:
    model = parse(TRANSPOSES.replace("[after]", "z = Abs(b) [after]").replace("=> (", "=> (float z, "), 20)
    assert operators(assert_equals_original(model)) == ["Relu", "Transpose", "Abs", "Neg"]


def test_between_an_input_and_an_output_an_identity_is_left() -> None:
    text = """g (float[2,3] x) => (float[2,3] y) { a = Transpose(x) y = Transpose <perm = [1, 0]> (a) }"""
    text = text.replace("Transpose(x)", "Transpose <perm = [1, 0]> (x)")
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["Identity"]


def test_pads_by_zero() -> None:
    text = """g (float[2,3] x) => (float[2,3] y) {
        p = Constant <value = int64[4] {0, 0, 0, 0}> ()
        a = Pad(x, p)
        y = Neg(a)
    }"""
    assert operators(assert_equals_original(parse(text, 20))) == ["Neg"]


def test_a_mean_whose_axis_is_put_back() -> None:
    text = """g (float[2,3,4] x) => (float[2,3,1] y) {
        axes = Constant <value = int64[1] {2}> ()
        [mean] a = ReduceMean <keepdims = 0> (x, axes)
        b = Unsqueeze(a, axes)
        y = Neg(b)
    }"""
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["ReduceMean", "Neg"]
    assert list(find(graph, "mean").outputs[0].shape) == [2, 3, 1]


def test_beside_operators_that_nobody_knows_and_in_branches() -> None:
    text = """g (float[2,3] x, bool c) => (float[2,3] y, float w) {
        w = lib.Unknown(x)
        y = If (c) <
            then_branch = t () => (float[2,3] d) {
                a = Transpose <perm = [1, 0]> (x)
                b = Transpose <perm = [1, 0]> (a)
                d = Abs(b)
            },
            else_branch = e () => (float[2,3] f) { f = Neg(x) }
        >
    }"""
    assert operators(normalized(parse(text, 20, '"lib": 1'))) == ["Unknown", "If", "Abs", "Neg"]


def test_a_transpose_without_perm_gets_the_one_that_it_means() -> None:
    model = parse("g (float[2,3,4] x) => (float[4,3,2] y) { [turn] y = Transpose(x) }", 20)
    assert find(assert_equals_original(model), "turn").attributes["perm"].as_ints() == (2, 1, 0)
