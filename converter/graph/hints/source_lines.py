"""Source lines: what the code that a node comes from calls its result, and the constants that it reads.

torch's exporter records with every node the lines of Python that led to it, outermost first:

    File "…/swin.py", line 260, in forward
        x = self.attn(x)
    File "…/swin.py", line 103, in forward
        attn = q @ k.transpose(-2, -1)
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

import onnx_ir as ir

from converter.graph.hints.origins import is_original

TORCH_LINES = "pkg.torch.onnx.stack_trace"

_FRAME = re.compile(r'File "(?P<file>[^"\n]*)", (?P<place>line \d+, in \S+)\n[ \t]*(?P<text>[^\n]*)')
_TORCH = re.compile(r"[\\/](site|dist)-packages[\\/]torch[\\/]")
_ASSIGNMENT = re.compile(r"(?P<targets>[A-Za-z_]\w*(?:, ?[A-Za-z_]\w*)*),? [-+*/@]?= ")
_VARIABLE = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?![\w(])")
_GETTER = re.compile(r"_*get_(\w+)")
_LIBRARIES = ("torch", "F", "nn", "math", "np")
_ARITHMETIC = re.compile(r"(add|addcmul|cat|div|matmul|maximum|minimum|mul|sub|where)_?")


class Line(NamedTuple):
    """One line of the source, and where it stands."""

    file: str
    place: str
    text: str


def assigned_name(node: ir.Node, index: int) -> str | None:
    """The variable of the source that an output of a node is assigned to; None for what a larger expression reads.

    Where a function returns it at once, it is what its caller assigns it to. Lines of torch itself say nothing. A node
    that the exporter put in the place of others has no lines: its parts are what those who read them call them.
    """
    lines = _lines_of(node)
    if not lines:
        return _names_by_readers(node)[index] if len(node.outputs) > 1 else None
    users = [_lines_of(user) for user in node.outputs[index].consumers()]
    for depth in range(len(lines), 0, -1):
        path = lines[:depth]
        if _TORCH.search(path[-1].file):
            continue
        if any(user[:depth] == path for user in users):
            return None
        if targets := _targets(path[-1].text):
            return targets[index] if len(targets) == len(node.outputs) else None
    return None


def read_name(value: ir.Value) -> str | None:
    """What the lines that read a constant call it, when only one of their words can mean it.

    The exporter computes `self.gamma.reshape(1, -1, 1, 1)` itself and calls the result `view_3`; what it took from the
    module as it is has that name already.
    """
    if is_original(value):
        return None
    names: set[str] = set()
    for user in value.consumers():
        text = _text_of(user)
        words = _left_for(user, value) - set(_targets(text))
        names |= {word.removeprefix("self.") for word in words}
    return names.pop() if len(names) == 1 else None


def words_read(value: ir.Value) -> set[str]:
    """The variables in the lines that read a value, whatever they mean."""
    return {word for user in value.consumers() for word in _VARIABLE.findall(_text_of(user))}


def _names_by_readers(node: ir.Node) -> list[str | None]:
    """A name for each output of a node, where its readers' lines leave one: no two outputs have the same."""
    left: dict[int, set[str]] = {}
    for index, output in enumerate(node.outputs):
        words = [_left_for(user, output) for user in output.consumers()]
        left[index] = {word for word in set().union(*words) if "." not in word}
    names: list[str | None] = [None] * len(left)
    while singles := [index for index, words in left.items() if len(words) == 1]:
        found = left.pop(singles[0])
        (names[singles[0]],) = found
        left = {other: words - found for other, words in left.items()}
    return names


def _left_for(node: ir.Node, value: ir.Value) -> set[str]:
    """The words of a node's line that can mean `value`."""
    words = _operands(_text_of(node))
    return {*words} - _names_of_others(node, value) if words else set()


def _names_of_others(node: ir.Node, value: ir.Value) -> set[str | None]:
    """What the source calls the values that a line reads beside `value`, from the node on that reads this."""
    names: set[str | None] = set()
    for other in node.inputs:
        producer = None if other is None or other is value else other.producer()
        if other is not None and producer is not None and _lines_of(producer):
            names.add(assigned_name(producer, producer.outputs.index(other)))
    result = node.outputs[0]
    for user in result.consumers():
        if _lines_of(user) == _lines_of(node) and _lines_of(user):
            names |= _names_of_others(user, result)
    return names


def _text_of(node: ir.Node) -> str:
    """The line of the source that a node comes from."""
    return next((line.text for line in reversed(_lines_of(node)) if not _TORCH.search(line.file)), "")


def _targets(text: str) -> list[str]:
    """The variables that a line assigns."""
    found = _ASSIGNMENT.match(text)
    return re.split(r", ?", found["targets"]) if found else []


@functools.lru_cache(maxsize=1024)
def _operands(text: str) -> frozenset[str]:
    """The variables and attributes (`self.x`) that a line computes with; a getter is called after what it gets."""
    try:
        statement = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return frozenset()  # a part of a statement
    value = getattr(statement, "value", None)
    return frozenset(_roots(value) if isinstance(value, ast.expr) else ())


def _roots(item: ast.expr) -> Iterator[str]:
    match item:
        case ast.BinOp():
            yield from _roots(item.left)
            yield from _roots(item.right)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            if getter := _GETTER.fullmatch(name):
                yield f"self.{getter[1]}"
        case ast.Call(func=ast.Attribute(value=receiver, attr=name)):
            for operand in (receiver, *(item.args if _ARITHMETIC.fullmatch(name) else ())):
                yield from _roots(operand)
        case ast.Subscript():
            yield from _roots(item.value)
        case ast.Tuple() | ast.List():  # the arguments of a call over several lines, what is concatenated
            for operand in item.elts:
                yield from _roots(operand)
        case ast.Attribute(value=ast.Name(id="self")):
            yield f"self.{item.attr}"
        case ast.Name() if item.id not in _LIBRARIES:
            yield item.id


def _lines_of(node: ir.Node) -> tuple[Line, ...]:
    return _parsed(node.metadata_props.get(TORCH_LINES, ""))


@functools.lru_cache(maxsize=1024)
def _parsed(trace: str) -> tuple[Line, ...]:
    return tuple(Line(found["file"], found["place"], found["text"]) for found in _FRAME.finditer(trace))
