"""Source and result of a script side by side: which lines stay, which belong together, and what changed in each."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LINE = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class FileSides:
    """A file before and after its conversion.

    Attributes:
        path: its place below the output.
        source, result: its texts in UTF-8.
        edits: what changed: the bytes of the source from `start` to `end` became a text; from first to last.
        places: for each finding in the file its number, and its line in `source`, from 0.
    """

    path: str
    source: bytes
    result: bytes
    edits: tuple[tuple[int, int, str], ...]
    places: tuple[tuple[int, int], ...]

    def data(self) -> dict[str, Any]:
        """The file for the page.

        `blocks` are the lines that changed: the first line in the source and how many there are, the same for the
        result. `removed` and `added` are spans: the line, and columns in units of UTF-16, as JavaScript counts.
        """
        old, new = _Lines(self.source), _Lines(self.result)
        removed, added, kept = [], [], []
        shift = at = 0
        for start, end, text in self.edits:
            kept.append((at, start, shift))
            size = len(text.encode())
            removed += old.spans(start, end)
            added += new.spans(start + shift, start + shift + size)
            shift += size - (end - start)
            at = end
        kept.append((at, len(self.source), shift))
        return {
            "path": self.path,
            "source": self.source.decode(),
            "result": self.result.decode(),
            "blocks": list(_blocks(old, new, kept)),
            "removed": removed,
            "added": added,
            "findings": [list(each) for each in self.places],
        }


class _Lines:
    """The lines of a text."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in _LINE.finditer(text))]

    def of(self, offset: int) -> int:
        """The line of an offset, from 0."""
        return bisect_right(self.starts, offset) - 1

    def spans(self, start: int, end: int) -> list[list[int]]:
        """A span as its parts in lines: the line, and from which column to which."""
        found = []
        for line in range(self.of(start), self.of(end) + 1):
            begin = self.starts[line]
            after = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
            first, last = max(start, begin), min(end, begin + len(self.text[begin:after].rstrip(b"\r\n")))
            if first < last:
                found.append([line, self._column(begin, first), self._column(begin, last)])
        return found

    def _column(self, begin: int, offset: int) -> int:
        return len(self.text[begin:offset].decode(errors="ignore").encode("utf-16-le")) // 2


def _blocks(old: _Lines, new: _Lines, kept: list[tuple[int, int, int]]) -> Iterator[list[int]]:
    """The lines between those that lie as a whole in text that no edit touched."""
    a = b = 0
    for start, end, shift in kept:
        for line in range(old.of(start), old.of(end) + 1):
            begin = old.starts[line]
            after = old.starts[line + 1] if line + 1 < len(old.starts) else len(old.text)
            other = new.of(begin + shift)
            ends = after < end or (after == end and (line + 1 < len(old.starts) or end + shift == len(new.text)))
            if begin < start or not ends or new.starts[other] != begin + shift:
                continue
            if line > a or other > b:
                yield [a, line - a, b, other - b]
            a, b = line + 1, other + 1
    if a < len(old.starts) or b < len(new.starts):
        yield [a, len(old.starts) - a, b, len(new.starts) - b]
