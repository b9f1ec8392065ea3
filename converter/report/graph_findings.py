"""The findings of graph mode: a record for every node, and the graph's endpoints, edges, classes and weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from converter.artifacts import entry_of
from converter.base.stages import Stages
from converter.frontends import Endpoint, Source, frontend_in
from converter.graph import SourceGraph, SourceValue
from converter.lowering import Translation
from converter.report.findings import Finding, Findings, SourceFiles
from converter.script import Cell, Record, Weight
from converter.script.emit import Position, Script
from converter.verification import VerificationResult

Key: TypeAlias = tuple[str, str]
"""Operator and name of a node."""


@dataclass(frozen=True, kw_only=True)
class GraphFindings(Findings):
    """The findings of a model's translation."""

    inputs: Sequence[Endpoint]
    outputs: Sequence[Endpoint]
    translation: Translation

    @property
    def entry(self) -> Position:
        """Line and column where the network's `construct` begins."""
        return self.translation.script.entry

    def details(self, number: int) -> Mapping[str, Any]:
        """The Cells that contain a node in the script; its edges and attributes in the source."""
        record = self.translation.program.records[number]
        cells = {"cells": [[scope.name, scope.kind] for scope in record.calls]}
        return cells | edges_data(self.translation.source_graph, (record.operator, record.name), self._numbers)

    @cached_property
    def _numbers(self) -> Mapping[Key, int]:
        return numbers_of(self.records)

    def sections(self) -> Mapping[str, Any]:
        """The network with its endpoints and classes, the values of the graph, the weights of the script."""
        program, script = self.translation.program, self.translation.script
        return {
            "network": {
                "name": self.name,
                "inputs": [endpoint_data(end) for end in self.inputs],
                "outputs": [endpoint_data(end) for end in self.outputs],
                "classes": [_class(cell, script) for cell in program.cells],
                "script_lines": script.text.count("\n"),
            },
            "values": {name: value_data(value) for name, value in self.translation.source_graph.values.items()},
            "weights": [weight_data(name, weight) for name, weight in program.parameters()],
        }


def findings_of(
    name: str,
    source: Source,
    translation: Translation,
    verification: VerificationResult | None,
    options: Mapping[str, Any],
    stages: Stages,
    files: tuple[Path, ...],
) -> GraphFindings:
    """The findings of a model's translation."""
    return GraphFindings(
        name=name,
        source=files_of(source),
        records=tuple(_placed(record, translation.script) for record in translation.program.records),
        script=translation.script.text,
        verification=verification,
        options=options,
        stages=stages,
        files=files,
        notes=source.notes,
        inputs=source.inputs,
        outputs=source.outputs,
        translation=translation,
    )


def files_of(source: Source) -> SourceFiles:
    """The source as a report describes it."""
    frontend = frontend_in(source.original.frontend)
    return SourceFiles(
        path=source.original.file,
        files=source.files,
        description=source.description,
        kind=frontend.name,
        runs_on=frontend.runtime,
    )


def numbers_of(records: Sequence[Finding]) -> dict[Key, int]:
    """The number of each record, by operator and name."""
    return {(record.operator, record.name): i for i, record in enumerate(records)}


def edges_data(graph: SourceGraph, key: Key, numbers: Mapping[Key, int]) -> dict[str, Any]:
    """The node around a node, its edges and attributes in the source; nothing of a node that the graph lacks."""
    node = graph.nodes.get(key)
    if node is None:
        return {}
    return {
        "within": numbers.get(node.within) if node.within else None,
        "inputs": list(node.inputs),
        "outputs": list(node.outputs),
        "attributes": dict(node.attributes),
    }


def finding_of(record: Record, line: int = 1, column: int = 1) -> Finding:
    """The finding of a record that stands at this place of the script."""
    return Finding(
        operator=record.operator,
        name=record.name,
        scope=record.scope,
        converted=record.converted,
        became=record.became,
        note=record.note,
        line=line,
        column=column,
        parameters=tuple(record.parameters),
        composed=record.composed,
    )


def _placed(record: Record, script: Script) -> Finding:
    return finding_of(record, *(script.position(record.anchor) or script.entry))


def endpoint_data(end: Endpoint) -> dict[str, Any]:
    """An input or output of the network as data."""
    return {
        "name": end.name,
        "value": end.value,
        "dtype": str(end.dtype),
        "shape": None if end.shape is None else list(end.shape),
        "container": list(end.container),
    }


def _class(cell: Cell, script: Script) -> dict[str, Any]:
    line, _ = script.positions[cell]
    return {"name": cell.name, "line": line, "doc": cell.doc}


def value_data(value: SourceValue) -> dict[str, Any]:
    """A value of the source graph as data."""
    return {
        "dtype": value.dtype,
        "shape": None if value.shape is None else list(value.shape),
        "constant": value.constant,
    }


def weight_data(name: str, weight: Weight) -> dict[str, Any]:
    """A parameter of the script as data."""
    entry = entry_of(name, weight)
    size = math.prod(weight.shape)
    return {
        "name": name,
        "shape": list(weight.shape),
        "dtype": weight.dtype,
        "elements": size,
        "bytes": size * np.dtype(weight.tensor.dtype.numpy() if weight.dtype == "bfloat16" else weight.dtype).itemsize,
        "trainable": weight.trained,
        "source": entry["source_weight"],
        "transform": entry.get("transform", []),
    }
