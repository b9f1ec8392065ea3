"""What is constant is computed; weights, random numbers and dropouts stay."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import assert_equals_original, normalized, operators, parse
from onnxscript.optimizer._constant_folding import registry

from converter.graph.annotations import is_folded
from converter.graph.normalize.fold import _MAX_GROWTH, EVALUATED, PROPAGATING


def with_initializers(text: str, opset: int = 20, **tensors: onnx.TensorProto | np.ndarray) -> onnx.ModelProto:
    model = parse(text, opset, ir_version=10)
    for name, tensor in tensors.items():
        proto = tensor if isinstance(tensor, onnx.TensorProto) else onnx.numpy_helper.from_array(tensor)
        model.graph.initializer.append(proto)
        model.graph.initializer[-1].name = name
    return model


def test_a_weight_norm_stays() -> None:
    text = """g (float[N,3] x) => (float[N,2] y) {
        n = ReduceL2 <keepdims = 1> (v, axes)
        w = Div(v, n)
        s = Mul(w, g)
        y = Gemm <transB = 1> (x, s)
    }"""
    v, g = np.ones((2, 3), np.float32), np.ones((2, 1), np.float32)
    graph = assert_equals_original(with_initializers(text, v=v, g=g, axes=np.array([1])))
    assert operators(graph) == ["ReduceL2", "Div", "Mul", "Gemm"]
    assert not any(is_folded(value) for value in graph.graph.initializers.values())


def test_a_position_embedding_that_is_cut_stays() -> None:
    text = "g (float[3,4] x) => (float[3,4] y) { p = Slice(table, a, b) y = Add(x, p) }"
    table = np.ones((8, 4), np.float32)
    assert operators(normalized(with_initializers(text, table=table, a=np.array([0]), b=np.array([3])))) == [
        "Slice",
        "Add",
    ]


@pytest.mark.parametrize(("name", "stays"), [("logit_scale", True), ("val_7", False), ("onnx::Exp_3", False)])
def test_a_scalar_is_a_weight_by_its_name(name: str, stays: bool) -> None:
    """Exporters name the numbers of a formula themselves."""
    model = with_initializers(
        "g (float[3] x) => (float[3] y) { s = Exp(scale) y = Mul(x, s) }", scale=np.array(2, np.float32)
    )
    model.graph.initializer[0].name = model.graph.node[0].input[0] = name
    assert ("Exp" in operators(normalized(model))) == stays


def test_masks_and_tables_fold_and_are_marked() -> None:
    text = """g (float[4,4] x) => (float[4,4] y) {
        shape = Constant <value = int64[2] {4, 4}> ()
        ones = ConstantOfShape <value = float[1] {1.0}> (shape)
        mask = Trilu(ones)
        y = Mul(x, mask)
    }"""
    graph = assert_equals_original(parse(text, 20))
    assert operators(graph) == ["Mul"]
    assert is_folded(graph.graph.initializers["mask"])


def test_elements_of_a_buffer_fold() -> None:
    """onnx's evaluator fails where the index is smaller than the buffer."""
    text = """g (float[2,3] x) => (float[2,3] y) {
        i = GatherElements <axis = -1> (buffer, index)
        f = Cast <to = 1> (i)
        y = Add(x, f)
    }"""
    buffer, index = np.arange(80).reshape(2, 40), np.array([[5, -1, 0], [39, 7, 7]])
    assert operators(assert_equals_original(with_initializers(text, buffer=buffer, index=index))) == ["Add"]


def test_ranges_and_shapes_of_fixed_inputs_fold() -> None:
    text = """g (float[2,5] x) => (int64[5] y) {
        s = Shape <start = 1> (x)
        n = Squeeze(s)
        a = Constant <value_int = 0> ()
        d = Constant <value_int = 1> ()
        r = Range(a, n, d)
        y = Identity(r)
    }"""
    assert operators(assert_equals_original(parse(text, 20))) == ["Identity"]


