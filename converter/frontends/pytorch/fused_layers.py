"""Fused layers: the attention and encoder layers that torch computes by one operator in inference, in TorchScript.

With a mask of padding, the encoder also packs the tokens that are not masked ("nested tensors"): of each sample as many
as the mask has, from the first one on. Without packing, what it computes of these tokens is the same; where the others
were, unpacking leaves zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch.onnx import symbolic_helper
from torch.onnx._internal.torchscript_exporter import symbolic_opset9, symbolic_opset17

_OF_PADDING = 1
"""The kind of mask that has one element for each token of a batch; others broadcast to the scores."""


def _number(value: Any, kind: Literal["i", "f"] = "i") -> Any:
    return symbolic_helper._maybe_get_const(value, kind)


def _constant(graph: Any, value: Any) -> Any:
    return graph.op("Constant", value_t=torch.tensor(value))


def _heads(graph: Any, x: Any, count: int, size: int) -> Any:
    """(batch, tokens, heads * size) as (batch, heads, tokens, size)."""
    return graph.op("Transpose", graph.op("Reshape", x, _constant(graph, [0, -1, count, size])), perm_i=[0, 2, 1, 3])


def _attention(
    graph: Any, inputs: tuple[Any, Any, Any], width: int, heads: int, weights: tuple[Any, ...], mask: Any, kind: Any
) -> tuple[Any, Any]:
    """Attention of query, key and value, whose projections are rows of one weight; its result and its weights."""
    weight, bias, out_weight, out_bias = weights
    thirds = _constant(graph, [width] * 3)
    if len({x.unique() for x in inputs}) == 1:
        projected = symbolic_opset9.linear(graph, inputs[0], weight, bias)
        parts = graph.op("Split", projected, thirds, axis_i=-1, outputs=3)
    else:
        rows = (graph.op("Split", each, thirds, axis_i=0, outputs=3) for each in (weight, bias))
        parts = [symbolic_opset9.linear(graph, x, *each) for x, *each in zip(inputs, *rows, strict=True)]
    query, key, value = (_heads(graph, part, heads, width // heads) for part in parts)
    scaled = graph.op("Mul", query, _constant(graph, (width // heads) ** -0.5))
    scores = graph.op("MatMul", scaled, graph.op("Transpose", key, perm_i=[0, 1, 3, 2]))
    if not symbolic_helper._is_none(mask):
        mask = graph.op("Cast", mask, to_i=torch.onnx.TensorProtoDataType.BOOL)
        if _number(kind) == _OF_PADDING:
            mask = graph.op("Unsqueeze", mask, _constant(graph, [1, 2]))
        scores = graph.op("Where", mask, _constant(graph, float("-inf")), scores)
    shares = graph.op("Softmax", scores, axis_i=-1)
    joined = graph.op("Transpose", graph.op("MatMul", shares, value), perm_i=[0, 2, 1, 3])
    joined = graph.op("Reshape", joined, _constant(graph, [0, -1, width]))
    return symbolic_opset9.linear(graph, joined, out_weight, out_bias), shares


def _multi_head(graph: Any, query: Any, key: Any, value: Any, width: Any, heads: Any, *rest: Any) -> tuple[Any, Any]:
    *weights, mask, _, averaged, kind = rest
    inputs = (query, key, value)
    result, shares = _attention(graph, inputs, _number(width), _number(heads), tuple(weights), mask, kind)
    if _number(averaged):
        shares = graph.op("ReduceMean", shares, _constant(graph, [1]), keepdims_i=0)
    return result, shares


class FusedLayers:
    """The functions of these operators in one export, which remembers which tensors are packed by which mask."""

    def __init__(self) -> None:
        self._kept: dict[int, Any] = {}

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions by operator."""
        return {
            "aten::_native_multi_head_attention": _multi_head,
            "aten::_nested_tensor_from_mask": self._packed,
            "aten::_transformer_encoder_layer_fwd": self._layer,
            "aten::to_padded_tensor": self._unpacked,
        }

    def _packed(self, graph: Any, x: Any, kept: Any, checked: Any) -> Any:
        x = graph.op("Identity", x)
        counts = graph.op(
            "ReduceSum", graph.op("Cast", kept, to_i=torch.onnx.TensorProtoDataType.INT64), _constant(graph, [1])
        )
        length = graph.op("Gather", graph.op("Shape", kept), _constant(graph, 1))
        places = graph.op("Range", _constant(graph, 0), length, _constant(graph, 1))
        self._kept[x.unique()] = graph.op("Less", places, counts)
        return x

    def _unpacked(self, graph: Any, x: Any, padding: Any, size: Any) -> Any:
        kept = graph.op("Unsqueeze", self._kept[x.unique()], _constant(graph, [2]))
        return graph.op("Where", kept, x, _constant(graph, _number(padding, "f")))

    def _layer(self, graph: Any, x: Any, width: Any, heads: Any, *rest: Any) -> Any:
        """A layer of an encoder: attention and two linear layers, each with a norm before or behind it."""
        *weights, gelu, norm_first, epsilon, norm_1, shift_1, norm_2, shift_2, up, up_bias, down, down_bias = rest[:-2]
        mask, kind = rest[-2:]
        kept, width = self._kept.get(x.unique()), _number(width)
        if kept is not None:
            mask, kind = graph.op("Not", kept), _OF_PADDING

        def norm(x: Any, weight: Any, bias: Any) -> Any:
            return symbolic_opset17.layer_norm(graph, x, [width], weight, bias, _number(epsilon, "f"), False)

        def attention(x: Any) -> Any:
            return _attention(graph, (x, x, x), width, _number(heads), tuple(weights), mask, kind)[0]

        def linear(x: Any) -> Any:
            x = symbolic_opset9.linear(graph, x, up, up_bias)
            x = symbolic_opset9.gelu(graph, x, "none") if _number(gelu) else graph.op("Relu", x)
            return symbolic_opset9.linear(graph, x, down, down_bias)

        for part, *weights_of_norm in ((attention, norm_1, shift_1), (linear, norm_2, shift_2)):
            if _number(norm_first):
                x = graph.op("Add", x, part(norm(x, *weights_of_norm)))
            else:
                x = norm(graph.op("Add", x, part(x)), *weights_of_norm)
        if kept is not None:
            self._kept[x.unique()] = kept
        return x
