"""The prefix of a checkpoint of TensorFlow 1, which all its files have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PART = re.compile(r"\.(meta|index|data-\d{5}-of-\d{5})$")
"""The end of the name of each of its files."""

_NEWEST = re.compile(r'^model_checkpoint_path: "(.+)"', re.MULTILINE)


def prefix_of(path: Path) -> Path | None:
    """The prefix of the checkpoint that a path means: one of its files, the prefix itself, or its folder.

    None if there is no checkpoint with a graph (`.meta`).
    """
    if path.is_dir():
        return next((prefix for prefix in _prefixes_in(path) if meta_of(prefix).exists()), None)
    match = PART.search(path.name)
    prefix = path.with_name(path.name[: match.start()]) if match else path
    if match and match[1] == "meta":
        return prefix if path.exists() else None
    return prefix if meta_of(prefix).exists() else None


def _prefixes_in(folder: Path) -> Iterator[Path]:
    """The newest checkpoint of a training, as the file `checkpoint` names it; else the newest graph."""
    state = folder / "checkpoint"
    if state.is_file():
        for name in _NEWEST.findall(state.read_text(encoding="utf-8", errors="replace")):
            yield folder / Path(name).name
    for meta in sorted(folder.glob("*.meta"), key=lambda file: (file.stat().st_mtime, file.name), reverse=True):
        yield meta.with_name(meta.name.removesuffix(".meta"))


def meta_of(prefix: Path) -> Path:
    """The file with the graph."""
    return prefix.with_name(f"{prefix.name}.meta")
