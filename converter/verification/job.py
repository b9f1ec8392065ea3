"""A verification job: the data that its process needs, as an object and as JSON; large parts are separate files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from converter.base.weight_steps import Step
from converter.errors import OnnxModelSaveError
from converter.frontends import Original
from converter.verification.by_layer.layers import Layer
from converter.verification.by_sample import SampledAxis
from converter.verification.edges import Role

JOB, INPUTS, SOURCE, RESULTS, EXPECTED = "job.json", "inputs.npz", "source.onnx", "results.jsonl", "expected.pickle"
RECORDED, TRANSLATED, MADE = "recorded.npz", "translated.onnx", "{}.pickle"
EDGES = "edges.jsonl"
"""The files in a job's folder: the job, the inputs, the model of the source; the journal that its process writes, and
the outputs of the source; outputs that came with the model, by name; the ONNX model that was translated, if that is
asked for; the journal of the edge inputs."""


@dataclass(frozen=True)
class Probe:
    """One node that is compared, and the values that the script passes to the probe.

    Attributes:
        node, operator: of its record.
        value: the name of one of its outputs, to find the node in the graph.
        inputs: the values that it reads, without constants, with their element types (None for a sequence).
        outputs: index and name of every output that the script has.
        converted: whether it was translated; False for a stub.
        became: the call that it became.
    """

    node: str
    operator: str
    value: str
    inputs: Sequence[tuple[str, int | None]]
    outputs: Sequence[tuple[int, str]] = ()
    converted: bool = True
    became: str = ""


@dataclass(frozen=True)
class PlannedWeight:
    """How a parameter of the instrumented script is computed: the steps, run on a constant of its graph."""

    tensor: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class NodePlan:
    """How the nodes are compared: with the instrumented script and its graph in the job's folder.

    Attributes:
        probes: by their numbers in the script.
        weights: parameter → the constant and the steps that compute it.
        base_dir: the folder that the external data of the graph is relative to.
    """

    probes: Sequence[Probe]
    weights: Mapping[str, PlannedWeight]
    base_dir: Path


@dataclass(frozen=True)
class NoNodePlan:
    """The reason why no node is compared."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """The script and the source that the process compares, and how.

    Attributes:
        original: the source, as its frontend can run it.
        script: the script.
        checkpoint: its checkpoint; None when it has no parameters.
        random: the outputs that depend on a random operator.
        ordered: the outputs that depend on an operator that puts values into an order.
        stubs: the number of nodes that are not converted; if there are any, only the nodes are compared.
        upcast: whether source and script were converted from floats of 16 bits to float32.
        precision: `float16`, `bfloat16` or `int8` if a part of the network or of the source computes in it; else empty.
        nodes: how the nodes are compared, or why not; None while there is no plan.
        freed: the axes of the inputs that the source fixes and the script leaves free.
        roles: what the graph does with each input, by its name, if edge inputs are tried; else empty.
        sensitive: whether outputs differ on the ordinary inputs, within the source's own sensitivity.
        kept: operators of other domains that normalisation does not rewrite.
        layers: the layers that are compared, each by itself, if the network does not fit into memory; else None.
    """

    original: Original
    script: Path
    checkpoint: Path | None
    random: Sequence[str] = ()
    ordered: Sequence[str] = ()
    stubs: int = 0
    upcast: bool = False
    precision: str = ""
    nodes: NodePlan | NoNodePlan | None = None
    freed: Sequence[SampledAxis] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    sensitive: bool = False
    kept: Sequence[str] = ()
    layers: Sequence[Layer] | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in order."""
        return tuple(self.original.outputs)

    def write(self, folder: Path, feeds: Mapping[str, np.ndarray] | None = None) -> None:
        """Write the job for its process, and with `feeds` (input → array) its inputs and the model of the original.

        Raises:
            OnnxModelSaveError: the folder cannot hold it.
        """
        try:
            (folder / JOB).write_text(json.dumps(_plain(self)), encoding="utf-8")
            if feeds is not None:
                np.savez(folder / INPUTS, **{f"input_{i}": array for i, array in enumerate(feeds.values())})
                original = self.original
                if original.model is not None and original.model_file is None and not (folder / SOURCE).exists():
                    onnx.save(original.model, folder / SOURCE)
        except OSError as error:
            raise OnnxModelSaveError(
                f"the temporary folder cannot hold the source: {error.strerror}. Set TMPDIR to another folder."
            ) from error


