"""Verify: run the source and the script on the same inputs, and say how far apart their outputs are."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from converter.errors import OnnxModelSaveError
from converter.program import Program
from converter.source import Source
from converter.verification.compare import NodeComparison, OutputComparison, Verdict
from converter.verification.inputs import verification_inputs
from converter.verification.process import MODES

__all__ = ["Comparison", "NodeComparison", "OutputComparison", "Verdict", "verify"]

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
"""Operators whose outputs nobody can compare."""

ONEDNN_ISA = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
"""Without it, MindSpore's 3x3 convolutions fall to reference code on CPUs that have AVX-512: about 70 times slower."""


@dataclass(frozen=True)
class Comparison:
    """The proof.

    Attributes:
        outputs: every output in every mode that ran.
        feeds: what was fed, by the inputs' names.
        note: why there is nothing to compare, or what else to know.
        nodes: the nodes that were compared, in the order in which they ran; those of a loop's body before the loop.
    """

    outputs: tuple[OutputComparison, ...]
    feeds: Mapping[str, np.ndarray]
    note: str = ""
    nodes: tuple[NodeComparison, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """`differs` when any output does, `same` when all that can be compared are, else `not comparable`."""
        verdicts = {output.verdict for output in self.outputs}
        if "differs" in verdicts:
            return "differs"
        return "same" if "same" in verdicts else "not comparable"

    @property
    def first_difference(self) -> NodeComparison | None:
        """The first node that differs by itself: on inputs that are the source's."""
        return next((node for node in self.nodes if node.verdict == "differs"), None)

    def lines(self) -> list[str]:
        """The proof for a reader: what stands in the way, the inputs, every output, the first node that differs."""
        lines = [self.note] if self.note else []
        lines += [f"input {name}, {array.dtype} {array.shape}" for name, array in self.feeds.items()]
        lines += [output.line() for output in self.outputs]
        first = self.first_difference
        return [*lines, f"the first node that differs on identical inputs: {first.line()}"] if first else lines


def verify(
    source: Source,
    graph: ir.Model,
    program: Program,
    script: Path,
    checkpoint: Path | None,
    inputs_file: Path | None = None,
) -> Comparison:
    """Compare a script with its source, in PyNative and graph mode, in a process of its own.

    Raises:
        BadParamError: the user's inputs do not fit the model.
        OnnxModelSaveError: there is no space for what the process needs.
    """
    containers = [end.name for end in (*source.inputs, *source.outputs) if end.container]
    if containers:
        return Comparison((), {}, f"{', '.join(containers)}: lists and optional values are not compared")
    feeds = verification_inputs(graph.graph, source.inputs, inputs_file)
    stubs = sum(not record.converted for record in program.records)
    if stubs:
        return Comparison((), feeds, f"{stubs} {'node is' if stubs == 1 else 'nodes are'} not converted")
    with tempfile.TemporaryDirectory(prefix="onnx2mindspore-") as name:
        folder = Path(name)
        job = _job(source, graph, script, checkpoint)
        _hand_over(folder, job, feeds, source.original.model)
        done = subprocess.run(
            [sys.executable, "-m", "converter.verification.process", name],
            env={**ONEDNN_ISA, "GLOG_v": "4", **os.environ},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        logging.getLogger(__name__).info("%s%s", done.stdout, done.stderr)  # what --verbose shows
        return _comparison(job, folder / "results.jsonl", done, feeds)


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


def _job(source: Source, graph: ir.Model, script: Path, checkpoint: Path | None) -> dict[str, Any]:
    original = source.original
    return {
        "kind": original.kind,
        "file": str(original.file.absolute()),
        "inputs": dict(original.inputs),
        "outputs": dict(original.outputs),
        "script": str(script.absolute()),
        "checkpoint": str(checkpoint.absolute()) if checkpoint is not None else None,
        "random": _random_outputs(source, graph.graph),
    }


def _random_outputs(source: Source, graph: ir.Graph) -> list[str]:
    """The outputs that a random operator feeds; whether it matters for these inputs, the process finds out."""
    tainted: set[ir.Value] = set()
    for node in graph:
        nodes = [node, *_inner_nodes(node)]
        inputs = {value for each in nodes for value in each.inputs if value is not None}
        if tainted & inputs or any(each.op_type in RANDOM for each in nodes):
            tainted.update(node.outputs)
    return [end.name for end, value in zip(source.outputs, graph.outputs, strict=True) if value in tainted]


def _inner_nodes(node: ir.Node) -> Iterator[ir.Node]:
    """The nodes of a node's sub-graphs, and of theirs."""
    for attribute in node.attributes.values():
        graphs = attribute.value if attribute.type == ir.AttributeType.GRAPHS else [attribute.value]
        for graph in graphs if attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) else ():
            yield from ir.traversal.RecursiveGraphIterator(graph)


def _comparison(
    job: Mapping[str, Any], results: Path, done: subprocess.CompletedProcess[str], feeds: Mapping[str, np.ndarray]
) -> Comparison:
    """Read what the process noted, and what it did not come to."""
    facts = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []
    refused = next((fact["refused"] for fact in facts if "refused" in fact), None)
    if refused is not None:
        return Comparison((), feeds, f"the source refuses the inputs: {refused}")
    outputs = [OutputComparison(**fact["compared"]) for fact in facts if "compared" in fact]
    started = [fact["started"] for fact in facts if "started" in fact]
    if not started or started == ["source"]:
        return Comparison((), feeds, f"the source could not be run: {_death(done)}")
    for mode in MODES:
        if not any(output.mode == mode for output in outputs):
            why = (
                f"the script's process ended: {_death(done)}"
                if mode in started
                else "an earlier mode ended the process"
            )
            outputs += [OutputComparison("differs", output=name, mode=mode, note=why) for name in job["outputs"]]
    return Comparison(tuple(outputs), feeds)


def _death(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"signal {signal.Signals(-done.returncode).name}"
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300]
