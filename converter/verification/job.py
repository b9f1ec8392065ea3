"""A job of verification: what its process must know, as a value and as JSON; its large parts are files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from converter.base.weight_steps import Step
from converter.errors import OnnxModelSaveError
from converter.frontends import Original

JOB, INPUTS, SOURCE, RESULTS, EXPECTED = "job.json", "inputs.npz", "source.onnx", "results.jsonl", "expected.pickle"
"""The files in the folder of a job: itself, the inputs, the model of the original; what its process notes, and what
the source gives."""


@dataclass(frozen=True)
class Probe:
    """One node: what it is, and what the script hands over.

    Attributes:
        node, operator: of its record.
        value: the name of an output, by which the graph finds it.
        inputs: the values that it needs and that are not constants, with their element types (None for a sequence).
        outputs: which of its outputs the script has, with their names.
        converted: whether it is more than a stub.
    """

    node: str
    operator: str
    value: str
    inputs: Sequence[tuple[str, int | None]]
    outputs: Sequence[tuple[int, str]] = ()
    converted: bool = True


@dataclass(frozen=True)
class PlannedWeight:
    """Where a parameter of the instrumented script comes from: a constant of its graph, and the steps from there."""

    tensor: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class NodePlan:
    """How the nodes are compared: an instrumented script and its graph lie in the job's folder.

    Attributes:
        probes: by their numbers in the script.
        weights: parameter → where its values come from.
        base_dir: the folder that the external data of the graph is relative to.
    """

    probes: Sequence[Probe]
    weights: Mapping[str, PlannedWeight]
    base_dir: Path


@dataclass(frozen=True)
class NoNodePlan:
    """Why no node is compared."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the process compares.

    Attributes:
        original: how to run the source.
        script: the script.
        checkpoint: its checkpoint; None when it has no parameters.
        random: the outputs that a random operator feeds.
        stubs: how many nodes are not converted; with any, only the nodes are compared.
        upcast: whether source and script were brought from bfloat16 to float32.
        precision: the lowest element type that the network computes in, where its outputs do not tell it.
        nodes: how the nodes are compared, or why not; None while that is not known.
    """

    original: Original
    script: Path
    checkpoint: Path | None
    random: Sequence[str] = ()
    stubs: int = 0
    upcast: bool = False
    precision: str = ""
    nodes: NodePlan | NoNodePlan | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(self.original.outputs)

    def write(self, folder: Path, feeds: Mapping[str, np.ndarray] | None = None) -> None:
        """Write the job for its process, and with `feeds` (input → array) its inputs and the model of the original.

        Raises:
            OnnxModelSaveError: there is no space for it.
        """
        try:
            (folder / JOB).write_text(json.dumps(_plain(self)), encoding="utf-8")
            if feeds is not None:
                np.savez(folder / INPUTS, **{f"input_{i}": array for i, array in enumerate(feeds.values())})
                if self.original.model is not None and not (folder / SOURCE).exists():
                    onnx.save(self.original.model, folder / SOURCE)
        except OSError as error:
            raise OnnxModelSaveError(
                f"the temporary folder cannot hold the source: {error.strerror}. Set TMPDIR to another folder."
            ) from error


def _plain(job: Job) -> dict[str, Any]:
    """A job as JSON has it."""
    original, nodes = job.original, job.nodes
    return {
        "original": {
            "frontend": original.frontend,
            "file": str(original.file.absolute()),
            "base_dir": str(original.base_dir.absolute()),
            "inputs": dict(original.inputs),
            "outputs": dict(original.outputs),
            "options": dict(original.options),
        },
        "script": str(job.script.absolute()),
        "checkpoint": str(job.checkpoint.absolute()) if job.checkpoint is not None else None,
        "random": list(job.random),
        "stubs": job.stubs,
        "upcast": job.upcast,
        "precision": job.precision,
        "plan": {**asdict(nodes), "base_dir": str(nodes.base_dir.absolute())} if isinstance(nodes, NodePlan) else None,
    }


def read_job(folder: Path) -> Job:
    """The job in a folder; the model of its original stays there. Reasons why nodes are not compared are not kept."""
    plain = json.loads((folder / JOB).read_text(encoding="utf-8"))
    original, plan, checkpoint = plain.pop("original"), plain.pop("plan"), plain.pop("checkpoint")
    places = {name: Path(original.pop(name)) for name in ("file", "base_dir")}
    return Job(
        **{**plain, "script": Path(plain["script"])},
        original=Original(**{**original, **places}),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        nodes=None if plan is None else _plan(**plan),
    )


def _plan(probes: list[dict[str, Any]], weights: dict[str, dict[str, Any]], base_dir: str) -> NodePlan:
    return NodePlan(
        tuple(Probe(**probe) for probe in probes),
        {name: PlannedWeight(**weight) for name, weight in weights.items()},
        Path(base_dir),
    )


def read_feeds(folder: Path, job: Job) -> dict[str, np.ndarray]:
    """The inputs in the folder of a job, by name; those of bfloat16 as float32 where the job is brought to it."""
    with np.load(folder / INPUTS, allow_pickle=True) as archive:
        return {name: _read(archive[f"input_{i}"], job.upcast) for i, name in enumerate(job.original.inputs)}


def _read(array: np.ndarray, upcast: bool) -> np.ndarray:
    """An input; NumPy's files do not know bfloat16."""
    array = array.view(ml_dtypes.bfloat16) if array.dtype.str == "|V2" else array
    return array.astype(np.float32) if upcast and array.dtype.name == "bfloat16" else array


def with_model(original: Original, folder: Path) -> Original:
    """The original of a job with its model, where it has one; external data stays on disk."""
    file = folder / SOURCE
    return replace(original, model=onnx.load(file, load_external_data=False)) if file.exists() else original
