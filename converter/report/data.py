"""The report as data, for programs: `report_of_NAME.json`, whose schema is `docs/report.schema.json`."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter import frontends
from converter.base.version import __version__
from converter.report.findings import Finding, Findings, SourceFiles
from converter.verification import (
    Difference,
    EdgeFinding,
    LayerComparison,
    NodeComparison,
    OutputComparison,
    VerificationResult,
    badness,
)

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1
"""Version of the report's format. It is increased when programs for the previous version would misread the report."""

PACKAGES = ("mindspore", "numpy", "onnx", "onnx_ir", "onnxruntime")
"""The packages that every conversion uses; the installed packages of the frontends are added."""

STATUSES = ("converted", "composed", "approximate", "unconverted")


def report_data(findings: Findings) -> dict[str, Any]:
    """Everything about a conversion, as plain data; parts that a mode does not have are empty."""
    lines = findings.script.count("\n")
    network = {"name": findings.name, "inputs": [], "outputs": [], "classes": [], "script_lines": lines}
    sections = {"network": network, "values": {}, "weights": [], **findings.sections()}
    nodes = _nodes(findings)
    return {
        "schema": SCHEMA,
        "tool": {"name": "onnx2mindspore", "version": __version__},
        "environment": _environment(),
        "source": source_data(findings.source),
        "options": {name: _plain(value) for name, value in findings.options.items()},
        "summary": _summary(findings, nodes, sections["weights"]),
        "notes": list(findings.notes),
        "files": [str(path) for path in findings.files],
        "timings": {stage: round(seconds, 4) for stage, seconds in findings.stages.timings.items()},
        "peak_memory": findings.stages.peak_memory,
        "network": sections["network"],
        "nodes": nodes,
        "values": sections["values"],
        "weights": sections["weights"],
        "unconverted": [
            {"node": node["id"], "name": node["name"], "operator": node["operator"], "remedy": node["became"]}
            for node in nodes
            if not node["converted"]
        ],
        "verification": _verification(findings),
    }


def json_report(data: Mapping[str, Any]) -> Iterator[str]:
    """Write `report_of_NAME.json` piece by piece, one node or weight on a line."""
    before = "{\n"
    for key, value in data.items():
        yield f"{before}  {json.dumps(key)}: "
        before = ",\n"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield "[\n    "
            yield _dumped(value[0])
            for each in itertools.islice(value, 1, None):
                yield f",\n    {_dumped(each)}"
            yield "\n  ]"
        else:
            yield _dumped(value)
    yield "\n}\n"


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _dumped(value: Any) -> str:
    return _ENCODER.encode(value)


def sha256(file: Path) -> str:
    """The SHA-256 of a file of any size, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _environment() -> dict[str, Any]:
    packages = {}
    for name in dict.fromkeys((*PACKAGES, *(name for frontend in frontends.FRONTENDS for name in frontend.packages))):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": packages}


def source_data(source: SourceFiles) -> dict[str, Any]:
    """The source, with the size and the hash of each of its files."""
    files = _files(source.files)
    return {
        **_whole(source.path, files),
        "runtime": source.kind,
        "runs_on": source.runs_on,
        "description": source.description,
        "files": list(files.values()),
    }


def _files(paths: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Every file of a source, those in its folders included, in the order of the paths."""
    each = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
    around = os.path.commonpath([file.absolute().parent for file in each]) if each else ""
    return {
        file: {
            "file": file.absolute().relative_to(around).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": sha256(file),
        }
        for file in each
    }


