"""Arguments: the literals that differ between the instances of a class become arguments of its constructor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from converter.base.names import Namespace, identifier
from converter.script.expressions import Arg, Binary, Expression
from converter.script.program import Argument, Member
from converter.script.statements import Variable, defined_by
from converter.script.structure.signature import UNNAMED, Slot

ABSENT = object()
"""The value for a literal of an optional statement in an instance that lacks this statement."""

_SIZES = ("size", "length", "extent")
"""Names of numbers that are parts of shapes."""

FEWEST_TO_DERIVE = 3
"""A constant ratio between fewer different values is taken for a coincidence."""


@dataclass(eq=False)
class Column:
    """A literal that differs between instances.

    Attributes:
        values: its value in each instance, or `ABSENT`.
        slots: the slots of the class that contain it.
        size: whether it is one number of a tuple, such as a shape's.
        omitted: whether it is the default of a parameter in an instance.
    """

    values: list[Arg]
    slots: list[Slot] = field(default_factory=list)
    size: bool = False
    omitted: bool = False

    def agrees(self, values: Sequence[Arg]) -> bool:
        """Whether the values are equal in every instance that has both."""
        return all(
            a is ABSENT or b is ABSENT or _typed(a) == _typed(b) for a, b in zip(self.values, values, strict=True)
        )

    def numbers(self) -> list[int]:
        """The values if all are positive integers, else an empty list."""
        found = [value for value in self.values if type(value) is int and value > 0]
        return found if len(found) == len(self.values) else []


@dataclass(frozen=True)
class Arguments:
    """The arguments of a class's constructor, and of its `construct` besides the inputs.

    Attributes:
        choices: for every slot, its literal or an expression of arguments.
        values: each argument, in the order of appearance → its value in each instance. It is a `Variable`, an argument
            of `construct`, if it differs between the calls of one instance.
    """

    choices: list[Arg]
    values: dict[Argument | Variable, list[Arg]]


def arguments_for(
    slots: Sequence[Slot],
    rows: Sequence[Sequence[Arg]],
    names: Namespace,
    called: Sequence[Hashable] | None = None,
    known: Mapping[tuple[int | None, ...], str] = MappingProxyType({}),
    extents: Mapping[tuple[Arg, ...], Arg] = MappingProxyType({}),
) -> Arguments:
    """Find the arguments for a block.

    A literal that is equal in all instances stays. Tuples that differ are compared number by number. Columns with equal
    values become one argument, and a column that is a multiple of another is computed from it: `4 * channels`.

    Args:
        slots: the literals of the class.
        rows: for every slot, its literal in each instance, or `ABSENT`.
        names: the names that the class uses already.
        called: one key per call, equal for calls of one instance; None if every call has its own instance.
        known: values in each instance → the name of a number that is part of a shape.
        extents: values in each instance → what reads such a number from an input, `x.shape[1]`.
    """
    calls = called or range(len(rows[0]) if rows else 0)
    columns: list[Column] = []
    rows = with_one_pad_mode(slots, rows)
    plans = [_plan(slot, list(row), columns, extents) for slot, row in zip(slots, rows, strict=True)]
    derived = _derived(columns)
    written: dict[Column, Arg] = {}
    values: dict[Argument | Variable, list[Arg]] = {}
    for column in columns:
        if column not in derived:
            made = _argument(column, names, known)
            argument = Variable(made.name) if _varies(column, calls) else made
            written[column] = argument
            values[argument] = column.values
    for column, (base, operator, factor) in derived.items():
        written[column] = _scaled(written[base], operator, factor)
    return Arguments([_choice(plan, written) for plan in plans], values)


def with_one_pad_mode(slots: Sequence[Slot], rows: Sequence[Sequence[Arg]]) -> list[Sequence[Arg]]:
    """The rows, in which a layer that is padded in other instances is padded by 0 where its kernel has one element."""
    places = {(slot.owner, slot.name): row for slot, row in zip(slots, rows, strict=True)}
    return [
        _pad_modes(row, places.get((slot.owner, "kernel_size")), places.get((slot.owner, "padding")))
        if slot.name == "pad_mode"
        else row
        for slot, row in zip(slots, rows, strict=True)
    ]


def _pad_modes(row: Sequence[Arg], kernels: Sequence[Arg] | None, paddings: Sequence[Arg] | None) -> Sequence[Arg]:
    """Instead of "same", "pad" beside a padding of 0, if all kernels with "same" have one element."""
    if kernels is None or paddings is None or not {"pad", "same"} <= set(row) <= {"pad", "same", ABSENT}:
        return row
    others = [pair for mode, *pair in zip(row, kernels, paddings, strict=True) if mode == "same"]
    same = all(kernel in (1, (1, 1), (1, 1, 1)) and padding == 0 for kernel, padding in others)
    return ["pad" if mode == "same" else mode for mode in row] if same else row


def _varies(column: Column, called: Sequence[Hashable]) -> bool:
    """Whether a literal differs between the calls of one instance."""
    first: dict[Hashable, Arg] = {}
    return any(_typed(first.setdefault(call, v)) != _typed(v) for call, v in zip(called, column.values, strict=True))


def _plan(
    slot: Slot, row: list[Arg], columns: list[Column], extents: Mapping[tuple[Arg, ...], Arg], size: bool = False
) -> Arg:
    """The content of a slot: a literal, a column, an extent, or a tuple of these; columns later become arguments."""
    present = [value for value in row if value is not ABSENT]
    if len({_typed(value) for value in present}) <= 1:
        return present[0]
    if slot.default is ... and (lengths := {_length(value) for value in present}) != {None} and len(lengths) == 1:
        parts = [[ABSENT if value is ABSENT else value[i] for value in row] for i in range(len(present[0]))]
        return tuple(_plan(slot, part, columns, extents, True) for part in parts)
    if size and not isinstance(slot.owner, Member) and tuple(row) in extents:
        return extents[tuple(row)]
    omitted = slot.default is not ... and any(_typed(value) == _typed(slot.default) for value in present)
    for column in () if isinstance(present[0], Expression) else columns:
        if column.agrees(row) and column.omitted == omitted:
            column.values = [b if a is ABSENT else a for a, b in zip(column.values, row, strict=True)]
            break
    else:
        column = Column(row, size=size, omitted=omitted)
        columns.append(column)
    column.slots.append(slot)
    return column


def _length(value: Arg) -> int | None:
    """The length of a tuple of integers, or of tuples of integers: the widths of a padding."""
    numbers = isinstance(value, tuple) and all(type(part) is int or _length(part) is not None for part in value)
    return len(value) if numbers else None


def _choice(plan: Arg, written: dict[Column, Arg]) -> Arg:
    if isinstance(plan, Column):
        return written[plan]
    return tuple(_choice(part, written) for part in plan) if isinstance(plan, tuple) else plan


def _typed(value: Arg) -> tuple[type, str]:
    return type(value), "" if value is ABSENT else repr(value)


# Columns computed from others


def _scaled(base: Arg, operator: str, factor: int) -> Arg:
    """`4 * channels`, `channels // 4`."""
    if factor == 1:
        return base
    return Binary("*", factor, base) if operator == "*" else Binary(operator, base, factor)


def _derived(columns: Sequence[Column]) -> dict[Column, tuple[Column, str, int]]:
    """The columns that are a multiple or a quotient of others: column → the base, the operator, and the factor."""
    found: dict[Column, tuple[Column, str, int]] = {}
    bases: list[Column] = []
    for column in sorted(columns, key=_rank):
        for base in bases:
            if (how := _ratio(column.numbers(), base.numbers()) or _half(column.values, base.values)) is not None:
                found[column] = (base, *how)
                break
        else:
            bases.append(column)
    return found


def _rank(column: Column) -> tuple[int, int]:
    """The order in which columns are tried as bases: input channels, in the order of their use; other channels, small
    ones first; then all others, the numbers of shapes last.
    """
    if _channels(column):
        return (0, 0) if column.slots[0].name in ("in_channels", "in_features") else (1, sum(column.numbers()))
    return (3, 0) if column.size else (2, 0)


def _ratio(numbers: list[int], base: list[int]) -> tuple[str, int] | None:
    if len(set(numbers)) < FEWEST_TO_DERIVE or not base:
        return None
    pairs = list(zip(numbers, base, strict=True))
    (number, first), *_ = pairs
    factor = max(number, first) // min(number, first)
    if all(a == factor * b for a, b in pairs):
        return "*", factor
    return ("//", factor) if all(factor * a == b for a, b in pairs) else None


def _half(values: list[Arg], base: list[Arg]) -> tuple[str, int] | None:
    """Operator and factor if the values are half of an odd base: `kernel_size // 2`, the padding that keeps extents."""
    if not all(type(a) is type(b) is int and b == 2 * a + 1 for a, b in zip(values, base, strict=True)):
        return None
    return ("//", 2) if len(set(values)) > 1 else None


# Names


def _channels(column: Column) -> list[str]:
    """The names of a column that are those of a layer's channels; a linear layer calls them features."""
    names = dict.fromkeys(slot.name for slot in column.slots)
    return [name for name in names if name.endswith("channels") or name in ("features", "in_features", "out_features")]


