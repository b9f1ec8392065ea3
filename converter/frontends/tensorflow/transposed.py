"""Replace TensorFlow's transposed convolutions by ConvTranspose with constant padding.

TensorFlow gives the extents of the result instead of a padding. If they are computed from the extents of the input, as
Keras does for images of dynamic size, tf2onnx crops the result to them. They are `stride * extent + offset`, so that
the padding does not depend on the extent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_ARITHMETIC = ("Add", "AddV2", "Mul", "Sub")


@dataclass(frozen=True)
class _Extent:
    """A symbolic extent: `scale` times the extent of `axis`, plus `offset`; a number if the scale is 0."""

    axis: int
    scale: int
    offset: int


def _number(value: int) -> _Extent:
    return _Extent(0, 0, value)


def rewrite_transposed(graph: Any, ops: Sequence[Any]) -> Sequence[Any]:
    """Replace transposed convolutions by ConvTranspose nodes if their padding is constant.

    A rewriter for tf2onnx: `graph` is its graph, still with TensorFlow's operators.
    """
    for node in list(ops):
        if node.type in ("Conv2DBackpropInput", "Conv3DBackpropInputV2"):
            attributes = _attributes(graph, node)
            if attributes is not None:
                _replace(graph, node, attributes)
    return graph.get_nodes()


def _attributes(graph: Any, node: Any) -> dict[str, Any] | None:
    """The attributes of the ConvTranspose; None if its padding is not known to be constant."""
    filters, x = graph.get_shape(node.input[1]), node.input[2]
    extents = graph.get_shape(x)
    sizes = _sizes(graph, node.inputs[0], x)
    if node.get_attr_str("padding") == "EXPLICIT" or sizes is None or not filters or not extents or -1 in filters:
        return None
    spatial = _spatial(node)
    strides, dilations = ([_axis(node, name, axis) for axis in spatial] for name in ("strides", "dilations"))
    totals = []
    for axis, stride, dilation, kernel in zip(spatial, strides, dilations, filters, strict=False):
        size = sizes[axis]
        if size is None or (size.scale and (size.axis, size.scale) != (axis, stride)):
            return None
        if not size.scale and extents[axis] == -1:
            return None
        inside = 0 if size.scale else stride * extents[axis]
        totals.append(inside - stride + (kernel - 1) * dilation + 1 - size.offset)
    begins = [max(total, 0) // 2 for total in totals]
    ends = [max(total, 0) - begin for total, begin in zip(totals, begins, strict=True)]
    more = [max(-total, 0) for total in totals]
    return {
        "strides": strides,
        "dilations": dilations,
        "kernel_shape": filters[: len(spatial)],
        "pads": begins + ends,
        **({"output_padding": more} if any(more) else {}),
    }


def _channels_last(node: Any) -> bool:
    return node.get_attr_str("data_format") in ("NHWC", "NDHWC")


def _spatial(node: Any) -> range:
    """The spatial axes."""
    rank = 5 if node.type.startswith("Conv3D") else 4
    return range(1, rank - 1) if _channels_last(node) else range(2, rank)


def _axis(node: Any, attribute: str, axis: int) -> int:
    given = node.get_attr(attribute)
    return 1 if given is None else int(given.ints[axis])


def _sizes(graph: Any, node: Any, x: str) -> list[_Extent | None] | None:
    """The elements of a vector of extents, as functions of the extents of `x`; None for elements that are not."""
    found: dict[str, list[_Extent | None] | None] = {}
    pending = [node]
    while pending:
        step = pending[-1]
        waiting = [] if step.name in found else [source for source in _sources(step) if source.name not in found]
        if waiting:
            pending += waiting
        elif pending.pop().name not in found:
            found[step.name] = _sizes_of(graph, step, x, found)
    return found[node.name]


def _sources(node: Any) -> Sequence[Any]:
    """The nodes whose extents a node computes with."""
    if node.type in ("Pack", *_ARITHMETIC):
        return node.inputs
    if node.type == "ConcatV2":
        return node.inputs[:-1]
    return node.inputs[:1] if node.type in ("Cast", "Identity", "Reshape", "StridedSlice") else ()


def _sizes_of(
    graph: Any, node: Any, x: str, found: Mapping[str, list[_Extent | None] | None]
) -> list[_Extent | None] | None:
    """The same of one node, after `found` has those of its `_sources`."""
    kind = node.type
    known = [found[source.name] for source in _sources(node)]
    if kind in ("Identity", "Cast", "Reshape"):
        return known[0]
    if node.is_const():
        return [_number(int(value)) for value in np.ravel(node.get_tensor_value(as_list=False))]
    if kind == "Shape":
        own = _source(graph, node.input[0]) == _source(graph, x)
        extents = graph.get_shape(node.input[0])
        return extents and [_number(n) if n != -1 else _Extent(i, 1, 0) if own else None for i, n in enumerate(extents)]
    if kind in ("Pack", "ConcatV2"):
        parts = [part or _unknown(graph, source) for part, source in zip(known, _sources(node), strict=True)]
        return [item for part in parts for item in part]
    if kind == "StridedSlice":
        return _slice(node, known[0])
    if kind in _ARITHMETIC:
        left, right = known
        if left and right:
            count = max(len(left), len(right))
            left, right = (part * count if len(part) == 1 else part for part in (left, right))  # broadcasting
            return [_computed(kind, one, other) for one, other in zip(left, right, strict=True)]
    return None


def _unknown(graph: Any, node: Any) -> list[_Extent | None]:
    return [None] * int(np.prod(graph.get_shape(node.output[0]) or [1]))


def _source(graph: Any, tensor: str) -> str:
    node = graph.get_node_by_output(tensor)
    while node is not None and node.type == "Identity":
        tensor, node = node.input[0], node.inputs[0]
    return tensor


def _slice(node: Any, items: list[_Extent | None] | None) -> list[_Extent | None] | None:
    if items is None or not all(source.is_const() for source in node.inputs[1:]):
        return None
    bounds = [source.get_tensor_value() for source in node.inputs[1:]]
    if any(len(bound) != 1 for bound in bounds):
        return None
    begin, end, step = (bound[0] for bound in bounds)
    if node.get_attr_value("shrink_axis_mask"):
        return [items[begin]] if -len(items) <= begin < len(items) else None
    first = None if node.get_attr_value("begin_mask") else begin
    return items[first : None if node.get_attr_value("end_mask") else end : step]


def _computed(operator: str, one: _Extent | None, other: _Extent | None) -> _Extent | None:
    if one is None or other is None:
        return None
    if operator == "Mul":
        if one.scale and other.scale:
            return None
        factor, extent = (one, other) if not one.scale else (other, one)
        return _Extent(extent.axis, extent.scale * factor.offset, extent.offset * factor.offset)
    if one.scale and other.scale and one.axis != other.axis:
        return None
    sign = -1 if operator == "Sub" else 1
    axis = one.axis if one.scale else other.axis
    return _Extent(axis, one.scale + sign * other.scale, one.offset + sign * other.offset)


def _replace(graph: Any, node: Any, attributes: dict[str, Any]) -> None:
    """Replace the node by a ConvTranspose, with transposes around it if the channels are last.

    tf2onnx has already merged a following BiasAdd: the bias is the node's fourth input.
    """
    from tf2onnx import utils

    rank, last, (_, weight, x, *bias) = len(_spatial(node)) + 2, _channels_last(node), node.input
    result = node.output[0]
    shape, dtype = graph.get_shape(result), graph.get_dtype(result)
    graph.remove_node(node.name)
    if last:
        x = graph.make_node("Transpose", [x], attr={"perm": [0, rank - 1, *range(1, rank - 1)]}).output[0]
    turned = graph.make_node("Transpose", [weight], attr={"perm": [rank - 1, rank - 2, *range(rank - 2)]}).output[0]
    own = utils.make_name(node.name) if last else result
    inputs = [x, turned, *bias]
    graph.make_node("ConvTranspose", inputs, attr=attributes, name=node.name, outputs=[own], dtypes=[dtype])
    if last:
        to_last = {"perm": [0, *range(2, rank), 1]}
        graph.make_node("Transpose", [own], attr=to_last, outputs=[result], shapes=[shape], dtypes=[dtype])
