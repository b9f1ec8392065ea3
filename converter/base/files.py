"""Files: check that a file can be read before a slow import or conversion begins."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from pathlib import Path

from converter.errors import ModelLoadingError

_LFS = b"version https://git-lfs"

DAMAGED_ZIP = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What `zipfile` raises for damaged, encrypted and foreign archives: a `ValueError` for names that are no text."""


def names_in_zip(file: Path) -> list[str]:
    """The names of the files in a zip archive; none when it is damaged or no zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except DAMAGED_ZIP:
        return []


def check_readable(file: Path) -> None:
    """Open a file and read its first bytes.

    Raises:
        ModelLoadingError: it is missing, unreadable or empty, or Git has left a pointer in its place.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(len(_LFS))
    except OSError as error:
        raise ModelLoadingError(f"'{file}' cannot be read: {error.strerror}. Check the name.") from error
    if not head:
        raise ModelLoadingError(f"'{file}' is empty. Export or copy it again.")
    if head == _LFS:
        raise ModelLoadingError(f"'{file}' is a Git LFS pointer, not the file itself. Run `git lfs pull` to fetch it.")


def is_prefix(path: Path) -> bool:
    """Whether a path is the common prefix of several files, as a TensorFlow checkpoint is named: `net.ckpt`."""
    return any(path.with_name(f"{path.name}.{end}").exists() for end in ("index", "meta"))