def _argument(column: Column, names: Namespace, known: Mapping[tuple[int | None, ...], str]) -> Argument:
    """The argument for a column; it has a default if all its slots have the same default."""
    if isinstance(column.values[0], Expression):  # a layer: `self.mlp = mlp`
        owner = column.slots[0].owner
        assert isinstance(owner, Member)
        return Argument(owner.name)
    listed = [name for slot in column.slots if (name := slot.name) != UNNAMED]
    if not listed or set(listed) <= {"size"}:
        listed = [name for name in (known.get(tuple(column.numbers())), *listed) if name]
    channels = _channels(column)
    first = column.slots[0]
    both = "channels" if any(name.endswith("channels") for name in channels) else "features"
    if len(channels) > 1 and both not in names:
        name = both
    else:
        name = (channels or listed or ["size" if column.size else UNNAMED])[0]
    defaults = {_typed(slot.default) for slot in column.slots}
    default = first.default if len(defaults) == 1 else ...
    if default is ... and any(value is ABSENT for value in column.values):
        default = None
    if name in names:
        name = next((other for other in _SIZES if name == "size" and other not in names), _qualified(first, name))
    return Argument(names.new(name), default, default is not ...)


def _qualified(slot: Slot, name: str) -> str:
    """The name, prefixed by the name of the member or of the statement's target that has the slot."""
    if isinstance(slot.owner, Member):
        return f"{slot.owner.name}_{name}"
    target = next(iter(defined_by(slot.owner)), None)
    return f"{identifier(target.hint)}_{name}" if target is not None else name
