"""Verify: run the source and the script on the same inputs, and say how far apart their outputs are, and where."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir

import converter
from converter.errors import OnnxModelSaveError
from converter.normalize.walk import all_nodes
from converter.source import Source
from converter.tables import Tables
from converter.verification.compare import NodeComparison, OutputComparison, Verdict
from converter.verification.comparison import Comparison
from converter.verification.follow import Count, followed
from converter.verification.inputs import verification_inputs
from converter.verification.instrument import instrument
from converter.verification.reference import is_random, values_read_by
from converter.verification.results import Results

if TYPE_CHECKING:
    from converter.pipeline import Translation

__all__ = ["Comparison", "NodeComparison", "OutputComparison", "Verdict", "verify"]

SAMPLE = 1000
"""So many nodes are compared at the most, evenly spread, when the outputs are the same; all when they are not."""

ONEDNN_ISA = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Without it, MindSpore's 3x3 convolutions fall to reference code on CPUs that have AVX-512: about 70 times slower."""


def verify(
    source: Source,
    made: Translation,
    rows: Tables,
    script: Path,
    checkpoint: Path | None,
    inputs_file: Path | None = None,
    count: Count = lambda done, total: None,
) -> Comparison:
    """Compare a script with its source, in PyNative and graph mode, and each of its nodes, in a process of its own.

    Args:
        source: the model.
        made: its translation.
        rows: the operator tables that made it.
        script: the script.
        checkpoint: its checkpoint; None when it has no parameters.
        inputs_file: the user's inputs, an .npz file.
        count: is told how many nodes have been compared, and how many there are.

    Raises:
        BadParamError: the user's inputs do not fit the model.
        OnnxModelSaveError: there is no space for what the process needs.
        ModuleNotFoundError: MindSpore is missing.
    """
    if importlib.util.find_spec("mindspore") is None:
        raise ModuleNotFoundError("No module named 'mindspore'", name="mindspore")
    containers = [end.name for end in (*source.inputs, *source.outputs) if end.container]
    if containers:
        return Comparison((), {}, f"{', '.join(containers)}: lists and optional values are not compared")
    feeds = verification_inputs(made.graph.graph, source.inputs, inputs_file)
    with tempfile.TemporaryDirectory(prefix="onnx2mindspore-") as name:
        folder = Path(name)
        job = _job(source, made, script, checkpoint)
        total = sum(1 for _ in all_nodes(made.graph.graph))
        if total <= SAMPLE:
            job["nodes"] = _plan(source, made.graph, rows, 1, folder)
        _hand_over(folder, job, feeds, source.original.model)
        results = Results(job, made, folder, _run(folder, "outputs", job, count))
        if results.wants_nodes:
            step = 1 if results.differ or job["stubs"] else -(-total // SAMPLE)
            job["nodes"] = job["nodes"] or _plan(source, made.graph, rows, step, folder)
            _hand_over(folder, job, feeds, None)
            results = Results(job, made, folder, results.process, _run(folder, "nodes", job, count))
        if results.only_graph_mode_differs and total <= SAMPLE and isinstance(job["nodes"], dict):
            results = Results(job, made, folder, results.process, _run(folder, "graph", job, count))
        return results.comparison(feeds)


def _hand_over(
    folder: Path, job: Mapping[str, Any], feeds: Mapping[str, np.ndarray], model: onnx.ModelProto | None
) -> None:
    """Write down what the process needs."""
    try:
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        np.savez(folder / "inputs.npz", **{f"input_{i}": array for i, array in enumerate(feeds.values())})
        if model is not None:
            onnx.save(model, folder / "source.onnx")
    except OSError as error:
        raise OnnxModelSaveError(
            f"the temporary folder cannot hold the source: {error.strerror}. Set TMPDIR to another folder."
        ) from error


def _job(source: Source, made: Translation, script: Path, checkpoint: Path | None) -> dict[str, Any]:
    original = source.original
    return {
        "kind": original.kind,
        "file": str(original.file.absolute()),
        "inputs": dict(original.inputs),
        "outputs": dict(original.outputs),
        "script": str(script.absolute()),
        "checkpoint": str(checkpoint.absolute()) if checkpoint is not None else None,
        "random": _random_outputs(source, made.graph.graph),
        "nodes": None,
        "stubs": sum(not record.converted for record in made.program.records),
    }


def _plan(source: Source, graph: ir.Model, rows: Tables, step: int, folder: Path) -> dict[str, Any] | str:
    """Write the script that compares every `step`th node; returns what the process must know, or why there is none."""
    try:
        written = instrument(graph, rows, step).write(folder)
    except Exception as error:  # the outputs are compared without it
        return f"the nodes cannot be compared: {type(error).__name__}: {error}"[:300]
    return {**written, "base": str(source.original.file.parent.absolute())}


def _random_outputs(source: Source, graph: ir.Graph) -> list[str]:
    """The outputs that a random operator feeds; whether it matters for these inputs, the process finds out."""
    tainted: set[ir.Value] = set()
    for node in graph:
        if is_random(node) or not tainted.isdisjoint(values_read_by(node)):
            tainted.update(node.outputs)
    return [end.name for end, value in zip(source.outputs, graph.outputs, strict=True) if value in tainted]


def _run(folder: Path, part: str, job: Mapping[str, Any], count: Count) -> subprocess.CompletedProcess[str]:
    """Run a part of the job; in its folder, where MindSpore leaves its dumps."""
    path = os.pathsep.join([str(Path(converter.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    nodes = len(job["nodes"]["probes"]) if isinstance(job["nodes"], dict) else 0
    with followed(folder / "results.jsonl", nodes, count):
        done = subprocess.run(
            [sys.executable, "-m", "converter.verification.process", ".", part],
            cwd=folder,
            env={**ONEDNN_ISA, "GLOG_v": "4", **os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    logging.getLogger(__name__).info("%s%s", done.stdout, done.stderr)  # what --verbose shows
    return done
