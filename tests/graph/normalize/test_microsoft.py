"""What replaces an operator of onnxruntime's own domain computes what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import assert_same, feeds_for, normalized, operators, parse, run_normalized, run_original

from converter.graph.annotations import refusal_of
from converter.graph.normalize.rewrites import RELATIVES

X, SCALARS = "(float[N,3,4] x, float[N,3,4] x2) => (float[N,3,4] y)", "float s = {0.04}, float t = {0.03}"
Q = "<uint8 z = {120}, uint8 v = {100}, " + SCALARS + "> { q = QuantizeLinear(x, s, z) r = QuantizeLinear(x2, t, v) "
BOTH = "(float[N,3,4] x, float[N,3,4] x2) =>"
DONE = " y = DequantizeLinear(p, s, z) }"
IMAGE = "(float[N,4,6,7] x) => (float[N,4,h,w] y)"
MATRIX = "(float[N,4] x) => (float[N,3] y)"
B = "int8[4,3] b = {1,-2,3,-4,5,-6,7,-8,9,-10,11,-12}, float t = {0.03}, int8 v = {2}, float[3] c = {0.5,-1.0,2.0}"
EMBED = "(int32[N,5] i, int32[N,5] s, float[9,4] w, float[7,4] p, float[2,4] k)"
PACKED = "(float[N,3,8] x, float[8,24] w, float[24] b)"
HEADS = "(float[N,3,8] q, float[N,5,8] k, float[N,5,8] v)"
ROTARY = "(float[N,3,8] x, int64[N,3] p, float[9,2] c, float[9,2] s) => (float[N,3,8] y)"
SKIP = "float[4] g = {1.0,2.0,-1.0,0.5}, float[4] b = {0.1,0.2,0.3,-0.4}"
GROUPED = "(float[N,1,64] q, float[N,1,32] k, float[N,1,32] v, float[N,2,5,16] pk, float[N,2,5,16] pv, "
GROUPED += "float[12,8] c, float[12,8] s) => (float[N,1,64] y, float[N,2,6,16] kk, float[N,2,6,16] kv) "
GROUPED += "<int32[2] last = {{{0}}}, int32 total = {{6}}> "
GROUPED += "{{ y, kk, kv = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2> "


def few_bits(bits: int, more: str = "") -> str:
    """A product with weights of `bits` bits in 3 blocks of 16, the last one incomplete."""
    points = 5 * -(-3 * bits // 8)
    weights, zeros = (", ".join(str(37 * i % 256) for i in range(count)) for count in (30 * bits, points))
    return (
        f"(float[N,3,40] x) => (float[N,3,5] y) <uint8[5,3,{2 * bits}] w = {{{weights}}}, "
        f"float[15] s = {{{', '.join(['0.1, 0.2, -0.3'] * 5)}}}, uint8[{points}] z = {{{zeros}}}, "
        "float[5] b = {1, 2, 3, 4, 5}> "
        f"{{ y = com.microsoft.MatMulNBits <K = 40, N = 5, bits = {bits}, block_size = 16> (x, w, s{more}) }}"
    )


def few_bits_of_floats(kind: int) -> str:
    """A product with 4-bit floats in blocks of 16, the last one incomplete."""
    weights = ", ".join(str(37 * i % 256) for i in range(100))
    scales = ", ".join(["0.1, 0.2, 0.3, 0.7"] * 3 + ["0.5"])
    return (
        f"(float[N,3,40] x) => (float[N,3,5] y) <uint8[100] w = {{{weights}}}, float[13] s = {{{scales}}}> "
        f"{{ y = com.microsoft.MatMulBnb4 <K = 40, N = 5, block_size = 16, quant_type = {kind}> (x, w, s) }}"
    )


def few_bits_of_rows(bits: int, more: str = "") -> str:
    """A table of 5 rows with 2 blocks of 16 numbers of `bits` bits."""
    weights, zeros = (", ".join(str(37 * i % 256) for i in range(count)) for count in (20 * bits, 5 * bits // 4))
    return (
        f"(float[N,3] x) => (float[N,3,32] y) <int64[3] i = {{4, 0, -1}}, uint8[5,{4 * bits}] w = {{{weights}}}, "
        f"float[5,2] s = {{{', '.join(['0.1, 0.2'] * 5)}}}, uint8[5,{bits // 4}] z = {{{zeros}}}, int64[1] a = {{-1}}> "
        f"{{ t = com.microsoft.GatherBlockQuantized <block_size = 16, bits = {bits}> (w, i, s{more}) "
        "u = Unsqueeze (x, a) y = Mul (t, u) }"
    )


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
    "FusedConv between bounds": "(float[N,4,6,7] x, float[2,4,1,1] w) => (float[N,2,6,7] y)"
    '{ y = com.microsoft.FusedConv <activation = "Clip", activation_params = [-0.5, 0.7]> (x, w) }',
    "FusedGemm and Elu": "(float[N,4] x, float[4,3] w) => (float[N,3] y) "
    '{ y = com.microsoft.FusedGemm <activation = "Elu", activation_alpha = 0.3> (x, w) }',
    "FusedMatMul with its batch behind": "(float[4,N,2,3] x, float[N,2,3,5] w) => (float[N,2,4,5] y)"
    "{ y = com.microsoft.FusedMatMul <transBatchA = 1> (x, w) }",
    "FusedMatMul with its batch behind and turned": "(float[4,N,3] x, float[3,N,5] w) => (float[N,4,5] y)"
    "{ y = com.microsoft.FusedMatMul <transBatchA = 1, transBatchB = 1> (x, w) }",
    "TransposeMatMul": "(float[N,3,4] x, float[N,5,3] w) => (float[N,4,5] y)"
    "{ y = com.microsoft.TransposeMatMul <alpha = 0.5, transA = 1, transB = 1> (x, w) }",
    "QLinearGlobalAveragePool with its channels last": "(float[N,6,7,4] x) => (float[N,1,1,4] y) "
    "<uint8 z = {120}, float s = {0.04}> { q = QuantizeLinear(x, s, z) "
    "p = com.microsoft.QLinearGlobalAveragePool <channels_last = 1> (q, s, z, s, z)" + DONE,
    "QLinearAveragePool with its channels last": "(float[N,6,7,4] x) => (float[N,h,w,4] y) "
    "<uint8 z = {120}, float s = {0.04}> { q = QuantizeLinear(x, s, z) p = com.microsoft.QLinearAveragePool"
    "<channels_last = 1, kernel_shape = [3, 2], strides = [2, 1]> (q, s, z, s, z)" + DONE,
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
    "EmbedLayerNormalization": EMBED + " => (float[N,5,4] y, float[N,5,4] total) <" + SKIP + "> "
    "{ y, count, total = com.microsoft.EmbedLayerNormalization <epsilon = 0.01> (i, s, w, p, k, g, b) }",
    "EmbedLayerNormalization with a mask": EMBED + " => (float[N,5,4] y, int32[N] count) <" + SKIP + "> "
    "{ y, count = com.microsoft.EmbedLayerNormalization(i, s, w, p, k, g, b, i) }",
    "EmbedLayerNormalization of places": EMBED + " => (float[N,5,4] y, int32[N] count) <" + SKIP + "> "
    "{ y, count = com.microsoft.EmbedLayerNormalization(i, , w, p, , g, b, , s) }",
    "Attention": PACKED + " => (float[N,3,8] y) { y = com.microsoft.Attention <num_heads = 2> (x, w, b) }",
    "Attention, causal and scaled": PACKED + " => (float[N,3,8] y) "
    "{ y = com.microsoft.Attention <num_heads = 2, unidirectional = 1, scale = 0.3> (x, w, b) }",
    "Attention of other sizes": PACKED + " => (float[N,3,4] y) "
    "{ y = com.microsoft.Attention <num_heads = 2, qkv_hidden_sizes = [10, 10, 4]> (x, w, b) }",
    "Attention to some keys": PACKED[:-1] + ", int32[N,3] m) => (float[N,3,8] y) "
    "{ y = com.microsoft.Attention <num_heads = 2> (x, w, b, m) }",
    "Attention to some keys, for each query": PACKED[:-1] + ", int32[N,3,3] m) => (float[N,3,8] y) "
    "{ y = com.microsoft.Attention <num_heads = 2> (x, w, b, m) }",
    "Attention to the first keys": PACKED[:-1] + ", int32[N] m) => (float[N,3,8] y) "
    "<int32 one = {1}> { n = Add(m, one) y = com.microsoft.Attention <num_heads = 2> (x, w, b, n) }",
    "Attention with a bias and a mask": PACKED[:-1] + ", int32[N,3] m, float[1,2,3,3] z) => (float[N,3,8] y) "
    "{ y = com.microsoft.Attention <num_heads = 2, mask_filter_value = -5.0> (x, w, b, m, , z) }",
    "Attention to a past": PACKED[:-1] + ", float[2,N,2,5,4] p, int32[N,8] m) => (float[N,3,8] y, float[2,N,2,8,4] r) "
    "{ y, r = com.microsoft.Attention <num_heads = 2, unidirectional = 1, mask_filter_value = -50.0> (x, w, b, m, p) }",
    "QAttention": "(float[N,3,8] x) => (float[N,3,8] y) <int8[8,24] w = {" + ",".join(map(str, range(-96, 96))) + "}, "
    "float[24] b = {" + ",".join(["0.1,-0.2,0.3"] * 8) + "}, float t = {0.01}, int8 v = {2}> "
    "{ q, s, z = DynamicQuantizeLinear(x) y = com.microsoft.QAttention <num_heads = 2> (q, w, b, s, t, , z, v) }",
    "MultiHeadAttention": HEADS + " => (float[N,3,8] y) "
    "{ y = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v) }",
    "MultiHeadAttention with a bias and a mask": HEADS[:-1] + ", float[20] b, int32[N,5] m) => (float[N,3,4] y) "
    "<int64[2] c = {4,4}> { v1, v2 = Split <axis = 2> (v, c) "
    "y = com.microsoft.MultiHeadAttention <num_heads = 2, mask_filter_value = -5.0> (q, k, v1, b, m) }",
    "MultiHeadAttention to a past": HEADS[:-1] + ", float[N,2,4,4] p, float[N,2,4,4] r, float[1,2,3,9] z) => "
    "(float[N,3,8] y, float[N,2,9,4] pk, float[N,2,9,4] pv) "
    "{ y, pk, pv = com.microsoft.MultiHeadAttention <num_heads = 2, scale = 0.3> (q, k, v, , , z, p, r) }",
    "MultiHeadAttention of split keys": "(float[N,3,8] q, float[N,2,5,4] k, float[N,2,5,4] v) => (float[N,3,8] y) "
    "{ y = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v) }",
    "RotaryEmbedding": ROTARY + "{ y = com.microsoft.RotaryEmbedding(x, p, c, s) }",
    "RotaryEmbedding from a place on": ROTARY + "<int64[1] o = {2}> { y = com.microsoft.RotaryEmbedding(x, o, c, s) }",
    "RotaryEmbedding of a part": "(float[N,2,3,8] x, int64[N,3] p, float[9,2] c, float[9,2] s) => (float[N,2,3,8] y)"
    "{ y = com.microsoft.RotaryEmbedding <interleaved = 1, rotary_embedding_dim = 4, num_heads = 2> (x, p, c, s) }",
    "GroupQueryAttention": GROUPED.format("5, 5") + "(q, k, v, pk, pv, last, total) }",
    "GroupQueryAttention to pasts of two lengths, with places and a window": GROUPED.format("5, 3").replace(
        "= 2>", "= 2, do_rotary = 1, local_window_size = 2, scale = 0.3>") + "(q, k, v, pk, pv, last, total, c, s) }",
    "GroupQueryAttention of packed beginnings": "(float[N,3,64] x) => "
    "(float[N,3,32] y, float[N,2,3,8] kk, float[N,2,3,8] kv) <int32[2] last = {2, 2}, int32 total = {3}> "
    "{ y, kk, kv = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2> (x, , , , , last, total) }",
    "MatMulNBits": few_bits(4),
    "MatMulNBits with zero points": few_bits(4, ", z"),
    "MatMulNBits of 8 bits": few_bits(8, ", z, , b"),
    "MatMulBnb4": few_bits_of_floats(0),
    "MatMulBnb4 of NF4": few_bits_of_floats(1),
    "GridSample": "(float[N,2,3,4] x, float[N,5,6,2] g0) => (float[N,2,5,6] y) { f = HardSigmoid (g0) "
    'y = com.microsoft.GridSample <align_corners = 1, padding_mode = "border"> (x, f) }',
    "GridSample of cubes": "(float[N,2,3,4] x, float[N,5,6,2] g0) => (float[N,2,5,6] y) { f = HardSigmoid (g0) "
    'y = com.microsoft.GridSample <mode = "bicubic"> (x, f) }',
    "NhwcMaxPool": "(float[N,6,7,4] x) => (float[N,3,4,4] y) <float s = {0.04}, uint8 z = {120}> "
    "{ q = QuantizeLinear(x, s, z) "
    "p = com.microsoft.NhwcMaxPool <kernel_shape = [2, 3], strides = [2, 2], pads = [0, 1, 0, 1]> (q)" + DONE,
    "ConvTransposeWithDynamicPads": "(float[N,2,5,5] x, float[2,3,3,3] w) => (float[N,3,h,v] y) "
    "<int64[4] p = {1, 0, 0, 2}> { y = com.microsoft.ConvTransposeWithDynamicPads <strides = [2, 2]> (x, w, p) }",
    "GatherBlockQuantized": few_bits_of_rows(4),
    "GatherBlockQuantized with zero points": few_bits_of_rows(4, ", z"),
    "GatherBlockQuantized of 8 bits": few_bits_of_rows(8, ", z"),
    "CDist": "(float[N,4] x, float[M,4] x2) => (float[N,M] y) { y = com.microsoft.CDist (x, x2) }",
    "CDist without its square":
    '(float[N,4] x, float[M,4] x2) => (float[N,M] y) { y = com.microsoft.CDist <metric = "euclidean"> (x, x2) }',
    "ExpandDims": X.replace("4] y", "1,4] y") + "<int32 a = {-2}> { y = com.microsoft.ExpandDims (x, a) }",
    "Pad": X.replace("4] y", "5] y")
    + "<int64[6] p = {0,0,1,0,0,0}, float v = {2.5}> { y = com.microsoft.Pad (x, p, v) }",
    "Range": "(float a, float b) => (float[n] y) <float s = {0.5}> "
    "{ c = Abs (b) d = Add (a, c) y = com.microsoft.Range (a, d, s) }",
    "Trilu": X + "<int64 k = {1}> { y = com.microsoft.Trilu <upper = 0> (x, k) }",
    "Unique": "(float[N] x) => (float[n] y, int64[N] i, int64[n] c) "
    "{ f = Round (x) y, i, c = com.microsoft.Unique (f) }",
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


@pytest.mark.parametrize(
    ("inputs", "packed", "parts"),
    [
        ("(float[N,3,2,3,4] x)", "x", "a, b, c = Split <axis = 3, num_outputs = 3> (x) q = Reshape(a, s)"),
        ("(float[N,3,8] q, float[N,5,2,2,4] x)", "q, x", "b, c = Split <axis = 3, num_outputs = 2> (x)"),
    ],
)
def test_packed_parts(inputs: str, packed: str, parts: str) -> None:
    """onnxruntime's CPU takes the parts only when they are apart."""
    head, attend = f"g {inputs} => (float[N,3,8] y)", "y = com.microsoft.MultiHeadAttention <num_heads = 2>"
    apart = f"<int64[3] s = {{0, 0, 8}}> {{ {parts} k = Reshape(b, s) v = Reshape(c, s) {attend} (q, k, v) }}"
    domain = '"com.microsoft": 1'
    model, reference = parse(f"{head} {{ {attend} ({packed}) }}", 18, domain), parse(f"{head} {apart}", 18, domain)
    feeds = feeds_for(model)
    assert_same(run_normalized(normalized(model), feeds), run_original(reference, feeds), 1e-5)