def test_free_dimensions_stay_free() -> None:
    text = """g (float[N,2,3] x) => (float y) {
        s = Shape <start = 0, end = 1> (x)
        r = Constant <value_ints = [6]> ()
        t = Concat <axis = 0> (s, r)
        y = Reshape(x, t)
    }"""
    assert operators(normalized(parse(text, 20))) == ["Shape", "Concat", "Reshape"]


@pytest.mark.parametrize("node", ["RandomNormal <shape = [3]> ()", "Bernoulli(half)", "RandomUniformLike(half)"])
def test_random_numbers_stay(node: str) -> None:
    text = f"""g (float[3] x) => (float[3] y) {{
        half = Constant <value = float[3] {{0.5, 0.5, 0.5}}> ()
        r = {node}
        y = Add(x, r)
    }}"""
    assert len(operators(normalized(parse(text, 20)))) == 2


def test_dropouts_stay() -> None:
    text = "g (float[3] x) => (float[3] y) { a = Dropout(x) [again] y = Dropout(a) }"
    assert operators(normalized(parse(text, 20))) == ["Dropout", "Dropout"]


@pytest.mark.parametrize("dtype", ["INT4", "UINT4", "FLOAT4E2M1", "FLOAT8E4M3FN", "FLOAT8E5M2"])
def test_packed_types_are_unpacked(dtype: str) -> None:
    text = "g (float[4] x) => (float[4] y) { w = Cast <to = 1> (packed) y = Add(x, w) }"
    packed = onnx.helper.make_tensor("packed", onnx.TensorProto.DataType.Value(dtype), [4], [0, 1, 2, 3])
    graph = normalized(with_initializers(text, 24, packed=packed))
    assert operators(graph) == ["Add"]
    assert graph.graph.initializers["w"].const_value.numpy().tolist() == [0, 1, 2, 3]


def test_four_bits_are_dequantised_and_eight_are_not() -> None:
    text = "g (float[4] x) => (float[4] y) { w = DequantizeLinear(q, scale) y = Add(x, w) }"
    scale = np.array(0.5, np.float32)
    four = onnx.helper.make_tensor("q", onnx.TensorProto.INT4, [4], [-1, 0, 1, 2])
    eight = np.array([-1, 0, 1, 2], np.int8)
    graph = normalized(with_initializers(text, 21, q=four, scale=scale))
    assert operators(graph) == ["Add"]
    assert graph.graph.initializers["w"].const_value.numpy().tolist() == [-0.5, 0, 0.5, 1]
    assert operators(normalized(with_initializers(text, 21, q=eight, scale=scale))) == ["DequantizeLinear", "Add"]


def test_folding_does_not_grow_a_model_without_bound() -> None:
    side = int(_MAX_GROWTH**0.5)
    text = f"""g (float x) => (float y) {{
        shape = Constant <value = int64[2] {{{side}, {side}}}> ()
        zeros = ConstantOfShape(shape)
        y = Add(x, zeros)
    }}"""
    assert operators(normalized(parse(text, 20))) == ["ConstantOfShape", "Add"]


def test_what_the_folder_gets_wrong_is_hidden_from_it() -> None:
    text = "g (float[2] x, float8e5m2 t) => (float8e5m2[2] y) { [it] y = CastLike <saturate = 0> (x, t) }"
    node = next(iter(normalized(parse(text, 20)).graph))
    assert (node.op_type, node.domain, node.attributes.get_int("saturate")) == ("CastLike", "", 0)


def test_folding_in_branches() -> None:
    text = """g (float[2] x, bool c) => (float[2] y) {
        y = If (c) <
            then_branch = t () => (float[2] a) {
                one = Constant <value = float[2] {1.0, 2.0}> ()
                two = Add(one, one)
                a = Mul(x, two)
            },
            else_branch = e () => (float[2] b) { b = Neg(x) }
        >
    }"""
    assert operators(assert_equals_original(parse(text, 20))) == ["If", "Mul", "Neg"]


