"""Recognise the arithmetic that Keras writes for layer and group norms, and replace it by normalisation nodes.

This happens before tf2onnx changes the layout: it moves transposes into the arithmetic, which then no pattern matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from converter.frontends.tensorflow.handlers.node_builder import ABSENT


class _Weight(NamedTuple):
    """A constant, and the extents with which it is used, without leading extents of 1."""

    node: Any
    extents: list[int]


class _Norm(NamedTuple):
    """`(x - mean) * rsqrt(variance + epsilon) * gamma + beta`, mean and variance over `axes` of x."""

    x: str
    axes: tuple[int, ...]
    epsilon: float
    gamma: _Weight | None
    beta: _Weight | None


def rewrite_sample_norm(graph: Any, ops: Sequence[Any]) -> Sequence[Any]:
    """Replace the arithmetic of layer and group norms by LayerNormalization and InstanceNormalization nodes.

    A rewriter for tf2onnx: `graph` is its graph, still with TensorFlow's operators.
    """
    for node in list(ops):
        if node.type in ("Add", "AddV2"):
            norm = _found(graph, node)
            if norm is not None and not _replace_layer_norm(graph, node, norm):
                _replace_group_norm(graph, node, norm)
    return graph.get_nodes()


def rewrite_fused_layer_norm(graph: Any, ops: Sequence[Any]) -> Sequence[Any]:
    """Replace the layer norm of Keras 2 by a LayerNormalization node: a fused batch norm over each row as a channel.

    A rewriter for tf2onnx, before that of batch norms.
    """
    for node in list(ops):
        if node.type in ("Add", "AddV2"):
            norm = _fused(graph, node)
            if norm is not None:
                _replace_layer_norm(graph, node, norm)
    return graph.get_nodes()


def _fused(graph: Any, add: Any) -> _Norm | None:
    """The norm whose last node is `add`, `reshape(fused(reshape(x))) * gamma + beta`; None if it is something else."""
    for product, shift in (add.inputs, add.inputs[::-1]):
        beta = _weight(shift)
        if product.type != "Mul" or beta is None:
            continue
        for back, scale in (product.inputs, product.inputs[::-1]):
            gamma, norm = _weight(scale), back.inputs[0] if back.type == "Reshape" else None
            if gamma is None or norm is None or not _is_of_rows(norm):
                continue
            x, rows = norm.inputs[0].input[0], graph.get_shape(norm.input[0])
            shape, count = graph.get_shape(x), len(gamma.extents)
            if shape is None or graph.get_shape(back.output[0]) != shape or -1 in shape[len(shape) - count :]:
                continue
            axes = tuple(range(len(shape) - count, len(shape)))
            if rows is None or len(rows) != 4 or rows[0::3] != [1, 1]:
                continue
            if rows[2] == np.prod([shape[axis] for axis in axes]) or _multiplied(norm.inputs[0], x) == {*axes}:
                return _Norm(x, axes, float(norm.get_attr_value("epsilon")), gamma, beta)
    return None


def _multiplied(reshape: Any, x: str) -> set[int] | None:
    """The axes of x whose extents are multiplied for the third extent of a Reshape; None if it is something else."""
    if reshape.inputs[1].type != "Pack":
        return None
    waiting, found = [reshape.inputs[1].inputs[2]], set[int]()
    while waiting:
        node = waiting.pop()
        if node.type == "Prod":
            waiting.append(node.inputs[0])
        elif node.type == "Mul":
            waiting += [source for source in node.inputs if not source.is_const() or not _is_filled(source, 1)]
        elif node.type == "StridedSlice" and node.inputs[0].type == "Shape" and node.inputs[0].input[0] == x:
            found |= _axes_of_slice(node)
        else:
            return None
    return found


def _axes_of_slice(node: Any) -> set[int]:
    """The places that a slice takes of a shape, `shape[2]` or `shape[2:]`; none of one that ends before the last."""
    begin = node.inputs[1].get_tensor_value(as_list=False) if node.inputs[1].is_const() else np.empty(0)
    rank = (node.inputs[0].output_shapes[0] or [0])[0]
    if begin.size != 1 or begin[0] < 0:
        return set()
    if node.get_attr_value("shrink_axis_mask", 0) == 1:
        return {int(begin[0])}
    return {*range(int(begin[0]), rank)} if node.get_attr_value("end_mask", 0) == 1 else set()


def _is_of_rows(norm: Any) -> bool:
    """Whether a node is a batch norm in training, channels first, of a reshaped tensor, and scales and shifts none."""
    if not norm.type.startswith("FusedBatchNorm") or norm.get_attr_value("data_format") != b"NCHW":
        return False
    if not norm.get_attr_value("is_training", True) or norm.inputs[0].type != "Reshape":
        return False
    return _is_filled(norm.inputs[1], 1) and _is_filled(norm.inputs[2], 0)


def _is_filled(node: Any, value: float) -> bool:
    source = node.inputs[1] if node.type == "Fill" else node
    return source.is_const() and bool((source.get_tensor_value(as_list=False) == value).all())


def _found(graph: Any, add: Any) -> _Norm | None:
    """The norm whose last node is `add`, `x * inverse + (beta - mean * inverse)`; None if it is something else."""
    for product, shift in (add.inputs, add.inputs[::-1]):
        if product.type != "Mul":
            continue
        for x, inverse in (tuple(product.input), tuple(product.input)[::-1]):
            root, gamma = _root_and_scale(graph.get_node_by_output(inverse))
            offset = _offset(shift, inverse)
            if root is None or offset is None:
                continue
            mean, beta = offset
            (variance, epsilon) = root
            axes = _axes(graph, mean, x)
            if axes is not None and axes == _axes_of_variance(graph, variance, x, mean):
                return _Norm(x, axes, epsilon, gamma, beta)
    return None


def _root_and_scale(node: Any) -> tuple[tuple[Any, float] | None, _Weight | None]:
    """Variance and epsilon, and gamma, of `rsqrt(variance + epsilon) [* gamma]`."""
    gamma = None
    if node is not None and node.type == "Mul":
        roots = [source for source in node.inputs if source.type == "Rsqrt"]
        scales = [source for source in node.inputs if _weight(source) is not None]
        if len(roots) != 1 or len(scales) != 1:
            return None, None
        node, gamma = roots[0], _weight(scales[0])
    if node is None or node.type != "Rsqrt" or node.inputs[0].type not in ("Add", "AddV2"):
        return None, None
    left, right = node.inputs[0].inputs
    if not right.is_const() or right.get_tensor_value(as_list=False).size != 1:
        return None, None
    return (left, float(right.get_tensor_value(as_list=False).item())), gamma


def _offset(node: Any, inverse: str) -> tuple[Any, _Weight | None] | None:
    """Mean and beta of `-mean * inverse [+ beta]`, or of `beta - mean * inverse`."""
    if node.type in ("Add", "AddV2"):
        for product, beta in (node.inputs, node.inputs[::-1]):
            found = _offset(product, inverse) if product.type == "Mul" and _weight(beta) is not None else None
            if found is not None:
                return found[0], _weight(beta)
        return None
    negative = node.type == "Mul"
    product = node if negative else node.inputs[1] if node.type == "Sub" else None
    if product is None or product.type != "Mul" or inverse not in product.input:
        return None
    mean = product.inputs[1 - list(product.input).index(inverse)]
    if not negative:
        beta = _weight(node.inputs[0])
        return None if beta is None else (mean, beta)
    return (mean.inputs[0], None) if mean.type == "Neg" else None


def _weight(node: Any) -> _Weight | None:
    """The constant that a chain of reshapes reads; None if it is not a constant."""
    extents = [] if node is None else list(node.output_shapes[0] or ())
    while node is not None and node.type in ("Identity", "Reshape", "Squeeze", "ExpandDims"):
        node = node.inputs[0]
    while extents[:1] == [1]:
        del extents[0]
    return _Weight(node, extents) if node is not None and node.is_const() else None


def _axes(graph: Any, mean: Any, x: str) -> tuple[int, ...] | None:
    """The axes of `mean` if it is a Mean of `x` with `keep_dims`; else None."""
    rank = graph.get_rank(x)
    if mean.type != "Mean" or mean.input[0] != x or not rank or not mean.get_attr_value("keep_dims"):
        return None
    if not mean.inputs[1].is_const():
        return None
    return tuple(sorted(axis % rank for axis in np.ravel(mean.inputs[1].get_tensor_value(as_list=False)).tolist()))


def _axes_of_variance(graph: Any, variance: Any, x: str, mean: Any) -> tuple[int, ...] | None:
    if variance.type != "Mean" or variance.inputs[0].type != "SquaredDifference":
        return None
    difference = variance.inputs[0]
    sources = [_skip_identities(source) for source in difference.inputs]
    if x not in difference.input or mean not in sources:
        return None
    return _axes(graph, variance, difference.output[0])


def _skip_identities(node: Any) -> Any:
    while node.type in ("Identity", "StopGradient"):
        node = node.inputs[0]
    return node


def _replace_layer_norm(graph: Any, add: Any, norm: _Norm) -> bool:
    """Replace a norm over the last axes, whose weights have these axes' extents, by LayerNormalization."""
    shape = graph.get_shape(norm.x)
    count = len(norm.axes)
    normal = shape[len(shape) - count :]
    if norm.axes != tuple(range(len(shape) - count, len(shape))) or -1 in normal:
        return False
    if any(weight is not None and weight.extents != normal for weight in (norm.gamma, norm.beta)):
        return False
    weights = [_shaped(graph, add, norm.gamma, normal, "gamma", 1)]
    if norm.beta is not None:
        weights.append(_shaped(graph, add, norm.beta, normal, "beta", 0))
    attributes = {"axis": -count, "epsilon": norm.epsilon}
    _put(
        graph, add, graph.make_node("LayerNormalization", [norm.x, *weights], attr=attributes, name=f"{add.name}/norm")
    )
    return True


