"""Ends that MindSpore cannot have: maps from classes to scores, and text, in which classifiers of ai.onnx.ml end."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
        note = (
            f"The output '{name}' maps each class to its score. The network ends before it, at the tensor '{scores}'."
        )
        if classes := _columns(node):
            columns = f"Its columns are the classes {classes}."
            note = f"{note} {columns}"
        notes.append(one_line(note))
    return tuple(found), notes


def without_text(
    graph: onnx.GraphProto, outputs: Sequence[str], text: Collection[str]
) -> tuple[tuple[str, ...], list[str]]:
    """The outputs but those that are text, and a note for each of these; all outputs if there is no other.

    Args:
        graph: the model's.
        outputs: names of its outputs.
        text: those of them that hold strings.
    """
    kept = tuple(name for name in outputs if name not in text)
    if not kept:
        return tuple(outputs), []
    makers = {name: node for node in graph.node for name in node.output if name in text}
    notes = []
    for name in (name for name in outputs if name in text):
        note = f"The output '{name}' is text, which MindSpore does not have: it is left out."
        if classes := _columns(makers[name]) if name in makers else "":
            named = f"It names the classes {classes}."
            note = f"{note} {named}"
        notes.append(one_line(note))
    return kept, notes


def _columns(node: onnx.NodeProto) -> str:
    """The classes of a node, in their order, as a list for a message; empty if it has none."""
    for attribute in node.attribute:
        labels = [item.decode("utf-8", "replace") for item in attribute.strings] or list(map(str, attribute.ints))
        if attribute.name.startswith("classlabels_") and labels:
            return listed(labels)
    return ""
