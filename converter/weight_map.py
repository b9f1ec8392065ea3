"""Weight map: which parameter of the script came from which tensor of the source, and through which steps."""

from __future__ import annotations

import json

from converter.program import Program
from converter.weights import Weight


def weight_map(program: Program, name: str) -> str:
    """Write the weight map of a network as JSON, one entry for each parameter, in the checkpoint's order."""
    entries = [_entry(parameter, weight) for parameter, weight in program.parameters()]
    return json.dumps({name: entries}, indent=2) + "\n"


def _entry(parameter: str, weight: Weight) -> dict[str, object]:
    entry: dict[str, object] = {
        "converted_weight": {"name": parameter, "shape": list(weight.shape), "data_type": weight.dtype.title()},
        "source_weight": {
            "name": weight.source_name,
            "shape": [int(dim) for dim in weight.tensor.shape],
            "data_type": weight.tensor.dtype.numpy().name,
        },
    }
    if weight.steps:
        entry["transform"] = list(weight.steps)
    return entry
