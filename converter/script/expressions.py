"""Expressions: what a statement of the script computes, as a typed tree.

    expr("ops.pad({0}, {1})", x, (0, 1))  is  Call(Name("ops.pad"), (x, (0, 1)))

Leaves are literals, names and what the program defines (variables, members, arguments, classes, helper functions).
There are two kinds of literal: a Python value (`3`) is data, and becomes an argument of a class where the instances of
this class differ in it; a `Constant` belongs to the form of the code (the `-1` of `x[..., -1]`), and never does.

Trees are values: compared by their content, never changed. `parts_of`, `map_parts` and `walk` are the only traversals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, TypeAlias, assert_never


class Leaf:
    """An object that a tree refers to but does not contain: a variable, a member, a class, an operand of a node."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """Its name in a listing of the program."""
        raise NotImplementedError


class Expression:
    """A node of a tree; `AnyExpression` lists every subclass."""

    __slots__ = ("_leaves",)  # cache of `leaves_of`


Literal: TypeAlias = bool | int | float | complex | str | bytes | EllipsisType | None

Arg: TypeAlias = Any
"""An element of a tree: a `Literal`, an `Expression`, a `Leaf`, a helper function, whose source is copied into the
script, or a tuple or list of these. It is `Any` since rows compute with the literals among them: `kernel[0] - 1`."""


@dataclass(frozen=True, slots=True)
class Name(Expression):
    """A global name, dotted if it belongs to a module: `ops.relu`, `ms.float32`, `range`; or the variable of a
    lambda or a comprehension.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    """A literal that belongs to the form of the code, and is never an argument of a class."""

    value: Literal


@dataclass(frozen=True, slots=True)
class Attribute(Expression):
    """`x.shape`."""

    value: Arg
    name: str


