from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.fusions.recognition import model_of
from graph.normalize.harness import parse
from harness import check, check_model
from onnx import TensorProto, helper, numpy_helper

from converter.base.trained import PADDING

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
TABLE = RNG.normal(size=(9, 6)).astype(np.float32)


def ints(*items: Any) -> np.ndarray:
    return np.array(items, np.int64)


GATHERS = [
    (X, np.int64(0), 1, "x0[:, 0]"),
    (X, np.int64(-1), 2, "x0[..., -1]"),
    (X, np.int64(1), 0, "x0[1]"),
    (X, ints(0, 1, 2), 1, "x0[:, :3]"),
    (X, ints(1, 3), 2, "x0[..., 1:4:2]"),
    (X, ints(2), 1, "x0[:, 2:3]"),
    (X, ints(3, -1), 1, "ms.Tensor([3, 3], ms.int64)"),
]


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(("x", "indices", "axis", "text"), GATHERS, ids=[c[3] for c in GATHERS])
def test_gathers_constant_indices(x: np.ndarray, indices: np.ndarray, axis: int, text: str) -> None:
    assert text in check("Gather", x, indices, axis=axis, constants=(1,), free=axis != 0).script


@pytest.mark.parametrize("indices", [ints(0, -1, 2), ints([0, 1], [3, 3]), np.int64(2), np.array([1], np.int32)])
def test_gathers_computed_indices(indices: np.ndarray) -> None:
    assert "ops.gather(x0, x1, 1)" in check("Gather", X, indices, axis=1, constants=()).script


def test_looks_rows_of_a_weight_up() -> None:
    rep = check("Gather", TABLE, ints([0, 8, 1], [2, 2, 2]), constants=(0,), free=True)
    assert "nn.Embedding(9, 6)" in rep.script
    assert next(name for name, _ in rep.translation.program.parameters()).endswith(".embedding_table")


@pytest.mark.parametrize("table", [TABLE.astype(np.float16), TABLE[:, 0], TABLE.astype(np.int64)])
def test_other_tables_stay_parameters(table: np.ndarray) -> None:
    assert "nn.Embedding" not in check("Gather", table, ints(0, 8, 1), constants=(0,)).script


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("y = GatherND (x, i)", "from_the_front(i, ops.TensorShape()(x)[:2])"),
        ("y = GatherND <batch_dims = 1> (x, j)", "from_the_front(j, ops.TensorShape()(x)[1:2])"),
        ("y = ScatterND (x, i, u)", "from_the_front(i, ops.TensorShape()(x)[:2])"),
        ('y = ScatterND <reduction = "add"> (x, i, u)', "from_the_front(i, ops.TensorShape()(x)[:2])"),
    ],
)
def test_negative_places_along_free_axes(operator: str, text: str) -> None:
    inputs = "float[a,b,5] x, int64[n,2] i, int64[a,n,1] j, float[n,5] u"
    places, within = ints([-1, 2], [1, -4]), ints([[-1], [0]], [[1], [-2]], [[-4], [3]])
    rep = check_model(
        parse(f"g ({inputs}) => (float[k,l] y) {{ {operator} }}", 20), [X, places, within, X[0, :2]], dynamic=True
    )
    assert text in rep.script


@pytest.mark.parametrize(
    ("lowest", "constants", "free", "text"),
    [
        (-4, (), True, "ops.gather_elements(x0, 1, ops.where(x1 < 0, x1 + x0.shape[1], x1))"),
        (-4, (1,), False, "ops.gather_elements(x0, 1, self.indices)"),
        (-4, (1,), True, "ops.gather_elements(x0, 1, self.indices)"),
        (0, (1,), True, "ops.gather_elements(x0, 1, self."),
    ],
)
def test_gathers_along_an_axis(lowest: int, constants: tuple[int, ...], free: bool, text: str) -> None:
    indices = RNG.integers(lowest, 4, (3, 2, 5))
    assert text in check("GatherElements", X, indices, axis=1, constants=constants, free=free).script


