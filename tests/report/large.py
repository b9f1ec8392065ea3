"""A report of any size, as data: what a network of so many nodes would give."""

from __future__ import annotations

from typing import Any

OPERATORS = ("Conv", "BatchNormalization", "Relu", "Add", "MatMul", "Softmax", "Transpose", "Reshape")
LINES_OF_A_BLOCK = 40


def report_of(count: int, *, blocks: bool = True, name: str = "large") -> dict[str, Any]:
    """A chain of `count` nodes, in blocks of forty that are instances of one class, or flat."""
    nodes = [_node(i, blocks) for i in range(count)]
    values = {f"v{i}": {"dtype": "float32", "shape": ["N", 64, 56, 56], "constant": False} for i in range(count + 1)}
    values |= {f"w{i}": {"dtype": "float32", "shape": [64, 64], "constant": True} for i in range(0, count, 4)}
    end = {"dtype": "float32", "shape": ["N", 64, 56, 56], "container": []}
    return {
        "schema": 1,
        "tool": {"name": "onnx2mindspore", "version": "0.0.0"},
        "environment": {"python": "3.11", "platform": "a machine", "packages": {"mindspore": "2.10.0"}},
        "source": {
            "file": f"{name}.onnx",
            "bytes": 1,
            "sha256": "0" * 64,
            "files": [],
            "runtime": "onnx",
            "runs_on": "onnxruntime",
            "description": name,
        },
        "options": {"verify": True},
        "summary": {
            "verdict": "same",
            "nodes": count,
            "converted": count,
            **dict.fromkeys(("composed", "approximate", "unconverted"), 0),
            "rate": 1.0,
            "worst_error": 1e-6,
            "parameters": len(range(0, count, 4)),
            "elements": 4096 * len(range(0, count, 4)),
            "trainable_elements": 4096 * len(range(0, count, 4)),
        },
        "files": [f"{name}.py"],
        "notes": [],
        "timings": {"load": 1.0},
        "peak_memory": 10**9,
        "network": {
            "name": name,
            "inputs": [{"name": "x", "value": "v0", **end}],
            "outputs": [{"name": "y", "value": f"v{count}", **end}],
            "classes": [
                {"name": "Block", "line": 1, "doc": "A block."},
                {"name": "MindSporeModel", "line": 2, "doc": ""},
            ],
            "script_lines": count,
        },
        "nodes": nodes,
        "values": values,
        "weights": [_weight(node) for node in nodes if node["weights"]],
        "unconverted": [],
        "verification": {
            "verdict": "same",
            "note": "",
            "inputs": [],
            "outputs": [{"name": "y", "mode": "graph", **_error(1e-6)}],
            "nodes_compared": count,
            "layers": [],
            "first_difference": None,
            "edges": [],
            "edges_note": "",
        },
    }


def script_of(count: int) -> str:
    """A script with a line for each of so many nodes."""
    return "".join(f"x = self.layer{i}(x)  # the node at depth {i}\n" for i in range(count))


def _node(i: int, blocks: bool) -> dict[str, Any]:
    operator = OPERATORS[i % len(OPERATORS)]
    block = i // LINES_OF_A_BLOCK
    stage = block // 20
    cells = [[f"stage{stage}", "nn.SequentialCell"], [str(block % 20), "Block"]] if blocks else []
    path = ".".join(name for name, _ in cells)
    has_weight = i % 4 == 0
    return {
        "id": i,
        "name": f"node_{operator}_{i}",
        "operator": f"onnx::{operator}",
        "scope": path.replace(".", "/"),
        "status": "converted",
        "converted": True,
        "became": f"ops.{operator.lower()}",
        "note": "",
        "line": i % LINES_OF_A_BLOCK + 1 if blocks else i + 1,
        "column": 5,
        "cells": cells,
        "within": None,
        "inputs": [f"v{i}", *([f"w{i}"] if has_weight else [])],
        "outputs": [f"v{i + 1}"],
        "attributes": {"axis": "1"},
        "weights": [f"{path}.layer{i}.weight".lstrip(".")] if has_weight else [],
        "error": _error(1e-7 * (i % 11)),
    }


def _weight(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": node["weights"][0],
        "shape": [64, 64],
        "dtype": "float32",
        "elements": 4096,
        "bytes": 16384,
        "trainable": node["id"] % 8 == 0,
        "source": {"name": f"w{node['id']}", "shape": [64, 64], "data_type": "float32"},
        "transform": [],
    }


def _error(size: float) -> dict[str, Any]:
    return {"verdict": "same", "max_abs": size, "max_rel": size, "mean_rel": size, "cosine": 1.0, "note": ""}
