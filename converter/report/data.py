"""The report as data, for programs: `report_of_NAME.json`, whose schema is `docs/report.schema.json`."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from converter import __version__, frontends
from converter.artifacts.weight_map import entry_of
from converter.frontends.source import Endpoint
from converter.graph.snapshot import SourceValue
from converter.report.facts import Facts, status_of
from converter.script.program import Cell, Record
from converter.script.weights import Weight
from converter.verification import NodeComparison, VerificationResult
from converter.verification.metrics import Difference

SCHEMA = 1
"""Version of the report's form. It grows when a reader of the form before it would be misled."""

PACKAGES = ("mindspore", "numpy", "onnx", "onnx_ir", "onnxruntime")
"""The packages that take part in every conversion; those of the frontends come on top, where they are installed."""

STATUSES = ("converted", "composed", "approximate", "unconverted")


def report_data(facts: Facts) -> dict[str, Any]:
    """Everything about a conversion, as plain data."""
    nodes = _nodes(facts)
    return {
        "schema": SCHEMA,
        "tool": {"name": "onnx2mindspore", "version": __version__},
        "environment": _environment(),
        "source": _source(facts),
        "options": {name: _plain(value) for name, value in facts.options.items()},
        "summary": _summary(facts, nodes),
        "files": [str(path) for path in facts.files],
        "timings": {stage: round(seconds, 4) for stage, seconds in facts.stages.timings.items()},
        "peak_memory": facts.stages.peak_memory,
        "network": _network(facts),
        "nodes": nodes,
        "values": {name: _value(value) for name, value in facts.graph.values.items()},
        "weights": [_weight(name, weight) for name, weight in facts.program.parameters()],
        "unconverted": [
            {"node": node["id"], "name": node["name"], "operator": node["operator"], "remedy": node["became"]}
            for node in nodes
            if not node["converted"]
        ],
        "verification": _verification(facts),
    }


def json_report(data: Mapping[str, Any]) -> str:
    """Write `report_of_NAME.json`, one node or weight on a line."""
    parts = []
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n    " + ",\n    ".join(map(_dumped, value)) + "\n  ]"
        else:
            text = _dumped(value)
        parts.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


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


def _source(facts: Facts) -> dict[str, Any]:
    original = facts.source.original
    files = _files(facts.source.files)
    return {
        **_whole(original.file, files),
        "runtime": original.frontend.name,
        "runs_on": original.frontend.runtime,
        "description": facts.source.description,
        "files": list(files.values()),
    }


