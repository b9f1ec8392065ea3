"""Signatures: what a region looks like when names are forgotten and literals are holes.

Two regions with one signature are two calls of one class; the literals that differ between them become arguments of its
constructor.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from converter.script.mindspore_api import PARAMETERS
from converter.script.program import (
    Arg,
    Assign,
    Block,
    Branch,
    Cell,
    Expr,
    For,
    Member,
    Option,
    Statement,
    Target,
    Variable,
    While,
    blocks_of,
    defined_by,
)


@dataclass(frozen=True)
class Argued:
    """Where an argument stands in a call: which of its template, and what that calls when it is `{0}`."""

    template: str = "{0}"
    position: int = 0
    called: Arg = None


@dataclass(frozen=True)
class Hole:
    """A literal of a region.

    Attributes:
        value: the literal.
        argued: which argument of a call it is, or a part of.
        place: the statement or member that it stands in.
        default: what it is when it is left out; `...` when it cannot be.
    """

    value: Arg
    argued: Argued
    place: Statement | Member
    default: Arg = ...

    @property
    def name(self) -> str:
        """What the call that it is an argument of calls it."""
        return parameter_name(self.argued.template, self.argued.position, self.argued.called)


@dataclass
class Signature:
    """A region, canonically.

    Attributes:
        key: equal for regions of one class.
        holes: its literals, in order.
        values: its variables in the order of their appearance; members, statements likewise.
    """

    key: tuple[Any, ...] = ()
    holes: list[Hole] = field(default_factory=list)
    values: dict[Variable, int] = field(default_factory=dict)
    members: dict[Member, int] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)


def signature_of(
    statements: list[Statement],
    inputs: list[Variable],
    outputs: list[Variable],
    skip: tuple[list[Statement], Variable] | None = None,
) -> Signature:
    """Describe a run of statements with its inputs and outputs.

    `skip` leaves statements out and takes the given variable in place of what the last of them makes.
    """
    made = Signature()
    left_out = set() if skip is None else {id(statement) for statement in skip[0]}
    walker = _Walker(made, {} if skip is None else {_only_target(skip[0][-1]): skip[1]})
    for value in inputs:
        made.values[value] = len(made.values)
    body = [walker.statement(s) for s in statements if id(s) not in left_out]
    results = tuple(walker.arg(value) for value in outputs)
    members = []
    for member in made.members:  # the walk of a constructor meets no further members
        walker.place = member
        members.append((walker.arg(member.constructor), _kinds(member.weights)))
    made.key = (len(inputs), tuple(body), results, tuple(members))
    return made


def _kinds(weights: Iterable[str]) -> tuple[str, ...]:
    """The names of parameters, without the number in a sequence: sequences may differ in their length."""
    return tuple(dict.fromkeys(re.sub(r"^\d+\.", "", name) for name in weights))


def _only_target(statement: Statement) -> Variable:
    (target,) = defined_by(statement)
    return target


class _Walker:
    """Walks a region, numbering what it meets."""

    def __init__(self, made: Signature, aliases: dict[Variable, Variable]) -> None:
        self._made = made
        self._aliases = aliases
        self.place: Any = None

    def statement(self, statement: Statement) -> tuple[Any, ...]:
        self._made.statements.append(statement)
        self.place = statement
        match statement:
            case Assign():
                value = self.arg(statement.value)
                return "assign", value, self._targets(statement.targets)
            case Branch():
                head: tuple[Any, ...] = ("if", self.arg(statement.condition))
            case While():
                head = ("while", self.arg(statement.initial), *map(self._value, statement.carried))
                head += (self.arg(statement.condition),)
            case For():
                head = ("for", self.arg(statement.over), self.arg(statement.initial), self._value(statement.index))
                head += (*map(self._value, statement.carried), self.arg(statement.condition))
        inner = tuple(self._block(block) for block in blocks_of(statement))
        return (*head, inner, tuple(map(self._value, defined_by(statement))))

    def _block(self, block: Block) -> tuple[Any, ...]:
        return tuple(self.statement(s) for s in block.statements), self.arg(block.results)

    def _targets(self, targets: tuple[Target, ...]) -> tuple[Any, ...]:
        return tuple(
            None if t is None else self._targets(t) if isinstance(t, tuple) else self._value(t) for t in targets
        )

    def _value(self, value: Variable) -> int:
        value = self._aliases.get(value, value)
        return self._made.values.setdefault(value, len(self._made.values))

    def arg(self, item: Arg, argued: Argued = Argued(), default: Arg = ...) -> tuple[Any, ...]:
        match item:
            case Variable():
                return "v", self._value(item)
            case Member():
                return "m", self._made.members.setdefault(item, len(self._made.members))
            case Expr():
                first = item.args[0] if item.args else None
                known: list[Any] = [Argued(item.template, i, first) for i in range(len(item.args))]
                if "(" not in item.template:  # arithmetic on what a call takes
                    known = [argued] * len(item.args)
                return "e", item.template, tuple(map(self.arg, item.args, known))
            case Option():
                return self.arg(item.value, argued, item.default)
            case tuple() | list() if not is_literal(item):
                return type(item).__name__, tuple(self.arg(part, argued) for part in item)
            case Cell():
                return "c", id(item)
        if callable(item):
            return "f", item.__qualname__
        self._made.holes.append(Hole(item, argued, self.place, default))
        return ("h",)


def is_literal(item: Arg) -> bool:
    """Whether an argument is written out as it is: a number, a string, None, or a tuple or list of such."""
    if isinstance(item, (tuple, list)):
        return all(is_literal(part) for part in item)
    return item is None or isinstance(item, (bool, int, float, complex, str, bytes))


def parameter_name(template: str, hole: int, called: Arg) -> str:
    """What the function that a template calls calls the argument in a hole: `in_channels` in `nn.Conv2d({0}, …)`."""
    name, position = _parameter(template, hole)
    if position is None:
        return name
    names = _names_of(called) if name == "{0}" else _mindspore_parameters(name)
    return names[position] if position < len(names) else "value"


@functools.cache
def _parameter(template: str, hole: int) -> tuple[str, int | None]:
    """The name of an argument, or the function and which of its arguments it is."""
    keyword = re.search(rf"(\w+)=\{{{hole}\}}", template)
    if keyword:
        return keyword[1], None
    if f"range({{{hole}}})" in template:
        return "count", None
    arguments = re.match(r"([\w.]+|\{0\})\(([^()]*)\)$", template)
    positions = [part.strip() for part in arguments[2].split(",")] if arguments else []
    if arguments is None or f"{{{hole}}}" not in positions:
        return "value", None
    return arguments[1], positions.index(f"{{{hole}}}")


def _names_of(called: Arg) -> tuple[str, ...]:
    if isinstance(called, Cell):
        return tuple(argument.name for argument in called.arguments)
    return _parameters(called) if inspect.isfunction(called) else ()


def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(name for name in inspect.signature(function).parameters if name != "self")
    except (TypeError, ValueError):
        return ()


@functools.cache
def _mindspore_parameters(name: str) -> tuple[str, ...]:
    """The parameter names of an API: `nn.Conv2d` has `in_channels`, `out_channels`, …; by introspection if need be."""
    if name in PARAMETERS:
        return tuple(PARAMETERS[name].split())
    import mindspore
    from mindspore import nn, ops

    found: Any = {"ms": mindspore, "nn": nn, "ops": ops}.get(name.split(".")[0])
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    if found is None:
        return ()
    return _parameters(found.__init__ if inspect.isclass(found) else found)


def fill(statements: list[Statement], members: Iterable[Member], literals: Iterable[Arg]) -> None:
    """Put one argument into every hole, in the order in which `signature_of` finds them."""
    remaining = iter(literals)

    def filled(item: Arg) -> Arg:
        match item:
            case Expr():
                return Expr(item.template, tuple(filled(arg) for arg in item.args))
            case Option():
                return Option(filled(item.value), item.default)
            case tuple() if not is_literal(item):
                return tuple(filled(part) for part in item)
            case list() if not is_literal(item):
                return [filled(part) for part in item]
        return next(remaining) if is_literal(item) else item

    def fill_statement(statement: Statement) -> None:
        match statement:
            case Assign():
                statement.value = filled(statement.value)
            case Branch():
                statement.condition = filled(statement.condition)
            case While():
                statement.initial = filled(statement.initial)
                statement.condition = filled(statement.condition)
            case For():
                statement.over = filled(statement.over)
                statement.initial = filled(statement.initial)
                statement.condition = filled(statement.condition)
        for block in blocks_of(statement):
            for inner in block.statements:
                fill_statement(inner)
            block.results = filled(block.results)

    for statement in statements:
        fill_statement(statement)
    for member in members:
        member.constructor = filled(member.constructor)
