"""The model in an unpacked archive: the one that a frontend reads, among settings, labels and test data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from converter.base.kinds import head_of, kind_of
from converter.errors import BadParamError, UnknownModelError
from converter.frontends.endpoints import listed, one_line
from converter.frontends.frontend import Frontend

_NO_MODELS = re.compile(r"test_data(_set)?(_\d+)?|__MACOSX|\..*")
"""Folders in which no model is looked for, and hidden files."""


def model_in(folder: Path, archive: str, frontends: Sequence[Frontend]) -> tuple[Path, list[Path]]:
    """The model in a folder; others in it are of a kind that comes later.

    Args:
        folder: the unpacked archive.
        archive: its name, for messages.
        frontends: the kinds of models, in the order in which one is preferred to another.

    Raises:
        UnknownModelError: there is none.
        BadParamError: there are several of one kind.
    """
    found = [(frontend, path) for path in _paths(folder) if (frontend := _frontend_of(path, frontends))]
    whole = [(frontend, path) for frontend, path in found if not _is_part(path, frontend, found)]
    if not whole:
        raise UnknownModelError(f"'{archive}' holds no model of a kind that is known. Unpack it and name the model.")
    first = min((frontend for frontend, _ in whole), key=frontends.index)
    names = {path: path.relative_to(folder).as_posix() for _, path in whole}
    models = [path for frontend, path in whole if frontend is first]
    if len(models) > 1:
        several = listed(names[path] for path in models)
        raise BadParamError(f"'{archive}' holds {len(models)} models: {several}. Unpack it and name one of them.")
    return models[0], [path for path in names if path not in models]


def note_on_others(folder: Path, archive: str, model: Path, others: Sequence[Path]) -> str:
    """A note that an archive holds other models too; empty if it does not."""
    if not others:
        return ""
    chosen, *names = (path.relative_to(folder).as_posix() for path in (model, *others))
    note = f"'{archive}' holds other models too: {listed(names)}. This one is '{chosen}'; "
    return one_line(note + "for another, unpack the archive and name that.")


def _paths(folder: Path) -> Iterator[Path]:
    """The folder and everything in it where a model may lie, outer ones first."""
    pending = [folder]
    while pending:
        here = pending.pop(0)
        yield here
        if here.is_dir():
            pending += sorted(path for path in here.iterdir() if not _NO_MODELS.fullmatch(path.name))


def _frontend_of(path: Path, frontends: Sequence[Frontend]) -> Frontend | None:
    """The frontend that recognises a path by its content, else that of its suffix, unless it is a text."""
    head = head_of(path)
    by_content = next((frontend for frontend in frontends if frontend.recognises(path, head)), None)
    if by_content is not None or path.is_dir() or _is_text(head):
        return by_content
    return kind_of(path, frontends)


def _is_part(path: Path, frontend: Frontend, found: Sequence[tuple[Frontend, Path]]) -> bool:
    """Whether a path lies in a folder that is a model of the same kind."""
    return any(frontend is other and around in path.parents for other, around in found)


def _is_text(head: bytes) -> bool:
    """Whether a file begins as labels and settings do, whose suffixes some models have."""
    return all(byte >= 32 or byte in b"\t\n\r" for byte in head)
