"""What TensorFlow and Keras write around a layer, brought to the form that tf2onnx understands.

Every function changes a graph in place and nothing that it computes, but for indices: a gather of negative indices,
which TensorFlow refuses and ONNX defines, stands for one that wraps them first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.known import Known

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_SAME_VALUES = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Snapshot")
"""Operators that give the elements of their first input, in the same order."""

_ADD = ("Add", "AddV2")


def prepare(graph: GraphDef) -> None:
    """Apply all of them."""
    known = Known(graph)
    _read_constants(known)
    _read_indices(known)
    _multiply_at_once(known)
    _repeat_at_once(known)
    _add_before_squeeze(known)


def _read_constants(known: Known) -> None:
    """Let nodes read a constant itself where what stands between changes nothing.

    A frozen variable is a constant behind an Identity. Keras 3 adds a bias of shape `(C,)` behind a Reshape to
    `(1, 1, 1, C)` and a Squeeze back to `(C,)`: a BiasAdd of that is no part of the convolution for tf2onnx.
    """
    constants: dict[str, str | None] = {name: name for name, node in known.nodes.items() if node.op == "Const"}

    def source(name: str) -> str | None:
        """The constant whose elements the node's output holds."""
        chain = []
        while name not in constants and known.nodes[name].op in _SAME_VALUES:
            chain.append(name)
            name = graphs.split(known.nodes[name].input[0])[0]
        constants.update(dict.fromkeys(chain, constants.get(name)))
        return constants.get(name)

    for node in known.graph.node:
        for i, name in enumerate(node.input):
            reader, index = graphs.split(name)
            constant = None if name.startswith("^") or index else source(reader)
            if constant is not None and known.shape(reader) == known.shape(constant):
                node.input[i] = constant


def _read_indices(known: Known) -> None:
    """Let a gather read its indices themselves: Keras 3 writes `where(i < 0, i + size, i)` before an embedding."""
    for node in known.graph.node:
        if node.op != "GatherV2" or node.attr["batch_dims"].i:
            continue
        table, indices, axis = node.input[:3]
        shape, position = known.shape(table), known.number(axis)
        if shape is not None and position is not None:
            node.input[1] = _wrapped(known, indices, shape[position]) or indices


def _wrapped(known: Known, chosen: str, size: int | None) -> str | None:
    """The tensor `i` of `where(i < 0, i + size, i)`."""
    select = known.maker(chosen)
    if select.op not in ("Select", "SelectV2"):
        return None
    condition, added, indices = known.maker(select.input[0]), known.maker(select.input[1]), select.input[2]
    if condition.op != "Less" or added.op not in _ADD or condition.input[0] != indices or indices not in added.input:
        return None
    term = added.input[1] if added.input[0] == indices else added.input[0]
    same = size is not None and known.number(term) == size and known.number(condition.input[1]) == 0
    return indices if same else None


def _multiply_at_once(known: Known) -> None:
    """Multiply a tensor by a matrix directly: `tf.tensordot` makes a matrix of it and reshapes the product."""
    for node in known.graph.node:
        product = known.maker(node.input[0]) if node.op == "Reshape" else None
        if product is None or product.op != "MatMul" or product.attr["transpose_a"].b or product.attr["transpose_b"].b:
            continue
        flat, matrix = known.maker(product.input[0]), product.input[1]
        if flat.op != "Reshape":
            continue
        tensor = _not_turned(known, flat.input[0])
        shape, sizes, result = known.shape(tensor), known.shape(matrix), known.shape(node.name)
        if not shape or not sizes or not result or shape[-1] is None or shape[-1] != sizes[0]:
            continue
        if result[-1] == sizes[1] and _same_extents(known, tensor, shape[:-1], result[:-1], node.input[1]):
            dtype = product.attr["T"].type
            node.op = "BatchMatMulV2"
            node.input[:] = [tensor, matrix]
            node.attr.clear()
            node.attr["T"].type = dtype


def _not_turned(known: Known, tensor: str) -> str:
    """What a Transpose that changes nothing reads."""
    node = known.maker(tensor)
    if node.op == "Transpose":
        perm = known.value(node.input[1])
        if perm is not None and perm.tolist() == list(range(len(perm))):
            return node.input[0]
    return tensor


def _same_extents(
    known: Known, tensor: str, shape: Sequence[int | None], result: Sequence[int | None], target: str
) -> bool:
    """Whether a Reshape to `target` gives the leading extents of a tensor again.

    At most one of them may be free, or else the target must be read from the tensor's shape.
    """
    if len(shape) != len(result) or any(a != b for a, b in zip(shape, result, strict=True) if a and b):
        return False
    free = sum(1 for a, b in zip(shape, result, strict=True) if a is None or b is None)
    return free <= 1 or _reads_shape(known, target, tensor)


