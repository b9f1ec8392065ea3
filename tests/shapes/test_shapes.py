"""Shape arithmetic as Python values, and what becomes of it in a script."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import check_model, expected_of
from onnx import TensorProto, helper, numpy_helper

from converter import shapes
from converter.script.expressions import Expression, Starred
from converter.script.printer import text_of
from converter.script.statements import Variable
from converter.script.templates import expr
from converter.shapes import PyValue

X = Variable("x")
N, C = expr("{0}.shape[{1}]", X, 0), expr("{0}.shape[{1}]", X, 1)
SHAPE = shapes.shape_of(X, [None, None, 8])


def vector(*items: Any) -> PyValue:
    return PyValue(items, (len(items),))


def scalar(item: Any) -> PyValue:
    return PyValue((item,), ())


def run(operator: str, *inputs: PyValue | None, kind: str = "i", outputs: int = 1, **attributes: Any) -> Any:
    results = shapes.evaluate(operator, inputs, {"kind": kind, "outputs": outputs, **attributes})
    return None if results is None else results[0].arg if outputs == 1 else tuple(result.arg for result in results)


MULTIPLE = expr("{0} % {1}", expr("-{0}", N), 8)
"""What is missing from N to a multiple of 8."""

CASES = [
    ("Gather", (SHAPE, scalar(-1)), {}, 8),
    ("Gather", (SHAPE, vector(0, 2)), {}, (N, 8)),
    ("Slice", (SHAPE, vector(1), vector(2**63 - 1)), {}, (C, 8)),
    ("Slice", (SHAPE, vector(-1), vector(-(2**63)), vector(0), vector(-1)), {}, (8, C, N)),
    ("Concat", (vector(N), vector(-1, 4)), {"axis": 0}, (N, -1, 4)),
    ("Split", (SHAPE, vector(1, 2)), {"outputs": 2}, ((N,), (C, 8))),
    ("Split", (SHAPE,), {"outputs": 2}, ((N, C), (8,))),
    ("Squeeze", (vector(N),), {}, N),
    ("Unsqueeze", (scalar(N), vector(0)), {}, (N,)),
    ("Reshape", (vector(N, 1, 2, C), vector(-1, 2)), {}, ((N, 1), (2, C))),
    ("Transpose", (PyValue((N, 1, 2, C), (2, 2)),), {}, ((N, 2), (1, C))),
    ("Expand", (scalar(N), vector(3)), {}, (N, N, N)),
    ("Tile", (vector(N), vector(2)), {}, (N, N)),
    ("ConstantOfShape", (vector(2),), {}, (0.0, 0.0)),
    ("Range", (scalar(0), scalar(6), scalar(2)), {}, (0, 2, 4)),
    ("Where", (vector(True, False), vector(N, N), vector(C, C)), {}, (N, C)),
    ("Where", (scalar(expr("c")), scalar(N), scalar(N)), {}, N),
    ("Add", (scalar(N), scalar(0)), {}, N),
    ("Mul", (scalar(1), scalar(N)), {}, N),
    ("Sub", (vector(N, 5), scalar(2)), {}, (expr("{0} - {1}", N, 2), 3)),
    ("Div", (scalar(N), scalar(2)), {}, expr("{0} // {1}", N, 2)),
    ("Div", (scalar(expr("{0} * {1}", N, C)), scalar(N)), {}, C),
    ("Div", (scalar(expr("{0} * {1}", C, N)), scalar(N)), {}, C),
    ("Div", (scalar(expr("{0} - {1}", N, 1)), scalar(2)), {}, expr("{0} // {1}", expr("{0} - {1}", N, 1), 2)),
    ("Div", (scalar(expr("{0} - {1}", N, 2)), scalar(2)), {}, expr("int({0} / {1})", expr("{0} - {1}", N, 2), 2)),
    ("Add", (scalar(-1), scalar(N)), {}, expr("{0} - {1}", N, 1)),
    ("Add", (scalar(3), scalar(expr("{0} - {1}", N, 1))), {}, expr("{0} + {1}", N, 2)),
    ("Sub", (scalar(expr("{0} + {1}", N, 1)), scalar(1)), {}, N),
    ("Div", (scalar(-7), scalar(2)), {}, -3),
    ("Div", (scalar(expr("{0} - {1}", N, 3)), scalar(2)), {}, expr("int({0} / {1})", expr("{0} - {1}", N, 3), 2)),
    ("Div", (scalar(N), scalar(2.0)), {"kind": "f"}, expr("{0} / {1}", N, 2.0)),
    ("Mod", (scalar(-7), scalar(4)), {}, 1),
    ("Mod", (scalar(expr("{0} + {1}", expr("-{0}", expr("{0} % {1}", N, 8)), 8)), scalar(8)), {}, MULTIPLE),
    ("Div", (scalar(expr("{0} + {1}", N, MULTIPLE)), scalar(8)), {}, expr("{0} // {1}", expr("{0} + {1}", N, 7), 8)),
    ("Mul", (scalar(-1), scalar(N)), {}, expr("-{0}", N)),
    ("Add", (scalar(C), scalar(expr("-{0}", N))), {}, expr("{0} - {1}", C, N)),
    ("Abs", (scalar(N),), {}, N),
    ("Neg", (scalar(N),), {}, expr("-{0}", N)),
    ("Max", (scalar(N), scalar(C)), {}, expr("max(({0}, {1}))", N, C)),
    ("And", (scalar(expr("{0} > 3", N)), scalar(False)), {}, False),
    ("Or", (scalar(True), scalar(expr("{0} > 3", N))), {}, True),
    ("And", (scalar(True), scalar(expr("{0} > 3", N))), {}, expr("{0} > 3", N)),
    ("Max", (scalar(N), scalar(1e9)), {}, expr("max(({0}, {1}))", N, 1000000000)),
    ("Min", (scalar(N), scalar(expr("max(({0}, {1}))", 1, N))), {}, N),
    ("Min", (scalar(expr("min(({0}, {1}))", N, C)), scalar(C)), {}, expr("min(({0}, {1}))", N, C)),
    ("Min", (scalar(0.5), scalar(N)), {}, expr("min(({0}, {1}))", 0.5, N)),
    ("Min", (scalar(2.0), scalar(expr("{0} / {1}", N, 3))), {}, expr("min(({0}, {1}))", 2.0, expr("{0} / {1}", N, 3))),
    ("Min", (scalar(2), scalar(3), scalar(1)), {}, 1),
    ("Clip", (scalar(N), None, scalar(4)), {}, expr("min(({0}, {1}))", N, 4)),
    ("Floor", (scalar(2.5),), {"kind": "f"}, 2),
    ("Floor", (scalar(expr("{0} * {1}", N, 0.5)),), {"kind": "f"}, expr("int({0})", expr("{0} * {1}", N, 0.5))),
    ("Floor", (scalar(expr("{0} - {1}", N, 2)),), {"kind": "f"}, expr("math.floor({0})", expr("{0} - {1}", N, 2))),
    ("Ceil", (scalar(expr("{0} / {1}", N, 2.0)),), {"kind": "f"}, expr("{0} // {1}", expr("{0} + {1}", N, 1), 2)),
    ("Ceil", (scalar(expr("{0} / {1}", N, 1.5)),), {"kind": "f"}, expr("math.ceil({0})", expr("{0} / {1}", N, 1.5))),
    ("Sqrt", (scalar(N),), {"kind": "f"}, expr("{0} ** 0.5", N)),
    ("Pow", (scalar(N), scalar(2)), {}, expr("{0} ** {1}", N, 2)),
    ("Cast", (scalar(N),), {"to_kind": "f"}, N),
    ("Cast", (scalar(2),), {"to_kind": "f"}, 2.0),
    ("Cast", (scalar(expr("{0} // {1}", N, 2)),), {"kind": "f", "to_kind": "i"}, expr("{0} // {1}", N, 2)),
    ("Cast", (scalar(expr("f")),), {"kind": "f", "to_kind": "i"}, expr("int({0})", expr("f"))),
    ("ReduceProd", (vector(2, N, 3),), {"keepdims": 0}, expr("{0} * {1}", N, 6)),
    ("ReduceSum", (vector(N, 1),), {}, (expr("{0} + {1}", N, 1),)),
    ("ReduceMax", (vector(2, 5),), {"keepdims": 0}, 5),
    ("Equal", (vector(N, 3), vector(-1, 3)), {}, (False, True)),
    ("Equal", (scalar(N), scalar(1)), {}, expr("{0} == {1}", N, 1)),
    ("GreaterOrEqual", (scalar(N), scalar(-1)), {}, True),
    ("Less", (scalar(2), scalar(3)), {}, True),
    ("Not", (scalar(expr("c")),), {"kind": "b"}, expr("not {0}", expr("c"))),
]


@pytest.mark.parametrize(
    ("operator", "inputs", "options", "wanted"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_computes(operator: str, inputs: tuple[PyValue, ...], options: dict[str, Any], wanted: Any) -> None:
    assert run(operator, *inputs, **options) == wanted


@pytest.mark.parametrize(
    ("operator", "inputs", "options"),
    [
        ("Where", (scalar(expr("{0} == {1}", N, 1)), scalar(N), scalar(C)), {}),  # wrong in graph mode
        ("Gather", (SHAPE, scalar(N)), {}),
        ("Gather", (SHAPE, scalar(7)), {}),
        ("Div", (scalar(1), scalar(0)), {}),
        ("Expand", (scalar(N), vector(1000)), {}),
        ("Range", (scalar(0), scalar(1000), scalar(1)), {}),
        ("Mod", (scalar(expr("{0} - {1}", N, 3)), scalar(2)), {"fmod": 1}),
        ("MatMul", (SHAPE, SHAPE), {}),
    ],
)
def test_leaves_to_tensors(operator: str, inputs: tuple[PyValue, ...], options: dict[str, Any]) -> None:
    assert run(operator, *inputs, **options) is None


def test_a_shape_keeps_its_short_form() -> None:
    free = shapes.shape_of(X, [None, None])
    assert free.arg == expr("{0}.shape", X)
    assert run("Identity", free) == free.arg
    assert shapes.shape_of(X, [2, None]).arg == (2, C)
    assert shapes.shape_of(X, []).arg == ()


@pytest.mark.parametrize(
    ("start", "stop", "text"),
    [(0, shapes.FAR, "x.shape"), (0, -1, "x.shape[:-1]"), (1, shapes.FAR, "x.shape[1:]"), (1, 3, "x.shape[1:3]")],
)
def test_slices_a_shape_of_unknown_rank(start: int, stop: int, text: str) -> None:
    part = shapes.slice_of(shapes.shape_of(X, None), start, stop)
    assert part.unknown_length
    assert text_of(part.arg, lambda leaf: leaf.hint) == text


def test_unknown_rank_stands_among_other_elements() -> None:
    unknown = shapes.shape_of(X, None)
    assert run("Concat", unknown, vector(4), axis=0) == (Starred(expr("{0}.shape", X)), 4)
    assert run("Gather", unknown, scalar(-1)) == expr("{0}.shape[{1}]", X, -1)
    assert run("ReduceProd", unknown, keepdims=0) == expr("math.prod({0})", expr("{0}.shape", X))
    assert run("Add", unknown, scalar(1)) is None


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((2, 3), 6),
        ((None, 3), expr("{0} * {1}", N, 3)),
        ((None, None), expr("{0}.size", X)),
        (None, expr("{0}.size", X)),
    ],
)
def test_counts_elements(shape: Any, wanted: Any) -> None:
    assert shapes.size_of(X, shape).arg == wanted


def test_reads_computed_elements() -> None:
    assert shapes.read(X, "i", ()).arg == expr("int({0})", X)  # type: ignore[union-attr]
    assert shapes.read(X, "f", (1,)).arg == (expr("float({0}[{1}])", X, 0),)  # type: ignore[union-attr]
    assert shapes.read(X, "i", (None,)).unknown_length  # type: ignore[union-attr]
    assert shapes.read(X, "i", (2, 2)) is None
    assert shapes.read(X, "c", ()) is None


@pytest.mark.parametrize("number", [np.float32(0.1), np.float16(0.1), np.float32(np.inf), np.float64(1 / 3)])
def test_floats_are_short_and_exact(number: np.floating) -> None:
    assert type(number)(shapes.shortest(number)) == number


def chain(*nodes: Any, y: tuple[int, list[Any] | None], constants: dict[str, Any], x: list[Any]) -> Any:
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(
        list(nodes),
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", *y)],
        initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def heads() -> Any:
    return chain(
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Gather", ["s", "one"], ["t"]),
        helper.make_node("Mul", ["n", "two"], ["m"]),
        helper.make_node("Unsqueeze", ["m", "axis"], ["m1"]),
        helper.make_node("Unsqueeze", ["t", "axis"], ["t1"]),
        helper.make_node("Concat", ["m1", "t1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
        y=(TensorProto.FLOAT, [None, None, None]),
        constants={"zero": 0, "one": 1, "two": 2, "axis": [0], "rest": [4]},
        x=["n", "t", 8],
    )


def scaled() -> Any:
    return chain(
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "one"], ["t"]),
        helper.make_node("Cast", ["t"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Sqrt", ["f"], ["r"]),
        helper.make_node("Div", ["x", "r"], ["y"]),
        y=(TensorProto.FLOAT, ["n", "t", 8]),
        constants={"one": 1},
        x=["n", "t", 8],
    )


def as_data() -> Any:
    return chain(
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["s"], ["i"], to=TensorProto.INT32),
        helper.make_node("Add", ["i", "one"], ["y"]),
        y=(TensorProto.INT32, [3]),
        constants={"one": np.array([1, 1, 1], np.int32)},
        x=["n", "t", 8],
    )


DYNAMIC = [
    (heads, ".reshape((x.shape[0] * 2, x.shape[1], 4))"),
    (scaled, "x / x.shape[1] ** 0.5"),
    (as_data, "ms.Tensor((x.shape[0] + 1, x.shape[1] + 1, 9), ms.int32)"),
]


@pytest.mark.parametrize(("make", "text"), DYNAMIC, ids=[make.__name__ for make, _ in DYNAMIC])
def test_in_all_ways_of_running(make: Any, text: str) -> None:
    import mindspore as ms

    model = make()
    rep = check_model(model, [np.ones((2, 3, 8), np.float32)])
    assert text in rep.script
    net = type(rep.net)()
    net.set_inputs(ms.Tensor(shape=[None, None, 8], dtype=ms.float32))
    ms.set_context(mode=ms.GRAPH_MODE)
    for shape in ((2, 3, 8), (4, 5, 8)):
        feed = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        (wanted,) = expected_of(model, [feed])
        got = net(ms.Tensor(feed)).asnumpy()
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, 1e-5)


def test_a_computed_shape_is_read_when_the_network_runs() -> None:
    model = chain(
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Cast", ["top"], ["rows"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["rows", "axis"], ["r1"]),
        helper.make_node("Concat", ["r1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
        y=(TensorProto.FLOAT, [None, None]),
        constants={"axis": [0], "rest": [-1]},
        x=[6],
    )
    for top in (2, 3):
        rep = check_model(model, [np.array([0, 1, 0, top, 0, 0], np.float32)])
        assert "int(" in rep.script


def test_expressions_over_values_stay_data() -> None:
    assert isinstance(run("Add", scalar(N), scalar(1)), Expression)
