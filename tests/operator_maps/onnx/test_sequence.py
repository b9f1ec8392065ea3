"""Sequences and optional values against onnxruntime, in both modes."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from harness import check_model
from onnx import numpy_helper
from onnx_backend import Unconverted

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
BODIES = [
    ("s = SequenceConstruct(x, b) y = SequenceAt(s, one)", "x * 2"),
    ("s = SequenceConstruct(x, b) y = SequenceAt(s, last)", "x * 2"),
    ("s = SequenceConstruct(x, b) t = SequenceInsert(s, a) y = ConcatFromSequence<axis=0>(t)", " + ["),
    ("s = SequenceConstruct(x, b) t = SequenceInsert(s, a, one) y = ConcatFromSequence<axis=1>(t)", "ops.cat("),
    ("s = SequenceConstruct(x, b) y = ConcatFromSequence<axis=1, new_axis=1>(s)", "ops.stack((x, x * 2.0), 1)"),
    ("s = SplitToSequence<axis=1>(x) y = ConcatFromSequence<axis=1, new_axis=1>(s)", "ops.stack("),
    ("e = SequenceEmpty<dtype=1>() s = SequenceInsert(e, x) y = SequenceAt(s, zero)", "[x][0]"),
    ("s = SequenceConstruct(x, a, b) t = SequenceErase(s) y = ConcatFromSequence<axis=0>(t)", "[:-1]"),
    ("s = SequenceConstruct(x, a, b) t = SequenceErase(s, zero) y = ConcatFromSequence<axis=0>(t)", "[1:]"),
    ("s = SequenceConstruct(x, a, b) t = SequenceErase(s, one) y = ConcatFromSequence<axis=0>(t)", " + 1 :]"),
    ("s = SplitToSequence<axis=1>(x) y = SequenceAt(s, one)", "list(ops.split(x, 1, 1))"),
    ("s = SplitToSequence<axis=1, keepdims=0>(x) y = SequenceAt(s, last)", "list(ops.unbind(x, 1))"),
    ("s = SplitToSequence<axis=1>(x, sizes) y = SequenceAt(s, last)", "mint.split(x, [1, 2], 1)"),
    ("s = SplitToSequence<axis=0>(x, two_each) y = SequenceAt(s, last)", "list(ops.split(x, 2, 0))"),
    (
        "s = SplitToSequence<axis=1>(x) t = SequenceInsert(s, w) y = ConcatFromSequence<axis=1, new_axis=1>(t)",
        "value()",
    ),
    ("o = Optional(x) y = OptionalGetElement(o)", "return x"),
]
INTEGERS = {"zero": 0, "one": 1, "last": -1, "sizes": [1, 2], "two_each": 2}
CONSTANTS = {name: np.array(value, np.int64) for name, value in INTEGERS.items()} | {"w": np.ones((4, 1), np.float32)}


def model_of(body: str, result: str = "float[n, m] y") -> onnx.ModelProto:
    """A model in which `a` is -x and `b` is 2 x."""
    start = "a = Neg(x) two = Constant<value_float=2.0>() b = Mul(x, two)"
    text = f'<ir_version: 9, opset_import: ["": 18]> g (float[n, 3] x) => ({result}) {{ {start} {body} }}'
    model = onnx.parser.parse_model(text)
    initializers = [numpy_helper.from_array(value, name) for name, value in CONSTANTS.items()]
    model.graph.initializer.extend(one for one in initializers if re.search(rf"\b{one.name}\b", body))
    return model


@pytest.mark.parametrize(("body", "text"), BODIES, ids=[body for body, _ in BODIES])
def test_becomes(body: str, text: str) -> None:
    result = "float[n, m, k] y" if "new_axis" in body else "float[n] y" if "keepdims" in body else "float[n, m] y"
    assert text in check_model(model_of(body, result), [X]).script


def test_a_length_is_a_python_number() -> None:
    model = model_of("s = SplitToSequence<axis=0>(x) y = SequenceLength(s)", "int64 y")
    assert "len(" in check_model(model, [X]).script


def test_a_list_is_an_output() -> None:
    check_model(model_of("y = SequenceConstruct(x, a, b)", "seq(float[n, 3]) y"), [X])


@pytest.mark.parametrize(("argument", "text"), [("x", "True"), ("", "False")])
def test_whether_an_optional_value_is_there_is_known(argument: str, text: str) -> None:
    body = f"y = OptionalHasElement({argument})"
    assert text in check_model(model_of(body, "bool y"), [X]).script


def test_a_map_is_a_loop() -> None:
    body = (
        "s = SequenceConstruct(x, a, b) t = SequenceMap<body = f (float[n, 3] u) => (float[n, 3] v) { v = Exp(u) }>(s)"
    )
    rep = check_model(model_of(f"{body} y = ConcatFromSequence<axis=0>(t)"), [X])
    assert "for i in range(" in rep.script


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_parts_of_computed_sizes(axis: int, count: int) -> None:
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["": 18]> g (float[4, 3] x, int64[{count}] n) => (float[a, b] y) '
        f"<int64 last = {{-1}}> {{ s = SplitToSequence <axis = {axis}> (x, n) y = SequenceAt(s, last) }}"
    )
    sizes = {1: [X.shape[axis]], 2: [1, X.shape[axis] - 1], 3: [1, 1, X.shape[axis] - 2]}[count]
    check_model(model, [X, np.array(sizes)])


def test_a_computed_number_of_parts_is_declined() -> None:
    text = "s = SplitToSequence(x, n) y = SequenceAt(s, last)"
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 18]> g (float[4, 3] x, int64 n) => (float[a, b] y) '
        f"<int64 last = {{-1}}> {{ {text} }}"
    )
    with pytest.raises(Unconverted, match="number of parts is computed"):
        check_model(model, [X, np.array(2)])


def test_a_value_in_one_branch_only_is_declined() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 18]> g (float[4, 3] x, bool c) => (bool y) { '
        "o = If (c) <then_branch = t () => (optional(float[4, 3]) u) "
        "{ u = Optional <type: type_proto = float[4, 3]> () }, "
        "else_branch = e () => (optional(float[4, 3]) v) { v = Optional(x) }> y = OptionalHasElement(o) }"
    )
    with pytest.raises(Unconverted, match="nly one of its branches gives a value"):
        check_model(model, [X, np.array(True)], expect=[])
