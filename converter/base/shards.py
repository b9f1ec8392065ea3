"""Shards: a checkpoint in several safetensors files, and the two files that say where each parameter lies.

`param_name_map.json` is what `mindspore.load_distributed_checkpoint` reads, `model.safetensors.index.json` what other
programs read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

INDEX = "model.safetensors.index.json"
NAME_MAP = "param_name_map.json"
SUFFIX = ".index.json"


def file_name(name: str, number: int, count: int) -> str:
    """The name of a shard of the network NAME, counted from 1."""
    return f"{name}-{number:05}-of-{count:05}.safetensors"


def index_text(files: Mapping[str, str], size: int) -> str:
    """The text of `model.safetensors.index.json`: the file of each parameter, and the bytes of all of them."""
    return json.dumps({"metadata": {"total_size": size}, "weight_map": dict(files)}, indent=2) + "\n"


def name_map_text(files: Mapping[str, str]) -> str:
    """The text of `param_name_map.json`: the file of each parameter."""
    return json.dumps(dict(files), indent=2) + "\n"


def files_in(index: Path) -> dict[str, str]:
    """The file of each tensor, by the index.

    Raises:
        OSError: the index cannot be read.
        ValueError: it is no index, or names files of other folders.
    """
    try:
        files = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
        inside = bool(files) and all(Path(file).name == file for file in files.values())
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not inside:
        raise ValueError("it names files of other folders, or none")
    return files


def files_of(checkpoint: Path) -> list[Path]:
    """The files that hold the parameters of a checkpoint: itself, or the shards of its index."""
    if not checkpoint.name.endswith(SUFFIX):
        return [checkpoint]
    return [checkpoint.parent / file for file in dict.fromkeys(files_in(checkpoint).values())]


def left_by(folder: Path, name: str) -> list[str]:
    """The names of the files that an earlier conversion of NAME left: its shards, and the two files about them.

    They are those in `param_name_map.json`: the shards of other programs may have the same names.
    """
    files = _files_in_map(folder / NAME_MAP)
    count = len(files)
    if not files or files != {file_name(name, number + 1, count) for number in range(count)}:
        return []
    return [*sorted(files), NAME_MAP, INDEX]


def _files_in_map(file: Path) -> set[str]:
    try:
        return set(json.loads(file.read_text(encoding="utf-8")).values())
    except (OSError, ValueError, TypeError, AttributeError):
        return set()
