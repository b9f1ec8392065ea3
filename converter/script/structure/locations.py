"""Node locations: the Cells around each node in the script, and the checkpoint names of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from converter.base.scope import Scope
from converter.script.expressions import Call, Name
from converter.script.program import Member, Record, class_of
from converter.script.statements import Assign, Branch, For, Statement, While
from converter.script.structure.regions import used_by


class NodeLocations:
    """Tracks statements and members while they are merged.

    Attributes:
        moved: a statement or member → the statement, member or block that replaced it.
        owners: a statement → the instance of the class that now contains it.
        listed: a member that is an element of a list → its path within the Cell, `proj.0`.
    """

    def __init__(self) -> None:
        self.moved: dict[Any, Any] = {}
        self.owners: dict[Statement, Member] = {}
        self.listed: dict[Member, str] = {}

    def note_calls(self, record: Record) -> None:
        """Record the Cells around a record's anchor, and its parameters; called when all members have names."""
        record.calls = self._calls(record.anchor)
        record.parameters = tuple(self._parameters(record.anchor))

    def follow(self, record: Record) -> None:
        """Set a record's anchor to the statement, member or block that replaced it."""
        while record.anchor in self.moved:
            record.anchor = self.moved[record.anchor]

    def _calls(self, anchor: Any) -> tuple[Scope, ...]:
        """The Cells around a member or statement as it was before it was merged with others, outermost first."""
        calls: list[Scope] = []
        while anchor is not None:
            owner = anchor.owner if isinstance(anchor, Member) else self.owners.get(anchor)
            if owner is None:
                anchor = self.moved.get(anchor)
            else:
                calls.append(Scope(self._attribute(owner), _class_name(owner)))
                anchor = owner
        return tuple(reversed(calls))

    def _attribute(self, member: Member) -> str:
        """The attribute name of a member in the Cell that creates it, or its index in a sequence."""
        while self.moved.get(member, member.owner) is not member.owner:
            member = self.moved[member]
        return self.listed.get(member, member.name)

    def _parameters(self, anchor: Any) -> Iterator[str]:
        """The checkpoint names of the parameters of a member, or of all members that a statement reads."""
        parts = (
            (anchor,)
            if isinstance(anchor, Member)
            else used_by(anchor)
            if isinstance(anchor, (Assign, Branch, While, For))
            else ()
        )
        for member in parts:
            if isinstance(member, Member):
                path = ".".join([*(scope.name for scope in self._calls(member)), self._attribute(member)])
                yield from (f"{path}.{key}" if key else path for key in member.weights)


def _class_name(member: Member) -> str:
    """The class name of a member: `Bottleneck`, `nn.SequentialCell`."""
    cell = class_of(member)
    if cell is not None:
        return cell.name
    made = member.constructor
    return made.function.path if isinstance(made, Call) and isinstance(made.function, Name) else ""
