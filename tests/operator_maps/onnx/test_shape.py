from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.normalize.harness import parse
from harness import check, check_model
from onnx import TensorProto, helper, numpy_helper

X = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
ONES = X[:, :1]


def ints(*items: int) -> np.ndarray:
    return np.array(items, np.int64)


CASES = [
    ("Reshape", (X, ints(0, -1)), {}, "x0.reshape((x0.shape[0], -1))"),
    ("Reshape", (X, ints(-1, 2, 2)), {}, "x0.reshape((-1, 2, 2))"),
    ("Reshape", (X, ints(0, 0, 2, 2)), {}, "x0.reshape((x0.shape[0], 3, 2, 2))"),
    ("Transpose", (X,), {"perm": (0, 2, 1)}, "x0.transpose((0, 2, 1))"),
    ("Transpose", (X,), {}, "x0.transpose((2, 1, 0))"),
    ("Transpose", (X,), {"perm": (0, 1, 2)}, "return x0"),
    ("Squeeze", (ONES, ints(1)), {}, "x0.squeeze(1)"),
    ("Squeeze", (ONES[..., :1], ints(-1, 1)), {}, "x0.squeeze((-1, 1))"),
    ("Squeeze", (ONES,), {}, "x0.squeeze()"),
    ("Unsqueeze", (X, ints(1)), {}, "ops.unsqueeze(x0, 1)"),
    ("Unsqueeze", (X, ints(-1)), {}, "ops.unsqueeze(x0, -1)"),
    ("Unsqueeze", (X, ints(-1, 0)), {}, "x0[None, :, :, :, None]"),
    ("Flatten", (X,), {}, "ops.flatten(x0, start_dim=1)"),
    ("Flatten", (X,), {"axis": 2}, "x0.reshape((-1, 4))"),
    ("Flatten", (X,), {"axis": 0}, "x0.reshape((1, -1))"),
    ("Flatten", (X,), {"axis": -1}, "x0.reshape((-1, 4))"),
    ("Flatten", (X[0, 0],), {"axis": 1}, "x0.reshape((-1, 1))"),
    ("Expand", (ONES, ints(1, 5, 1)), {}, "ops.broadcast_to(x0, (-1, 5, -1))"),
    ("Expand", (X, ints(2, 1, 1, 1)), {}, "ops.broadcast_to(x0, (2, -1, -1, -1))"),
    ("Expand", (X, ints(1)), {}, "return x0"),
    ("Identity", (X,), {}, "return x0"),
    ("Shape", (X,), {}, "ms.Tensor((x0.shape[0], 3, 4), ms.int64)"),
    ("Shape", (X,), {"start": -2}, "ms.Tensor([3, 4], ms.int64)"),
    ("Shape", (X,), {"end": 1}, "ops.scalar_to_tensor(x0.shape[0], ms.int64).reshape((1,))"),
    ("Size", (X,), {}, "ops.scalar_to_tensor(x0.shape[0] * 12, ms.int64)"),
]


@pytest.mark.parametrize(("operator", "inputs", "attributes", "text"), CASES, ids=[f"{c[0]}-{c[3]}" for c in CASES])
def test_becomes(operator: str, inputs: tuple[np.ndarray, ...], attributes: dict[str, Any], text: str) -> None:
    assert text in check(operator, *inputs, free=True, constants=(1,), **attributes).script


def test_no_batch_size_is_written() -> None:
    rep = check("Reshape", X, ints(0, -1), free=True, constants=(1,))
    (result,) = rep.run([np.zeros((5, 3, 4), np.float32)])
    assert result.shape == (5, 12)


@pytest.mark.parametrize("shape", [(0, -1, 2), (2, 0, 0), (-1, 3, 4)])
def test_extents_are_kept_where_the_rank_of_the_target_is_free(shape: tuple[int, ...]) -> None:
    text = """g (float[n,3,4] x, int64[m] s) => (float[] y, float[] z) <int64[1] zero = {0}> {
        y = Reshape (x, s) d = Shape <start = 1> (y) t = Concat <axis = 0> (zero, d) z = Reshape (y, t)
    }"""
    check_model(parse(text, 22), [X, ints(*shape)])


def test_vectors_whose_rank_no_inference_knows() -> None:
    """A scalar that an Unsqueeze by computed axes makes a vector; what reads it takes a vector only."""
    text = """g (float[1] x, int64 n, int64[1] a) => (float[] y, float[] z, float[] r) <int64[1] two = {2}> {
        v = Unsqueeze (n, a) t = Concat <axis = 0> (two, v) y = Expand (x, t) z = ConstantOfShape (t) r = Reshape (y, t)
    }"""
    check_model(parse(text, 22), [np.ones(1, np.float32), np.array(3), ints(0)])


@pytest.mark.parametrize(
    ("operator", "x", "other", "attributes"),
    [
        ("Reshape", X, ints(4, 0, -1), {}),
        ("Reshape", X[:0], ints(3, 4, 0), {"allowzero": 1}),
        ("Squeeze", ONES, ints(1), {}),
        ("Unsqueeze", X, ints(2), {}),
        ("Unsqueeze", np.array(3), ints(1, 0), {}),
        ("Expand", ONES, ints(2, 5, 4), {}),
    ],
)
def test_takes_what_is_computed(operator: str, x: np.ndarray, other: np.ndarray, attributes: dict[str, Any]) -> None:
    check(operator, x, other, **attributes)


