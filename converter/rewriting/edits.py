"""Edits: replacements of spans of a text. What no edit covers stays as it is, byte by byte."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """A replacement; offsets are bytes of the source in UTF-8.

    Attributes:
        start, end: what is replaced; equal for an insertion.
        new: the text that takes its place.
        leading: whether an insertion belongs to what follows it: of several at one place, the outermost comes first.
        layout: whether it only moves a line, and is not needed where another edit covers its place.
    """

    start: int
    end: int
    new: str
    leading: bool = False
    layout: bool = False


class Edits:
    """The edits of one file, in the order in which they were made: those of inner expressions before outer ones."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._edits: list[Edit] = []

    def __len__(self) -> int:
        return len(self._edits)

    def replace(self, start: int, end: int, new: str) -> None:
        """Replace a span; nothing is recorded where the text is the same."""
        if start < end and self.source[start:end] == new.encode():
            return
        if start < end or new:
            self._edits.append(Edit(start, end, new))

    def move(self, start: int, end: int) -> None:
        """Remove white space at the beginning of a line."""
        self._edits.append(Edit(start, end, "", layout=True))

    def insert(self, at: int, new: str, *, leading: bool = False) -> None:
        """Insert text."""
        if new:
            self._edits.append(Edit(at, at, new, leading))

    def text(self, start: int, end: int, mark: int = 0) -> str:
        """A span as it is after the edits that were made since `mark`."""
        inside = [edit for edit in self._edits[mark:] if start <= edit.start and edit.end <= end]
        return apply(self.source[start:end], inside, start).decode()

    def absorb(self, start: int, end: int, mark: int) -> str:
        """Like `text`, and take these edits back: a replacement of the whole span follows."""
        found = self.text(start, end, mark)
        self.drop(start, end, mark)
        return found

    def drop(self, start: int, end: int, mark: int = 0) -> None:
        """Take back the edits inside a span that were made since `mark`."""
        self._edits[mark:] = [each for each in self._edits[mark:] if not (start <= each.start and each.end <= end)]

    def indent(self, start: int, end: int, line: str, step: str) -> None:
        """Move the lines that edits inside a span insert, of which each begins with `line`, by a step."""
        for number, each in enumerate(self._edits):
            if start <= each.start and each.end <= end and line in each.new:
                self._edits[number] = each._replace(new=each.new.replace(line, line + step))

    def covers(self, start: int, end: int) -> bool:
        """Whether a span goes with a larger one."""
        return any(each.start <= start and end <= each.end and each.end > each.start for each in self._edits)

    def ordered(self) -> list[Edit]:
        """The edits from first to last, none overlapping another."""
        return _ordered(self._edits)

    def result(self) -> str:
        """The text after all edits."""
        return apply(self.source, self._edits, 0).decode()


def apply(source: bytes, edits: Iterable[Edit], offset: int) -> bytes:
    """Apply edits to a text that begins at an offset.

    Raises:
        ValueError: two edits overlap.
    """
    parts: list[bytes] = []
    at = offset
    for edit in _ordered(edits):
        if edit.start < at:
            raise ValueError(f"two edits overlap at {edit.start}: {edit.new!r}")
        parts += (source[at - offset : edit.start - offset], edit.new.encode())
        at = edit.end
    parts.append(source[at - offset :])
    return b"".join(parts)


def _ordered(edits: Iterable[Edit]) -> list[Edit]:
    def place(numbered: tuple[int, Edit]) -> tuple[int, int, bool, int]:
        number, edit = numbered
        if edit.start < edit.end:
            return edit.start, 2, edit.layout, number
        return (edit.start, 1, False, -number) if edit.leading else (edit.start, 0, False, number)

    found: list[Edit] = []
    reached = gone = 0
    for _, edit in sorted(enumerate(edits), key=place):
        if (edit.layout and edit.start < reached) or (edit.start == edit.end < gone):
            continue  # white space of a line, or an insertion, in what goes as a whole
        if edit.start < reached and not edit.new and not found[-1].new:
            edit = edit._replace(start=min(reached, edit.end))  # what goes twice, such as the end of a line, goes once
        found.append(edit)
        reached = max(reached, edit.end)
        gone = max(gone, edit.end if not edit.new else 0)
    return found
