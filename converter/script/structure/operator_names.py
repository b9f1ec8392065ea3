"""Operator names: which names of values say only what computes them: `add_17`, `reshape_3`, `BiasAdd`."""

from __future__ import annotations

import functools
import re

from converter.base.names import identifier

_OTHERS = """
    adaptive_avg_pool adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d addcdiv addcmul addmm alias amax
    amin aminmax arange argsort argwhere as_strided astype atan2 avg_pool avg_pool1d avg_pool2d avg_pool3d baddbmm
    batch_norm bias_add bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm
    broadcast broadcast_to bucketize cat cdist chunk clamp clamp_max clamp_min clone constant_pad_nd contiguous
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d convert_element_type convert_element_type_default
    convolution copy count_nonzero cummax cummin cumprod detach diag_embed digamma div divide empty empty_like eq
    erfinv exp2 expand_as expm1 fill flip fliplr flipud float_power floor_divide floordiv fmod full full_like ge
    getitem greater_equal grid_sampler grid_sampler_2d group_norm gt hardtanh hstack hypot index_add index_fill
    index_put index_select instance_norm isclose isfinite isin kron kthvalue layer_norm ldexp le lerp less_equal
    lgamma lift_fresh_copy linear linspace log10 log1p log2 log_sigmoid logaddexp logcumsumexp logical logical_and
    logical_not logical_or logical_xor logspace logsumexp lt masked_fill masked_scatter masked_select matmul
    max_pool max_pool1d max_pool2d max_pool3d maximum median meshgrid minimum mm moveaxis movedim multiply
    nan_to_num narrow native_batch_norm native_group_norm native_layer_norm ne negative new_full new_ones new_zeros
    numel one_hot ones permute pixel_shuffle pixel_unshuffle prod reflection_pad1d reflection_pad2d relu6 remainder
    repeat repeat_interleave replication_pad2d reshape_as rms_norm roll rot90 rsqrt rsub scalar_tensor
    scaled_dot_product_attention scatter_add scatter_reduce searchsorted select select_scatter silu slice_scatter
    sort split_split split_with_sizes split_with_sizes_split
    square squeeze_dims stack strided_slice subtract swapaxes sym_size take
    tensor_split to_copy tril triu true_divide truediv trunc type_as unary unbind unflatten unfold unsafe_index
    unsafe_split unsafe_split_split unsafe_view upsample upsample_bicubic2d upsample_bilinear2d upsample_nearest2d
    val var_mean view view_as view_as_complex view_as_real vstack xlogy zeros addv2 concatv2 gatherv2 not_equal
    ones_like resource_gather reversev2 selectv2 tensor_arrayv2read tensor_arrayv2stack tensor_arrayv2write
    tensor_array_gatherv3 tensor_array_readv3 tensor_array_scatterv3 tensor_array_writev3 tensor_list_get_item
    tensor_list_set_item tensor_list_stack xw_plus_b zeros_like
"""
"""Operators of PyTorch, TensorFlow and MindSpore that ONNX does not have or names differently."""


_QUANTITIES = {"Cos", "Shape", "Sin", "Size"}
"""Operators whose names are also those of what they compute."""


_OF_EXPORTERS = ("sub_graph_ending_node", "unused_loop_output")
"""How tf2onnx names what it adds: results of a body, states of a loop whose last values nothing reads."""


def is_operator_name(hint: str) -> bool:
    """Whether a name is an operator's, with or without a number, several of these (`split_1_getitem`), or empty."""
    if identifier(hint).startswith(_OF_EXPORTERS):
        return True
    return all(part in _operators() for part in re.split(r"(?:_\d+)+(?:_|$)", identifier(hint)) if part)


@functools.cache
def _operators() -> frozenset[str]:
    from onnx import defs

    kinds = {schema.name for schema in defs.get_all_schemas()} - _QUANTITIES
    snake = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower() for kind in kinds}
    return frozenset({*snake, *map(identifier, kinds), *(kind.lower() for kind in kinds), *_OTHERS.split()})
