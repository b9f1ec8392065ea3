"""Dilated convolutions of images and sequences of any extent.

TensorFlow computes a dilated convolution as a plain one between SpaceToBatchND and BatchToSpaceND. Where an extent is
free, it also computes how much they pad and crop. What they crop is what they padded beyond the convolution's own
padding, which is constant; tf2onnx makes a Conv with dilations only where it finds constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_CONVOLUTIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative")
_FIRST = 32
"""The smallest extent that is tried; padding is computed modulo the dilation."""
_MOST_NODES = 256
"""Nodes of the arithmetic on an extent."""


def rewrite_dilations(graph: Any, ops: Sequence[Any]) -> Sequence[Any]:
    """Make the padding of dilated convolutions constant, and let tf2onnx replace them by Conv with dilations.

    A rewriter for tf2onnx: `graph` is its graph, still with TensorFlow's operators.
    """
    from tf2onnx.rewriter.conv_dilations_rewriter import rewrite_conv_dilations

    found = False
    for last in ops:
        first = _first_of(last) if last.type == "BatchToSpaceND" else None
        padding = None if first is None else _constant_padding(first, last)
        if first is None or padding is None:
            continue
        found = True
        for node, amounts in ((first, padding), (last, np.zeros_like(padding))):
            constant = graph.make_const(f"{node.name}/constant_amounts", amounts.astype(np.int32))
            graph.replace_inputs(node, [*node.input[:2], constant.output[0]])
    return rewrite_conv_dilations(graph, graph.get_nodes()) if found else graph.get_nodes()


def _first_of(last: Any) -> Any:
    """The SpaceToBatchND before the convolution before a BatchToSpaceND, of the same blocks; None for anything else."""
    convolution = last.inputs[0]
    is_sequence = convolution.type == "Squeeze"
    if is_sequence:
        if convolution.get_attr_value("squeeze_dims") not in ([1], [-3]):
            return None
        convolution = convolution.inputs[0]
    if convolution.type not in _CONVOLUTIONS or convolution.get_attr_str("padding") != "VALID":
        return None
    first = convolution.inputs[0]
    if is_sequence:
        axis = first.inputs[1] if first.type == "ExpandDims" else None
        if axis is None or not axis.is_const() or axis.get_tensor_value() not in (1, -3):
            return None
        first = first.inputs[0]
    if first.type != "SpaceToBatchND" or not all(node.inputs[1].is_const() for node in (first, last)):
        return None
    return first if np.array_equal(_blocks(first), _blocks(last)) else None


def _blocks(node: Any) -> np.ndarray:
    return np.asarray(node.inputs[1].get_tensor_value(as_list=False))


def _constant_padding(first: Any, last: Any) -> np.ndarray | None:
    """The convolution's own padding, (axes, 2), if it is the same for every extent; None for constants and else.

    It is tried on extents with every remainder.
    """
    blocks = _blocks(first)
    if first.inputs[2].is_const() and last.inputs[2].is_const():
        return None
    found = None
    for extent in range(_FIRST, _FIRST + 2 * int(blocks.max())):
        amounts = [_Arithmetic(first.input[0], extent).value_of(node.inputs[2]) for node in (first, last)]
        if any(value is None or value.shape != (len(blocks), 2) for value in amounts):
            return None
        pads, crops = amounts
        assert pads is not None
        assert crops is not None
        own = pads - crops
        is_right = not crops[:, 0].any() and (own >= 0).all() and (crops[:, 1] < blocks).all()
        if not is_right or (found is not None and not np.array_equal(own, found)):
            return None
        if ((extent + own.sum(1) + crops[:, 1]) % blocks).any():
            return None
        found = own
    return found


class _Arithmetic:
    """The arithmetic on the extents of one tensor, which all are taken to be `extent`."""

    def __init__(self, tensor: str, extent: int) -> None:
        self._tensor, self._extent = tensor, extent
        self._left = _MOST_NODES

    def value_of(self, node: Any) -> np.ndarray | None:
        """The value of a node; None where it depends on something else."""
        self._left -= 1
        if self._left < 0:
            return None
        if node.is_const():
            return np.asarray(node.get_tensor_value(as_list=False))
        if node.type == "Shape":
            rank = len(node.graph.get_shape(self._tensor) or ())
            return np.full(rank, self._extent) if node.input[0] == self._tensor and rank else None
        values = [self.value_of(source) for source in node.inputs]
        return None if any(value is None for value in values) else _result(node, values)


def _result(node: Any, values: Sequence[Any]) -> np.ndarray | None:
    match node.type:
        case "Identity" | "Cast":
            return np.asarray(values[0])
        case "Pack":
            return np.stack(values, node.get_attr_value("axis", 0))
        case "ConcatV2":
            return np.concatenate(values[:-1], int(values[-1]))
        case "Add" | "AddV2":
            return np.asarray(values[0] + values[1])
        case "Sub":
            return np.asarray(values[0] - values[1])
        case "Mul":
            return np.asarray(values[0] * values[1])
        case "FloorMod":
            return np.asarray(values[0] % values[1])
        case "StridedSlice":
            return _sliced(node, *values)
    return None


def _sliced(node: Any, value: np.ndarray, begin: np.ndarray, end: np.ndarray, step: np.ndarray) -> np.ndarray | None:
    masks = [node.get_attr_value(f"{name}_mask", 0) for name in ("begin", "end", "shrink_axis", "ellipsis", "new_axis")]
    no_begin, no_end, single, *others = masks
    if any(others):
        return None
    places: list[Any] = []
    for i, (low, high, stride) in enumerate(zip(begin, end, step, strict=True)):
        bit = 1 << i
        whole = slice(None if no_begin & bit else int(low), None if no_end & bit else int(high), int(stride))
        places.append(int(low) if single & bit else whole)
    return np.asarray(value[tuple(places)])
