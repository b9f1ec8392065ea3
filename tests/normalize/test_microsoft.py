"""What replaces an operator of onnxruntime's own domain computes what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from normalize.harness import feeds_for, normalized, operators, parse, run_normalized, run_original

from converter.normalize import refusal_of
from converter.normalize.rewrites import RELATIVES

X, SCALARS = "(float[N,3,4] x, float[N,3,4] x2) => (float[N,3,4] y)", "float s = {0.04}, float t = {0.03}"
Q = "<uint8 z = {120}, uint8 v = {100}, " + SCALARS + "> { q = QuantizeLinear(x, s, z) r = QuantizeLinear(x2, t, v) "
BOTH = "(float[N,3,4] x, float[N,3,4] x2) =>"
DONE = " y = DequantizeLinear(p, s, z) }"
IMAGE = "(float[N,4,6,7] x) => (float[N,4,h,w] y)"
MATRIX = "(float[N,4] x) => (float[N,3] y)"
B = "int8[4,3] b = {1,-2,3,-4,5,-6,7,-8,9,-10,11,-12}, float t = {0.03}, int8 v = {2}, float[3] c = {0.5,-1.0,2.0}"
SKIP = "float[4] g = {1.0,2.0,-1.0,0.5}, float[4] b = {0.1,0.2,0.3,-0.4}"

CASES = {
    "Gelu": X + "{ y = com.microsoft.Gelu(x) }",
    "BiasGelu": X + "<float[4] b = {1.0,2.0,-1.0,0.5}> { y = com.microsoft.BiasGelu(x, b) }",
    "FastGelu": X + "{ y = com.microsoft.FastGelu(x) }",
    "FastGelu with a bias": X + "<float[4] b = {1.0,2.0,-1.0,0.5}> { y = com.microsoft.FastGelu(x, b) }",
    "QuickGelu": X + "{ y = com.microsoft.QuickGelu <alpha = 1.5> (x) }",
    "FusedMatMul": "(float[N,3,4] x, float[N,5,3] w) => (float[N,4,5] y)"
    "{ y = com.microsoft.FusedMatMul <alpha = 0.5, transA = 1, transB = 1> (x, w) }",
    "FusedMatMul without a factor": "(float[N,3,4] x, float[N,4,5] w) => (float[N,3,5] y)"
    "{ y = com.microsoft.FusedMatMul(x, w) }",
    "FusedGemm": "(float[N,4] x, float[3,4] w, float[3] c) => (float[N,3] y) { y = com.microsoft.FusedGemm"
    '<activation = "LeakyRelu", activation_alpha = 0.3, transB = 1, alpha = 2.0> (x, w, c) }',
    "FusedConv": "(float[N,4,6,7] x, float[2,4,3,3] w) => (float[N,2,h,w] y)"
    '{ y = com.microsoft.FusedConv <activation = "Relu", pads = [1, 1, 1, 1], strides = [2, 2]> (x, w) }',
    "FusedConv with a sum": "(float[N,4,6,7] x, float[2,4,1,1] w, float[2] b, float[N,2,6,7] z) => (float[N,2,6,7] y)"
    '{ y = com.microsoft.FusedConv <activation = "HardSigmoid", activation_params = [0.3, 0.4]> (x, w, b, z) }',
    "SkipLayerNormalization": BOTH + "(float[N,3,4] y, float[N,3,4] total) <" + SKIP + "> "
    "{ y, m, i, total = com.microsoft.SkipLayerNormalization <epsilon = 0.01> (x, x2, g, b, b) }",
    "SkipLayerNormalization without biases": X + "<" + SKIP + "> "
    "{ y = com.microsoft.SkipLayerNormalization(x, x2, g) }",
    "SkipSimplifiedLayerNormalization": X + "<" + SKIP + "> "
    "{ y = com.microsoft.SkipSimplifiedLayerNormalization <epsilon = 0.01> (x, x2, g, b) }",
    "QuantizeLinear": X + Q + "p = com.microsoft.QuantizeLinear(x, s, z)" + DONE,
    "DequantizeLinear": X + Q + "y = com.microsoft.DequantizeLinear(q, s, z) }",
    "QLinearAdd": X + Q + "p = com.microsoft.QLinearAdd(q, s, z, r, t, v, s, z)" + DONE,
    "QLinearMul": X + Q + "p = com.microsoft.QLinearMul(q, s, z, r, t, v, s, z)" + DONE,
    "QLinearSigmoid": X + Q + "p = com.microsoft.QLinearSigmoid(q, s, z, t, v) y = DequantizeLinear(p, t, v) }",
    "QLinearLeakyRelu": X + Q + "p = com.microsoft.QLinearLeakyRelu <alpha = 0.2> (q, s, z, s, z)" + DONE,
    "QLinearSoftmax": X + Q + "p = com.microsoft.QLinearSoftmax <axis = 1, opset = 13> (q, s, z, s, z)" + DONE,
    "QLinearConcat": "(float[N,3,4] x, float[N,3,4] x2) => (float[N,6,4] y)"
    + Q + "p = com.microsoft.QLinearConcat <axis = 1> (s, z, q, s, z, r, t, v)" + DONE,
    "QLinearWhere": X + Q + "c = Greater(x, x2) p = com.microsoft.QLinearWhere(c, q, s, z, r, t, v, s, z)" + DONE,
    "QLinearAveragePool": IMAGE + "<uint8 z = {120}, float s = {0.04}> { q = QuantizeLinear(x, s, z) "
    "p = com.microsoft.QLinearAveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (q, s, z, s, z)" + DONE,
    "QLinearGlobalAveragePool": IMAGE + "<uint8 z = {120}, float s = {0.04}> { q = QuantizeLinear(x, s, z) "
    "p = com.microsoft.QLinearGlobalAveragePool(q, s, z, s, z)" + DONE,
    "QGemm": MATRIX + "<uint8 z = {120}, float s = {0.04}, int32[3] i = {9, -20, 300}, " + B + "> { "
    "q = QuantizeLinear(x, s, z) p = com.microsoft.QGemm <alpha = 2.0> (q, s, z, b, t, v, i, s, z)" + DONE,
    "QGemm to floats": MATRIX + "<uint8 z = {120}, float s = {0.04}, int8[3,4] d = {1,2,3,4,5,6,7,8,9,-1,-2,-3}, " + B
    + "> { q = QuantizeLinear(x, s, z) y = com.microsoft.QGemm <transB = 1> (q, s, z, d, t, v) }",
    "MatMulIntegerToFloat": MATRIX + "<" + B + "> { q, s, z = DynamicQuantizeLinear(x) "
    "y = com.microsoft.MatMulIntegerToFloat(q, b, s, t, z, v, c) }",
    "DynamicQuantizeMatMul": MATRIX + "<" + B + "> { y = com.microsoft.DynamicQuantizeMatMul(x, b, t, v, c) }",
    "DynamicQuantizeMatMul alone": MATRIX + "<" + B + "> { y = com.microsoft.DynamicQuantizeMatMul(x, b, t) }",
}  # fmt: skip


def model_of(text: str) -> onnx.ModelProto:
    return parse(f"g {text}", 17, '"com.microsoft": 1')


@pytest.mark.parametrize("name", CASES)
def test_equals_original(name: str) -> None:
    model = model_of(CASES[name])
    feeds, graph = feeds_for(model), normalized(model)
    assert all(node.domain == "" for node in graph.graph)
    for got, want in zip(run_normalized(graph, feeds), run_original(model, feeds), strict=True):
        quantised = "QuantizeLinear" in operators(graph)[1:]
        difference = np.abs(got - want)
        np.testing.assert_array_less(difference, 0.041 if quantised else 1e-5 * (1 + np.abs(want)))
        assert (difference > 1e-5).mean() <= (0.1 if quantised else 0)  # a step where a half is rounded the other way


def test_every_relative_has_a_case() -> None:
    assert {name.split(" ")[0] for name in CASES} == set(RELATIVES)


def test_shapes_are_known_behind_it() -> None:
    graph = normalized(model_of(CASES["QLinearAdd"]))
    assert all(value.shape is not None and len(value.shape) == 3 for node in graph.graph for value in node.outputs)


def test_it_keeps_its_name_and_metadata() -> None:
    model = model_of(CASES["BiasGelu"])
    model.graph.node[0].name = "block/gelu"
    model.graph.node[0].metadata_props.add(key="scope", value="block")
    graph = normalized(model)
    assert operators(graph) == ["Add", "Gelu"]
    assert [node.name for node in graph.graph] == ["block/gelu/Add", "block/gelu"]
    assert [node.metadata_props["scope"] for node in graph.graph] == ["block", "block"]


REFUSED = {
    "channels come last": X + Q
    + "p = com.microsoft.QLinearGlobalAveragePool <channels_last = 1> (q, s, z, s, z)" + DONE,
    "activation 'Elu' is unknown": "(float[N,4] x, float[4,3] w) => (float[N,3] y) "
    '{ y = com.microsoft.FusedGemm <activation = "Elu"> (x, w) }',
    "transBatchA": X + "{ y = com.microsoft.FusedMatMul <transBatchA = 1> (x, x2) }",
    "mean and inv_std_var": BOTH + "(float[N,3,4] y, float[N,3,1] m) <" + SKIP + "> "
    "{ y, m = com.microsoft.SkipLayerNormalization(x, x2, g) }",
    "are one, as before version 13": X + Q
    + "p = com.microsoft.QLinearSoftmax <axis = 1, opset = 12> (q, s, z, s, z)" + DONE,
}  # fmt: skip


@pytest.mark.parametrize("reason", REFUSED)
def test_what_has_no_counterpart_is_refused(reason: str) -> None:
    graph = normalized(model_of(REFUSED[reason]))
    (refusal,) = [refusal_of(node) for node in graph.graph if refusal_of(node)]
    assert refusal[0].startswith("com.microsoft.")
    assert reason in refusal[1]


def test_others_of_its_domain_stay() -> None:
    graph = normalized(model_of(X + "{ y = com.microsoft.Inverse(x) }"))
    assert [(node.domain, node.op_type) for node in graph.graph] == [("com.microsoft", "Inverse")]
