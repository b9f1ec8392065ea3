"""Shapes are inferred; names stay; large tensors are not touched."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graph.normalize.harness import find, normalized, parse
from onnx import numpy_helper

from converter.graph import shape_inference
from converter.graph.annotations import DECLARED


def dims(graph, name: str) -> list[int | str | None]:
    shape = find(graph, name).outputs[0].shape
    return [dim if isinstance(dim, int) else dim.value for dim in shape]


def test_dimensions_keep_their_names() -> None:
    text = """g (float[batch,length,8] x) => (float y) {
        s = Shape <start = 0, end = 2> (x)
        r = Constant <value_ints = [2, 4]> ()
        t = Concat <axis = 0> (s, r)
        [heads] a = Reshape(x, t)
        [turned] y = Transpose <perm = [0, 2, 1, 3]> (a)
    }"""
    assert dims(normalized(parse(text, 20)), "turned") == ["batch", 2, "length", 4]


def test_a_dimension_that_only_inference_named_has_none() -> None:
    text = "g (float[N] x) => (int64 y) { [it] y = NonZero(x) }"
    assert dims(normalized(parse(text, 20)), "it") == [1, None]


def test_a_dimension_that_an_exporter_named_after_a_result_has_none() -> None:
    model = parse("g (float[N,4] x, int64[2] t) => (float[P,Q] y) { a = Reshape(x, t) y = Neg(a) }", 20)
    info = onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, ["Reshapea_dim_0", "N"])
    model.graph.value_info.append(info)
    graph = ir.from_proto(model)
    shape_inference.set_declared_shapes_aside(graph)
    assert [dim.value for dim in graph.graph[0].outputs[0].meta[DECLARED]] == [None, "N"]


def test_stale_shapes_of_the_file_do_not_bake_a_batch_size_in() -> None:
    model = parse("g (float[N,4] x) => (float[1,4] y) { [a] a = Neg(x) y = Exp(a) }", 20)
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, [1, 4]))
    graph = normalized(model)
    assert dims(graph, "a") == ["N", 4]


def test_the_file_knows_shapes_that_cannot_be_inferred() -> None:
    model = parse("g (float[N,4] x) => (float[N,7] y) { a = lib.Unknown(x) [y] y = Neg(a) }", 20, '"lib": 1')
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, ["N", 7]))
    assert dims(normalized(model), "y") == ["N", 7]


def test_features_keep_their_shape() -> None:
    text = """g (double[N,4] x) => (float y) {
        filled = ai.onnx.ml.Imputer <imputed_value_floats = [0.0]> (x)
        scaled = ai.onnx.ml.Scaler <offset = [0.5], scale = [2.0]> (filled)
        a = Neg(scaled)
        [y] y = ai.onnx.ml.Normalizer <norm = "L2"> (a)
    }"""
    graph = normalized(parse(text, 20, '"ai.onnx.ml": 3'))
    assert dims(graph, "y") == ["N", 4]
    assert find(graph, "y").outputs[0].dtype == ir.DataType.FLOAT


@pytest.mark.parametrize(
    ("operator", "dims_of_result"),
    [
        ("FeatureVectorizer <inputdimensions = [4]>", ["N", 4]),
        ("LinearRegressor <coefficients = [0.5, 1.0, 2.0, 1.0], intercepts = [0.1], targets = 1>", ["N", 1]),
        ("SVMRegressor <coefficients = [0.5, 1.0, 2.0, 1.0], rho = [0.1], n_supports = 0>", ["N", 1]),
    ],
)
def test_features_are_joined_and_rated(operator: str, dims_of_result: list[int | str]) -> None:
    model = parse(
        f"g (float[N,4] x) => (float y) {{ a = ai.onnx.ml.{operator} (x) [y] y = Neg(a) }}", 20, '"ai.onnx.ml": 3'
    )
    assert dims(normalized(model), "y") == dims_of_result


LIES = {
    "Expand": "y = Expand(x, s)",
    "Reshape": "y = Reshape(x, s)",
    "Tile": "y = Tile(x, s)",
    "Resize": "y = Resize(x, , , s)",
}


@pytest.mark.parametrize("body", LIES.values(), ids=LIES)
def test_no_extent_that_depends_on_elements_is_believed(body: str) -> None:
    model = parse(f"g (float[1,3] x, int64[2] s) => (float[4,3] y) {{ [y] {body} }}", 20)
    assert dims(normalized(model), "y")[0] is None


RANKS = {
    "Conv": "c = Conv (x, w)",
    "ConvTranspose": "c = ConvTranspose (x, w)",
    "MaxPool": "c = MaxPool <kernel_shape = [2, 2]> (x)",
    "AveragePool": "r = Relu (x) c = AveragePool <kernel_shape = [2, 2]> (r)",
    "DepthToSpace": "c = DepthToSpace <blocksize = 2> (x)",
}


@pytest.mark.parametrize("body", RANKS.values(), ids=RANKS)
def test_a_file_without_shapes_has_ranks(body: str) -> None:
    model = parse(f"g (float x) => (float y) {{ {body} [y] y = Relu (c) }}", 20)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    model.graph.initializer.append(numpy_helper.from_array(np.ones((3, 3, 2, 2), np.float32), "w"))
    assert len(dims(normalized(model), "y")) == 4


def test_a_failure_of_inference_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise onnx.shape_inference.InferenceError("no")

    monkeypatch.setattr(shape_inference.onnx.shape_inference, "infer_shapes", fail)
    graph = normalized(
        parse("g (float[N,4] x) => (float y) { a = lib.Unknown(x) [b] b = Neg(x) y = Add(a, b) }", 20, '"lib": 1')
    )
    assert dims(graph, "b") == ["N", 4]


def test_weights_in_a_file_are_never_read() -> None:
    """12 GB in a file that is not there: neither serialised nor opened, in the graph and in a branch."""
    text = """g (float[N,3] x, bool c) => (float y) {
        a = MatMul(x, w)
        b = Softmax <axis = 1> (a)
        y = If (c) <
            then_branch = t () => (float d) { d = MatMul(b, v) },
            else_branch = e () => (float f) { f = Neg(b) }
        >
    }"""
    model = parse(text, 11)
    branch = model.graph.node[2].attribute[0].g
    for graph, name, shape in ((model.graph, "w", (3, 10**9)), (branch, "v", (10**9, 3))):
        tensor = graph.initializer.add(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="missing.bin")
    graph = normalized(model)
    assert dims(graph, "a") == ["N", 10**9]
    assert graph.graph.initializers["w"].const_value.path.endswith("missing.bin")


def test_large_tensors_are_not_serialised(monkeypatch: pytest.MonkeyPatch) -> None:
    model = parse("g (float[N,1000] x) => (float y) { a = MatMul(x, w) y = Softmax <axis = 1> (a) }", 11)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1000, 1000), np.float32), "w"))
    sizes = []
    infer = onnx.shape_inference.infer_shapes
    monkeypatch.setattr(
        shape_inference.onnx.shape_inference,
        "infer_shapes",
        lambda proto, **options: sizes.append(proto.ByteSize()) or infer(proto, **options),
    )
    graph = normalized(model)
    assert sizes
    assert max(sizes) < 5_000
    assert graph.graph.initializers["w"].const_value.nbytes == 4_000_000


def test_a_number_joined_with_itself_forty_times_fills_no_memory() -> None:
    joins = " ".join(f"c{i + 1} = Concat <axis = 0> (c{i}, c{i})" for i in range(40))
    text = f"""g (float[N] x) => (float[N] y) {{
        c0 = Constant <value_ints = [1]> () {joins} s = ReduceSum(c40) t = Cast <to = 1> (s) [y] y = Add(x, t)
    }}"""
    assert dims(normalized(parse(text, 20)), "y") == ["N"]
