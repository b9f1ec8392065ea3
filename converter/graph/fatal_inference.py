"""Operators whose inference in onnx reads the type of an input that has none, which ends the process.

The result of a custom operator is such an input; so is what a sub-graph reads from around it, where one node is
inferred by itself. For inference these operators are written as others. Found in onnx 1.23 by inferring every operator
of every version without types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from converter.graph.walk import proto_subgraphs

_ML = "ai.onnx.ml"


def without_fatal(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself, or a copy without such nodes, for inference only."""
    first = any(opset.domain == _ML and opset.version == 1 for opset in model.opset_import)
    if not any(_fatal(nodes, first) for nodes in _bodies(model)):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for nodes in _bodies(copy):
        _replace(nodes, first)
    return copy


def make_safe(node: onnx.NodeProto) -> onnx.NodeProto:
    """A node whose sub-graphs no longer have such nodes, for the inference of it alone."""
    for graph in proto_subgraphs(node):
        _replace(graph.node, True)
    return node


def _bodies(model: onnx.ModelProto) -> Iterator[Iterable[onnx.NodeProto]]:
    yield model.graph.node
    yield from (function.node for function in model.functions)


def _replace(nodes: Iterable[onnx.NodeProto], first: bool) -> None:
    for node in _fatal(nodes, first):
        if node.op_type == "EyeLike":
            node.op_type, kind = "Cast", _type(node)
            node.ClearField("attribute")
            node.attribute.append(onnx.helper.make_attribute("to", kind))
        else:
            node.op_type = "IsNaN" if node.op_type == "RegexFullMatch" else f"Uninferred{node.op_type}"


def _type(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "dtype"), 0)


def _fatal(nodes: Iterable[onnx.NodeProto], first: bool) -> list[onnx.NodeProto]:
    """The nodes that may end the process, those in sub-graphs included; `first`: version 1 of ai.onnx.ml is read."""
    found = []
    for node in nodes:
        match node.op_type:
            case "EyeLike":
                fatal = _type(node) > 0
            case "LabelEncoder":
                fatal = first and node.domain == _ML
            case name:
                fatal = name in ("DictVectorizer", "RegexFullMatch")
        if fatal:
            found.append(node)
        for graph in proto_subgraphs(node):
            found += _fatal(graph.node, first)
    return found