@pytest.mark.parametrize(
    ("huge", "operator"),
    [
        ("r = Range(zero, large, one) t = Cast <to = 1> (r)", "Range"),
        ("square = Mul(large, large) r = Range(zero, square, one) t = Cast <to = 1> (r)", "Range"),
        ("n = Reshape(large, list) t = Tile(v, n)", "Tile"),
        ("n = Reshape(large, list) t = Expand(v, n)", "Expand"),
        ("n = Reshape(large, list) t = ConstantOfShape(n)", "ConstantOfShape"),
        ("n = Concat <axis = 0> (list, vector) t = Pad(v, n)", "Pad"),
        ("v2 = Concat <axis = 0> (v, v) t = OneHot(list, large, v2)", "OneHot"),
        ("scales = Constant <value_floats = [8589934592.0]> () t = Resize(v, , scales)", "Resize"),
    ],
)
def test_what_is_huge_is_never_computed(huge: str, operator: str) -> None:
    """A file of a few bytes must not fill the machine: 8 TB, or 32 GB."""
    text = f"g (float[2] x) => (float[2] y) {{ {huge} s = ReduceSum <keepdims = 0> (t) y = Add(x, s) }}"
    large = 10**12 if operator == "Range" else 1 << 33
    constants = {
        "zero": np.array(0),
        "one": np.array(1),
        "large": np.array(large),
        "list": np.array([1]),
        "vector": np.array([large]),
        "v": np.ones(1, np.float32),
    }
    used = {name: array for name, array in constants.items() if name in text}
    assert operator in operators(normalized(with_initializers(text, **used)))


def test_a_tensor_that_is_larger_than_a_small_model_stays() -> None:
    text = """g (float[1500,1500] x) => (float[1500,1500] y) {
        ones = ConstantOfShape <value = float[1] {1.0}> (shape)
        y = Add(x, ones)
    }"""
    model = with_initializers(text, shape=np.array([1500, 1500]))
    assert operators(normalized(model)) == ["ConstantOfShape", "Add"]
    heavy = with_initializers(
        text.replace("y = Add(x, ones)", "w = Add(x, ones) y = MatMul(w, k)"),
        shape=np.array([1500, 1500]),
        k=np.ones((1500, 1500), np.float32),
    )
    assert operators(normalized(heavy)) == ["Add", "MatMul"]


def test_what_onnxscript_may_replace_is_known() -> None:
    """A model that has none of these operators, and nothing constant to compute, is not given to onnxscript."""
    assert {name for _, name in registry.op_evaluators} == EVALUATED | PROPAGATING | {"Reshape"}


@pytest.mark.parametrize(("name", "folds"), [("val_3", True), ("weight", False)])
def test_a_table_is_split_and_a_weight_is_not(name: str, folds: bool) -> None:
    text = """g (float[2,3] x) => (float[2,3] y, float[2,2] z) {
        a, b = Split <axis = 1> (table, sizes)
        y = Mul(x, a)
        z = Neg(b)
    }"""
    table = onnx.numpy_helper.from_array(np.arange(10, dtype=np.float32).reshape(2, 5) * (name == "weight"))
    model = with_initializers(text, table=table, sizes=np.array([3, 2]))
    model.graph.initializer[0].name = model.graph.node[0].input[0] = name
    assert ("Split" in operators(assert_equals_original(model))) != folds


def test_an_input_keeps_its_extents_whatever_a_body_says() -> None:
    nodes = "d = Identity (c) r = Identity (h) s = Neg (h)"
    body = f"b (int64 i, bool c, float[1] h) => (bool d, float[1] r, float[1] s) {{ {nodes} }}"
    text = f"g (float[n] x, int64 k) => (float[] y, float[] z) {{ y, z = Loop (k, , x) <body = {body}> }}"
    assert str(normalized(parse(text, 20)).graph.inputs[0].shape) == "[n]"
