"""Locate: find the nodes of the source that a line of the script was translated from."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from converter.script import Record
from converter.script.emit import Script


def lines_of(error: BaseException, script: Path) -> list[int]:
    """The lines of a script in the traceback of an error, the innermost first.

    In graph mode they are in the message: `# 1 In file NAME.py:25, 12~34`, or `NAME.py:26~27` for several lines.
    """
    told = re.findall(rf"In file \S*{re.escape(script.name)}:(\d+)", str(error))
    frames = traceback.extract_tb(error.__traceback__)
    lines = [int(line) for line in told] or [frame.lineno or 0 for frame in frames if Path(frame.filename) == script]
    return lines[::-1]


def records_at(line: int, script: Script, records: Sequence[Record]) -> list[Record]:
    """The records of the nodes at a line of `construct`: those of its statement, and of the layers that it calls."""
    spans = list(_spans(script.text, line))
    placed = ((record, script.position(record.anchor)) for record in records)
    return [
        record
        for record, position in placed
        if position is not None and any(first <= position[0] <= last for first, last in spans)
    ]


def _spans(text: str, line: int) -> Iterator[tuple[int, int]]:
    """First and last lines of the statement at a line, and of the constructors of the members that it names."""
    for cell in ast.parse(text).body:
        if not isinstance(cell, ast.ClassDef) or not _covers(cell, line):
            continue
        functions = {node.name: node for node in cell.body if isinstance(node, ast.FunctionDef)}
        if not _covers(functions["construct"], line):
            return
        statement = _innermost(functions["construct"], line)
        yield statement.lineno, statement.end_lineno or statement.lineno
        named = {node.attr for node in ast.walk(statement) if isinstance(node, ast.Attribute) and _is_self(node.value)}
        for made in functions["__init__"].body:
            if isinstance(made, ast.Assign) and getattr(made.targets[0], "attr", None) in named:
                yield made.lineno, made.end_lineno or made.lineno


def _innermost(function: ast.FunctionDef, line: int) -> ast.stmt:
    """The innermost statement that contains a line."""
    found: ast.stmt = function
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and _covers(node, line):
            found = node
    return found


def _covers(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
