"""Weight map: which parameter of the script came from which tensor of the source, and through which steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifacts.tensors import TensorSpec
from converter.base.weight_steps import SOURCE, Step
from converter.errors import BadParamError
from converter.script.program import Program
from converter.script.weights import Weight


@dataclass(frozen=True)
class Entry:
    """One parameter: `steps` make it of the source's tensor."""

    converted: TensorSpec
    source: TensorSpec
    steps: tuple[Step, ...] = ()


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


def read(file: Path) -> tuple[Entry, ...]:
    """Read back what `weight_map` has written.

    Raises:
        BadParamError: the file is missing or holds no weight map.
    """
    try:
        (entries,) = json.loads(file.read_text(encoding="utf-8")).values()
        return tuple(_entry(entry) for entry in entries)
    except OSError as error:
        raise BadParamError(f"the weight map '{file}' cannot be read: {error.strerror}. Check --weight_map.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadParamError(
            f"'{file}' is not a weight map ({type(error).__name__}: {error}). Name a weight_map_of_NAME.json."
        ) from error


def _entry(entry: Mapping[str, Any]) -> Entry:
    return Entry(
        _array(entry["converted_weight"]), _array(entry["source_weight"]), tuple(map(dict, entry.get("transform", ())))
    )


def _array(text: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(str(text["name"]), tuple(map(int, text["shape"])), str(text["data_type"]).lower())


def _origin(weight: Weight) -> tuple[str, list[int], list[Step]]:
    """Name and shape of the source's tensor, and all steps from there: a frontend may have rearranged it already."""
    note = getattr(weight.tensor, "metadata_props", {}).get(SOURCE)
    if note is None:
        return weight.source_name, [int(dim) for dim in weight.tensor.shape], list(weight.steps)
    origin = json.loads(note)
    return origin["name"], origin["shape"], [*origin["transform"], *weight.steps]
