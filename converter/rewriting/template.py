"""Templates: the text of a MindSpore call with slots for the arguments of PyTorch's.

`ops.softmax(input={input}, axis={dim})` has two slots. An argument of the template is left out where the source does
not give it; `{dim!}` is written then with PyTorch's default, because MindSpore's is another. `name={slot}` stays
positional where the source's argument is, as far as the positions are the same, and keeps its name behind a `*`;
`{slot}` alone is always positional. `{*size}` stands for all arguments that `*size` takes, `...` for all arguments as
they are. `{self}` is the receiver of a method.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from converter.rewriting.trees import children, nodes

_KEYWORDS = "keywords_follow"
_SLOT = re.compile(r"\{(\*?)(\w+)(!?)\}")


@dataclass(frozen=True)
class Slot:
    """A place for an argument.

    Attributes:
        name: PyTorch's parameter.
        star: whether it stands for all further positional arguments.
        required: whether PyTorch's default is written where the source has no such argument.
        atom: whether the place needs an expression that binds tightly, such as the receiver of a method.
    """

    name: str
    star: bool = False
    required: bool = False
    atom: bool = False


Pieces: TypeAlias = tuple["str | Slot", ...]


@dataclass(frozen=True)
class TemplateArgument:
    """An argument of the template's call: its keyword, if any, its text with slots, whether the keyword must stand."""

    keyword: str | None
    pieces: Pieces
    keyword_only: bool = False

    @property
    def slot(self) -> Slot | None:
        """The slot, if the argument is nothing else."""
        only = self.pieces[0]
        return only if len(self.pieces) == 1 and isinstance(only, Slot) else None

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every slot in it."""
        return tuple(each for each in self.pieces if isinstance(each, Slot))


@dataclass(frozen=True)
class Template:
    """A template that is a call, perhaps within other text.

    Attributes:
        text: as it was written.
        prefix, suffix: the text around the call; no slots are in it.
        callee: the function (`ops.softmax`); for a method of the receiver its name with a dot (`.swapaxes`).
        arguments: those of the call; None where it takes the source's as they are.
        receiver_first: whether the receiver stands before those of the source: `compat.roll({self}, ...)`.
        whole: the pieces of the whole text where it is no call.
    """

    text: str
    prefix: str = ""
    suffix: str = ""
    callee: str = ""
    arguments: tuple[TemplateArgument, ...] | None = None
    receiver_first: bool = False
    whole: Pieces = ()

    @property
    def method(self) -> bool:
        """Whether the callee is a method of the receiver."""
        return self.callee.startswith(".")

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every slot."""
        if self.whole:
            return tuple(each for each in self.whole if isinstance(each, Slot))
        return tuple(slot for argument in self.arguments or () for slot in argument.slots)


def slots_in(text: str) -> list[Slot]:
    """The slots of a template, found without parsing it."""
    return [Slot(match[2], bool(match[1]), bool(match[3])) for match in _SLOT.finditer(text)]


def takes_all(text: str) -> bool:
    """Whether a template takes the arguments of the source as they are."""
    return "...)" in text


@functools.cache
def template(text: str) -> Template:
    """Parse a template.

    Raises:
        ValueError: it is no expression.
    """
    slots: dict[str, Slot] = {}

    def name(match: re.Match[str]) -> str:
        identifier = f"slot{len(slots):03d}_"
        slots[identifier] = Slot(match[2], bool(match[1]), bool(match[3]))
        return identifier

    plain = _SLOT.sub(name, text).replace("*, ", f"{_KEYWORDS}=0, ")
    try:
        tree = ast.parse(plain, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"the template '{text}' is no expression: {error.msg}") from error
    reader = _Reader(plain, slots)
    call = reader.call_with_all_slots(tree)
    if call is None:
        return Template(text, whole=reader.pieces(tree, 0, len(plain)))
    prefix, suffix = plain[: reader.start(call)], plain[reader.end(call) :]
    function = plain[reader.start(call.func) : reader.end(call.func)]
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id in slots:
        function = f".{call.func.attr}"
    elif reader.has_slots(call.func):
        return Template(text, whole=reader.pieces(tree, 0, len(plain)))
    last = call.args[-1] if call.args else None
    if isinstance(last, ast.Constant) and last.value is ...:
        return Template(text, prefix, suffix, function, None, receiver_first=len(call.args) == 2)
    return Template(text, prefix, suffix, function, tuple(reader.arguments(call)))


class _Reader:
    """Reads the parts of a template from its text, in which slots are names."""

    def __init__(self, text: str, slots: dict[str, Slot]) -> None:
        self._text = text
        self._slots = slots
        self._lines = text.encode().splitlines(keepends=True)  # as Python counts lines

    def start(self, node: ast.expr) -> int:
        """Where a node begins in the text, which may have several lines of a source."""
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        before = b"".join(self._lines[: line - 1]) + self._lines[line - 1][:column]
        return len(before.decode())

    def has_slots(self, tree: ast.AST) -> bool:
        return any(isinstance(node, ast.Name) and node.id in self._slots for node in nodes(tree))

    def call_with_all_slots(self, tree: ast.expr) -> ast.Call | None:
        """The innermost call that holds every slot, and the `...`; None if it is not a call."""
        node: ast.expr = tree
        while True:
            inner = [child for child in children(node) if isinstance(child, (ast.expr, ast.keyword))]
            holding = [child for child in inner if self.has_slots(child) or _takes_all(child)]
            if isinstance(node, ast.Call):
                only = holding[0] if len(holding) == 1 else None
                if not isinstance(only, (ast.Call, ast.Subscript)) or only is node.func:
                    return node
                node = only
            elif len(holding) == 1 and isinstance(holding[0], (ast.Call, ast.Subscript)):
                node = holding[0]
            else:
                return None

    def arguments(self, call: ast.Call) -> Iterator[TemplateArgument]:
        for each in call.args:
            yield TemplateArgument(None, self._of(each))
        only = False
        for keyword in call.keywords:
            if keyword.arg == _KEYWORDS:
                only = True
            else:
                yield TemplateArgument(keyword.arg, self._of(keyword.value), only)

    def _of(self, node: ast.expr) -> Pieces:
        return self.pieces(node, self.start(node), self.end(node), argument=True)

    def pieces(self, tree: ast.expr, start: int, end: int, *, argument: bool = False) -> Pieces:
        """The text between two offsets of the template, with its slots."""
        loose = {id(tree)} if argument else set()
        for node in nodes(tree):
            if isinstance(node, ast.Call):
                loose |= {id(each) for each in (*node.args, *(keyword.value for keyword in node.keywords))}
            elif isinstance(node, (ast.Tuple, ast.List)):
                loose |= {id(each) for each in node.elts}
            elif isinstance(node, ast.Starred):
                loose.add(id(node.value))
        names = [node for node in nodes(tree) if isinstance(node, ast.Name) and node.id in self._slots]
        found: list[str | Slot] = []
        at = start
        for node in sorted(names, key=self.start):
            slot = self._slots[node.id]
            before = self._text[at : self.start(node)]
            if before:
                found.append(before)
            found.append(Slot(slot.name, slot.star, slot.required, atom=id(node) not in loose))
            at = self.end(node)
        if at < end:
            found.append(self._text[at:end])
        return tuple(found)


def _takes_all(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Constant) and each.value is ... for each in nodes(node))
