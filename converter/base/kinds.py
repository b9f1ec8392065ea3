"""Kinds of files: which of several readers a path is for, by content first and by suffix otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

HEAD = 64
"""Bytes at the beginning of a file that are looked at."""

Recognises: TypeAlias = Callable[[Path, bytes], bool]
"""Takes a path, which may be a folder or the prefix of several files, and the first bytes of the file, if it is one."""


class Kind(Protocol):
    """What a registry of file kinds holds."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes in lower case, with the dot."""

    @property
    def recognises(self) -> Recognises:
        """Whether the content of a path is of this kind, whatever its name."""


K = TypeVar("K", bound=Kind)


def by_suffix_only(path: Path, head: bytes) -> bool:
    """The content of a kind that only a suffix tells: never recognised."""
    return False


def head_of(path: Path) -> bytes:
    """The first bytes of a file; none of what is no file or cannot be read."""
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(HEAD)
    return b""


def kind_of(path: Path, kinds: Iterable[K]) -> K | None:
    """The first kind that recognises the content of a path, else the first that has its suffix; None for neither."""
    kinds = tuple(kinds)
    head = head_of(path)
    by_content = (kind for kind in kinds if kind.recognises(path, head))
    by_suffix = (kind for kind in kinds if path.suffix.lower() in kind.suffixes)
    return next(chain(by_content, by_suffix), None)
