"""Job: what the two processes of a proof must know, and the files by which they tell what they found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

JOB = "job.json"
ERROR = "error.json"
STATE = "state.npz"
"""PyTorch's parameters and buffers by their names."""
INPUTS = "inputs.npz"
OUTPUTS = "outputs.npz"
CALLS = "calls.json"
"""The calls of modules in their order: path, class, where it was made and called."""
SAMPLES = "samples.npz"
"""Samples of the inputs and outputs of these calls: `3:in:0` is the first input of the fourth one."""
TRAINING = "training.json"
"""How gradients were computed, and how much each of them moves when the weights move by what rounding moves them."""
PROJECTIONS = "projections.npz"
"""What each output is multiplied with before all of it is added up to a loss."""
GRADIENTS = "gradients.npz"
STATISTICS = "statistics.npz"
"""The buffers that a forward pass in training mode changed."""
RESULTS = "results.jsonl"
"""What the process with MindSpore found, one fact on a line."""
WEIGHT_MAP = "weight_map.json"

SEED = 0


@dataclass(frozen=True)
class Job:
    """A proof.

    Attributes:
        call: what makes the network, `package.module:factory(arguments)`.
        source: the folder that the source's modules are imported from.
        result: the folder that the converted modules are imported from.
        working: the user's working folder.
        shapes: of the inputs, `2,3,64,64`; where there is no file.
        inputs: an `.npz` with the inputs in their order; empty where there are shapes.
        weights: the user's file of weights; empty for random ones.
        checkpoint: the name of the checkpoint that is written of the weights; empty for none.
        name: NAME, the key of the weight map.
    """

    call: str
    source: str
    result: str
    working: str
    shapes: tuple[str, ...] = ()
    inputs: str = ""
    weights: str = ""
    checkpoint: str = ""
    name: str = ""

    def write(self, folder: Path) -> None:
        """Write the job where its processes read it."""
        write_json(folder / JOB, asdict(self))


def read_job(folder: Path) -> Job:
    """The job of a folder."""
    found = read_json(folder / JOB)
    return Job(**{**found, "shapes": tuple(found["shapes"])})


def write_json(file: Path, data: Any) -> None:
    """Write plain data."""
    file.write_text(json.dumps(data), encoding="utf-8")


def read_json(file: Path) -> Any:
    """Read plain data."""
    return json.loads(file.read_text(encoding="utf-8"))
