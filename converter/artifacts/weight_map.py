"""Weight map: the source's tensor and the weight steps from which each parameter of the script is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifacts.tensors import TensorSpec
from converter.base.weight_steps import SOURCE, Step
from converter.errors import BadParamError
from converter.script import Program, Weight


@dataclass(frozen=True)
class Entry:
    """One parameter: `steps`, run on the tensor `source`, compute the parameter `converted`."""

    converted: TensorSpec
    source: TensorSpec
    steps: tuple[Step, ...] = ()


def text_of(program: Program, name: str) -> str:
    """Return the weight map of a network as JSON text: one entry for each parameter, in the checkpoint's order."""
    entries = [entry_of(parameter, weight) for parameter, weight in program.parameters()]
    return json.dumps({name: entries}, indent=2) + "\n"


def entry_of(parameter: str, weight: Weight) -> dict[str, Any]:
    """The entry of one parameter: name, shape and type of the parameter and of its source tensor, and the steps."""
    name, shape, steps = _origin(weight)
    entry: dict[str, Any] = {
        "converted_weight": {"name": parameter, "shape": list(weight.shape), "data_type": weight.dtype.title()},
        "source_weight": {"name": name, "shape": shape, "data_type": weight.tensor.dtype.numpy().name},
    }
    if steps:
        entry["transform"] = steps
    return entry


def read(file: Path) -> tuple[Entry, ...]:
    """Read a weight map that `text_of` wrote.

    Raises:
        BadParamError: the file is missing or is not a weight map.
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
    """Name and shape of the source's tensor, and all steps from it, including those that a frontend already ran."""
    note = getattr(weight.tensor, "metadata_props", {}).get(SOURCE)
    if note is None:
        return weight.source_name, [int(dim) for dim in weight.tensor.shape], list(weight.steps)
    origin = json.loads(note)
    return origin["name"], origin["shape"], [*origin["transform"], *weight.steps]
