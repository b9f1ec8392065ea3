"""Calls: where their parts stand in the source."""

from __future__ import annotations

import ast
from typing import NamedTuple

from converter.rewriting.source import SourceFile


class Argument(NamedTuple):
    """An argument of a call in the source, by its offsets.

    Attributes:
        node: its expression.
        keyword: its name; None if it is positional, empty for `**`.
        start: where it begins, with its keyword.
        value: where its expression begins, with parentheses around it.
        end: where it ends.
    """

    node: ast.expr
    keyword: str | None
    start: int
    value: int
    end: int


class Layout(NamedTuple):
    """A call in the source.

    Attributes:
        start, end: the whole call.
        function_end: behind its function.
        opening, closing: its parentheses.
        arguments: in their order.
    """

    start: int
    end: int
    function_end: int
    opening: int
    closing: int
    arguments: tuple[Argument, ...]


def layout_of(call: ast.Call, file: SourceFile) -> Layout:
    """Find the parts of a call."""
    text = file.text
    function_end = file.end(call.func)
    while True:
        opening = skip(text, function_end)
        if text[opening : opening + 1] != b")":
            break
        function_end = opening + 1  # (f)(x)
    closing = file.end(call) - 1
    nodes: list[tuple[int, ast.expr, str | None]] = [(file.start(each), each, None) for each in call.args]
    nodes += [(file.start(each), each.value, each.arg or "") for each in call.keywords]
    nodes.sort(key=lambda each: each[0])
    found: list[Argument] = []
    at = opening + 1
    for number, (_, node, keyword) in enumerate(nodes):
        start = skip(text, at)
        value = start
        if keyword:
            value = skip(text, text.index(b"=", start) + 1)
        elif keyword == "":
            value = skip(text, start + 2)
        end = min(file.end(node), closing)
        if isinstance(node, ast.GeneratorExp) and file.start(node) == opening:
            start = value = skip(text, opening + 1)
            end = closing
        after = skip(text, end)
        while text[after : after + 1] == b")" and after < closing:
            end = after + 1
            after = skip(text, end)
        found.append(Argument(node, keyword, start, value, end))
        at = after + 1 if number + 1 < len(nodes) else after
    return Layout(file.start(call), closing + 1, function_end, opening, closing, tuple(found))


def skip(text: bytes, at: int) -> int:
    """The next byte that is no white space, comment or line continuation."""
    while at < len(text):
        byte = text[at : at + 1]
        if byte in b" \t\f\r\n":
            at += 1
        elif byte == b"#":
            ends = [each for each in (text.find(b"\n", at), text.find(b"\r", at)) if each >= 0]
            at = min(ends) if ends else len(text)
        elif byte == b"\\" and text[at + 1 : at + 2] in b"\r\n":
            at += 2
        else:
            return at
    return at


def wrapped(text: str) -> bool:
    """Whether parentheses stand around the whole text."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for number, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and number < len(text) - 1:
            return False
    return True
