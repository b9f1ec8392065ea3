"""Proof kit: `prove_NAME.py` proves a script wherever MindSpore runs, beside the reference that is recorded here.

The reference has the inputs, the outputs of the source, and what every Cell of the script takes and returns on the CPU
in PyNative mode, where the script was compared with its source. `prove_NAME.py` observes Cells on the CPU and on the
device by the same function (`observe` in `templates/prove.py.jinja`).
"""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from converter.base.shards import NAME_MAP
from converter.script.emit import write_module
from converter.verification import network
from converter.verification.arrays import to_mindspore
from converter.verification.job import EXPECTED, Job, read_feeds
from converter.verification.metrics import TOLERANCE, TOLERANCES

KIT, REFERENCE = "prove.py", "reference.npz"
"""The files of a kit in a job's folder: its script, and the reference that the process records."""

OUTPUT = 2**22
"""Elements of an output that the reference holds at most, evenly spaced."""


_DOCSTRING = """Prove {name}, translated from {source}, on this machine.

    python prove_{name}.py --device Ascend --mode graph

compares the outputs with those of the source, and what every Cell takes and returns with the reference, names the first
difference with its line of the script, measures the latency, and writes a JSON file. It needs MindSpore, NumPy,
{files} and {reference}, which has the inputs, the outputs of the source, and values
of the Cells on a CPU in PyNative mode."""


@dataclass(frozen=True)
class ProofKit:
    """A proof kit to be made.

    Attributes:
        text: `prove_NAME.py`.
        reference: the file to write the reference to; it is not there if the source or the script could not be run.
    """

    text: str
    reference: Path


def kit_script(name: str, description: str, checkpoint: str | None) -> str:
    """The text of `prove_NAME.py`.

    Args:
        name: NAME.
        description: of the source.
        checkpoint: the file name of the checkpoint; None without parameters.
    """
    reference = f"{name}_reference.npz"
    kind = checkpoint.rpartition(".")[2] if checkpoint else ""
    sharded = [f"{name}-*.safetensors", NAME_MAP] if kind == "json" else [checkpoint]
    files = ", ".join(filter(None, [f"{name}.py", *sharded]))
    docstring = _DOCSTRING.format(name=name, source=description, files=files, reference=reference)
    context: dict[str, Any] = {
        "name": name,
        "checkpoint": checkpoint,
        "checkpoint_format": "" if kind == "ckpt" else kind,
        "reference": reference,
        "output": OUTPUT,
    }
    return write_module("prove.py.jinja", [], docstring, **context)


def record(job: Job, folder: Path) -> None:
    """Run the script twice in PyNative mode, and write the reference; values that vary between the runs are left out.

    It runs in the process of a job that has compared the outputs.
    """
    import mindspore as ms

    feeds = read_feeds(folder, job)
    kit, net = _loaded(job, folder)
    inputs = [to_mindspore(value) for value in feeds.values()]
    runs = []
    for seed in (1, 2):
        ms.set_seed(seed)
        runs.append(kit.observe(net, inputs))
    steady = [one[:4] for one, two in zip(*runs, strict=True) if _is_same(one, two)]
    outputs = [_plain(value) for value in pickle.loads((folder / EXPECTED).read_bytes())]
    about = {
        "inputs": [value.dtype.name for value in read_feeds(folder, replace(job, upcast=False)).values()],
        "outputs": [[name, name not in job.random] for name in job.outputs],
        "shapes": [list(array.shape) for array in outputs],
        "tolerance": TOLERANCES.get(job.precision, TOLERANCE),
        "tolerances": [_tolerance(array, job.precision) for array in outputs],
        "cells": [[path, kind, call, shapes] for path, kind, call, (shapes, _) in steady],
    }
    rows = [np.zeros((0, kit.SAMPLE + 1)), *(rows for *_, (_, rows) in steady)]
    arrays: dict[str, np.ndarray] = {
        "about": np.array(json.dumps(about).encode()),
        "cells": np.concatenate(rows).astype(np.float32),
        **{f"input_{k}": _plain(value) for k, value in enumerate(feeds.values())},
        **{f"output_{k}": kit.evenly(array, kit.OUTPUT) for k, array in enumerate(outputs)},
    }
    np.savez(folder / REFERENCE, **arrays)  # type: ignore[arg-type]


def _loaded(job: Job, folder: Path) -> tuple[Any, Any]:
    """The module `prove_NAME.py` and the network, of one and the same module of the script."""
    net = network.load(job.script, job.checkpoint, job.upcast)
    sys.modules[job.script.stem] = sys.modules[type(net).__module__]
    spec = importlib.util.spec_from_file_location("prove", folder / KIT)
    assert spec is not None
    assert spec.loader is not None
    kit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kit)
    return kit, net


def _is_same(one: Any, two: Any) -> bool:
    (shapes, rows), (other_shapes, other_rows) = one[3], two[3]
    return one[:3] == two[:3] and shapes == other_shapes and np.array_equal(rows, other_rows, equal_nan=True)


def _plain(value: Any) -> np.ndarray:
    """An array that NumPy alone can read."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _tolerance(array: np.ndarray, precision: str) -> float:
    return 0.0 if array.dtype.kind in "iub" else TOLERANCES.get(precision or array.dtype.name, TOLERANCE)
