"""Operators of onnxruntime's own domain, com.microsoft, from its optimiser and its quantiser.

Each is rewritten to ONNX's operators, so that later passes can infer types and shapes, and no extra rows are needed.
Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

from converter.graph.normalize.rewrites.microsoft import attention, fused, grouped, norms, quantised, tensors, weights
from converter.graph.normalize.rewrites.microsoft.quantised import Rewrite

DOMAIN = "com.microsoft"

REWRITES: dict[str, Rewrite] = {
    "Attention": attention.attention,
    "BiasAdd": fused.bias_add,
    "BiasGelu": fused.bias_gelu,
    "BiasSplitGelu": fused.bias_split_gelu,
    "CDist": tensors.c_dist,
    "ConvTransposeWithDynamicPads": tensors.conv_transpose_with_dynamic_pads,
    "DequantizeLinear": quantised.same("DequantizeLinear"),
    "DynamicQuantizeMatMul": quantised.dynamic_quantize_mat_mul,
    "EmbedLayerNormalization": norms.embed_layer_normalization,
    "ExpandDims": tensors.expand_dims,
    "FastGelu": fused.fast_gelu,
    "FusedConv": fused.fused_conv,
    "FusedGemm": fused.fused_gemm,
    "FusedMatMul": fused.fused_mat_mul,
    "Gelu": fused.gelu,
    "GatherBlockQuantized": weights.gather_block_quantized,
    "GridSample": tensors.grid_sample,
    "GroupNorm": norms.group_norm,
    "GroupQueryAttention": grouped.group_query_attention,
    "MatMulBnb4": weights.mat_mul_bnb4,
    "MatMulIntegerToFloat": quantised.mat_mul_integer_to_float,
    "MatMulNBits": weights.mat_mul_n_bits,
    "MultiHeadAttention": attention.multi_head_attention,
    "NhwcMaxPool": tensors.nhwc_max_pool,
    "Pad": quantised.same("Pad"),
    "QAttention": attention.qattention,
    "QGemm": quantised.qgemm,
    "QLinearAdd": quantised.qlinear_binary("Add"),
    "QLinearAveragePool": quantised.qlinear_unary(
        "AveragePool", "auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"
    ),
    "QLinearConcat": quantised.qlinear_concat,
    "QLinearGlobalAveragePool": quantised.qlinear_unary("GlobalAveragePool"),
    "QLinearLeakyRelu": quantised.qlinear_unary("LeakyRelu", "alpha"),
    "QLinearMul": quantised.qlinear_binary("Mul"),
    "QLinearSigmoid": quantised.qlinear_unary("Sigmoid"),
    "QLinearSoftmax": quantised.qlinear_softmax,
    "QLinearWhere": quantised.qlinear_where,
    "QuantizeLinear": quantised.same("QuantizeLinear"),
    "QuickGelu": fused.quick_gelu,
    "Range": quantised.same("Range"),
    "RotaryEmbedding": attention.rotary_embedding,
    "SkipGroupNorm": norms.skip_group_norm,
    "SkipLayerNormalization": norms.skip_layer_normalization,
    "SkipSimplifiedLayerNormalization": norms.skip_simplified_layer_normalization,
    "TransposeMatMul": fused.fused_mat_mul,
    "Trilu": quantised.same("Trilu"),
    "Unique": tensors.unique,
}
