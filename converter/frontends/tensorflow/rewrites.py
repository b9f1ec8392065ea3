"""Rewrites of a TensorFlow graph before tf2onnx: simplify what TensorFlow and Keras write around a layer.

Every function changes a graph in place and keeps its results. There is one exception: a gather that wraps negative
indices first becomes a plain gather, which TensorFlow does not define for negative indices, but ONNX does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.graph_facts import GraphFacts

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_SAME_VALUES = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Snapshot")
"""Operators whose result has the elements of their first input, in the same order."""

_ADD = ("Add", "AddV2")


def prepare(graph: GraphDef) -> None:
    """Apply all rewrites of this module to a graph."""
    facts = GraphFacts(graph)
    _read_constants(facts)
    _read_indices(facts)
    _simplify_tensordot(facts)
    _simplify_repeat(facts)
    _add_before_squeeze(facts)
    _fix_scales(facts)
    _look_up_all(facts)


def add_products(graph: GraphDef) -> None:
    """Add two products of matrices by AddV2, sub-graphs included.

    Where both have one row, TensorFlow's optimizer writes a BiasAdd of the first and a Squeeze of the second. This
    fixes the batch of a recurrent layer, and tf2onnx does not take it for a part of one.
    """
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        named = {node.name: node for node in nodes}
        for node in nodes:
            squeeze = named.get(_node_of(node.input[1])) if node.op == "BiasAdd" else None
            product = named.get(_node_of(squeeze.input[0])) if squeeze and squeeze.op == "Squeeze" else None
            if squeeze is not None and product is not None and product.op == "MatMul":
                node.op, node.input[1] = "AddV2", squeeze.input[0]
                node.attr.pop("data_format", None)


def read_rows(graph: GraphDef) -> None:
    """Read `x[i]` and `x[:, i]` with a computed `i` by GatherV2, sub-graphs included.

    tf2onnx slices from `i` with a step of 1e9, which shows neither that it is one row nor which.
    """
    for nodes, output in [(graph.node, ""), *((function.node_def, ":output:0") for function in graph.library.function)]:
        named = {node.name: node for node in nodes}
        for node in [node for node in nodes if node.op == "StridedSlice"]:
            found = _computed_row(named, node)
            if found is not None:
                _gather_row(nodes, node, *found, output)


def _computed_row(named: Mapping[str, NodeDef], node: NodeDef) -> tuple[str, int] | None:
    """Index and axis of a slice that is one row at a computed place; None if it is another slice."""
    import numpy as np
    import tensorflow as tf

    begin, stride = (named.get(_node_of(node.input[place])) for place in (1, 3))
    if begin is None or begin.op != "Pack" or stride is None or stride.op != "Const":
        return None
    whole = node.attr["begin_mask"].i & node.attr["end_mask"].i
    axes = [axis for axis in range(len(begin.input)) if not whole >> axis & 1]
    if len(axes) != 1 or node.attr["shrink_axis_mask"].i != 1 << axes[0]:
        return None
    if node.attr["ellipsis_mask"].i or node.attr["new_axis_mask"].i:
        return None
    steps = tf.make_ndarray(stride.attr["value"].tensor)
    return (begin.input[axes[0]], axes[0]) if bool(np.all(steps == 1)) else None


def _gather_row(nodes: Any, node: NodeDef, index: str, axis: int, output: str) -> None:
    import tensorflow as tf

    constant = nodes.add(op="Const", name=f"{node.name}/axis")
    constant.attr["dtype"].type = tf.int32.as_datatype_enum
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(axis, tf.int32))
    types = node.attr["T"].type, node.attr["Index"].type
    node.op, node.input[:] = "GatherV2", [node.input[0], index, f"{constant.name}{output}"]
    node.attr.clear()
    node.attr["Tparams"].type, node.attr["Tindices"].type = types
    node.attr["Taxis"].type = tf.int32.as_datatype_enum


_INDICES = {
    "GatherV2": "Tindices",
    "SparseSegmentSum": "Tidx",
    "SparseSegmentMean": "Tidx",
    "SparseSegmentSqrtN": "Tidx",
}
"""Operators that pick rows of their first input by the second → the attribute with the type of that."""


def _look_up_all(facts: GraphFacts) -> None:
    """Read the row of each id: `table[unique][place in unique]`, as `embedding_lookup_sparse` looks up each id once."""
    for node in facts.graph.node:
        if node.op not in _INDICES or not _picks_rows(facts, node):
            continue
        once, inner = facts.producer(node.input[1]), facts.producer(node.input[0])
        while inner.op == "Identity":
            inner = facts.producer(inner.input[0])
        if once.op != "Unique" or graphs.split(node.input[1]) != (once.name, 1):
            continue
        if inner.op == "GatherV2" and _picks_rows(facts, inner) and graphs.split(inner.input[1]) == (once.name, 0):
            node.input[:2] = [inner.input[0], once.input[0]]
            node.attr[_INDICES[node.op]].type = once.attr["T"].type


def _picks_rows(facts: GraphFacts, node: NodeDef) -> bool:
    if node.op != "GatherV2":
        return True
    axis = facts.value(node.input[2])
    return axis is not None and not axis.any() and not node.attr["batch_dims"].i


def _node_of(tensor: str) -> str:
    """The node of a tensor, which a function's body names with an output (`split:output:1`)."""
    return tensor.partition(":")[0]


