"""Verify: run the source and the script on the same inputs, and say how far apart their outputs are, and where."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir

from converter.errors import OnnxModelSaveError
from converter.frontends.source import Source
from converter.graph.walk import all_nodes
from converter.lowering.tables import Tables
from converter.verification.inputs import other_inputs, verification_inputs
from converter.verification.instrument import instrument
from converter.verification.journal import Journal
from converter.verification.metrics import NodeComparison, OutputComparison, Verdict
from converter.verification.reference import is_random, values_read_by
from converter.verification.result import VerificationResult
from converter.verification.supervise import lack_of_memory, lack_of_memory_for, run
from converter.verification.tail_progress import Count
from converter.verification.upcast import can_upcast, upcast, upcast_script

if TYPE_CHECKING:
    from converter.lowering.translation import Translation

__all__ = ["Comparison", "NodeComparison", "OutputComparison", "Verdict", "verify"]

SAMPLE = 1000
"""So many nodes are compared at the most, evenly spread, when the outputs are the same; all when they are not."""


def verify(
    source: Source,
    made: Translation,
    rows: Tables,
    script: Path,
    checkpoint: Path | None,
    inputs_file: Path | None = None,
    count: Count = lambda done, total: None,
) -> VerificationResult:
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
        return VerificationResult((), {}, f"{', '.join(containers)}: lists and optional values are not compared")
    original = source.original
    if lacking := lack_of_memory_for(source.inputs):
        return VerificationResult((), {}, lacking, stopped=True)
    feeds = verification_inputs(made.graph.graph, source.inputs, inputs_file)
    if lacking := lack_of_memory(checkpoint):
        return VerificationResult((), feeds, lacking, stopped=True)
    with tempfile.TemporaryDirectory(prefix="onnx2mindspore-") as name:
        folder = Path(name)
        job = _job(source, made, script, checkpoint)
        model = original.model
        if model is not None and can_upcast(model):
            model = upcast(model, original.file.parent)
            job |= _upcast_script(script, folder)
        total = sum(1 for _ in all_nodes(made.graph.graph))
        if total <= SAMPLE and not job["wide"]:
            job["nodes"] = _plan(source, made.graph, rows, 1, folder)
        _hand_over(folder, job, feeds, model)
        results = Journal(job, made, folder, run(folder, "outputs", job, count))
        if results.refused and (other := _accepted(source, made, inputs_file, job, folder, count)):
            feeds, results = other
        if results.wants_nodes:
            step = 1 if results.differ or job["stubs"] else -(-total // SAMPLE)
            job["nodes"] = job["nodes"] or _plan(source, made.graph, rows, step, folder)
            _hand_over(folder, job, feeds, None)
            results = Journal(job, made, folder, results.ending, run(folder, "nodes", job, count))
        if results.only_graph_mode_differs and total <= SAMPLE and isinstance(job["nodes"], dict):
            results = Journal(job, made, folder, results.ending, run(folder, "graph", job, count))
        return results.comparison(feeds)


def _accepted(
    source: Source, made: Translation, inputs_file: Path | None, job: Mapping[str, Any], folder: Path, count: Count
) -> tuple[dict[str, np.ndarray], Journal] | None:
    """Inputs that the source takes, of other extents where it leaves them free and nobody has said, and the results.

    A source may fix an extent inside that it leaves free outside, or need more than a few steps of a sequence.
    """
    for feeds in other_inputs(made.graph.graph, source.inputs, inputs_file):
        (folder / "results.jsonl").unlink()
        _hand_over(folder, job, feeds, None)
        results = Journal(job, made, folder, run(folder, "outputs", job, count))
        if not results.refused:
            return feeds, results
    return None


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
        "wide": False,
        "precision": _lowest_precision(made.graph),
        "stubs": sum(not record.converted for record in made.program.records),
    }


def _upcast_script(script: Path, folder: Path) -> dict[str, Any]:
    """Write the script down in float32; returns what changes in the job."""
    wide = folder / "float32" / script.name
    wide.parent.mkdir()
    wide.write_text(upcast_script(script.read_text(encoding="utf-8")), encoding="utf-8")
    note = "compared in float32, for want of bfloat16 on a CPU; no node was compared by itself"
    return {"script": str(wide), "wide": True, "precision": "bfloat16", "nodes": note}


def _plan(source: Source, graph: ir.Model, rows: Tables, step: int, folder: Path) -> dict[str, Any] | str:
    """Write the script that compares every `step`th node; returns what the process must know, or why there is none."""
    try:
        written = instrument(graph, rows, step).write(folder)
    except Exception as error:  # the outputs are compared without it
        return f"the nodes cannot be compared: {type(error).__name__}: {error}"[:300]
    return {**written, "base": str(source.original.file.parent.absolute())}


def _lowest_precision(graph: ir.Model) -> str:
    """`float16` when a part of the network computes in it: its roundings add up whatever the outputs are."""
    half = any(value.dtype == ir.DataType.FLOAT16 for node in all_nodes(graph.graph) for value in node.outputs)
    return "float16" if half else ""


def _random_outputs(source: Source, graph: ir.Graph) -> list[str]:
    """The outputs that a random operator feeds; whether it matters for these inputs, the process finds out."""
    tainted: set[ir.Value] = set()
    for node in graph:
        if is_random(node) or not tainted.isdisjoint(values_read_by(node)):
            tainted.update(node.outputs)
    return [end.name for end, value in zip(source.outputs, graph.outputs, strict=True) if value in tainted]
