"""Layers: the instances of the script's classes, with the values of the source that they take and return."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.verification.reference import is_random, is_unordered, values_read_by

if TYPE_CHECKING:
    from converter.lowering import Translation


@dataclass(frozen=True)
class Layer:
    """One instance of a class of the script.

    Attributes:
        path: its attributes from the network on, as the names of its parameters begin: `model.layers.3.mlp`.
        cell: its class.
        line: of the script, where the class begins.
        first, last: the lines of the statements of its own `construct`; 0 if no node stands there.
        inputs, outputs: the names of the source's values that its nodes read from others, and that others read from
            them.
        unordered: whether a TopK in it may return its elements in any order.
    """

    path: str
    cell: str
    line: int
    first: int
    last: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    unordered: bool = False


def layers_of(translation: Translation) -> tuple[Layer, ...]:
    """The layers of a script, in the order in which they run first."""
    graph, script = translation.graph.graph, translation.script
    records = {record.name: record for record in translation.program.records}
    known = {cell.name for cell in translation.program.cells}
    nodes: dict[tuple[str, ...], list[ir.Node]] = {}
    classes: dict[tuple[str, ...], str] = {}
    lines: dict[tuple[str, ...], list[int]] = {}
    for node in graph:
        record = records.get(node.name or "")
        calls = record.calls if record else ()
        for depth in range(1, len(calls) + 1):
            path = tuple(call.name for call in calls[:depth])
            nodes.setdefault(path, []).append(node)
            classes[path] = calls[depth - 1].kind
        position = script.position(record.anchor) if record else None
        if position is not None:
            lines.setdefault(tuple(call.name for call in calls), []).append(position[0])
    computed = set(_computed(graph))
    readers: dict[ir.Value, set[ir.Node]] = {}
    for node in graph:
        for value in values_read_by(node):
            readers.setdefault(value, set()).add(node)
    found = []
    for path, inside in nodes.items():
        if classes[path] in known:
            own = lines.get(path, [0])
            inputs, outputs = _ends(graph, inside, readers, computed)
            line = _line_of(classes[path], script.text)
            name, kind, unordered = ".".join(path), classes[path], any(map(is_unordered, inside))
            found.append(Layer(name, kind, line, min(own), max(own), inputs, outputs, unordered))
    return tuple(found)


def _computed(graph: ir.Graph) -> Iterator[ir.Value]:
    """The values that depend on the inputs, and on no random operator."""
    known: set[ir.Value] = set(graph.inputs)
    random: set[ir.Value] = set()
    for node in graph:
        read = values_read_by(node)
        if is_random(node) or not random.isdisjoint(read):
            random.update(node.outputs)
        elif not known.isdisjoint(read):
            known.update(node.outputs)
    yield from known


def _ends(
    graph: ir.Graph, nodes: list[ir.Node], readers: Mapping[ir.Value, set[ir.Node]], computed: set[ir.Value]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values that these nodes read from others, and those that others read from them, by name."""
    inside = set(nodes)
    made = [value for node in nodes for value in node.outputs]
    own, ends = set(made), set(graph.outputs)
    read = dict.fromkeys(value for node in nodes for value in values_read_by(node) if value not in own)
    left = [value for value in made if value in ends or not readers.get(value, set()) <= inside]
    return _names(read, computed), _names(left, computed)


def _names(values: Iterable[ir.Value], computed: set[ir.Value]) -> tuple[str, ...]:
    return tuple(value.name for value in values if value in computed and value.name)


def _line_of(cell: str, text: str) -> int:
    """The line of the script where a class begins."""
    found = re.search(rf"^class {re.escape(cell)}\(", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1
