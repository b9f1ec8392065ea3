"""Emit: write a program as a Python module, and find the position of every statement in the text.

Expressions become syntax trees (`ast`), so that Python itself writes parentheses, quotes and escapes; a Jinja template
arranges the module; ruff formats it. Positions are then read from the formatted text's syntax tree, whose statements
have the same order as the program's.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import templates
from converter.base.names import Namespace
from converter.errors import ScriptGenerationError, visible
from converter.script.emit.coalescing import coalesced_variables
from converter.script.expressions import Arg, Attribute, Comprehension, walk
from converter.script.frozen import frozen_parameters
from converter.script.printer import text_of
from converter.script.program import Argument, Cell, Member, Program
from converter.script.statements import (
    Assign,
    Block,
    Branch,
    For,
    Statement,
    Variable,
    While,
    expressions_in,
    lines_of,
    return_line,
    visit_block,
)

__all__ = ["Position", "Script", "definitions_of", "emit", "emit_unformatted", "write_module"]

LINE_LENGTH = 120
Position = tuple[int, int]
"""Line and column, both counted from 1."""
Anchor: TypeAlias = Cell | Member | Statement | Block
"""What has a position: a Cell (its `construct`), a member, a statement, a block (its results)."""


@dataclass(frozen=True)
class Script:
    """A module's text, and the position in it of every Cell, member and statement of the program."""

    text: str
    positions: Mapping[Anchor, Position]
    entry: Position
    """The position of the entry class's `construct`."""

    def position(self, anchor: Anchor | None) -> Position | None:
        """Line and column of a member's constructor or of a statement's value."""
        return self.positions.get(anchor) if anchor is not None else None


def emit(program: Program, docstring: str) -> Script:
    """Write a program as a formatted module.

    Raises:
        ScriptGenerationError: the text is not Python (a row wrote something that is not an expression).
    """
    text = write_module("script.py.jinja", definitions_of(program), docstring)
    positions = _positions(program, text)
    return Script(text, positions, positions[program.top])


def emit_unformatted(program: Program, docstring: str) -> str:
    """Write a program as a module that nobody reads."""
    return _rendered("script.py.jinja", definitions_of(program), docstring)


def definitions_of(program: Program) -> list[str]:
    """The helper functions and the classes of a program, callees first, each as unformatted code."""
    helpers = helpers_of(program)
    reserved = frozenset(helper.__name__ for helper in helpers) | frozenset(cell.name for cell in program.cells)
    template, frozen = _template("cell.py.jinja"), frozen_parameters(program).conditions
    cells = [
        template.render(cell=_CellText(cell, reserved), frozen=frozen if cell is program.top else ())
        for cell in program.cells
    ]
    return [inspect.getsource(helper).rstrip() for helper in helpers] + [text.rstrip() for text in cells]


def write_module(template: str, definitions: Sequence[str], docstring: str, code: str = "", **context: Any) -> str:
    """Write a formatted module.

    Args:
        template: the name of a template.
        definitions: functions and classes.
        docstring: the module's.
        code: other code of the template, which uses modules that have to be imported.
        context: what the template needs besides.

    Raises:
        ScriptGenerationError: the text is not Python.
    """
    return _format(_rendered(template, definitions, docstring, code, **context))


def _rendered(template: str, definitions: Sequence[str], docstring: str, code: str = "", **context: Any) -> str:
    text: str = _template(template).render(
        docstring=_wrapped(docstring_of(docstring)),
        imports=_imports([*definitions, code]),
        definitions=definitions,
        **context,
    )
    return text


# One Cell


class _CellText:
    """The lines of one Cell, for the template."""

    def __init__(self, cell: Cell, reserved: frozenset[str]) -> None:
        self._cell = cell
        self._names = Namespace(reserved | _comprehended(cell))
        self._variables: dict[Variable, str] = {}
        self._merged = coalesced_variables(cell)
        self.name = cell.name
        lines = textwrap.wrap(docstring_of(cell.doc), LINE_LENGTH - len('    """"""'), break_on_hyphens=False)
        self.doc = "\n    ".join(lines)
        for value in cell.inputs:
            self._variable(value)
        self.arguments = [self._argument(argument) for argument in cell.arguments]
        self.inputs = [self._variables[value] + ("=None" if value.is_optional else "") for value in cell.inputs]
        if cell.open_ended:
            self.inputs[-1] = f"*{self.inputs[-1]}"
        self.kept = [argument.name for argument in cell.arguments if argument in _used_in_body(cell)]
        tied = _tied(cell)
        self.members = [
            f"{tied.get(member, '')}self.{member.name} = {self._write(member.constructor, False)}"
            for member in cell.members
        ]
        self.body = [*lines_of(cell.body, self._write), return_line(cell.body, self._write)]

    def _argument(self, argument: Argument) -> str:
        default = f"={self._write(argument.default, False)}" if argument.has_default else ""
        return argument.name + default

    def _write(self, item: Arg, in_construct: bool = True) -> str:
        return text_of(item, functools.partial(self._name, in_construct))

    def _name(self, in_construct: bool, item: Any) -> str:
        match item:
            case Variable():
                return self._variable(item)
            case Member():
                return f"self.{item.name}"
            case Argument():
                return f"self.{item.name}" if in_construct else item.name
            case Cell():
                return item.name
        if callable(item):
            return str(item.__name__)
        raise ScriptGenerationError(f"cannot write a {type(item).__name__} into a script")

    def _variable(self, value: Variable) -> str:
        value = self._merged.get(value, value)
        if value not in self._variables:
            self._variables[value] = self._names.new(value.hint)
        return self._variables[value]


def _comprehended(cell: Cell) -> set[str]:
    """The names that comprehensions in `construct` give to elements."""
    found = (part.variable for part in visit_block(cell.body) if isinstance(part, Comprehension))
    return {name for variable in found for name in variable.split(", ")}


