"""Weights that are stored in fewer bits than they are used in: they become float32 weights, which train."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx

from converter.frontends.tensorflow.provenance import convert
from converter.graph.normalize import real_values

_NOTE = "The weights are stored in {0} and used in float32: the network has them in float32."
_HYBRID = (
    "TensorFlow Lite rounds what it multiplies by weights of int8 to int8 while it runs, and the network does not: "
    "they differ by this rounding."
)


def notes(types: Collection[str]) -> list[str]:
    """What the user should know about weights that were stored in these types."""
    stored = [_NOTE.format(" and ".join(sorted(types)))] if types else []
    return [*stored, _HYBRID] if "int8" in types else stored


def unpack(graph: onnx.GraphProto) -> set[str]:
    """Replace conversions of constants to float32 by their results; return the types in which they were stored.

    A model whose activations are quantised as well keeps its integers: there they are part of the arithmetic.
    """
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        return set()
    _drop_rounding(graph)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    readers = [name for node in graph.node for name in node.input]
    stored, renamed = set[str](), {}
    for node in list(graph.node):
        sources = [tensors.get(name) for name in node.input]
        if node.op_type not in ("Cast", "DequantizeLinear") or None in sources or not sources:
            continue
        weight, *others = (source for source in sources if source is not None)
        array = onnx.numpy_helper.to_array(weight)
        if array.dtype.kind not in "fi" or readers.count(weight.name) > 1:
            continue
        stored.add(array.dtype.name)
        convert(weight, np.float32)
        if others:
            scale, *zero = (onnx.numpy_helper.to_array(tensor) for tensor in others)
            values = real_values(array, scale, zero[0] if zero else np.zeros(()), axis=_axis(node))
            weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        renamed[node.output[0]] = weight.name
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    return stored


def _drop_rounding(graph: onnx.GraphProto) -> None:
    """Remove pairs that round activations to int8 and back: the interpreter does so with stored weights of int8."""
    rounded = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DynamicQuantizeLinear"}
    back = {
        node.output[0]: rounded[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded
    }
    for node in graph.node:
        node.input[:] = [back.get(name, name) for name in node.input]


def _axis(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
