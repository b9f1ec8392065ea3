"""Recognise the arithmetic that TensorFlow writes for a batch norm, and replace it by BatchNormalization."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from converter.frontends.tensorflow.handlers.node_builder import ABSENT


class _Vector(NamedTuple):
    """A constant with one extent larger than 1: its node, and that axis as a negative number (-1: channels last)."""

    node: Any
    axis: int
    size: int


def rewrite_batch_norm(graph: Any, ops: list[Any]) -> list[Any]:
    """Replace the arithmetic of inference-time batch norms by BatchNormalization nodes.

    A rewriter for tf2onnx: `graph` is its graph, still with TensorFlow's operators. `tf.nn.batch_normalization`
    and Keras write `x * inv + (beta - mean * inv)` with `inv = rsqrt(variance + epsilon) * gamma`; gamma and beta
    may be missing.
    """
    for node in list(ops):
        if node.type in ("Add", "AddV2"):
            _rewrite(graph, node)
    return graph.get_nodes()


def _rewrite(graph: Any, add: Any) -> bool:
    for scaled, shift in _both_orders(add):
        if scaled is None or shift is None or scaled.type != "Mul":
            continue
        for inverse, x in ((scaled.inputs[0], scaled.input[1]), (scaled.inputs[1], scaled.input[0])):
            found = _inverse(inverse)
            if found is None:
                continue
            variance, epsilon, gamma = found
            offset = _shift(shift, inverse)
            if offset is None:
                continue
            mean, beta = offset
            return _replace(graph, add, x, gamma, beta, mean, variance, epsilon)
    return False


def _both_orders(node: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    first, second = node.inputs
    return (first, second), (second, first)


def _inverse(node: Any) -> tuple[_Vector, float, _Vector | None] | None:
    """Variance, epsilon and gamma of `rsqrt(variance + epsilon) [* gamma]`."""
    if node is None:
        return None
    gamma = None
    if node.type == "Mul":
        for root, factor in _both_orders(node):
            gamma = _vector(factor)
            if root is not None and root.type == "Rsqrt" and gamma is not None:
                node = root
                break
    if node.type != "Rsqrt" or node.inputs[0].type not in ("Add", "AddV2"):
        return None
    for left, right in _both_orders(node.inputs[0]):
        variance = _vector(left)
        if variance is not None and right.is_const() and right.get_tensor_value(as_list=False).size == 1:
            return variance, float(right.get_tensor_value(as_list=False).item()), gamma
    return None


def _shift(node: Any, inverse: Any) -> tuple[_Vector, _Vector | None] | None:
    """Mean and beta of `beta - mean * inverse`, or of `-mean * inverse`."""
    if node.type == "Sub":
        beta, product = _vector(node.inputs[0]), node.inputs[1]
        if beta is None:
            return None
    else:
        beta, product = None, node
    if product.type != "Mul":
        return None
    for left, right in _both_orders(product):
        if right is inverse:
            if beta is None:
                if left.type != "Neg":
                    return None
                left = left.inputs[0]
            mean = _vector(left)
            return None if mean is None else (mean, beta)
    return None


def _vector(node: Any) -> _Vector | None:
    """The constant that a chain of reshapes reads, if only one of its extents is larger than 1; else None."""
    if node is None:
        return None
    shape = node.output_shapes[0]
    while node.type in ("Identity", "Reshape", "Squeeze", "ExpandDims"):
        node = node.inputs[0]
        if node is None:
            return None
    if not node.is_const() or not shape or -1 in shape:
        return None
    size = int(np.prod(shape))
    axes = [axis - len(shape) for axis, extent in enumerate(shape) if extent != 1] or [-1]
    return _Vector(node, axes[0], size) if len(axes) == 1 else None


def _replace(
    graph: Any,
    add: Any,
    x: str,
    gamma: _Vector | None,
    beta: _Vector | None,
    mean: _Vector,
    variance: _Vector,
    epsilon: float,
) -> bool:
    vectors = [v for v in (gamma, beta, mean, variance) if v is not None]
    shape = graph.get_shape(x)
    if len({(v.axis, v.size) for v in vectors}) != 1 or shape is None or len(shape) < 2:
        return False
    axis = mean.axis + len(shape)
    if axis < 1 or shape[axis] != mean.size:
        return False
    scope = add.name.rpartition("/")[0] or add.name
    name = scope if graph.get_node_by_name(scope) is None else add.name + "/batchnorm"
    dtype = mean.node.get_tensor_value(as_list=False).dtype

    def parameter(vector: _Vector | None, kind: str, default: float) -> str:
        if vector is None:
            return graph.make_const(f"{name}/{kind}/{ABSENT}", np.full(mean.size, default, dtype)).output[0]
        value = vector.node.get_tensor_value(as_list=False)
        if value.shape == (mean.size,):
            return vector.node.output[0]
        return graph.make_const(f"{vector.node.name}/vector", value.reshape(-1)).output[0]

    rank = len(shape)
    to_first = [0, axis, *(i for i in range(1, rank) if i != axis)]
    moved = axis != 1
    source = graph.make_node("Transpose", [x], attr={"perm": to_first}).output[0] if moved else x
    inputs = [
        source,
        parameter(gamma, "gamma", 1),
        parameter(beta, "beta", 0),
        parameter(mean, "mean", 0),
        parameter(variance, "variance", 1),
    ]
    norm = graph.make_node("BatchNormalization", inputs, attr={"epsilon": epsilon}, name=name)
    result = norm.output[0]
    if moved:
        result = graph.make_node("Transpose", [result], attr={"perm": [to_first.index(i) for i in range(rank)]}).output[
            0
        ]
    graph.copy_shape(add.output[0], result)
    graph.copy_dtype(add.output[0], result)
    graph.replace_all_inputs(add.output[0], result)
    graph.remove_node(add.name)
    return True