def _reads_shape(known: Known, tensor: str, of: str) -> bool:
    """Whether a shape is computed from that of another tensor alone."""
    waiting, shapes = [graphs.split(tensor)[0]], set()
    while waiting:
        node = known.nodes[waiting.pop()]
        if node.op == "Shape":
            shapes.add(_not_turned(known, node.input[0]))
        elif node.op in ("GatherV2", "ConcatV2", "StridedSlice", "Pack", "Cast", "Identity", "Mul"):
            waiting += [source for source, _ in graphs.data_inputs(node)]
        elif node.op != "Const":
            return False
    return shapes == {of}


def _repeat_at_once(known: Known) -> None:
    """Repeat rows and columns of images by a resize: `tf.repeat` is a Tile along a new axis, and a Reshape."""
    from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_INT32

    scales: dict[str, tuple[str, list[int]]] = {}
    for node in known.graph.node:
        found = _repeat(known, node)
        if found is None:
            continue
        image, axis, count = found
        source, scale = scales.get(graphs.split(image)[0], (image, [1, 1]))
        scale = [count * factor if axis == i + 1 else factor for i, factor in enumerate(scale)]
        scales[node.name] = source, scale
    for name, (image, scale) in scales.items():
        shape, node = known.shape(image), known.nodes[name]
        dtype = node.attr["T"].type
        if shape is None or None in shape[1:3] or dtype != DT_FLOAT:
            continue
        size = known.graph.node.add(op="Const", name=f"{name}/size")
        size.attr["dtype"].type = size.attr["value"].tensor.dtype = DT_INT32
        size.attr["value"].tensor.tensor_shape.dim.add(size=2)
        size.attr["value"].tensor.int_val.extend(
            factor * (extent or 0) for factor, extent in zip(scale, shape[1:3], strict=True)
        )
        node.op = "ResizeNearestNeighbor"
        node.input[:] = [image, size.name]
        node.attr.clear()
        node.attr["T"].type = dtype


def _repeat(known: Known, node: NodeDef) -> tuple[str, int, int] | None:
    """Image, axis and count of `tf.repeat(image, count, axis)`."""
    tile = known.maker(node.input[0]) if node.op == "Reshape" else None
    added = known.maker(tile.input[0]) if tile is not None and tile.op == "Tile" else None
    if tile is None or added is None or added.op != "ExpandDims":
        return None
    image, position, counts = added.input[0], known.number(added.input[1]), known.value(tile.input[1])
    shape, result = known.shape(image), known.shape(node.name)
    if shape is None or result is None or position is None or counts is None or len(shape) != 4:
        return None
    axis = position % 5 - 1
    if axis not in (1, 2) or any(count != 1 for i, count in enumerate(counts) if i != axis + 1):
        return None
    count, extent = int(counts[axis + 1]), shape[axis]
    expected = [extent and extent * count if i == axis else dim for i, dim in enumerate(shape)]
    return (image, axis, count) if result == expected and None not in expected[1:] else None


def _add_before_squeeze(known: Known) -> None:
    """Add a bias before the axis of a one-dimensional convolution goes, so that it is the convolution's own."""
    readers = known.readers()
    for node in known.graph.node:
        if node.op != "BiasAdd" or node.attr["data_format"].s == b"NCHW":
            continue
        squeeze = known.maker(node.input[0])
        if squeeze.op != "Squeeze" or len(readers[squeeze.name]) > 1:
            continue
        convolution = known.maker(squeeze.input[0])
        rank = len(known.shape(squeeze.input[0]) or ())
        axes = [axis % rank for axis in squeeze.attr["squeeze_dims"].list.i] if rank else []
        if convolution.op == "Conv2D" and axes and rank - 1 not in axes and len(readers[convolution.name]) == 1:
            _swap(node, squeeze)


def _swap(add: NodeDef, squeeze: NodeDef) -> None:
    """Make a BiasAdd of a Squeeze a Squeeze of a BiasAdd; the names stay at their places."""
    source, bias = squeeze.input[0], add.input[1]
    attributes = {name: type(value).FromString(value.SerializeToString()) for name, value in squeeze.attr.items()}
    squeeze.op, add.op = "BiasAdd", "Squeeze"
    squeeze.attr.clear()
    squeeze.input[:] = [source, bias]
    for name, value in add.attr.items():
        squeeze.attr[name].CopyFrom(value)
    add.attr.clear()
    add.input[:] = [squeeze.name]
    for name, value in attributes.items():
        add.attr[name].CopyFrom(value)
