"""The prefix of a TensorFlow checkpoint, which all its files have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PART = re.compile(r"\.(meta|index|data-\d{5}-of-\d{5})$")
"""The end of the name of each of its files."""

_NEWEST = re.compile(r'^model_checkpoint_path: "(.+)"', re.MULTILINE)


def prefix_of(path: Path, needed: str = "meta") -> Path | None:
    """The prefix of the checkpoint that a path means: one of its files, the prefix itself, or its folder.

    Args:
        path: what the user named.
        needed: the part without which it is no checkpoint: `meta` has the graph, `index` the variables.

    Returns:
        None if there is no checkpoint with this part.
    """
    if path.is_dir():
        return next((prefix for prefix in _prefixes_in(path, needed) if _has(prefix, needed)), None)
    match = PART.search(path.name)
    prefix = path.with_name(path.name[: match.start()]) if match else path
    if match and match[1] == needed:
        return prefix if path.exists() else None
    return prefix if _has(prefix, needed) else None


def _prefixes_in(folder: Path, needed: str) -> Iterator[Path]:
    """The newest checkpoint of a training, as the file `checkpoint` names it; else the newest file."""
    state = folder / "checkpoint"
    if state.is_file():
        for name in _NEWEST.findall(state.read_text(encoding="utf-8", errors="replace")):
            yield folder / Path(name).name
    files = folder.glob(f"*.{needed}")
    for file in sorted(files, key=lambda file: (file.stat().st_mtime, _numbers(file.name), file.name), reverse=True):
        yield file.with_name(file.name.removesuffix(f".{needed}"))


def _numbers(name: str) -> list[int]:
    """`model.ckpt-900` stands before `model.ckpt-1000`."""
    return [int(number) for number in re.findall(r"\d+", name)]


def _has(prefix: Path, part: str) -> bool:
    return prefix.with_name(f"{prefix.name}.{part}").exists()


def meta_of(prefix: Path) -> Path:
    """The file with the graph."""
    return prefix.with_name(f"{prefix.name}.meta")
