"""Source lines: names of variables and constants, read from the lines of Python that a node was traced from.

torch's exporter records a stack trace in the metadata of every node, the outermost call first:

    File "…/swin.py", line 260, in forward
        x = self.attn(x)
    File "…/swin.py", line 103, in forward
        attn = q @ k.transpose(-2, -1)
"""

from __future__ import annotations

import ast
import functools
import heapq
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import onnx_ir as ir

from converter.graph.origins import is_original
from converter.graph.queries import readers_of

TORCH_LINES = "pkg.torch.onnx.stack_trace"

_FRAME = re.compile(r'File "(?P<file>[^"\n]*)", (?P<place>line \d+, in \S+)\n[ \t]*(?P<text>[^\n]*)')
_TORCH = re.compile(r"[\\/](site|dist)-packages[\\/]torch[\\/]")
_ASSIGNMENT = re.compile(r"(?P<targets>[A-Za-z_]\w*(?:, ?[A-Za-z_]\w*)*),? [-+*/@]?= ")
_VARIABLE = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?![\w(])")
_GETTER = re.compile(r"_*get_(\w+)")
_LIBRARIES = ("torch", "F", "nn", "math", "np")
_LONGEST_LINE = 64
"""Limit of nodes that are taken to come from one source line; more come from a line in a loop."""
_ARITHMETIC = re.compile(r"(add|addcmul|cat|div|matmul|maximum|minimum|mul|sub|where)_?")


class Line(NamedTuple):
    """One frame of a stack trace: a line of the source, its file and its place in it."""

    file: str
    place: str
    text: str


def assigned_names(node: ir.Node) -> list[str | None]:
    """The variables that the source assigns the outputs of a node to; None when a larger expression reads the output.

    When a function returns the value at once, the variable is that of the caller. Frames inside torch are ignored. A
    node that the exporter put in the place of others has no frames: its outputs are named by the lines that read them.
    """
    if len(node.outputs) > 1 and not _lines_of(node):
        return _names_by_readers(node)
    return [_assigned_name(node, index) for index in range(len(node.outputs))]


def _assigned_name(node: ir.Node, index: int) -> str | None:
    lines = _lines_of(node)
    users = [_lines_of(user) for user in readers_of(node.outputs[index])] if lines else []
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
    """The name by which source lines read a constant, if only one variable or attribute in them can be the constant.

    It names what the exporter folded: the result of `self.gamma.reshape(1, -1, 1, 1)` is `view_3` in the graph. For an
    unchanged parameter or buffer, which already has the module's name, the result is None.
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
    """All variables in the source lines of the nodes that read a value."""
    return {word for user in value.consumers() for word in _VARIABLE.findall(_text_of(user))}


def _names_by_readers(node: ir.Node) -> list[str | None]:
    """A name for each output of a node from the lines that read it, where exactly one is possible; names are unique."""
    left: list[set[str]] = []
    read: dict[str, list[int]] = defaultdict(list)  # word → the outputs that it may name
    for index, output in enumerate(node.outputs):
        words = [_left_for(user, output) for user in output.consumers()]
        left.append({word for word in set().union(*words) if "." not in word})
        for word in left[index]:
            read[word].append(index)
    names: list[str | None] = [None] * len(left)
    singles = [index for index, possible in enumerate(left) if len(possible) == 1]  # a heap: the first output first
    while singles:
        index = heapq.heappop(singles)
        for word in list(left[index]):
            names[index] = word
            for other in read[word]:
                left[other].discard(word)
                if len(left[other]) == 1:
                    heapq.heappush(singles, other)
    return names


def _left_for(node: ir.Node, value: ir.Value) -> set[str]:
    """The variables and attributes in a node's source line that can be `value`; its other operands are excluded."""
    words = _operands(_text_of(node))
    return {*words} - _names_of_others(node, value) if words else set()


def _names_of_others(node: ir.Node, value: ir.Value) -> set[str | None]:
    """The source's names of other values than `value` that `node` and later nodes of its source line read."""
    names: set[str | None] = set()
    lines = _lines_of(node)
    reached = {node: value}
    pending = [node]
    while pending and len(reached) <= _LONGEST_LINE:
        node = pending.pop()
        for other in node.inputs:
            producer = None if other is None or other is reached[node] else other.producer()
            if other is not None and producer is not None and _lines_of(producer):
                names.add(_assigned_name(producer, producer.outputs.index(other)))
        result = node.outputs[0]
        users = [user for user in result.consumers() if lines and user not in reached and _lines_of(user) == lines]
        reached.update(dict.fromkeys(users, result))
        pending += users
    return names


def _text_of(node: ir.Node) -> str:
    """The source line that a node was traced from: the innermost one outside torch."""
    return next((line.text for line in reversed(_lines_of(node)) if not _TORCH.search(line.file)), "")


def _targets(text: str) -> list[str]:
    """The variables that a source line assigns."""
    found = _ASSIGNMENT.match(text)
    return re.split(r", ?", found["targets"]) if found else []


@functools.lru_cache(maxsize=1024)
def _operands(text: str) -> frozenset[str]:
    """The variables and attributes (`self.x`) that a line reads; a call `self.get_x()` counts as `self.x`."""
    try:
        statement = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return frozenset()  # the line is only a part of a statement
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
        case ast.Tuple() | ast.List():  # arguments of a call that spans several lines, or items that are concatenated
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