def test_gathering_leaves_the_indices_as_they_are() -> None:
    nodes = [
        helper.make_node("GatherElements", ["x", "i"], ["y"], axis=1),
        helper.make_node("Identity", ["i"], ["same"]),
    ]
    indices = ints([[-1, 0, 1, -2, -4]])
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 5])]
    ends.append(helper.make_tensor_value_info("i", TensorProto.INT64, [1, 1, 5]))
    results = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 5])]
    results.append(helper.make_tensor_value_info("same", TensorProto.INT64, [1, 1, 5]))
    graph = helper.make_graph(nodes, "g", ends, results)
    check_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), [X[:1], indices])


@pytest.mark.parametrize(
    ("made", "counted"),
    [
        ("p = Clip (i, zero)", True),
        ("p = Mod (i, five)", True),
        ("r = Range (zero, five, one) m = Mul (r, one) a = Add (m, zero) p = Div (a, one)", True),
        ("k = ReduceMin <keepdims = 0> (i) e = Add (k, five) p = Range (k, e, one)", False),
        ("p = Sub (i, zero)", False),
    ],
    ids=["clip", "mod", "range", "negative range", "difference"],
)
def test_indices_that_never_count_from_the_back_are_taken_as_they_are(made: str, counted: bool) -> None:
    numbers = {"zero": 0, "one": 1, "five": 5}
    constants = ", ".join(f"int64 {name} = {{{number}}}" for name, number in numbers.items() if name in made)
    text = f"""g (float[1,5,n] x, int64[n] i) => (float[1,1,n] y) <int64[2] axes = {{0, 1}}, {constants}> {{
        {made} q = Unsqueeze (p, axes) y = GatherElements <axis = 1> (x, q)
    }}"""
    script = check_model(parse(text, 18), [RNG.normal(size=(1, 5, 5)).astype(np.float32), ints(-1, 0, 1, -2, 3)]).script
    assert ("where" not in script) == counted


@pytest.mark.parametrize(
    ("indices", "batch_dims"),
    [
        (ints([0, 1], [2, 3]), 0),
        (ints([[0]], [[2]]), 0),
        (ints([0, 1], [3, 2], [1, 4]), 1),
        (RNG.integers(0, 5, (3, 4, 2, 1)), 2),
    ],
)
def test_gathers_places(indices: np.ndarray, batch_dims: int) -> None:
    check("GatherND", X, indices, batch_dims=batch_dims, constants=())


def test_gathers_places_of_a_batch_that_graph_mode_does_not_know() -> None:
    import mindspore as ms

    indices = ints([[0, 1]], [[3, 2]], [[1, 4]])
    rep = check("GatherND", X, indices, batch_dims=1, constants=(1,), free=True)
    ms.set_context(mode=ms.GRAPH_MODE)
    rep.net.set_inputs(ms.Tensor(shape=[None, *X.shape[1:]], dtype=ms.float32))
    np.testing.assert_array_equal(rep.run([X])[0], [[X[0, 0, 1]], [X[1, 3, 2]], [X[2, 1, 4]]])


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatters_along_an_axis(reduction: str) -> None:
    indices = np.argsort(RNG.normal(size=(3, 2, 5)), axis=1) - 2
    check("ScatterElements", X, indices, -X[:, :2], axis=1, reduction=reduction, constants=(), free=True)


def test_scatter_is_scatter_elements() -> None:
    check("Scatter", X, ints([[0, 1, 1, 0, 3]]), X[:1, :1], axis=1, opset=10, constants=())


@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_scatters_truth_values(reduction: str) -> None:
    x, u = np.array([True, False, True, False]), np.array([True, True, False, False])
    check("ScatterElements", x, ints(0, 1, 2, 3), u, reduction=reduction, constants=())
    check("ScatterND", x, ints([0], [1], [2], [3]), u, reduction=reduction, constants=())


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatters_places(reduction: str) -> None:
    name = "update" if reduction == "none" else reduction
    rep = check("ScatterND", X, ints([0, 1], [2, 3]), X[0, :2], reduction=reduction, constants=())
    assert f"ops.tensor_scatter_{name}(x0, from_the_front(x1, self.extents), x2)" in rep.script
    check("ScatterND", X, ints([0, -1], [-2, 3]), X[0, :2], reduction=reduction, constants=())


def test_scatters_constant_places_that_count_from_the_back() -> None:
    check("ScatterND", X, ints([-1, 1], [0, -2]), X[0, :2], constants=(1,))


