"""An inspection: what a model is and what a conversion would make of it, without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

import onnx_ir as ir

from converter.base.output import Output
from converter.base.stages import Stages
from converter.frontends import Endpoint, Source
from converter.graph import CutPoint, SourceGraph, all_nodes
from converter.graph.hints import scopes
from converter.report.data import json_report, report_data
from converter.report.findings import Finding, Findings
from converter.report.graph_findings import (
    Key,
    edges_data,
    endpoint_data,
    files_of,
    finding_of,
    numbers_of,
    value_data,
    weight_data,
)
from converter.report.html import html_inspection
from converter.script import Program

Path = tuple[str, ...]
"""The names of nested scopes, outermost first."""


@dataclass(frozen=True)
class OperatorCount:
    """How many nodes of one operator there are, and how many of them would be translated.

    Attributes:
        operator: `onnx::Conv`.
        nodes, converted: the numbers.
        became: what most of them become; of unconverted ones, what to do.
    """

    operator: str
    nodes: int
    converted: int
    became: str


@dataclass
class ScopeNode:
    """A scope of the source in the tree of scopes.

    Attributes:
        name, kind: of the scope, relative to the one around it, and its class where the source recorded it.
        nodes: in it and in the scopes inside.
        elements: of the parameters that those use.
        children: the scopes inside, in order.
    """

    name: str
    kind: str = ""
    nodes: int = 0
    elements: int = 0
    children: dict[str, ScopeNode] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The tree as plain data."""
        inside = [child.as_dict() for child in self.children.values()]
        return {"name": self.name, "kind": self.kind, "nodes": self.nodes, "elements": self.elements, "scopes": inside}


@dataclass(frozen=True, kw_only=True)
class Inspection(Findings):
    """What a conversion would find; nothing is converted.

    Attributes:
        inputs, outputs: the ends of the network.
        cut_points: where else it could begin or end.
        program: the translation, not written.
        graph: the normalised graph as plain data.
        kinds: the class of each scope, where the source recorded it.
    """

    inputs: Sequence[Endpoint]
    outputs: Sequence[Endpoint]
    cut_points: Sequence[CutPoint]
    program: Program
    graph: SourceGraph
    kinds: Mapping[Path, str]

    @cached_property
    def operators(self) -> tuple[OperatorCount, ...]:
        """Every operator, the most frequent first; those of which nodes would become stubs before all."""
        by_operator: dict[str, list[Finding]] = {}
        for record in self.records:
            by_operator.setdefault(record.operator, []).append(record)
        counts = (_count(operator, alike) for operator, alike in by_operator.items())
        return tuple(sorted(counts, key=lambda each: (each.converted == each.nodes, -each.nodes)))

    @cached_property
    def weights(self) -> list[dict[str, Any]]:
        """The tensors of the source that would become parameters, as the report lists them, by their own names."""
        found = {w.source_name: weight_data(w.source_name, w) for _, w in self.program.parameters()}
        return list(found.values())

    def _weights_of(self, number: int) -> list[str]:
        """The parameters that a node reads."""
        node = self.graph.nodes.get((self.records[number].operator, self.records[number].name))
        return [] if node is None else [name for name in node.inputs if name in self._sizes]

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {weight["name"]: weight["elements"] for weight in self.weights}

    @cached_property
    def scopes(self) -> ScopeNode:
        """The tree of scopes; the root is the network. A scope of a single node is not listed."""
        root, seen = ScopeNode(self.name), set[str]()
        for number, path in enumerate(self._paths):
            names = set(self._weights_of(number)) - seen
            seen |= names
            own = sum(self._sizes[name] for name in names)
            around = root
            for depth in range(len(path) + 1):
                if depth:
                    child = ScopeNode(path[depth - 1], self.kinds.get(path[:depth], ""))
                    around = around.children.setdefault(child.name, child)
                around.nodes += 1
                around.elements += own
        return root

    @cached_property
    def _paths(self) -> list[Path]:
        """The scopes of every record, without those that hold this record only."""
        paths = [tuple(part for part in record.scope.split("/") if part) for record in self.records]
        sizes = Counter(path[:depth] for path in paths for depth in range(1, len(path) + 1))
        return [next((path[:d] for d in range(len(path), 0, -1) if sizes[path[:d]] > 1), ()) for path in paths]

    def details(self, number: int) -> Mapping[str, Any]:
        """The scopes of a node, in place of the Cells of a script; its edges and attributes."""
        record, path = self.records[number], self._paths[number]
        cells = {"cells": [[name, self.kinds.get(path[: depth + 1], "")] for depth, name in enumerate(path)]}
        edges = edges_data(self.graph, (record.operator, record.name), self._numbers)
        return cells | edges | {"weights": self._weights_of(number)}

    @cached_property
    def _numbers(self) -> Mapping[Key, int]:
        return numbers_of(self.records)

    def sections(self) -> Mapping[str, Any]:
        """The network with its ends, the values of the graph, the parameters."""
        network = {
            "name": self.name,
            "inputs": [endpoint_data(end) for end in self.inputs],
            "outputs": [endpoint_data(end) for end in self.outputs],
            "classes": [],
            "script_lines": 0,
        }
        values = {name: value_data(value) for name, value in self.graph.values.items()}
        return {"network": network, "values": values, "weights": self.weights}

    def found(self) -> dict[str, Any]:
        """What only an inspection tells."""
        return {
            "cut_points": [
                {"side": point.side, "value": point.value, "why": point.why, **self._type_of(point.value)}
                for point in self.cut_points
            ],
            "operators": [
                {"operator": o.operator, "nodes": o.nodes, "converted": o.converted, "became": o.became}
                for o in self.operators
            ],
            "scopes": self.scopes.as_dict()["scopes"],
        }

    def _type_of(self, value: str) -> dict[str, Any]:
        known = self.graph.values.get(value)
        return {"dtype": None, "shape": None} if known is None else value_data(known)