@pytest.mark.parametrize("target", [(-1, 2, 2), (0, 12), (24,)])
def test_reshapes_to_a_shape_that_only_the_run_knows(target: tuple[int, ...]) -> None:
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4]),
            helper.make_tensor_value_info("s", TensorProto.INT64, [len(target)]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(target))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    check_model(model, [X, ints(*target)])


def test_the_rows_of_a_table_are_expanded_for_each_sequence() -> None:
    """Token types of a text model: as many as the sequence is long."""
    text = """g (int64[b,s] x) => (int64[b,s] y) <int64[1] zero = {0}, int64[1] one = {1}> {
        shape = Shape (x) length = Shape <start = 1, end = 2> (x)
        part = Slice (table, zero, length, one) y = Expand (part, shape)
    }"""
    model = parse(text, 18)
    model.graph.initializer.append(numpy_helper.from_array(np.arange(64)[None] % 2, "table"))
    extents = [1, "Min(64, s)"]  # as torch's exporter writes
    model.graph.value_info.append(helper.make_tensor_value_info("part", TensorProto.INT64, extents))
    assert (
        "ops.broadcast_to(self.table[:, : x.shape[1]], (x.shape[0], -1))"
        in check_model(model, [np.zeros((2, 5), np.int64)]).script
    )


def test_an_empty_tensor_gets_the_shape_that_is_known() -> None:
    check("Reshape", X[:0], ints(0, 12), constants=(1,))
    check("Flatten", X[:0])


def test_expand_meets_the_free_extents_of_another_tensor() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Expand", ["token", "s"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "t", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "t", 4])],
        [numpy_helper.from_array(X[:1, :1], "token")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    rep = check_model(model, [X])
    assert "ops.tile(self.token, (x.shape[0], x.shape[1], 1))" in rep.script


@pytest.mark.parametrize("target", [(0, 4), (3, 4), (2, 0, 4), (2, 3, 4), (1, 1)])
def test_expands_to_extents_that_only_the_run_knows(target: tuple[int, ...]) -> None:
    """Also to none: graph mode broadcasts to no extent of 0."""
    row = X[:1, 0]
    for length in ("r", len(target)):
        text = f"g (float[1,4] x, int64[{length}] s, bool[1,4] b) => (float[k] y, bool[l] z)"
        check_model(parse(f"{text} {{ y = Expand (x, s) z = Expand (b, s) }}", 20), [row, ints(*target), row > 0])


def test_nothing_is_expanded_to_nothing() -> None:
    model = parse("g (float[n,4,1] x, int64[3] s) => (float[m,4,k] y) { y = Expand (x, s) }", 18)
    for rows in (0, 1, 2):
        check_model(model, [X[:1, :1].reshape(1, 4, 1).repeat(rows, 0), ints(1, 4, 1)])


def test_expands_the_last_axes_of_free_extents() -> None:
    model = parse("g (float[a,b,c] x) => (float[a,b,d] y) <int64[1] s = {4}> { y = Expand (x, s) }", 18)
    for shape in ((2, 3, 4), (2, 3, 1)):
        check_model(model, [X[: shape[0], : shape[1], : shape[2]]], dynamic=True)


def test_unsqueezes_a_tensor_of_unknown_rank() -> None:
    model = parse("g (float[] x) => (float[] y) <int64[2] a = {0, 2}> { y = Unsqueeze (x, a) }", 18)
    check_model(model, [np.ones((2, 3), np.float32)])


@pytest.mark.parametrize("axis", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("target", [(2, 3, 4), (4, 6), (2, 1, 3, 4)])
def test_flattens_a_tensor_of_unknown_rank(axis: int, target: tuple[int, ...]) -> None:
    text = f"g (float[n,3,4] x, int64[k] s) => (float[a,b] y) {{ z = Reshape (x, s) y = Flatten <axis = {axis}> (z) }}"
    check_model(parse(text, 20), [X, ints(*target)])


@pytest.mark.parametrize("axes", [(0, 2), (-1, 0), (1, -2), (3,)])
def test_unsqueezes_axes_that_only_the_run_knows(axes: tuple[int, ...]) -> None:
    text = f"g (float[n,3,4] x, int64[{len(axes)}] a) => (float[k] y) {{ y = Unsqueeze (x, a) }}"
    check_model(parse(text, 20), [X, ints(*axes)], dynamic=True)


SHAPES = {
    "whole": "y = Shape (x)",
    "part": "y = Shape <start = 1> (x)",
    "extent": "z = Constant <value = int64 {0}> () s = Shape (x) y = Gather (s, z)",
    "size": "y = Size (x)",
    "of floats": "s = Shape (x) y = Cast <to = 1> (s)",
    "of elements": "n = NonZero (x) y = Shape (n)",
    "least": "s = Shape (x) a = Constant <value_ints = [0]> () y = ReduceMin (s, a)",
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_a_shape_is_an_output(body: str) -> None:
    made = "float" if "Cast" in body else "int64"
    check_model(parse(f"g (float[n,m,4] x) => ({made}[k] y) {{ {body} }}", 20), [X], dynamic=True)
