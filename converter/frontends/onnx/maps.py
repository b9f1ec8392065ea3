"""Ends that are maps: a classifier of ai.onnx.ml ends in a ZipMap, which makes a map from classes to scores of them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from converter.frontends.endpoints import listed, one_line


def before_maps(graph: onnx.GraphProto, outputs: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The outputs, with the scores that a ZipMap reads in place of the map that it makes, and a note for each of those.

    A tensor of scores has the classes as its columns. Each output is listed once.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    found: dict[str, None] = {}
    notes = []
    for name in outputs:
        node, seen = makers.get(name), {name}
        while node is not None and node.op_type == "Identity" and node.input[0] not in seen:
            seen.add(node.input[0])
            node = makers.get(node.input[0])
        if node is None or node.op_type != "ZipMap" or node.domain != "ai.onnx.ml":
            found[name] = None
            continue
        scores = node.input[0]
        found[scores] = None
        note = f"The output '{name}' maps each class to its score. The network ends before it, at the tensor '{scores}'"
        notes.append(one_line(f"{note}{_columns(node)}."))
    return tuple(found), notes


def _columns(zip_map: onnx.NodeProto) -> str:
    for attribute in zip_map.attribute:
        labels = [item.decode("utf-8", "replace") for item in attribute.strings] or list(map(str, attribute.ints))
        if attribute.name.startswith("classlabels_") and labels:
            return f", whose columns are the classes {listed(labels)}"
    return ""
