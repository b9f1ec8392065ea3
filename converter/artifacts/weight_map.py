"""Weight map: the source's tensor and the weight steps from which each parameter of the script is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifacts.tensors import TensorSpec
from converter.base.weight_steps import SOURCE, TIED, Step
from converter.errors import BadParamError
from converter.script import Program, Weight


@dataclass(frozen=True)
class Entry:
    """One parameter: `steps`, run on the tensor `source`, compute the parameter `converted`, or a part of it.

    Attributes:
        converted: the parameter.
        source: the tensor.
        steps: the weight steps.
        part: where the result stands in the parameter, from the first index to the last + 1 along axis 0; None where it
            is the whole parameter. A parameter in parts has an entry for each.
        tied: the other names under which the source has the tensor: those of an output layer and an embedding.
    """

    converted: TensorSpec
    source: TensorSpec
    steps: tuple[Step, ...] = ()
    part: tuple[int, int] | None = None
    tied: tuple[str, ...] = ()


def text_of(program: Program, name: str) -> str:
    """Return the weight map of a network as JSON text: one entry for each parameter, in the checkpoint's order."""
    entries = [entry_of(parameter, weight) for parameter, weight in program.parameters()]
    return json.dumps({name: entries}, indent=2) + "\n"


def text_of_entries(entries: Sequence[Entry], name: str) -> str:
    """Return a weight map as JSON text."""
    return json.dumps({name: list(map(_plain, entries))}, indent=2) + "\n"


def entry_of(parameter: str, weight: Weight) -> dict[str, Any]:
    """The entry of one parameter: name, shape and type of the parameter and of its source tensor, and the steps."""
    source, steps = _origin(weight)
    tied = json.loads(getattr(weight.tensor, "metadata_props", {}).get(TIED, "[]"))
    return _plain(Entry(TensorSpec(parameter, weight.shape, weight.dtype), source, tuple(steps), tied=tuple(tied)))


def _plain(entry: Entry) -> dict[str, Any]:
    """An entry as it stands in the JSON."""
    ours, theirs = entry.converted, entry.source
    plain: dict[str, Any] = {
        "converted_weight": {"name": ours.name, "shape": list(ours.shape), "data_type": ours.dtype.title()},
        "source_weight": {"name": theirs.name, "shape": list(theirs.shape), "data_type": theirs.dtype},
    }
    if entry.tied:
        plain["tied"] = list(entry.tied)
    if entry.steps:
        plain["transform"] = list(entry.steps)
    if entry.part is not None:
        plain["part"] = {"axis": 0, "start": entry.part[0], "stop": entry.part[1]}
    return plain


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
    part = entry.get("part")
    if part is not None and part["axis"] != 0:
        raise ValueError(f"a part along axis {part['axis']}")
    return Entry(
        _array(entry["converted_weight"]),
        _array(entry["source_weight"]),
        tuple(map(dict, entry.get("transform", ()))),
        None if part is None else (int(part["start"]), int(part["stop"])),
        tuple(map(str, entry.get("tied", ()))),
    )


def _array(text: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(str(text["name"]), tuple(map(int, text["shape"])), str(text["data_type"]).lower())


def _origin(weight: Weight) -> tuple[TensorSpec, list[Step]]:
    """The source's tensor, and all steps from it, including those that a frontend already ran."""
    dtype = weight.tensor.dtype.numpy().name
    note = getattr(weight.tensor, "metadata_props", {}).get(SOURCE)
    if note is None:
        return TensorSpec(weight.source_name, tuple(int(dim) for dim in weight.tensor.shape), dtype), list(weight.steps)
    origin = json.loads(note)
    spec = TensorSpec(origin["name"], tuple(origin["shape"]), origin.get("dtype", dtype))
    return spec, [*origin["transform"], *weight.steps]