def _plain(job: Job) -> dict[str, Any]:
    """A job as data for JSON."""
    original, nodes = job.original, job.nodes
    return {
        "original": {
            "frontend": original.frontend,
            "file": str(original.file.absolute()),
            "base_dir": str(original.base_dir.absolute()),
            "inputs": dict(original.inputs),
            "outputs": dict(original.outputs),
            "options": dict(original.options),
            "model_file": None if original.model_file is None else str(original.model_file.absolute()),
        },
        "script": str(job.script.absolute()),
        "checkpoint": str(job.checkpoint.absolute()) if job.checkpoint is not None else None,
        "random": list(job.random),
        "ordered": list(job.ordered),
        "stubs": job.stubs,
        "upcast": job.upcast,
        "sensitive": job.sensitive,
        "precision": job.precision,
        "freed": [asdict(axis) for axis in job.freed],
        "roles": {name: asdict(role) for name, role in job.roles.items()},
        "kept": list(job.kept),
        "layers": None if job.layers is None else [asdict(layer) for layer in job.layers],
        "plan": {**asdict(nodes), "base_dir": str(nodes.base_dir.absolute())} if isinstance(nodes, NodePlan) else None,
    }


def read_job(folder: Path) -> Job:
    """Read the job in a folder, without the model of its original. A `NoNodePlan` is read as None."""
    plain = json.loads((folder / JOB).read_text(encoding="utf-8"))
    original, plan, checkpoint = plain.pop("original"), plain.pop("plan"), plain.pop("checkpoint")
    freed = tuple(SampledAxis(**axis) for axis in plain.pop("freed"))
    roles = {name: Role(**role) for name, role in plain.pop("roles").items()}
    layers, kept = plain.pop("layers"), tuple(plain.pop("kept"))
    places = {name: Path(place) for name in ("file", "base_dir", "model_file") if (place := original.pop(name))}
    return Job(
        **{**plain, "script": Path(plain["script"])},
        original=Original(**{**original, **places}),
        checkpoint=None if checkpoint is None else Path(checkpoint),
        nodes=None if plan is None else _plan(**plan),
        freed=freed,
        kept=kept,
        roles=roles,
        layers=None if layers is None else tuple(Layer(**layer) for layer in layers),
    )


def _plan(probes: list[dict[str, Any]], weights: dict[str, dict[str, Any]], base_dir: str) -> NodePlan:
    return NodePlan(
        tuple(Probe(**probe) for probe in probes),
        {name: PlannedWeight(**weight) for name, weight in weights.items()},
        Path(base_dir),
    )


def read_feeds(folder: Path, job: Job) -> dict[str, np.ndarray]:
    """The inputs in the folder of a job, by name; floats of 16 bits as float32 if the job is upcast."""
    with np.load(folder / INPUTS, allow_pickle=True) as archive:
        return {name: _read(archive[f"input_{i}"], job.upcast) for i, name in enumerate(job.original.inputs)}


def read_recorded(folder: Path) -> dict[str, np.ndarray]:
    """The outputs that came with the model for the inputs in the folder of a job, by name; empty without any."""
    if not (folder / RECORDED).exists():
        return {}
    with np.load(folder / RECORDED) as archive:
        return dict(archive)


def _read(array: np.ndarray, upcast: bool) -> np.ndarray:
    """An array of an .npz file in its own element type: NumPy's files store bfloat16 as two raw bytes."""
    array = array.view(ml_dtypes.bfloat16) if array.dtype.str == "|V2" else array
    return array.astype(np.float32) if upcast and array.dtype.name in ("bfloat16", "float16") else array


def with_model(original: Original, folder: Path) -> Original:
    """The original of a job with its model, if the folder has one; external data stays on disk."""
    file = folder / SOURCE
    return replace(original, model=onnx.load(file, load_external_data=False)) if file.exists() else original