def _replace_group_norm(graph: Any, add: Any, norm: _Norm) -> bool:
    """Replace a norm over the image and a group of channels, channels last, by the nodes of torch's exporter for it."""
    split = graph.get_node_by_output(norm.x)
    readers = graph.find_output_consumers(add.output[0])
    shape, extents = graph.get_shape(norm.x), split.type == "Reshape" and graph.get_shape(split.input[0])
    rank = len(extents or ())
    if rank < 3 or len(readers) != 1 or readers[0].type != "Reshape" or -1 in shape[-2:]:
        return False
    groups, members = shape[-2:]
    whole = graph.get_shape(readers[0].output[0])
    if norm.axes != (*range(1, rank - 1), rank) or extents[-1] != groups * members or whole[1:] != extents[1:]:
        return False
    per_channel = [groups * members, *[1] * (rank - 2)]
    along = [groups, members] if groups > 1 else [members] if members > 1 else []
    if -1 in extents[1:] or any(weight.extents != along for weight in (norm.gamma, norm.beta) if weight is not None):
        return False
    gamma = _shaped(graph, add, norm.gamma, per_channel, "gamma", 1)
    beta = _shaped(graph, add, norm.beta, per_channel, "beta", 0)
    scope, dtype = add.name.rpartition("/")[0], graph.get_dtype(norm.x)

    def make(operator: str, *inputs: str, **attributes: Any) -> str:
        from tf2onnx import utils

        name = utils.make_name(f"{scope}/{operator.lower()}")
        return graph.make_node(operator, list(inputs), attr=attributes, name=name, dtypes=[dtype]).output[0]

    def vector(name: str, array: np.ndarray) -> str:
        from tf2onnx import utils

        return graph.make_const(utils.make_name(f"{scope}/{name}"), array).output[0]

    image = make("Transpose", split.input[0], perm=[0, rank - 1, *range(1, rank - 1)])
    rows = make("Reshape", image, vector("groups", np.array([0, groups, -1], np.int64)))
    ones = vector(f"ones/{ABSENT}", np.ones(groups, np.float32))
    zeros = vector(f"zeros/{ABSENT}", np.zeros(groups, np.float32))
    rows = make("InstanceNormalization", rows, ones, zeros, epsilon=norm.epsilon)
    result = make("Reshape", rows, vector("shape", np.array([-1, extents[-1], *extents[1:-1]], np.int64)))
    result = make("Add", make("Mul", result, gamma), beta)
    last = graph.make_node("Transpose", [result], attr={"perm": [0, *range(2, rank), 1]}, dtypes=[dtype])
    _put(graph, readers[0], last)
    return True


def _shaped(graph: Any, add: Any, weight: _Weight | None, shape: Sequence[int], kind: str, default: float) -> str:
    """A weight reshaped to this shape; a constant filled with `default` if the layer has none."""
    from tf2onnx import utils

    if weight is None:
        name = f"{add.name.rpartition('/')[0] or add.name}/{kind}/{ABSENT}"
        return graph.make_const(name, np.full(shape, default, np.float32)).output[0]
    value = weight.node.get_tensor_value(as_list=False)
    if list(value.shape) == list(shape):
        return weight.node.output[0]
    return graph.make_const(utils.make_name(weight.node.name), value.reshape(shape)).output[0]


def _put(graph: Any, old: Any, new: Any) -> None:
    graph.copy_shape(old.output[0], new.output[0])
    graph.copy_dtype(old.output[0], new.output[0])
    graph.replace_all_inputs(old.output[0], new.output[0])
    graph.remove_node(old.name)
