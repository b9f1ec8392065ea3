"""Normalisations of a sum of tensors, or of the embeddings of tokens, positions and segments."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError

# Norms


def skip_layer_normalization(edit: Edit) -> None:
    """SkipLayerNormalization: LayerNormalization of a sum."""
    total = _sum_of_skip(edit, edit.input(4))
    inputs = [total, edit.input(2), *([] if edit.input(3) is None else [edit.input(3)])]
    edit.become("LayerNormalization", inputs, epsilon=edit.get("epsilon", 1e-12))


def skip_simplified_layer_normalization(edit: Edit) -> None:
    """SkipSimplifiedLayerNormalization: RMSNormalization of a sum."""
    total = _sum_of_skip(edit, edit.input(3))
    edit.become("RMSNormalization", [total, edit.input(2)], epsilon=edit.get("epsilon", 1e-5))


def _sum_of_skip(edit: Edit, bias: ir.Value | None) -> ir.Value:
    """The sum that is normalised; it is also the node's fourth output."""
    outputs = edit.node.outputs
    if any(value.uses() or value.is_graph_output() for value in outputs[1:3]):
        raise RefusedError("its outputs mean and inv_std_var are used")
    x = edit.input(0) if bias is None else edit.before("Add", edit.input(0), bias)  # the bias of the previous MatMul
    total = edit.before("Add", x, edit.input(1))
    if len(outputs) > 3:
        edit.replace_output(3, total)
    edit.node.resize_outputs(1)
    return total


def group_norm(edit: Edit) -> None:
    """GroupNorm: GroupNormalization of an image whose channels are last, and Swish (`activation`)."""
    _group_norm(edit, edit.input(0))


def skip_group_norm(edit: Edit) -> None:
    """SkipGroupNorm: GroupNorm of a sum with a tensor of the same shape or a vector for each image, and a bias."""
    x, skip = edit.input(0), edit.input(3)
    if len(edit.shape(skip)) == 2:
        skip = edit.before("Unsqueeze", skip, edit.ints("axes", [1, 2]))
    total = edit.before("Add", x, skip)
    if edit.input(4) is not None:
        total = edit.before("Add", total, edit.input(4))
    if len(edit.node.outputs) > 1:
        edit.replace_output(1, total)
    edit.node.resize_outputs(1)
    _group_norm(edit, total)


def _group_norm(edit: Edit, x: ir.Value | None) -> None:
    last, swish = edit.get("channels_last", 1), edit.get("activation", 0)
    options = {"num_groups": edit.get("groups"), "epsilon": edit.get("epsilon", 1e-5)}
    dtype = None if x is None else x.dtype
    vectors = [edit.input(index) for index in (1, 2)]
    if dtype is not None:
        vectors = [
            each if each is None or each.dtype == dtype else edit.before("Cast", each, to=dtype) for each in vectors
        ]
    x = edit.before("Transpose", x, perm=[0, 3, 1, 2]) if last else x
    y = edit.before("GroupNormalization", x, *vectors, **options)
    y = edit.before("Swish", y) if swish else y
    edit.become("Transpose" if last else "Identity", [y], **({"perm": [0, 2, 3, 1]} if last else {}))


def embed_layer_normalization(edit: Edit) -> None:
    """EmbedLayerNormalization: LayerNormalization of the sum of embeddings; the second output counts the mask."""
    tokens, segments, words, places, kinds, gamma, beta, mask, positions = (edit.input(i) for i in range(9))
    if edit.get("mask_index_type", 1) == 0 and mask is not None:
        mask = None
    total = edit.before("Gather", words, tokens, axis=0)
    if positions is None:
        length = edit.before("Shape", tokens, start=1, end=2)
        near = edit.before("Slice", places, edit.ints("starts", [0]), length, edit.ints("axes", [0]))
    else:
        near = edit.before("Gather", places, positions, axis=0)
    total = edit.before("Add", total, near)
    if segments is not None:
        total = edit.before("Add", total, edit.before("Gather", kinds, segments, axis=0))
    outputs = edit.node.outputs
    if len(outputs) > 2:
        edit.replace_output(2, total)
    if len(outputs) > 1 and (outputs[1].uses() or outputs[1].is_graph_output()):
        edit.replace_output(1, _counts(edit, tokens, mask))
    edit.node.resize_outputs(1)
    edit.become("LayerNormalization", [total, gamma, beta], epsilon=edit.get("epsilon", 1e-12))


def _counts(edit: Edit, tokens: ir.Value | None, mask: ir.Value | None) -> ir.Value:
    """(batch,): the number of tokens of each sequence that the mask keeps; zeros without a mask."""
    if mask is not None:
        return edit.before("ReduceSum", mask, edit.ints("axes", [1]), keepdims=0)
    batch = edit.before("Shape", tokens, start=0, end=1)
    return edit.before("ConstantOfShape", batch, value=ir.tensor(np.zeros(1, np.int32)))