def _whole(path: Path, files: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """The file or folder that the user named; a folder's hash is that of what `sha256sum` prints for its files."""
    if path in files:
        return {**files[path], "file": path.name}
    listing = "".join(f"{file['sha256']}  {file['file']}\n" for file in files.values())
    return {
        "file": path.name,
        "bytes": sum(file["bytes"] for file in files.values()),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }


def _summary(
    findings: Findings, nodes: Sequence[Mapping[str, Any]], weights: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    counts = Counter(node["status"] for node in nodes)
    outputs = findings.verification.outputs if findings.verification else ()
    return {
        "verdict": findings.verdict,
        "nodes": len(nodes),
        **{status: counts[status] for status in STATUSES},
        "rate": findings.rate,
        "worst_error": _number(max((o.max_abs for o in outputs if o.max_abs is not None), default=None)),
        "parameters": len(weights),
        "elements": sum(weight["elements"] for weight in weights),
        "trainable_elements": sum(weight["elements"] for weight in weights if weight["trainable"]),
    }


def _nodes(findings: Findings) -> list[dict[str, Any]]:
    errors: dict[tuple[str, str], NodeComparison] = {}
    for compared in findings.verification.nodes if findings.verification else ():
        key = (compared.operator, compared.node)
        errors[key] = max((errors.get(key, compared), compared), key=badness)
    return [
        {**_node(number, record, errors.get((record.operator, record.name))), **findings.details(number)}
        for number, record in enumerate(findings.records)
    ]


def _node(number: int, record: Finding, compared: NodeComparison | None) -> dict[str, Any]:
    """A record, without the fields that only some modes have."""
    return {
        "id": number,
        "name": record.name,
        "operator": record.operator,
        "scope": record.scope,
        "status": record.status,
        "converted": record.converted,
        "became": record.became,
        "note": record.note,
        "line": record.line,
        "column": record.column,
        "cells": [],
        "within": None,
        "inputs": [],
        "outputs": [],
        "attributes": {},
        "weights": list(record.parameters),
        "error": None if compared is None else _error(compared),
    }


def _verification(findings: Findings) -> dict[str, Any]:
    result = findings.verification
    first = result.first_difference if result else None
    return {
        "verdict": findings.verdict,
        "note": result.note if result else "Verification was turned off.",
        "inputs": [_input(name, array) for name, array in _feeds(result)],
        "outputs": [_output(each) for each in (result.outputs if result else ())],
        "nodes_compared": len({(node.operator, node.node) for node in result.nodes}) if result else 0,
        "layers": [_layer(node) for node in (result.nodes if result else ()) if isinstance(node, LayerComparison)],
        "first_difference": _first(findings, first) if first else None,
        "edges": [_edge(findings, edge) for edge in (result.edges if result else ())],
        "edges_note": result.edges_note if result else "",
        **({"recorded": [_output(each) for each in result.recorded]} if result and result.recorded else {}),
    }


def _output(compared: OutputComparison) -> dict[str, Any]:
    return {"name": compared.output, "mode": compared.mode, **_error(compared)}


def _layer(node: LayerComparison) -> dict[str, Any]:
    return {
        "name": node.node,
        "class": node.operator,
        "mode": node.mode,
        "value": node.value,
        "line": node.line_number,
        "last_line": node.last_line,
        **_error(node),
    }


def _edge(findings: Findings, edge: EdgeFinding) -> dict[str, Any]:
    return {
        "kind": edge.kind,
        "verdict": edge.verdict,
        "modes": list(edge.modes),
        "note": edge.note,
        "kernel": edge.kernel,
        "first_difference": _first(findings, edge.node) if edge.node else None,
    }


def _feeds(result: VerificationResult | None) -> Iterable[tuple[str, np.ndarray]]:
    return result.feeds.items() if result else ()


def _input(name: str, array: np.ndarray) -> dict[str, Any]:
    numbers = array.size > 0 and array.dtype.kind in "iufb"
    return {
        "name": name,
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "minimum": _number(float(array.min())) if numbers else None,
        "maximum": _number(float(array.max())) if numbers else None,
    }


def _first(findings: Findings, node: NodeComparison) -> dict[str, Any]:
    line, column = findings.place_of(node)
    return {
        "node": findings.number_of(node),
        "name": node.node,
        "operator": node.operator,
        "value": node.value,
        "line": line,
        "column": column,
        **_error(node),
    }


def _error(difference: Difference) -> dict[str, Any]:
    numbers = {name: _number(getattr(difference, name)) for name in ("max_abs", "max_rel", "mean_rel", "cosine")}
    return {"verdict": difference.verdict, **numbers, "note": difference.note}


def _number(value: float | None) -> float | None:
    """A number for JSON; None for infinities and NaN, which JSON lacks."""
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