def _count(operator: str, alike: Sequence[Finding]) -> OperatorCount:
    left = [record for record in alike if not record.converted]
    ((became, _),) = Counter(record.became for record in left or alike).most_common(1)
    return OperatorCount(operator, len(alike), len(alike) - len(left), became)


def inspection_of(
    name: str,
    source: Source,
    outputs: Sequence[Endpoint],
    before: SourceGraph,
    points: Sequence[CutPoint],
    kinds: Mapping[Path, str],
    program: Program,
    options: Mapping[str, Any],
    stages: Stages,
    files: tuple[FilePath, ...],
) -> Inspection:
    """The inspection of a source.

    Args:
        name: NAME, the stem of every file.
        source: the model.
        outputs: its outputs, with the shapes that were inferred.
        before: its normalised graph.
        points: where that could be cut.
        kinds: the classes of its scopes.
        program: its translation.
        options: the arguments, by name.
        stages: the time of each stage.
        files: where the inspection is written.
    """
    return Inspection(
        name=name,
        source=files_of(source),
        records=tuple(map(finding_of, program.records)),
        script="",
        verification=None,
        options=options,
        stages=stages,
        files=files,
        notes=source.notes,
        inputs=source.inputs,
        outputs=outputs,
        cut_points=points,
        program=program,
        graph=before,
        kinds=kinds,
    )


def inspection_data(inspection: Inspection) -> dict[str, Any]:
    """Everything about an inspection, as plain data: that of a report, without script and verification."""
    data = report_data(inspection)
    del data["verification"], data["summary"]["verdict"], data["summary"]["worst_error"]
    data["summary"]["bytes"] = sum(weight["bytes"] for weight in inspection.weights)
    for node in data["nodes"]:
        del node["line"], node["column"], node["error"]
    return data | inspection.found()


def write_inspection(out: Output, inspection: Inspection) -> None:
    """Write `inspection_of_NAME.html` and `.json`.

    Raises:
        ReportGenerationError: one cannot be written.
    """
    data = inspection_data(inspection)
    out.inspection("html", html_inspection(data))
    out.inspection("json", json_report(data))


def kinds_of(model: ir.Model) -> dict[Path, str]:
    """The class of every scope of a graph, where the source recorded it."""
    return dict(_kinds(model))


def _kinds(model: ir.Model) -> Iterator[tuple[Path, str]]:
    for node in all_nodes(model.graph):
        around: Path = ()
        for scope in scopes.scopes_of(node):
            around = (*around, scope.name)
            if scope.kind:
                yield around, scope.kind
