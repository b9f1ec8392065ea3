"""Comprehensions: what is done with each layer of a list side by side, `ops.cat([conv(x) for conv in self.convs], 1)`.

The layers may read one value, or each its part of a tensor: `for conv, part in zip(self.convs, ops.split(x, 8, 1))`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from converter.script.expressions import Arg, Binary, Comprehension, Name, invoke, map_parts, parts_of, walk
from converter.script.program import Cell, Member
from converter.script.statements import Assign, Variable, visit_block
from converter.script.structure.inline import width
from converter.script.structure.numbered_lists import NumberedList

FEWEST = 3
"""Fewer layers are called one by one."""
WIDEST = 100
"""The largest width of a comprehension, in characters."""
_PART = "part"
"""The name of the part of a tensor that one layer reads."""


def comprehend(cell: Cell, lists: Sequence[NumberedList]) -> dict[Any, Any]:
    """Write comprehensions into `construct`, whose values are assigned once each.

    Returns:
        A map from each statement that is removed to the statement, or the block, that now contains it.
    """
    longer: dict[Arg, NumberedList] = {each.elements[0]: each for each in lists if len(each.elements) >= FEWEST}
    moved: dict[Any, Any] = {}
    if not longer:
        return moved
    statements = [statement for statement in cell.body.statements if isinstance(statement, Assign)]
    uses = Counter(part for part in visit_block(cell.body) if isinstance(part, Variable))
    makers, unpacked = _makers(statements, uses), _unpacked(statements, uses)
    for statement in statements:
        writer = _Writer(longer, makers, unpacked)
        statement.value = writer.written(statement.value)
        moved |= dict.fromkeys(writer.removed, statement)
    writer = _Writer(longer, makers, unpacked)
    cell.body.results = tuple(map(writer.written, cell.body.results))
    moved |= dict.fromkeys(writer.removed, cell.body)
    cell.body.statements = [statement for statement in cell.body.statements if statement not in moved]
    return moved


def _makers(statements: Sequence[Assign], uses: Mapping[Variable, int]) -> dict[Variable, Assign]:
    """The statements whose only result is read once."""
    single = ((statement.targets[0], statement) for statement in statements if len(statement.targets) == 1)
    return {target: statement for target, statement in single if isinstance(target, Variable) and uses[target] == 1}


def _unpacked(statements: Sequence[Assign], uses: Mapping[Variable, int]) -> dict[tuple[Arg, ...], Assign]:
    """The statements that take a tuple apart, by the parts, each of which is read once."""
    found: dict[tuple[Arg, ...], Assign] = {}
    for statement in statements:
        parts = statement.targets
        if len(parts) > 1 and all(isinstance(part, Variable) and uses[part] == 1 for part in parts):
            found[parts] = statement
    return found


@dataclass
class _Writer:
    """Writes the comprehensions in one statement, and collects the statements that it makes superfluous."""

    lists: Mapping[Arg, NumberedList]
    makers: Mapping[Variable, Assign]
    unpacked: Mapping[tuple[Arg, ...], Assign]
    removed: list[Assign] = field(default_factory=list)

    def written(self, item: Arg) -> Arg:
        """An expression, in which tuples of what is done with each layer of a list are comprehensions."""
        if not isinstance(item, (tuple, list)):
            return map_parts(item, self.written)
        parts: list[Arg] = [[]]
        position = 0
        while position < len(item):
            found = self._comprehension(item[position:])
            if found is None:
                parts[-1].append(self.written(item[position]))
            else:
                parts += [found[0], []]
            position += 1 if found is None else found[1]
        if len(parts) == 1:
            return type(item)(parts[0])
        return functools.reduce(functools.partial(Binary, "+"), filter(None, parts))

    def _comprehension(self, items: Sequence[Arg]) -> tuple[Comprehension, int] | None:
        """A comprehension for the first of these items, and how many it is for."""
        absorbed: list[Assign] = []
        first = self._whole(items[0], absorbed)
        layers = next(
            (self.lists[part] for part in walk(first) if isinstance(part, Member) and part in self.lists), None
        )
        if layers is None or len(items) < (count := len(layers.elements)):
            return None
        made = _Template(layers, self.unpacked)
        element = made.common([first, *(self._whole(item, absorbed) for item in items[1:count])])
        if element is DIFFERENT:
            return None
        written = Comprehension(element, layers.element_name, layers.member)
        if made.parts is not None:
            over = invoke("zip", layers.member, made.parts.value)
            written = Comprehension(element, f"{layers.element_name}, {_PART}", over)
            absorbed.append(made.parts)
        if width(written) > WIDEST:
            return None
        self.removed += absorbed
        return written, count

    def _whole(self, item: Arg, absorbed: list[Assign]) -> Arg:
        """An expression with the values that nothing else reads written out."""
        if isinstance(item, Variable) and item in self.makers:
            absorbed.append(self.makers[item])
            return self._whole(self.makers[item].value, absorbed)
        return map_parts(item, lambda part: self._whole(part, absorbed))


DIFFERENT = Name("...")
"""The result for expressions that have no common form."""


@dataclass
class _Template:
    """What is common to the expressions of the layers of a list.

    Attributes:
        parts: the statement that takes a tensor apart, of which each layer reads a part; None if there is none.
    """

    layers: NumberedList
    unpacked: Mapping[tuple[Arg, ...], Assign]
    parts: Assign | None = None

    def common(self, items: Sequence[Arg]) -> Arg:
        """One expression for all, in which names stand for the layer and for its part, or `DIFFERENT`."""
        first = items[0]
        if tuple(items) == self.layers.elements:
            return Name(self.layers.element_name)
        taken = self.unpacked.get(tuple(items)) if isinstance(first, Variable) else None
        if taken is not None and self.parts in (None, taken):
            self.parts = taken
            return Name(_PART)
        if all(type(item) is type(first) and item == first for item in items):
            return first
        if not parts_of(first) or any(_shell(item) != _shell(first) for item in items):
            return DIFFERENT
        parts = [self.common(column) for column in zip(*map(parts_of, items), strict=True)]
        remaining = iter(parts)
        return DIFFERENT if DIFFERENT in parts else map_parts(first, lambda _: next(remaining))


def _shell(item: Arg) -> tuple[type, Arg]:
    """The form of an expression without its parts."""
    return type(item), map_parts(item, lambda _: None)
