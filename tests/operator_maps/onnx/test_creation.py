from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.normalize.harness import parse
from harness import check, check_model
from onnx import TensorProto, helper, numpy_helper
from onnx.shape_inference import infer_shapes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "ops.zeros((int(x0[0]), int(x0[1])), dtype=ms.float32)"),
        (np.array([1], np.int64), "ops.ones((int(x0[0]), int(x0[1])), dtype=ms.int64)"),
        (np.array([2.5], np.float16), "ops.full((int(x0[0]), int(x0[1])), 2.5, dtype=ms.float16)"),
        (np.array([True]), "ms.bool_"),
        (np.array([-np.inf], np.float32), 'float("-inf")'),
        (np.array([2**53 + 1], np.int64), "ms.Tensor(9007199254740993, ms.int64)"),
        (np.array([0.1], np.float64), "ms.Tensor(0.1, ms.float64)"),
    ],
)
def test_fills_a_computed_shape(value: np.ndarray | None, text: str) -> None:
    options = {} if value is None else {"value": numpy_helper.from_array(value)}
    assert text in check("ConstantOfShape", np.array([2, 3], np.int64), **options).script


def test_fills_the_shape_of_a_tensor() -> None:
    graph = helper.make_graph(
        [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ConstantOfShape", ["s"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    rep = check_model(model, [np.ones((2, 3), np.float32)])
    assert "ops.zeros((x.shape[0], 3), dtype=ms.float32)" in rep.script


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (np.array([1, 7, 2], np.int64), "ops.arange(int(x0), int(x1), int(x2))"),
        (np.array([9, 1, -3], np.int32), "dtype=ms.int32"),
        (np.array([0, 2, 0.5], np.float32), "dtype=ms.float32"),
    ],
)
def test_counts(bounds: np.ndarray, text: str) -> None:
    assert text in check("Range", *bounds).script


def test_counts_an_extent() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
            helper.make_node("Squeeze", ["s"], ["n"]),
            helper.make_node("Range", ["zero", "n", "one"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, ["n"])],
        [numpy_helper.from_array(np.int64(0), "zero"), numpy_helper.from_array(np.int64(1), "one")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert "ops.arange(x.shape[0])" in check_model(model, [np.ones((4, 3), np.float32)]).script


@pytest.mark.parametrize("k", [0, 1, -2])
@pytest.mark.parametrize("dtype", [None, TensorProto.INT64, TensorProto.BOOL])
def test_eye(k: int, dtype: int | None) -> None:
    options: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
    check("EyeLike", np.ones((3, 5), np.float32), k=k, free=True, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"value_ints": [1, 2, 3]},
        {"value_int": 4},
        {"value_float": 0.5},
        {"value_floats": [0.5, 1.5]},
        {"value": numpy_helper.from_array(np.arange(40, dtype=np.float32))},
    ],
)
def test_a_constant_is_an_output(options: dict[str, Any]) -> None:
    node = helper.make_node("Constant", [], ["y"], **options)
    graph = helper.make_graph([node], "g", [], [helper.make_empty_tensor_value_info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    check_model(infer_shapes(model), [])


ENDS = {
    "an input": ("int64 n", "y = Range (zero, n, one)"),
    "a difference": ("float[k] n", "s = Shape (n) v = Squeeze (s) d = Sub (v, three) y = Range (zero, d, one)"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("number", [5, 3, 1])
def test_a_range_whose_end_may_be_below_its_beginning(end: str, number: int) -> None:
    given, body = ENDS[end]
    constants = "<int64 zero = {0}, int64 one = {1}, int64 three = {3}>"
    feed = np.zeros(number, np.float32) if "float" in given else np.array(number - 3)
    check_model(parse(f"g ({given}) => (int64[r] y) {constants} {{ {body} }}", 20), [feed], dynamic="float" in given)


EXTREMES = {
    "minimum": "m = Min (n, k)",
    "maximum": "m = Max (n, k)",
    "half, rounded up": (
        "f = Cast <to = 1> (n) t = Constant <value = float {2.0}> () h = Div (f, t) c = Ceil (h) m = Cast <to = 7> (c)"
    ),
}


@pytest.mark.parametrize("body", EXTREMES.values(), ids=EXTREMES)
def test_counts_to_what_is_made_of_a_number_of_elements(body: str) -> None:
    """Graph mode knows no type of `max(a, b)`, nor of what is computed from it."""
    text = f"""g (float[s] x) => (int64[r] y, float[q] z) {{
        zero = Constant <value = int64 {{0}}> () one = Constant <value = int64 {{1}}> ()
        k = Constant <value = int64 {{2}}> ()
        ones = Constant <value_ints = [1]> () zeros = Constant <value_ints = [0]> ()
        found = NonZero (x) last = Shape (found) n = Gather (last, one) {body}
        y = Range (zero, m, one) length = Unsqueeze (m, zeros) best, order = TopK (x, length) z = Relu (best)
    }}"""
    check_model(parse(text, 20), [np.array([3, 0, 1, 0, 2], np.float32)], dynamic=True)
