"""Conversion of a text, for tests."""

from __future__ import annotations

import textwrap
from pathlib import Path

from converter.rewriting import ConvertedFile, convert_files, find_files
from operator_maps import pytorch

ROWS = pytorch.load()
REMEDY = pytorch.Remedies(ROWS)


def converted(folder: Path, text: str | bytes, name: str = "net.py", **options) -> ConvertedFile:
    """Convert one file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    made = convert_files(find_files(path, rows=ROWS), ROWS, remedy=REMEDY, **options)
    return next(file for file in made.files if file.source.path == path.resolve())


def project(folder: Path, files: dict[str, str], start: str, **options) -> dict[str, str]:
    """Convert a project; returns the text of every file of the result."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    made = convert_files(find_files(folder / start, rows=ROWS), ROWS, remedy=REMEDY, **options)
    texts = {file.path.as_posix(): file.text for file in made.files}
    return texts | {path.as_posix(): text for path, text in made.extra.items()}