@dataclass(frozen=True, slots=True)
class Option(Expression):
    """The value of a keyword argument that is omitted from the script if it equals MindSpore's default."""

    value: Arg
    default: Arg


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """`nn.Conv2d(3, 64, 7, stride=2)`, `self.conv1(x)`, `x.reshape(shape)`.

    `names` are the names of the last arguments, which are keyword arguments.
    """

    function: Arg
    args: tuple[Arg, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def positional(self) -> tuple[Arg, ...]:
        """The positional arguments."""
        return self.args[: len(self.args) - len(self.names)]

    @property
    def keywords(self) -> tuple[tuple[str, Arg], ...]:
        """The keyword arguments: name and value."""
        return tuple(zip(self.names, self.args[len(self.args) - len(self.names) :], strict=True))


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """`x[0]`, `x[:, 1:3]`: several indices are a tuple."""

    value: Arg
    index: Arg


@dataclass(frozen=True, slots=True)
class Slice(Expression):
    """`start:stop:step` within an index; None for an omitted bound."""

    start: Arg = None
    stop: Arg = None
    step: Arg = None


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`-x`, `not x`, `~x`."""

    operator: str
    operand: Arg


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`a + b`, `a == b`, `a and b`, `a is not b`."""

    operator: str
    left: Arg
    right: Arg


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`then if test else orelse`."""

    then: Arg
    test: Arg
    orelse: Arg


@dataclass(frozen=True, slots=True)
class Starred(Expression):
    """`*items`: several elements of a tuple or several arguments."""

    value: Arg


@dataclass(frozen=True, slots=True)
class Lambda(Expression):
    """`lambda z: body`; the body has the parameters as `Name`s."""

    parameters: tuple[str, ...]
    body: Arg


@dataclass(frozen=True, slots=True)
class Comprehension(Expression):
    """`[element for variable in iterable]`; the element has the variable as a `Name`."""

    element: Arg
    variable: str
    iterable: Arg


@dataclass(frozen=True, slots=True)
class Raw(Expression):
    """Python of a kind that has no class of its own here, such as a dictionary: its text, in which the name `_part_0_`
    is a placeholder for the first part.
    """

    text: str
    args: tuple[Arg, ...] = ()


AnyExpression: TypeAlias = (
    Name
    | Constant
    | Attribute
    | Option
    | Call
    | Index
    | Slice
    | Unary
    | Binary
    | Conditional
    | Starred
    | Lambda
    | Comprehension
    | Raw
)


# Traversals


def parts_of(item: Arg) -> Sequence[Arg]:
    """The direct children of an argument, in the order of the text."""
    if isinstance(item, Expression):
        known: Any = item
        return _parts(known)
    return item if isinstance(item, (tuple, list)) else ()


def _parts(item: AnyExpression) -> Sequence[Arg]:
    match item:
        case Call():
            return (item.function, *item.args)
        case Name() | Constant():
            return ()
        case Index():
            return item.value, item.index
        case Attribute() | Option() | Starred():
            return (item.value,)
        case Binary():
            return item.left, item.right
        case Unary():
            return (item.operand,)
        case Slice():
            return tuple(bound for bound in (item.start, item.stop, item.step) if bound is not None)
        case Conditional():
            return item.then, item.test, item.orelse
        case Lambda():
            return (item.body,)
        case Comprehension():
            return item.element, item.iterable
        case Raw():
            return item.args
    assert_never(item)


def _with_parts(item: AnyExpression, parts: Sequence[Arg]) -> Expression:
    """The same kind of expression with other parts, as many as `parts_of` returns."""
    match item:
        case Call():
            return Call(parts[0], tuple(parts[1:]), item.names)
        case Name() | Constant():
            return item
        case Index() | Conditional():
            return type(item)(*parts)
        case Attribute():
            return Attribute(parts[0], item.name)
        case Option():
            return Option(parts[0], item.default)
        case Starred():
            return Starred(parts[0])
        case Binary():
            return Binary(item.operator, *parts)
        case Unary():
            return Unary(item.operator, parts[0])
        case Slice():
            given = iter(parts)
            return Slice(*(None if bound is None else next(given) for bound in (item.start, item.stop, item.step)))
        case Lambda():
            return Lambda(item.parameters, parts[0])
        case Comprehension():
            return Comprehension(parts[0], item.variable, parts[1])
        case Raw():
            return Raw(item.text, tuple(parts))
    assert_never(item)


def map_parts(item: Arg, function: Callable[[Arg], Arg]) -> Arg:
    """An argument with `function` applied to each of its direct parts; itself when none of them changes."""
    parts = parts_of(item)
    if not parts:
        return item
    mapped = [function(part) for part in parts]
    if all(new is old for new, old in zip(mapped, parts, strict=True)):
        return item
    if isinstance(item, (tuple, list)):
        return tuple(mapped) if isinstance(item, tuple) else mapped
    return _with_parts(item, mapped)


def walk(item: Arg) -> Iterator[Arg]:
    """An argument and all its descendants, in preorder, in the order of the text."""
    pending = [item]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(reversed(parts_of(part)))


def leaves_of(item: Arg) -> tuple[Leaf, ...]:
    """The leaves of an argument, in the order of the text. The leaves of an expression are cached."""
    if isinstance(item, Leaf):
        return (item,)
    known: tuple[Leaf, ...] | None = getattr(item, "_leaves", None)
    if known is None:
        known = tuple(leaf for part in parts_of(item) for leaf in leaves_of(part))
        if isinstance(item, Expression):
            object.__setattr__(item, "_leaves", known)
    return known


def is_literal(item: Arg) -> bool:
    """Whether an argument is data: a number, a string, None, or a tuple or list of such."""
    if isinstance(item, (tuple, list)):
        return all(is_literal(part) for part in item)
    return item is None or isinstance(item, (bool, int, float, complex, str, bytes))


def dimension_read(item: Arg) -> tuple[Arg, Arg] | None:
    """The tensor and the axis of `x.shape[axis]`; None for every other expression."""
    if isinstance(item, Index) and isinstance(item.value, Attribute) and item.value.name == "shape":
        return item.value.value, item.index
    return None


# Construction


def dimension(tensor: Arg, axis: Arg) -> Index:
    """Write an extent of a tensor: `x.shape[axis]`."""
    return Index(Attribute(tensor, "shape"), axis)


def invoke(name: str, *args: Arg, **options: Arg) -> Call:
    """Write a call: `invoke("nn.Conv2d", 3, 64, 7, stride=2)`."""
    return Call(Name(name), (*args, *options.values()), tuple(options))


def unless_default(**options: tuple[Arg, Arg]) -> dict[str, Option]:
    """Options and their defaults: of `unless_default(stride=(2, 1), group=(1, 1))` only `stride=2` is written."""
    return {name: Option(value, default) for name, (value, default) in options.items()}
