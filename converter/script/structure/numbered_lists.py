"""Numbered lists: layers of one class whose names count, `proj_0`, `proj_1`, become the list `self.proj`.

An element is called as `self.proj[0](x)`, and its parameters keep their place in the source: `proj.0.weight`. What
becomes a list depends on names and forms only, so that the parameters are called alike after another export.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from converter.base.names import Namespace
from converter.script.expressions import Arg, Call, Comprehension, Constant, Index, Name, invoke, map_parts, walk
from converter.script.mindspore_api import CELL_ATTRIBUTES
from converter.script.program import Argument, Cell, Member
from converter.script.statements import Assign, For, Variable, map_statement
from converter.script.structure.arguments import Arguments, arguments_for
from converter.script.structure.signature import Signature, fill, signature_of

MOST_DIFFERENT = 2
"""The most arguments in which the layers of a list differ: `[nn.Conv2d(channels, 64, 1) for channels in (64, 128)]`."""


@dataclass(frozen=True)
class NumberedList:
    """Members of a Cell that become one member, a list."""

    member: Member
    elements: tuple[Member, ...]

    def path(self, element: int) -> str:
        """`proj.0`, the name of an element within the Cell."""
        return f"{self.member.name}.{element}"

    @property
    def element_name(self) -> str:
        """What one of its elements is called: `conv` in a list `convs`."""
        name = self.member.name
        for plural, singular in (("ies", "y"), ("ches", "ch"), ("ss", "ss"), ("s", "")):
            if name.endswith(plural) and len(name) > len(plural) + 1:
                return name.removesuffix(plural) + singular if plural != "ss" else "layer"
        return "layer"


def find_lists(cell: Cell) -> list[NumberedList]:
    """The members of a Cell that can become lists; all members have names."""
    by_name = {member.name: member for member in cell.members}
    looped = {part for statement in cell.body.walk() if isinstance(statement, For) for part in walk(statement.over)}
    arguments = frozenset(argument.name for argument in cell.arguments)
    found: list[NumberedList] = []
    for name, names in _numbered(list(by_name)):
        elements = tuple(by_name[each] for each in names)
        made = _constructor(elements, arguments) if looped.isdisjoint(elements) else None
        if made is not None:
            found.append(NumberedList(Member(name, made, hint=name), elements))
    return found


def _numbered(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Names that count from 0 and differ in nothing else, and a name for their list."""
    numbered: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    stems: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for match in re.finditer(r"_(\d+)(?=_|$)", name):
            stem, ending = name[: match.start()], name[match.end() :]
            numbered[stem, ending][int(match[1])] = name
            stems[stem].add(name)
    used = Namespace(CELL_ATTRIBUTES.union(names))
    taken: set[str] = set()
    for (stem, _), by_number in numbered.items():
        counted = [by_number[i] for i in range(len(by_number)) if i in by_number]
        complete = len(counted) == len(by_number) > 1 and stems[stem] == set(counted)
        if complete and taken.isdisjoint(counted) and stem.isidentifier() and stem not in used:
            taken |= set(counted)
            yield stem, counted


def _constructor(elements: Sequence[Member], names: frozenset[str]) -> Call | None:
    """`nn.CellList([nn.Linear(64, 64) for _ in range(3)])`; None if the layers differ in too much.

    `names` are not free for what differs.
    """
    if any(not each.weights or "" in each.weights or not isinstance(each.constructor, Call) for each in elements):
        return None
    signatures = [_called(each) for each in elements]
    if any(signature.key != signatures[0].key for signature in signatures):
        return None
    columns = zip(*(signature.slots for signature in signatures), strict=True)
    rows = [[slot.value for slot in column] for column in columns]
    arguments = arguments_for(signatures[0].slots, rows, Namespace(names))
    if len(arguments.values) > MOST_DIFFERENT:
        return None
    return invoke("nn.CellList", _comprehension(elements, arguments))


def _called(member: Member) -> Signature:
    """The signature of a call of a layer, whose slots are those of its constructor."""
    return signature_of([Assign((Variable("made"),), Call(member))], (), ())


def _comprehension(elements: Sequence[Member], arguments: Arguments) -> Comprehension:
    """The layers with names for the arguments in which they differ."""
    template = Member("", elements[0].constructor)
    fill((), [template], map(_by_name, arguments.choices))
    names = ", ".join(argument.name for argument in arguments.values if isinstance(argument, Argument))
    columns = list(arguments.values.values())
    if not columns:
        return Comprehension(template.constructor, "_", invoke("range", len(elements)))
    values = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    return Comprehension(template.constructor, names, tuple(values))


def _by_name(item: Arg) -> Arg:
    """An expression with the names of its arguments in their places."""
    return Name(item.name) if isinstance(item, Argument) else map_parts(item, _by_name)


def paths_in(lists: Sequence[NumberedList]) -> dict[Member, str]:
    """The path of each element within the Cell."""
    return {element: each.path(i) for each in lists for i, element in enumerate(each.elements)}


def renamed(key: str, paths: Mapping[str, str]) -> str:
    """The name of a parameter in the checkpoint; `paths` leads from the names of members to those of elements."""
    name, dot, rest = key.partition(".")
    return f"{paths.get(name, name)}{dot}{rest}"


def use_lists(cell: Cell, lists: Sequence[NumberedList]) -> dict[Member, Member]:
    """Make the lists members of the Cell in place of their elements; return a map from elements to lists."""
    moved: dict[Member, Member] = {}
    read: dict[Arg, Index] = {}
    for each in lists:
        numbered = enumerate(each.elements)
        each.member.weights = {f"{i}.{key}": weight for i, layer in numbered for key, weight in layer.weights.items()}
        moved |= dict.fromkeys(each.elements, each.member)
        read |= {element: Index(each.member, Constant(i)) for i, element in enumerate(each.elements)}

    def replaced(item: Arg) -> Arg:
        return read[item] if isinstance(item, Member) and item in read else map_parts(item, replaced)

    cell.members = list(dict.fromkeys(moved.get(member, member) for member in cell.members))
    for statement in cell.body.statements if lists else ():
        map_statement(statement, replaced)
    cell.body.results = tuple(map(replaced, cell.body.results))
    return moved
