"""Emit: write a program down as a Python module, and find every statement again in the text.

Expressions become syntax trees (`ast`), so that parentheses, quotes and escapes are Python's own business; Jinja lays
the module out; ruff formats it. Positions are then read from the formatted text's syntax tree, whose statements stand
in the same order as the program's.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import templates
from converter.base.names import Namespace
from converter.errors import ScriptGenerationError
from converter.script.emit.coalescing import coalesced_variables
from converter.script.program import (
    Arg,
    Argument,
    Assign,
    Block,
    Branch,
    Cell,
    Expr,
    For,
    Member,
    Option,
    Program,
    Statement,
    Target,
    Variable,
    While,
    arguments_of,
    expr,
    expressions_of,
)

LINE_LENGTH = 120
Position = tuple[int, int]
"""Line and column, both counted from 1."""


@dataclass(frozen=True)
class Script:
    """A module's text, and where in it every member and statement of the program stands."""

    text: str
    positions: Mapping[int, Position]
    entry: Position
    """Where the entry class's `construct` begins."""

    def position(self, anchor: Member | Statement | Block | None) -> Position | None:
        """Line and column of a member's constructor or of a statement's value."""
        return self.positions.get(id(anchor)) if anchor is not None else None


def emit(program: Program, docstring: str) -> Script:
    """Write a program as a formatted module.

    Raises:
        ScriptGenerationError: the text is not Python (a row wrote something that is not an expression).
    """
    helpers = helpers_of(program)
    reserved = frozenset(helper.__name__ for helper in helpers) | frozenset(cell.name for cell in program.cells)
    cells = [_CellText(cell, reserved) for cell in program.cells]
    bodies = [inspect.getsource(helper).rstrip() for helper in helpers] + [text.source for text in cells]
    text = _template("script.py.jinja").render(
        docstring=_wrapped(docstring_of(docstring)),
        imports=_imports(bodies),
        helpers=bodies[: len(helpers)],
        cells=cells,
    )
    text = _format(text)
    positions = _positions(program, text)
    return Script(text, positions, positions[id(program.top)])


# Expressions


@functools.lru_cache(maxsize=4096)
def _parsed(template: str) -> ast.expr:
    """A template's syntax tree, its holes as names; `*{0}` stands for several elements of a tuple."""
    source = re.sub(r"\{(\d+)\}", r"_hole_\1_", template).replace("{{", "{").replace("}}", "}")
    try:
        if source.startswith("*"):
            return ast.Starred(ast.parse(source[1:], mode="eval").body, ast.Load())
        return ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ScriptGenerationError(
            f"a row wrote '{template}', which is not a Python expression ({error.msg})"
        ) from error


_LEFT_OUT = ast.Constant(...)
"""What an option with MindSpore's default becomes."""


class _Fill(ast.NodeTransformer):
    """Copies a template's tree with its holes filled."""

    def __init__(self, args: list[ast.expr]) -> None:
        self._args = args

    def generic_visit(self, node: ast.AST) -> ast.AST:
        fields = {
            name: [self.visit(item) if isinstance(item, ast.AST) else item for item in value]
            if isinstance(value, list)
            else self.visit(value)
            if isinstance(value, ast.AST)
            else value
            for name, value in ast.iter_fields(node)
        }
        if isinstance(node, ast.Call):
            fields["keywords"] = [keyword for keyword in fields["keywords"] if keyword.value is not _LEFT_OUT]
        return type(node)(**fields)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        hole = re.fullmatch(r"_hole_(\d+)_", node.id)
        return self._args[int(hole[1])] if hole else node


def tree_of(item: Arg, name: Callable[[Any], str]) -> ast.expr:
    """Turn an argument into a syntax tree; `name` writes variables, members, arguments, Cells and helpers."""
    match item:
        case Expr():
            return _Fill([tree_of(arg, name) for arg in item.args]).visit(_parsed(item.template))
        case Option():
            return _LEFT_OUT if item.value == item.default else tree_of(item.value, name)
        case tuple():
            return ast.Tuple([tree_of(part, name) for part in item], ast.Load())
        case list():
            return ast.List([tree_of(part, name) for part in item], ast.Load())
        case float() if item != item or item in (float("inf"), float("-inf")):
            return ast.Call(ast.Name("float"), [ast.Constant(str(item))], [])
        case int() | float() if str(item).startswith("-"):  # as Python reads it: `(-1) ** 2` needs its parentheses
            return ast.UnaryOp(ast.USub(), ast.Constant(-item))
        case bool() | None | str() | bytes() | int() | float() | complex():
            return ast.Constant(item)
        case _:
            return ast.Name(name(item))