def _fix_scales(facts: GraphFacts) -> None:
    """Write the scale of a ScaleAndTranslate as a constant where the extents are fixed: `size / shape(image)[1:3]`."""
    import tensorflow as tf

    for node in list(facts.graph.node):
        for i in (2, 3) if node.op == "ScaleAndTranslate" else ():
            value = None if facts.producer(node.input[i]).op == "Const" else facts.value(node.input[i])
            if value is not None:
                constant = facts.graph.node.add(op="Const", name=f"{node.name}/input_{i}")
                constant.attr["dtype"].type = tf.float32.as_datatype_enum
                constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.astype("float32")))
                node.input[i] = constant.name


def _read_constants(facts: GraphFacts) -> None:
    """Let nodes read a constant directly, not through operators that change neither elements nor shape.

    A frozen variable is read through an Identity. Keras 3 reads a bias of shape (C,) through a Reshape to (1, 1, 1, C)
    and a Squeeze back to (C,): tf2onnx would not merge such a BiasAdd into the convolution.
    """
    constants: dict[str, str | None] = {name: name for name, node in facts.nodes.items() if node.op == "Const"}

    def source(name: str) -> str | None:
        """The constant whose elements the node's output holds."""
        chain = []
        while name not in constants and facts.nodes[name].op in _SAME_VALUES:
            chain.append(name)
            name = graphs.split(facts.nodes[name].input[0])[0]
        constants.update(dict.fromkeys(chain, constants.get(name)))
        return constants.get(name)

    for node in facts.graph.node:
        for i, name in enumerate(node.input):
            reader, index = graphs.split(name)
            constant = None if name.startswith("^") or index else source(reader)
            if constant is not None and facts.shape(reader) == facts.shape(constant):
                node.input[i] = constant


def _read_indices(facts: GraphFacts) -> None:
    """Let a gather read its indices directly: Keras 3 writes `where(i < 0, i + size, i)` before an embedding."""
    for node in facts.graph.node:
        if node.op != "GatherV2" or node.attr["batch_dims"].i:
            continue
        table, indices, axis = node.input[:3]
        shape, position = facts.shape(table), facts.number(axis)
        if shape is not None and position is not None:
            node.input[1] = _wrapped(facts, indices, shape[position]) or indices


def _wrapped(facts: GraphFacts, chosen: str, size: int | None) -> str | None:
    """The tensor `i` of `where(i < 0, i + size, i)`; None if `chosen` is something else."""
    select = facts.producer(chosen)
    if select.op not in ("Select", "SelectV2"):
        return None
    condition, added, indices = facts.producer(select.input[0]), facts.producer(select.input[1]), select.input[2]
    if condition.op != "Less" or added.op not in _ADD or condition.input[0] != indices or indices not in added.input:
        return None
    term = added.input[1] if added.input[0] == indices else added.input[0]
    same = size is not None and facts.number(term) == size and facts.number(condition.input[1]) == 0
    return indices if same else None


def _simplify_tensordot(facts: GraphFacts) -> None:
    """Replace Reshape, MatMul, Reshape of `tf.tensordot` by a BatchMatMulV2 of tensor (…, K) and matrix (K, N)."""
    for node in facts.graph.node:
        product = facts.producer(node.input[0]) if node.op == "Reshape" else None
        if product is None or product.op != "MatMul" or product.attr["transpose_a"].b or product.attr["transpose_b"].b:
            continue
        flat, matrix = facts.producer(product.input[0]), product.input[1]
        if flat.op != "Reshape":
            continue
        tensor = _skip_identity_transpose(facts, flat.input[0])
        shape, sizes, result = facts.shape(tensor), facts.shape(matrix), facts.shape(node.name)
        if not shape or not sizes or not result or shape[-1] is None or shape[-1] != sizes[0]:
            continue
        if result[-1] == sizes[1] and _same_extents(facts, tensor, shape[:-1], result[:-1], node.input[1]):
            dtype = product.attr["T"].type
            node.op = "BatchMatMulV2"
            node.input[:] = [tensor, matrix]
            node.attr.clear()
            node.attr["T"].type = dtype


def _skip_identity_transpose(facts: GraphFacts, tensor: str) -> str:
    """The input of a Transpose that keeps the order of the axes; another tensor itself."""
    node = facts.producer(tensor)
    if node.op == "Transpose":
        perm = facts.value(node.input[1])
        if perm is not None and perm.tolist() == list(range(len(perm))):
            return node.input[0]
    return tensor


