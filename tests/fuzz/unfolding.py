"""Take out functions, branches and bodies, so that what a node in them does by itself is seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from fuzz.building import Feeds
from onnx import helper, inliner, numpy_helper


def unfolded(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """The nodes that run on some inputs: those of functions, branches taken, and bodies of loops that carry nothing.

    Returns:
        `model` itself if there are none, or if two of them have results of one name.
    """
    whole = inliner.inline_local_functions(model) if model.functions else model
    known = {**feeds, **{tensor.name: numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}}
    made = onnx.ModelProto()
    made.CopyFrom(whole)
    del made.graph.node[:]
    _add(made.graph, whole.graph.node, known)
    names = [name for node in made.graph.node for name in node.output]
    return model if made.graph.node == model.graph.node or len(set(names)) < len(names) else made


def _add(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto], known: Feeds) -> None:
    """Add nodes to a graph; instead of one that holds others those that run in it, if they are known."""
    for node in nodes:
        bodies = {attribute.name: attribute.g for attribute in node.attribute if attribute.g.node}
        if node.op_type == "If" and node.input[0] in known:
            taken = bodies["then_branch" if known[node.input[0]].all() else "else_branch"]
            ends = zip((value.name for value in taken.output), node.output, strict=True)
            more = [helper.make_node("Identity", [name], [result]) for name, result in ends]
            _add(graph, [*taken.node, *more], known)
            graph.initializer.extend(taken.initializer)
        elif node.op_type == "Loop" and list(node.input[1:]) == [""] and known.get(node.input[0], np.zeros(1)).all():
            body = bodies["body"]
            starts = zip((formal.name for formal in body.input), (np.array(0), np.array(True)), strict=True)
            graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in starts)
            graph.initializer.extend(body.initializer)
            _add(graph, body.node, known)
        else:
            graph.node.append(node)
