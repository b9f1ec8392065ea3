"""Detached values: `Tensor.detach`, which both exporters would write as nothing, so that a gradient passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx

from converter.base.trained import DETACHED, TRAINED, YES
from converter.graph import proto_subgraphs

_DOMAIN, _OPERATOR = "onnx2mindspore", "StopGradient"
"""The operator that the older exporter writes."""

_FX_NODE = "pkg.torch.onnx.fx_node"
"""Key of the metadata in which the current exporter tells what a node was."""

_COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual")
_NOT_PASSED = {*_COMPARISONS, "And", "ArgMax", "ArgMin", "NonZero", "Not", "Or", "Shape", "Size", "Xor"}
"""Operators through which no gradient passes."""


def write_detach(graph: Any, x: Any) -> Any:
    """The older exporter's function for `aten::detach`."""
    return graph.op(f"{_DOMAIN}::{_OPERATOR}", x).setType(x.type())


def mark_detached(model: onnx.ModelProto) -> None:
    """Mark the Identity of each detached value through which a gradient would reach a weight; the model is changed."""
    passes = {tensor.name for tensor in model.graph.initializer if _has(tensor.metadata_props, TRAINED, YES)}
    for node in model.graph.node:
        detaches = _detaches(node)
        if node.domain == _DOMAIN:
            node.op_type, node.domain = "Identity", ""
        if passes.isdisjoint(_read(node)) or node.op_type in _NOT_PASSED or _makes_integers(node):
            continue
        if detaches:
            node.metadata_props.add(key=DETACHED, value=YES)
        else:
            passes.update(node.output)
    kept = [opset for opset in model.opset_import if opset.domain != _DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _detaches(node: onnx.NodeProto) -> bool:
    if node.domain == _DOMAIN:
        return True
    told = (entry.value for entry in node.metadata_props if entry.key == _FX_NODE)
    return node.op_type == "Identity" and any("aten.detach" in text for text in told)


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """The values that a node reads, also in its sub-graphs."""
    yield from node.input
    for graph in proto_subgraphs(node):
        for inner in graph.node:
            yield from _read(inner)


def _makes_integers(node: onnx.NodeProto) -> bool:
    integers = (onnx.TensorProto.BOOL, onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    return node.op_type == "Cast" and any(each.name == "to" and each.i in integers for each in node.attribute)


def _has(properties: Any, key: str, value: str) -> bool:
    return any(entry.key == key and entry.value == value for entry in properties)
