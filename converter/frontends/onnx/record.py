"""The record of a written model: what a second conversion must know of the source that the first one read.

`--onnx_only` and `--keep_onnx` write it into the metadata of the model: how the source is described, by which names the
user knows its ends, and what was noted. A record that somebody has edited is read as far as it makes sense.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import onnx

from converter.frontends.endpoints import one_line
from converter.frontends.source import Endpoint, Source

KEY = "onnx2mindspore.source"
"""The key of the record in the metadata of a model."""

_LONGEST = 1000


@dataclass(frozen=True)
class Record:
    """What is known of the source.

    Attributes:
        description: its phrase for the docstring; empty if there is no record.
        notes: what the user was told about it.
        names: the name of a value in the model → its name in the source.
        shapes: the name of an input in the model → the extents to verify with, as `--shape` takes them.
    """

    description: str = ""
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, str] = field(default_factory=dict)

    def names_of(self, values: Sequence[str]) -> tuple[str, ...]:
        """The names in the source of these values of the model; their own names where two would be the same."""
        names = tuple(self.names.get(value, value) for value in values)
        return names if len(set(names)) == len(names) else tuple(values)

    def shapes_of(self, inputs: Sequence[str]) -> tuple[str, ...]:
        """The extents of these inputs, `-` where none are known; nothing if none is."""
        return tuple(self.shapes.get(name, "-") for name in inputs) if self.shapes else ()


def text_of(source: Source) -> str:
    """The record of a source, as JSON."""
    record = {
        "description": source.description,
        "notes": list(source.notes),
        "names": {end.value: end.name for end in (*source.inputs, *source.outputs) if end.value != end.name},
        "shapes": {end.value: shape for end in source.inputs if (shape := _shape(end))},
    }
    return json.dumps(record)


def _shape(end: Endpoint) -> str:
    """The example extents where some were given, and any is free."""
    free = {dim for dim in end.shape or () if isinstance(dim, str)}
    return ",".join(map(str, end.example or ())) if free and not end.guessed else ""


def record_in(model: onnx.ModelProto) -> Record:
    """The record in a model; an empty one if there is none."""
    text = next((entry.value for entry in model.metadata_props if entry.key == KEY), "")
    plain: Any = {}
    with suppress(ValueError, RecursionError):
        plain = json.loads(text)
    if not isinstance(plain, dict):
        return Record()
    notes = plain.get("notes")
    return Record(
        _line(plain.get("description")),
        tuple(filter(None, map(_line, notes))) if isinstance(notes, list) else (),
        _texts(plain.get("names")),
        {name: shape for name, shape in _texts(plain.get("shapes")).items() if 0 not in map(_number, shape.split(","))},
    )


def _number(extent: str) -> int:
    return int(extent) if extent.isascii() and extent.isdecimal() else 0


def _line(text: object) -> str:
    """A text as one line of printable characters; it comes from a file that anybody may have written."""
    return one_line(text[:_LONGEST]) if isinstance(text, str) else ""


def _texts(plain: object) -> dict[str, str]:
    pairs = plain.items() if isinstance(plain, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str)}