def _same_extents(
    facts: GraphFacts, tensor: str, shape: Sequence[int | None], result: Sequence[int | None], target: str
) -> bool:
    """Whether a Reshape to `target` restores the leading extents of a tensor.

    At most one of them may be dynamic, unless the target is computed from the tensor's shape alone.
    """
    if len(shape) != len(result) or any(a != b for a, b in zip(shape, result, strict=True) if a and b):
        return False
    free = sum(1 for a, b in zip(shape, result, strict=True) if a is None or b is None)
    return free <= 1 or _reads_shape(facts, target, tensor)


def _reads_shape(facts: GraphFacts, tensor: str, of: str) -> bool:
    """Whether the tensor, a shape, is computed only from the shape of the tensor `of` and constants."""
    waiting, shapes = [graphs.split(tensor)[0]], set()
    while waiting:
        node = facts.nodes[waiting.pop()]
        if node.op == "Shape":
            shapes.add(_skip_identity_transpose(facts, node.input[0]))
        elif node.op in ("GatherV2", "ConcatV2", "StridedSlice", "Pack", "Cast", "Identity", "Mul"):
            waiting += [source for source, _ in graphs.data_inputs(node)]
        elif node.op != "Const":
            return False
    return shapes == {of}


def _simplify_repeat(facts: GraphFacts) -> None:
    """Replace ExpandDims, Tile, Reshape of `tf.repeat` on images (N, H, W, C) by ResizeNearestNeighbor."""
    from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_INT32

    scales: dict[str, tuple[str, list[int]]] = {}
    for node in facts.graph.node:
        found = _repeat(facts, node)
        if found is None:
            continue
        image, axis, count = found
        source, scale = scales.get(graphs.split(image)[0], (image, [1, 1]))
        scale = [count * factor if axis == i + 1 else factor for i, factor in enumerate(scale)]
        scales[node.name] = source, scale
    for name, (image, scale) in scales.items():
        shape, node = facts.shape(image), facts.nodes[name]
        dtype = node.attr["T"].type
        if shape is None or None in shape[1:3] or dtype != DT_FLOAT:
            continue
        size = facts.graph.node.add(op="Const", name=f"{name}/size")
        size.attr["dtype"].type = size.attr["value"].tensor.dtype = DT_INT32
        size.attr["value"].tensor.tensor_shape.dim.add(size=2)
        size.attr["value"].tensor.int_val.extend(
            factor * (extent or 0) for factor, extent in zip(scale, shape[1:3], strict=True)
        )
        node.op = "ResizeNearestNeighbor"
        node.input[:] = [image, size.name]
        node.attr.clear()
        node.attr["T"].type = dtype


def _repeat(facts: GraphFacts, node: NodeDef) -> tuple[str, int, int] | None:
    """Image, axis and count of `tf.repeat(image, count, axis)`; None if the node is something else."""
    tile = facts.producer(node.input[0]) if node.op == "Reshape" else None
    added = facts.producer(tile.input[0]) if tile is not None and tile.op == "Tile" else None
    if tile is None or added is None or added.op != "ExpandDims":
        return None
    image, position, counts = added.input[0], facts.number(added.input[1]), facts.value(tile.input[1])
    shape, result = facts.shape(image), facts.shape(node.name)
    if shape is None or result is None or position is None or counts is None or len(shape) != 4:
        return None
    axis = position % 5 - 1
    if axis not in (1, 2) or any(count != 1 for i, count in enumerate(counts) if i != axis + 1):
        return None
    count, extent = int(counts[axis + 1]), shape[axis]
    expected = [extent and extent * count if i == axis else dim for i, dim in enumerate(shape)]
    return (image, axis, count) if result == expected and None not in expected[1:] else None


def _add_before_squeeze(facts: GraphFacts) -> None:
    """Move a BiasAdd before the Squeeze of a one-dimensional convolution, so that tf2onnx merges it as the bias."""
    readers = facts.readers()
    for node in facts.graph.node:
        if node.op != "BiasAdd" or node.attr["data_format"].s == b"NCHW":
            continue
        squeeze = facts.producer(node.input[0])
        if squeeze.op != "Squeeze" or len(readers[squeeze.name]) > 1:
            continue
        convolution = facts.producer(squeeze.input[0])
        rank = len(facts.shape(squeeze.input[0]) or ())
        axes = [axis % rank for axis in squeeze.attr["squeeze_dims"].list.i] if rank else []
        if convolution.op == "Conv2D" and axes and rank - 1 not in axes and len(readers[convolution.name]) == 1:
            _swap(node, squeeze)


def _swap(add: NodeDef, squeeze: NodeDef) -> None:
    """Swap Squeeze and BiasAdd; the names of both nodes keep their places."""
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
