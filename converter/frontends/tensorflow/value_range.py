"""The range of the elements of a decoded image after the arithmetic that follows: from -1 to 1, say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

Range = tuple[float, float]

_DECODED = re.compile(r"Decode(Jpeg|Png|Bmp|Gif|Image|AndCrop\w*)")
_KEEPS = re.compile(
    r"Identity|Cast|Reshape|Squeeze|ExpandDims|Transpose|Slice|StridedSlice|Resize(Bilinear|NearestNeighbor|Area)"
    r"|Crop\w*|StopGradient|ReverseV2|Pack|TensorListStack|TensorListSetItem"
)
_ARITHMETIC = ("Add", "AddV2", "Sub", "Mul", "Div", "RealDiv")
_MOST_STEPS = 60


class _Place(NamedTuple):
    """A tensor, and the nodes of the graph or function that it belongs to."""

    tensor: str
    nodes: Mapping[str, NodeDef]


def value_range(graph: GraphDef, tensor: str) -> Range | None:
    """The smallest and the largest element that a tensor can have if it is computed from images; None if unknown."""
    functions = {function.signature.name: function for function in graph.library.function}
    return _range(_Place(tensor, {node.name: node for node in graph.node}), functions, _MOST_STEPS)


def _range(place: _Place, functions: Mapping[str, Any], steps: int) -> Range | None:
    name, *port = place.tensor.split(":")
    node = place.nodes.get(name)
    if node is None or not steps:
        return None

    def of(index: int) -> Range | None:
        return _range(_Place(node.input[index], place.nodes), functions, steps - 1)

    if _DECODED.fullmatch(node.op):
        return 0.0, 255.0
    if node.op == "Const":
        return _constant(node)
    if node.op in graphs.LOOPS:
        function = functions[node.attr["body"].func.name]
        result = function.ret[function.signature.output_arg[int(port[-1])].name]
        return _range(_Place(result, {inner.name: inner for inner in function.node_def}), functions, steps - 1)
    if node.op == "TensorListSetItem":
        return of(2)
    if _KEEPS.fullmatch(node.op):
        return of(0)
    if node.op not in _ARITHMETIC:
        return None
    left, right = of(0), of(1)
    if left is None or right is None:
        return None
    return _computed(node.op, left, right)


def _computed(operator: str, left: Range, right: Range) -> Range | None:
    if operator.startswith("Add"):
        pairs = [left[0] + right[0], left[1] + right[1]]
    elif operator == "Sub":
        pairs = [left[0] - right[1], left[1] - right[0]]
    elif operator == "Mul":
        pairs = [one * other for one in left for other in right]
    elif right[0] <= 0 <= right[1]:
        return None
    else:
        pairs = [one / other for one in left for other in right]
    return round(min(pairs), 4), round(max(pairs), 4)


def _constant(node: NodeDef) -> Range | None:
    import tensorflow as tf

    try:
        array = tf.make_ndarray(node.attr["value"].tensor)
    except (ValueError, TypeError):  # a large constant, whose content was taken out
        return None
    return (float(array.min()), float(array.max())) if array.size and array.dtype.kind in "fiu" else None