@pytest.mark.parametrize("mode", ["linear", "circular"])
def test_writes_into_a_cache(mode: str) -> None:
    cache, update = RNG.normal(size=(2, 3, 6, 4)).astype(np.float32), RNG.normal(size=(2, 3, 2, 4)).astype(np.float32)
    starts = ints(1, 4 if mode == "linear" else 5)
    check("TensorScatter", cache, update, starts, mode=mode, opset=24, constants=())


HOT = [
    (np.array([0, 1], np.float32), {}, "ops.one_hot(ops.where(x0 < 0, x0 + 4, x0), 4, 1.0, 0.0)"),
    (np.array([2, 5], np.int64), {"axis": 0}, "4, 5, 2, 0)"),
    (np.array([2, 5], np.int32), {"axis": 1}, "ms.Tensor(5, ms.int32)"),
    (np.array([0, 1], np.float16), {"axis": -2}, "ms.Tensor(1.0, ms.float16)"),
    (np.array([3, 9], np.uint8), {"axis": 0}, "== ops.arange(4)"),
]


@pytest.mark.parametrize(("values", "options", "text"), HOT, ids=[c[2] for c in HOT])
@pytest.mark.usefixtures("behind_layers")
def test_one_hot(values: np.ndarray, options: dict[str, Any], text: str) -> None:
    indices = ints([0, 3, -1], [4, -5, 2])
    rep = check("OneHot", indices, np.int64(4), values, constants=(1, 2), free=True, **options)
    assert text in rep.script


def test_one_hot_of_computed_depth_and_values() -> None:
    check("OneHot", ints(0, 3, -1), np.int64(4), np.array([0, 1], np.float32), constants=())
    check("OneHot", ints(0, 3, -1), np.float32(4), np.array([0, 1], np.float32), constants=(1, 2))
    check("OneHot", np.array([0, 3, 1], np.float32), ints(4), np.array([0, 1], np.float32), constants=(1, 2))


def test_a_token_and_its_position_are_parameters() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Concat", ["token", "x"], ["c"], axis=1),
            helper.make_node("Add", ["c", "position"], ["a"]),
            helper.make_node("Gather", ["a", "zero"], ["y"], axis=1),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [
            numpy_helper.from_array(X[:1, :1], "token"),
            numpy_helper.from_array(np.concatenate([X[:1], X[:1, :1]], 1), "position"),
            numpy_helper.from_array(np.int64(0), "zero"),
        ],
    )
    rep = check_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), [X[:1]])
    weights = dict(rep.translation.program.parameters())
    assert set(weights) == {"token", "position"}
    assert all(weight.trainable for weight in weights.values())


@pytest.mark.parametrize("batch_dims", [0, 1])
@pytest.mark.parametrize("constants", [(), (1,)], ids=["computed", "constant"])
def test_places_that_count_from_the_back(batch_dims: int, constants: tuple[int, ...]) -> None:
    places = ints(*([[-1], [1]] * X.shape[0]))[: X.shape[0]]
    check("GatherND", X, places, batch_dims=batch_dims, constants=constants, free=True)


def test_elements_of_a_topk_may_count_from_the_back() -> None:
    text = """(float[4,5] x, int64[3,3] numbers) => (float[3] y) {
        elements, places = TopK(numbers, two) y = GatherND(x, elements)
    }"""
    numbers = ints([-1, -3, -2], [0, 1, -4], [-2, -2, -3])
    check_model(model_of(text, two=ints(2)), [X[0], numbers])


def test_padding_gets_no_gradient() -> None:
    import mindspore as ms

    model = model_of("(int64[a,b] ids) => (float[a,b,c] y) { y = Gather (table, ids) }", table=TABLE)
    model.graph.node[0].metadata_props.add(key=PADDING, value="2")
    rep = check_model(model, [ints([1, 2], [2, 0])])
    assert "padding_untrained(self.gather(ids), ids, 2)" in rep.script

    def total(ids: ms.Tensor) -> ms.Tensor:
        return rep.net(ids).sum()

    (gradient,) = ms.grad(total, None, rep.net.trainable_params())(ms.Tensor([[1, 2], [2, 0]]))
    np.testing.assert_array_equal(gradient.asnumpy().any(1), np.isin(np.arange(9), [0, 1]))
