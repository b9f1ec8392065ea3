"""Operator names: which names of values say only what computes them: `add_17`, `reshape_3`, `BiasAdd`."""

from __future__ import annotations

import functools
import re

from converter.base.names import identifier

_OTHERS = """
    adaptive_avg_pool adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d addmm alias as_strided astype
    avg_pool avg_pool1d avg_pool2d avg_pool3d baddbmm bias_add bmm broadcast broadcast_to cat clone contiguous
    conv1d conv2d conv3d copy detach div eq expand_as fill floordiv full full_like ge getitem gt index_put
    index_select le linear logical lt masked_fill matmul max_pool max_pool1d max_pool2d max_pool3d narrow ne one_hot
    ones permute repeat repeat_interleave roll rsqrt rsub scalar_tensor select slice_scatter split_with_sizes stack
    strided_slice swapaxes take to_copy truediv unary unbind unflatten unsafe_view upsample val view view_as zeros
    addv2 concatv2 gatherv2 not_equal ones_like reversev2 selectv2 tensor_list_get_item tensor_list_set_item zeros_like
"""
"""Operators of PyTorch, TensorFlow and MindSpore that ONNX does not have or names differently."""


_QUANTITIES = {"Cos", "Shape", "Sin", "Size"}
"""Operators whose names are also those of what they compute."""


def is_operator_name(hint: str) -> bool:
    """Whether a name is an operator's, with or without a number, several of these (`split_1_getitem`), or empty."""
    return all(part in _operators() for part in re.split(r"(?:_\d+)+(?:_|$)", identifier(hint)) if part)


@functools.cache
def _operators() -> frozenset[str]:
    from onnx import defs

    kinds = {schema.name for schema in defs.get_all_schemas()} - _QUANTITIES
    snake = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower() for kind in kinds}
    return frozenset({*snake, *map(identifier, kinds), *(kind.lower() for kind in kinds), *_OTHERS.split()})