def _files(paths: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Every file of a source, those in its folders included, in the order of the paths."""
    each = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]
    around = os.path.commonpath([file.absolute().parent for file in each])
    return {
        file: {
            "file": file.absolute().relative_to(around).as_posix(),
            "bytes": file.stat().st_size,
            "sha256": sha256(file),
        }
        for file in each
    }


def _whole(path: Path, files: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """What the user named: one of the files, or a folder, whose hash is that of the list `sha256sum` prints of them."""
    if path in files:
        return {**files[path], "file": path.name}
    listing = "".join(f"{file['sha256']}  {file['file']}\n" for file in files.values())
    return {
        "file": path.name,
        "bytes": sum(file["bytes"] for file in files.values()),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }


def _summary(facts: Facts, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    counts = Counter(node["status"] for node in nodes)
    weights = [weight for _, weight in facts.program.parameters()]
    errors = [o.max_abs for o in (facts.proof.outputs if facts.proof else ()) if o.max_abs is not None]
    return {
        "verdict": facts.verdict,
        "nodes": len(nodes),
        **{status: counts[status] for status in STATUSES},
        "rate": facts.rate,
        "worst_error": _number(max(errors, default=None)),
        "parameters": len(weights),
        "elements": sum(math.prod(weight.shape) for weight in weights),
        "trainable_elements": sum(math.prod(weight.shape) for weight in weights if weight.trainable),
    }


def _network(facts: Facts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "inputs": [_end(end) for end in facts.source.inputs],
        "outputs": [_end(end) for end in facts.source.outputs],
        "classes": [_class(cell, facts) for cell in facts.program.cells],
        "script_lines": facts.script.text.count("\n"),
    }


def _class(cell: Cell, facts: Facts) -> dict[str, Any]:
    line, _ = facts.script.positions[id(cell)]
    return {"name": cell.name, "line": line, "doc": cell.doc}


def _end(end: Endpoint) -> dict[str, Any]:
    return {
        "name": end.name,
        "value": end.value,
        "dtype": str(end.dtype),
        "shape": None if end.shape is None else list(end.shape),
        "container": list(end.container),
    }


# Nodes


def _nodes(facts: Facts) -> list[dict[str, Any]]:
    records = facts.program.records
    numbers = {(record.operator, record.name): i for i, record in enumerate(records)}
    errors: dict[tuple[str, str], NodeComparison] = {}
    for compared in facts.proof.nodes if facts.proof else ():
        key = (compared.operator, compared.node)
        errors[key] = max((errors.get(key, compared), compared), key=_severity)
    return [_node(i, record, facts, numbers, errors) for i, record in enumerate(records)]


def _value(value: SourceValue) -> dict[str, Any]:
    return {
        "dtype": value.dtype,
        "shape": None if value.shape is None else list(value.shape),
        "constant": value.constant,
    }


def _severity(compared: NodeComparison) -> tuple[bool, float]:
    return compared.verdict == "differs", compared.max_abs or 0.0


def _node(
    number: int,
    record: Record,
    facts: Facts,
    numbers: Mapping[tuple[str, str], int],
    errors: Mapping[tuple[str, str], NodeComparison],
) -> dict[str, Any]:
    line, column = facts.position(record)
    key = (record.operator, record.name)
    source = facts.graph.nodes.get(key)
    return {
        "id": number,
        "name": record.name,
        "operator": record.operator,
        "scope": record.scope,
        "status": status_of(record),
        "converted": record.converted,
        "became": record.became,
        "note": record.note,
        "line": line,
        "column": column,
        "cells": [[scope.name, scope.kind] for scope in record.calls],
        "within": numbers.get(source.within) if source and source.within else None,
        "inputs": list(source.inputs) if source else [],
        "outputs": list(source.outputs) if source else [],
        "attributes": dict(source.attributes) if source else {},
        "weights": list(record.parameters),
        "error": _error(errors[key]) if key in errors else None,
    }


# Weights and proof


def _weight(name: str, weight: Weight) -> dict[str, Any]:
    entry = entry_of(name, weight)
    size = math.prod(weight.shape)
    return {
        "name": name,
        "shape": list(weight.shape),
        "dtype": weight.dtype,
        "elements": size,
        "bytes": size * np.dtype(weight.tensor.dtype.numpy() if weight.dtype == "bfloat16" else weight.dtype).itemsize,
        "trainable": weight.trainable,
        "source": entry["source_weight"],
        "transform": entry.get("transform", []),
    }


def _verification(facts: Facts) -> dict[str, Any]:
    proof = facts.proof
    first = proof.first_difference if proof else None
    return {
        "verdict": facts.verdict,
        "note": proof.note if proof else "Verification was turned off.",
        "inputs": [_input(name, array) for name, array in _feeds(proof)],
        "outputs": [{"name": o.output, "mode": o.mode, **_error(o)} for o in (proof.outputs if proof else ())],
        "nodes_compared": len({(node.operator, node.node) for node in proof.nodes}) if proof else 0,
        "first_difference": _first(facts, first) if first else None,
    }


def _feeds(proof: VerificationResult | None) -> Iterable[tuple[str, np.ndarray]]:
    return proof.feeds.items() if proof else ()


def _input(name: str, array: np.ndarray) -> dict[str, Any]:
    numbers = array.size > 0 and array.dtype.kind in "iufb"
    return {
        "name": name,
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "minimum": _number(float(array.min())) if numbers else None,
        "maximum": _number(float(array.max())) if numbers else None,
    }


def _first(facts: Facts, node: NodeComparison) -> dict[str, Any]:
    record = facts.record_of(node)
    line, column = facts.position(record) if record else facts.script.entry
    return {
        "node": facts.program.records.index(record) if record else None,
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
    """A number that JSON has; infinities and NaN have none."""
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