def _tied(cell: Cell) -> dict[Member, str]:
    """A comment for each layer of which `construct` reads a parameter: another layer or a formula shares its weight."""
    read: dict[Member, dict[str, None]] = {}
    for part in visit_block(cell.body):
        if isinstance(part, Attribute) and isinstance(part.value, Member) and part.name in part.value.weights:
            read.setdefault(part.value, {})[part.name] = None
    return {member: _tied_comment(tuple(names)) for member, names in read.items()}


def _tied_comment(names: tuple[str, ...]) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"# tied in the source: its {' and '.join(names)} {verb} also used below\n        "


def _used_in_body(cell: Cell) -> set[Argument]:
    """The constructor arguments that `construct` reads; `__init__` assigns them to `self`."""
    return {part for part in visit_block(cell.body) if isinstance(part, Argument)}


# The module


def helpers_of(program: Program) -> list[Callable[..., Any]]:
    """The helper functions that a program calls, directly or through other helper functions, callees first."""
    found: dict[Callable[..., Any], None] = {}

    def add(helper: Callable[..., Any]) -> None:
        if helper in found:
            return
        for name in _global_names(helper.__code__):
            inner = helper.__globals__.get(name)
            if inspect.isfunction(inner):
                add(inner)
        found[helper] = None

    for cell in program.cells:
        for root in (*(member.constructor for member in cell.members), *expressions_in(cell.body)):
            for part in walk(root):
                if inspect.isfunction(part):
                    add(part)
    return list(found)


def _global_names(code: Any) -> list[str]:
    """The global names that a function's code reads, inner functions included, in the order of the code."""
    names = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    for constant in code.co_consts:
        names += _global_names(constant) if inspect.iscode(constant) else []
    return list(dict.fromkeys(names))


def _imports(bodies: list[str]) -> list[str]:
    """The import statements that the text needs."""
    used = {node.id for body in bodies for node in _names_in(body)}
    standard = ["import math"] * ("math" in used)
    others = ["import numpy as np"] * ("np" in used) + ["import mindspore as ms"] * ("ms" in used)
    parts = [part for part in ("dataset", "mint", "nn", "ops") if part in used]
    if parts:
        others.append(f"from mindspore import {', '.join(parts)}")
    order = {"import mindspore as ms": 0, "import numpy as np": 1}
    return [*standard, *[""] * bool(standard), *sorted(others, key=lambda line: order.get(line, 2))]


def _names_in(body: str) -> Iterator[ast.Name]:
    wrapped = body if body.startswith(("def ", "class ")) else "def _():\n    pass\n" + textwrap.indent(body, "    ")
    try:
        tree = ast.parse(wrapped)
    except SyntaxError as error:
        raise ScriptGenerationError(f"the generated code is not Python: {error.msg}: {error.text}") from error
    return (node for node in ast.walk(tree) if isinstance(node, ast.Name))


def _wrapped(text: str) -> str:
    """Wrap lines that are too long, with deeper indentation; names are not broken."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())] + "    "
        options = {"subsequent_indent": indent, "break_long_words": False, "break_on_hyphens": False}
        lines += textwrap.wrap(line, LINE_LENGTH, **options) if len(line) > LINE_LENGTH else [line]  # type: ignore[arg-type]
    return "\n".join(lines)


def docstring_of(text: str) -> str:
    """Make a text safe as a docstring: no backslashes, no triple quotes, only printable characters."""
    printable = "\n".join(map(visible, text.replace("\\", "/").split("\n")))
    return printable.replace('"""', "'''").rstrip('"')


@functools.cache
def _template(name: str) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates.FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    return environment.get_template(name)


def _format(text: str) -> str:
    """Format a module with ruff."""
    from ruff import find_ruff_bin

    command = [find_ruff_bin(), "format", "--isolated", "--line-length", str(LINE_LENGTH), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ScriptGenerationError(f"the generated code is not Python: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


# Positions


def _positions(program: Program, text: str) -> dict[Anchor, Position]:
    """Find the positions by walking the program and the text's syntax tree in parallel."""
    classes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    positions: dict[Anchor, Position] = {}
    for cell in program.cells:
        functions = {node.name: node for node in classes[cell.name].body if isinstance(node, ast.FunctionDef)}
        assigned = {
            node.targets[0].attr: node.value
            for node in functions["__init__"].body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
        }
        positions[cell] = _at(functions["construct"])
        for member in cell.members:
            positions[member] = _at(assigned[member.name])
        _match(cell.body, functions["construct"].body, positions)
    return positions


def _match(block: Block, nodes: list[ast.stmt], positions: dict[Anchor, Position]) -> None:
    remaining = iter(nodes)
    for statement in block.statements:
        node = next(remaining)
        match statement:
            case Assign():
                positions[statement] = _at(node.value)  # type: ignore[attr-defined]
            case Branch():
                positions[statement] = _at(node)
                _match(statement.then, node.body, positions)  # type: ignore[attr-defined]
                _match(statement.orelse, node.orelse, positions)  # type: ignore[attr-defined]
            case While() | For():
                while isinstance(node, ast.Assign):  # the carried variables' first values
                    node = next(remaining)
                positions[statement] = _at(node)
                ends_early = isinstance(statement, For) and statement.condition is not None
                _match(statement.body, node.body[ends_early:], positions)  # type: ignore[attr-defined]
    end = next(remaining, None)  # the block's results: a return, or an assignment to the targets
    if isinstance(end, (ast.Return, ast.Assign)) and end.value is not None:
        positions[block] = _at(end.value)


def _at(node: ast.AST) -> Position:
    return node.lineno, node.col_offset + 1  # type: ignore[attr-defined]