# One Cell


class _CellText:
    """The lines of one Cell, for the template."""

    def __init__(self, cell: Cell, reserved: frozenset[str]) -> None:
        self._cell = cell
        self._names = Namespace(reserved)
        self._variables: dict[Variable, str] = {}
        self._merged = coalesced_variables(cell)
        self.name = cell.name
        lines = textwrap.wrap(docstring_of(cell.doc), LINE_LENGTH - len('    """"""'), break_on_hyphens=False)
        self.doc = "\n    ".join(lines)
        for value in cell.inputs:
            self._variable(value)
        self.arguments = [self._argument(argument) for argument in cell.arguments]
        self.inputs = [self._variables[value] for value in cell.inputs]
        self.kept = [argument.name for argument in cell.arguments if argument in _used_in_body(cell)]
        self.members = [f"self.{member.name} = {self._write(member.constructor, False)}" for member in cell.members]
        self.body = [*self._block(cell.body, 0), self._return(cell.body)]

    @property
    def source(self) -> str:
        """Everything that names modules, for the imports."""
        return "\n".join(["nn.Cell", *self.arguments, *self.members, *self.body])

    def _argument(self, argument: Argument) -> str:
        default = f"={self._write(argument.default, False)}" if argument.has_default else ""
        return argument.name + default

    def _write(self, item: Arg, in_construct: bool = True) -> str:
        return ast.unparse(tree_of(item, functools.partial(self._name, in_construct)))

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
            return item.__name__
        raise ScriptGenerationError(f"cannot write a {type(item).__name__} into a script")

    def _variable(self, value: Variable) -> str:
        value = self._merged.get(value, value)
        if value not in self._variables:
            self._variables[value] = self._names.new(value.hint)
        return self._variables[value]

    def _block(self, block: Block, depth: int) -> Iterator[str]:
        for statement in block.statements:
            yield from (("    " * depth) + line for line in self._statement(statement))

    def _statement(self, statement: Statement) -> Iterator[str]:
        match statement:
            case Assign():
                targets = ", ".join(map(self._target, statement.targets))
                yield f"{targets} = {self._write(statement.value)}" if targets else self._write(statement.value)
            case Branch():
                yield f"if {self._write(statement.condition)}:"
                yield from self._inner(statement.then, statement.targets)
                yield "else:"
                yield from self._inner(statement.orelse, statement.targets)
            case While():
                yield from self._initial(statement)
                yield f"while {self._write(statement.condition)}:"
                yield from self._inner(statement.body, statement.carried)
            case For():
                yield from self._initial(statement)
                yield f"for {self._variable(statement.index)} in {self._write(statement.over)}:"
                if statement.condition is not None:
                    yield f"    if {self._write(expr('not {0}', statement.condition))}:"
                    yield "        break"
                yield from self._inner(statement.body, statement.carried)

    def _target(self, target: Target) -> str:
        match target:
            case None:
                return "_"
            case Variable():
                return self._variable(target)
            case (single,):
                return f"({self._target(single)},)"
            case _:
                return f"({', '.join(map(self._target, target))})"

    def _initial(self, loop: While | For) -> Iterator[str]:
        for target, value in zip(loop.carried, loop.initial, strict=True):
            yield from self._assign((target,), (value,))

    def _inner(self, block: Block, targets: tuple[Variable, ...]) -> Iterator[str]:
        lines = [*self._block(block, 1), *("    " + line for line in self._assign(targets, block.results))]
        yield from lines or ["    pass"]

    def _assign(self, targets: tuple[Variable, ...], values: tuple[Arg, ...]) -> Iterator[str]:
        """Assign several at once, leaving out those that stay what they are."""
        written = [(self._variable(target), self._write(value)) for target, value in zip(targets, values, strict=True)]
        pairs = [(target, value) for target, value in written if target != value]
        if pairs:
            yield f"{', '.join(target for target, _ in pairs)} = {', '.join(value for _, value in pairs)}"

    def _return(self, block: Block) -> str:
        return f"return {', '.join(self._write(result) for result in block.results)}"


def _used_in_body(cell: Cell) -> set[Argument]:
    """The constructor arguments that `construct` reads, which `__init__` therefore keeps."""
    return {
        part
        for statement in cell.body.walk()
        for item in expressions_of(statement)
        for part in arguments_of(item)
        if isinstance(part, Argument)
    } | {part for item in cell.body.results for part in arguments_of(item) if isinstance(part, Argument)}


