"""Signatures: the form of a region, without names and with slots for literals.

Two regions with one signature are call sites of one class; the literals that differ between them become arguments of
its constructor.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from converter.script.expressions import (
    Arg,
    Attribute,
    Binary,
    Call,
    Constant,
    Expression,
    Name,
    Option,
    Unary,
    is_literal,
    map_parts,
    parts_of,
)
from converter.script.mindspore_api import PARAMETERS
from converter.script.program import Cell, Member
from converter.script.statements import (
    Assign,
    Block,
    Statement,
    Target,
    Variable,
    blocks_of,
    bound_within,
    defined_by,
    map_statement,
    operands_of,
)

UNNAMED = "value"
"""The name of an argument of a function whose parameters are not known."""
_SHORTER = {"paddings": "padding", "split_size_or_sections": "split_sizes"}
"""Parameter of MindSpore → the name of an argument that is given to it."""


@dataclass(frozen=True)
class Place:
    """The place of a literal: the call's function, and the argument's position or keyword."""

    function: Arg = None
    position: int = 0
    keyword: str = ""

    @property
    def name(self) -> str:
        """The parameter name in the function: `in_channels` for the first argument of `nn.Conv2d`."""
        if self.keyword:
            return self.keyword
        names = _parameters_of(self.function)
        name = names[self.position] if self.position < len(names) else UNNAMED
        return _SHORTER.get(name, name)


@dataclass(frozen=True)
class Slot:
    """A literal of a region.

    Attributes:
        value: the literal, or the constructor of a member.
        place: the argument of a call that it is, or is a part of.
        owner: the statement or member that contains it.
        default: the value if the argument is omitted; `...` if it cannot be omitted.
    """

    value: Arg
    place: Place
    owner: Statement | Member
    default: Arg = ...

    @property
    def name(self) -> str:
        """The name of the argument."""
        return self.place.name


@dataclass(eq=False)
class Signature:
    """The form of a region.

    Attributes:
        key: equal for regions that can be call sites of one class.
        slots: the literals, in order.
        values: the variables, numbered in the order of their appearance.
        members: the members, likewise.
        statements: the statements; those of inner blocks follow the statement that contains the block.
    """

    key: tuple[Any, ...] = ()
    slots: list[Slot] = field(default_factory=list)
    values: dict[Variable, int] = field(default_factory=dict)
    members: dict[Member, int] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)


def signature_of(
    statements: Sequence[Statement],
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    skip: tuple[Sequence[Statement], Variable] | None = None,
    passed: Collection[int] = (),
    equal: Mapping[Variable | Member, Variable] = MappingProxyType({}),
) -> Signature:
    """Describe a run of statements with its inputs and outputs.

    `skip` has statements to omit, and the variable that replaces the result of the last of them; `passed` the numbers
    of members whose constructors are slots as a whole; `equal` has variables, and members, that are taken
    for other variables.
    """
    made = Signature()
    left_out = set() if skip is None else set(skip[0])
    walker = _Walker(made, equal if skip is None else {**equal, _only_target(skip[0][-1]): skip[1]})
    for value in inputs:
        made.values[value] = len(made.values)
    body = [walker.statement(s) for s in statements if s not in left_out]
    results = tuple(walker.arg(value) for value in outputs)
    members: list[Any] = []
    for member in made.members:  # constructors contain no further members
        walker.owner = member
        if len(members) in passed:
            made.slots.append(Slot(member.constructor, Place(), member))
            members.append((("passed",), ()))
        else:
            members.append((walker.arg(member.constructor), _kinds(member.weights)))
    made.key = (len(inputs), tuple(body), results, tuple(members))
    return made


def _kinds(weights: Iterable[str]) -> tuple[str, ...]:
    """The names of parameters, without the index in a sequence: sequences may differ in length."""
    return tuple(dict.fromkeys(re.sub(r"^\d+\.", "", name) for name in weights))


def _only_target(statement: Statement) -> Variable:
    (target,) = defined_by(statement)
    return target


class _Walker:
    """Numbers variables and members in the order of their appearance, and collects literals."""

    def __init__(self, made: Signature, aliases: Mapping[Variable | Member, Variable]) -> None:
        self._made = made
        self._aliases = aliases
        self.owner: Any = None

    def statement(self, statement: Statement) -> tuple[Any, ...]:
        self._made.statements.append(statement)
        self.owner = statement
        operands = tuple(map(self.arg, operands_of(statement)))
        if isinstance(statement, Assign):
            return Assign, operands, self._targets(statement.targets)
        bound = tuple(map(self._value, bound_within(statement)))
        inner = tuple(map(self._block, blocks_of(statement)))
        return type(statement), operands, bound, inner, tuple(map(self._value, defined_by(statement)))

    def _block(self, block: Block) -> tuple[Any, ...]:
        return tuple(map(self.statement, block.statements)), tuple(map(self.arg, block.results))

    def _targets(self, targets: tuple[Target, ...]) -> tuple[Any, ...]:
        return tuple(
            None if t is None else self._targets(t) if isinstance(t, tuple) else self._value(t) for t in targets
        )

    def _value(self, value: Variable) -> int:
        value = self._aliases.get(value, value)
        return self._made.values.setdefault(value, len(self._made.values))

    def arg(self, item: Arg, place: Place = Place(), default: Arg = ...) -> tuple[Any, ...]:
        match item:
            case Variable():
                return "v", self._value(item)
            case Member() if item in self._aliases:
                return "v", self._value(self._aliases[item])
            case Member():
                return "m", self._made.members.setdefault(item, len(self._made.members))
            case Option():
                return self.arg(item.value, place, item.default)
            case Expression():
                return self._expression(item, place)
            case tuple() | list() if not is_literal(item):
                return type(item), tuple(self.arg(part, place) for part in item)
        if is_literal(item):
            self._made.slots.append(Slot(item, place, self.owner, default))
            return ("h",)
        return "i", item  # a class or a helper function: compared by identity

    def _expression(self, item: Expression, place: Place) -> tuple[Any, ...]:
        match item:
            case Name():
                return Name, item.path
            case Constant():
                return Constant, type(item.value), item.value
            case Call():
                count = len(item.positional)
                places = [Place(item.function, i) for i in range(count)]
                places += [Place(item.function, keyword=name) for name in item.names]
                return Call, self.arg(item.function), item.names, tuple(map(self.arg, item.args, places))
            case Attribute():
                return Attribute, item.name, self.arg(item.value, place)
            case Unary() | Binary():
                return type(item), item.operator, tuple(self.arg(part, place) for part in parts_of(item))
        return type(item), tuple(self.arg(part, place) for part in parts_of(item))


def fill(statements: Iterable[Statement], members: Iterable[Member], literals: Iterable[Arg]) -> None:
    """Replace the literal in every slot, in the order of `Signature.slots`."""
    remaining = iter(literals)

    def replaced(item: Arg) -> Arg:
        return next(remaining) if is_literal(item) else map_parts(item, replaced)

    for statement in statements:
        map_statement(statement, replaced)
    for member in members:
        member.constructor = replaced(member.constructor)


# Names of parameters


def _parameters_of(function: Arg) -> tuple[str, ...]:
    """The names of a function's parameters, in order; empty when they are not known."""
    match function:
        case Name(path="range"):
            return ("count",)
        case Attribute(name="reshape" | "broadcast_to"):
            return ("size",)
        case Name():
            return tuple(PARAMETERS.get(function.path, "").split())
        case Cell():
            return tuple(argument.name for argument in function.arguments)
    if not inspect.isfunction(function):
        return ()
    return tuple(name for name in inspect.signature(function).parameters if name != "self")
