"""Weight map: which parameter of the script came from which tensor of the source, and through which steps."""

from __future__ import annotations

import json
from typing import Any

from converter.program import Program
from converter.weights import SOURCE, Step, Weight


def weight_map(program: Program, name: str) -> str:
    """Write the weight map of a network as JSON, one entry for each parameter, in the checkpoint's order."""
    entries = [entry_of(parameter, weight) for parameter, weight in program.parameters()]
    return json.dumps({name: entries}, indent=2) + "\n"


def entry_of(parameter: str, weight: Weight) -> dict[str, Any]:
    """One parameter: its name, shape and type, those of the tensor it came from, and the steps between them."""
    name, shape, steps = _origin(weight)
    entry: dict[str, Any] = {
        "converted_weight": {"name": parameter, "shape": list(weight.shape), "data_type": weight.dtype.title()},
        "source_weight": {"name": name, "shape": shape, "data_type": weight.tensor.dtype.numpy().name},
    }
    if steps:
        entry["transform"] = steps
    return entry


def _origin(weight: Weight) -> tuple[str, list[int], list[Step]]:
    """Name and shape of the source's tensor, and all steps from there: a frontend may have rearranged it already."""
    note = getattr(weight.tensor, "metadata_props", {}).get(SOURCE)
    if note is None:
        return weight.source_name, [int(dim) for dim in weight.tensor.shape], list(weight.steps)
    origin = json.loads(note)
    return origin["name"], origin["shape"], [*origin["transform"], *weight.steps]