SPLIT = "Split <axis = -1, num_outputs = 2>"
GROUPS = "g (float[N,5,6,8] x, float[8] w, float[8] b"
TURNED = "u = Transpose <perm = [0, 3, 1, 2]> (t) n = GroupNormalization <num_groups = 2, epsilon = 0.1> (u, w, b) "
BACK = "y = Transpose <perm = [0, 2, 3, 1]> (m) }"
OF_IMAGES = "a = Constant <value_ints = [1, 2]> () d = Unsqueeze (s, a)"
OF_OTHER_PROCESSORS = {
    "BiasAdd": (
        "g (float[N,3,8] x, float[8] b, float[N,3,8] k) => (float[N,3,8] y)",
        "(x, b, k)",
        "z = Add (x, b) y = Add (z, k) }",
    ),
    "BiasSplitGelu": (
        "g (float[N,3,8] x, float[8] b) => (float[N,3,4] y)",
        "(x, b)",
        f"z = Add (x, b) h, k = {SPLIT} (z) m = Gelu (k) y = Mul (h, m) }}",
    ),
    "GroupNorm": (
        GROUPS + ") => (float[N,5,6,8] y)",
        "<groups = 2, epsilon = 0.1, activation = 1> (x, w, b)",
        f"t = Identity (x) {TURNED} k = Sigmoid (n) m = Mul (n, k) {BACK}",
    ),
    "SkipGroupNorm": (
        GROUPS + ", float[N,8] s, float[8] c) => (float[N,5,6,8] y)",
        "<groups = 2, epsilon = 0.1> (x, w, b, s, c)",
        f"{OF_IMAGES} e = Add (x, d) t = Add (e, c) {TURNED} m = Identity (n) {BACK}",
    ),
}
"""Operators that onnxruntime's CPU does not have → model, arguments, and what is the same."""


@pytest.mark.parametrize("operator", OF_OTHER_PROCESSORS)
def test_operators_that_the_cpu_does_not_have(operator: str) -> None:
    head, arguments, same = OF_OTHER_PROCESSORS[operator]
    domain = '"com.microsoft": 1'
    model = parse(f"{head} {{ y = com.microsoft.{operator} {arguments} }}", 21, domain)
    feeds = feeds_for(model)
    assert_same(run_normalized(normalized(model), feeds), run_original(parse(f"{head} {{ {same}", 21), feeds), 1e-5)


def test_every_relative_has_a_case() -> None:
    assert {name.split(" ")[0].strip(",") for name in CASES} | set(OF_OTHER_PROCESSORS) == set(RELATIVES)


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
    "activation 'Cosh' is unknown": "(float[N,4] x, float[4,3] w) => (float[N,3] y) "
    '{ y = com.microsoft.FusedGemm <activation = "Cosh"> (x, w) }',
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
    graph = normalized(model_of(X + "{ y = com.microsoft.MurmurHash3(x) }"))
    assert [(node.domain, node.op_type) for node in graph.graph] == [("com.microsoft", "MurmurHash3")]