# The module


def helpers_of(program: Program) -> list[Callable[..., Any]]:
    """The helper functions that a program calls, and those that they call, callees first."""
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
        roots = [member.constructor for member in cell.members] + list(cell.body.results)
        roots += [item for statement in cell.body.walk() for item in expressions_of(statement)]
        for root in roots:
            for part in arguments_of(root):
                if inspect.isfunction(part):
                    add(part)
    return list(found)


def _global_names(code: Any) -> set[str]:
    inner = [constant for constant in code.co_consts if inspect.iscode(constant)]
    names = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    return names.union(*map(_global_names, inner))


def _imports(bodies: list[str]) -> list[str]:
    """The import statements that the text needs."""
    used = {node.id for body in bodies for node in _names_in(body)}
    standard = ["import math"] * ("math" in used)
    others = ["import numpy as np"] * ("np" in used) + ["import mindspore as ms"] * ("ms" in used)
    parts = [part for part in ("mint", "nn", "ops") if part in used]
    if parts:
        others.append(f"from mindspore import {', '.join(parts)}")
    order = {"import mindspore as ms": 0, "import numpy as np": 1}
    return [*standard, *[""] * bool(standard), *sorted(others, key=lambda line: order.get(line, 2))]


def _names_in(body: str) -> Iterator[ast.Name]:
    wrapped = body if body.startswith("def ") else "def _():\n" + textwrap.indent(body, "    ")
    try:
        tree = ast.parse(wrapped)
    except SyntaxError as error:
        raise ScriptGenerationError(f"the generated code is not Python: {error.msg}: {error.text}") from error
    return (node for node in ast.walk(tree) if isinstance(node, ast.Name))


def _wrapped(text: str) -> str:
    """Lines that are too long, continued on the next, further in; names stay whole."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())] + "    "
        options = {"subsequent_indent": indent, "break_long_words": False, "break_on_hyphens": False}
        lines += textwrap.wrap(line, LINE_LENGTH, **options) if len(line) > LINE_LENGTH else [line]  # type: ignore[arg-type]
    return "\n".join(lines)


def docstring_of(text: str) -> str:
    """Make any text safe between triple quotes: no backslash, no quote of three, only printable characters."""
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text.replace("\\", "/"))
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
    from ruff import find_ruff_bin  # type: ignore[attr-defined]

    command = [find_ruff_bin(), "format", "--isolated", "--line-length", str(LINE_LENGTH), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        raise ScriptGenerationError(f"the generated code is not Python: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


# Positions


def _positions(program: Program, text: str) -> dict[int, Position]:
    """Walk the program and the text's syntax tree side by side."""
    classes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}
    positions: dict[int, Position] = {}
    for cell in program.cells:
        functions = {node.name: node for node in classes[cell.name].body if isinstance(node, ast.FunctionDef)}
        assigned = {
            node.targets[0].attr: node.value
            for node in functions["__init__"].body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
        }
        positions[id(cell)] = _at(functions["construct"])
        for member in cell.members:
            positions[id(member)] = _at(assigned[member.name])
        _match(cell.body, functions["construct"].body, positions)
    return positions


def _match(block: Block, nodes: list[ast.stmt], positions: dict[int, Position]) -> None:
    remaining = iter(nodes)
    for statement in block.statements:
        node = next(remaining)
        match statement:
            case Assign():
                positions[id(statement)] = _at(node.value)  # type: ignore[attr-defined]
            case Branch():
                positions[id(statement)] = _at(node)
                _match(statement.then, node.body, positions)  # type: ignore[attr-defined]
                _match(statement.orelse, node.orelse, positions)  # type: ignore[attr-defined]
            case While() | For():
                while isinstance(node, ast.Assign):  # the carried variables' first values
                    node = next(remaining)
                positions[id(statement)] = _at(node)
                ends_early = isinstance(statement, For) and statement.condition is not None
                _match(statement.body, node.body[ends_early:], positions)  # type: ignore[attr-defined]
    end = next(remaining, None)  # the block's results: a return, or an assignment to the targets
    if isinstance(end, (ast.Return, ast.Assign)) and end.value is not None:
        positions[id(block)] = _at(end.value)


def _at(node: ast.AST) -> Position:
    return node.lineno, node.col_offset + 1  # type: ignore[attr-defined]
