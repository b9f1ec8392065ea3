"""A source file: its text in any encoding, its syntax tree, and the spans of its nodes."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import warnings
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from converter.errors import ModelLoadingError

_LINE = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(eq=False)
class SourceFile:
    """A Python file.

    Attributes:
        path: where it is.
        module: its name, as an import gives it: `torchvision.models.resnet`.
        is_package: whether it is an `__init__.py`.
        text: its text in UTF-8, with its own line breaks and without a byte order mark.
        encoding: the encoding of the file; `utf-8-sig` with a byte order mark.
        tree: its syntax tree.
    """

    path: Path
    module: str
    is_package: bool
    text: bytes
    encoding: str
    tree: ast.Module

    def __post_init__(self) -> None:
        self._lines = [0, *(match.end() for match in _LINE.finditer(self.text))]

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.module if self.is_package else self.module.rpartition(".")[0]

    @property
    def newline(self) -> str:
        """The line break that the file uses."""
        found = _LINE.search(self.text)
        return found[0].decode() if found else "\n"

    def start(self, node: ast.AST) -> int:
        """The offset of a node's first byte."""
        return self._lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """The offset behind a node's last byte."""
        return self._lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def of(self, node: ast.AST) -> str:
        """The text of a node."""
        return self.text[self.start(node) : self.end(node)].decode()

    def line_of(self, offset: int) -> int:
        """The number of the line of an offset, from 0."""
        return bisect_right(self._lines, offset) - 1

    def line_span(self, line: int) -> tuple[int, int]:
        """The offsets of a line, from 0, with its line break."""
        after = self._lines[line + 1] if line + 1 < len(self._lines) else len(self.text)
        return self._lines[line], after

    def place(self, line: int) -> tuple[str, int]:
        """The part of the file that a line, from 0, stands in, such as a cell, and its number there."""
        return "", line

    def encoded(self, text: str) -> bytes:
        """A text in the file's own encoding; in UTF-8 what that cannot write."""
        return text.encode(self.encoding)


def read(path: Path, module: str, *, is_package: bool = False) -> SourceFile:
    """Read a file.

    Raises:
        ModelLoadingError: it cannot be read or decoded, or is no Python.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelLoadingError(f"'{path}' cannot be read: {error.strerror}. Check the name.") from error
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes, `is` with a literal: the user's business
            tree = ast.parse(text, filename=str(path))
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ModelLoadingError(
            f"'{path}'{where} is not a Python script: {reason}. Correct it first, or, if it is written for a Python "
            f"above {version}, convert it with that one."
        ) from error
    return SourceFile(path, module, is_package, text.encode(), encoding, tree)
