"""Coalescing: merge variables of a Cell whose lifetimes do not overlap, so that a loop reads as if written by hand.

A branch's result is assigned directly to the branch's target. A new loop-carried value is assigned directly to the
carried variable if no later statement reads the old value. A carried variable takes the name of its initial value if
no later statement reads the initial value. So `h = h0; for …: new_h = tanh(h); h = new_h` becomes
`for …: h0 = tanh(h0)`. Values that the source assigns to one variable repeatedly, `x = norm(x); x = x + y`, share one
variable if no later statement reads the older value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from converter.base.names import identifier
from converter.script.expressions import Arg, walk
from converter.script.program import Cell, Member
from converter.script.statements import (
    Assign,
    Block,
    Branch,
    For,
    Statement,
    Variable,
    While,
    blocks_of,
    defined_by,
    expressions_in,
    expressions_of,
)


def coalesced_variables(cell: Cell) -> dict[Variable, Variable]:
    """Map each variable of a Cell to the variable whose name it can take; variables that keep their name are absent."""
    merger = _Merger()
    merger.visit(cell.body, set(cell.inputs))
    merger.reassign(cell)
    return {value: merger.find(value) for value in merger.into}


class _Merger:
    """Merges variables one by one; variables that are already merged are treated as one variable."""

    def __init__(self) -> None:
        self.into: dict[Variable, Variable] = {}

    def find(self, value: Variable) -> Variable:
        """The variable whose name `value` takes."""
        while value in self.into:
            value = self.into[value]
        return value

    def visit(self, block: Block, own: set[Variable]) -> None:
        """Merge variables within a block; `own` are the variables that only the rest of this block can read."""
        for index, statement in enumerate(block.statements):
            if isinstance(statement, (While, For)):
                self._merge_initial(statement, own, [*_inside(statement), *_behind(block, index)])
            for inner in blocks_of(statement):
                self.visit(inner, set() if isinstance(statement, Branch) else set(defined_by(statement)))
                self._merge_results(statement, inner)
            own |= set(defined_by(statement))

    def reassign(self, cell: Cell) -> None:
        """Merge a value with the last variable of the same name in the source, if nothing reads that variable later."""
        read = self._last_reads(cell.body)
        holders = {identifier(value.hint): value for value in reversed(cell.inputs)}
        made = dict.fromkeys(cell.inputs, -1)
        layers: dict[str, Variable] = {}  # loop variables over layers; none is read after its loop
        for index, statement in enumerate(cell.body.statements):
            if isinstance(statement, For) and isinstance(statement.over, Member):
                first = layers.setdefault(identifier(statement.index.hint), statement.index)
                if first is not statement.index:
                    self.into[statement.index] = first
            for value in map(self.find, defined_by(statement)):
                holder = holders.get(identifier(value.hint))
                known = value in made or not isinstance(statement, Assign)
                if not known and value.assigned and holder is not None and read.get(holder, -1) <= index > made[holder]:
                    self.into[value] = holder
                    read[holder] = read.get(value, index)
                else:
                    holders[identifier(value.hint)] = holder = value
                made[holder] = index

    def _last_reads(self, body: Block) -> dict[Variable, int]:
        """The index of the last statement that reads each variable; for the results, the number of statements."""
        last: dict[Variable, int] = {}
        for index, statement in enumerate(body.statements):
            for item in expressions_of(statement):
                last.update((self.find(part), index) for part in walk(item) if isinstance(part, Variable))
        end = len(body.statements)
        for item in body.results:
            last.update((self.find(part), end) for part in walk(item) if isinstance(part, Variable))
        return last

    def _merge_initial(self, loop: While | For, own: set[Variable], later: list[Arg]) -> None:
        for carried, initial in zip(loop.carried, loop.initial, strict=True):
            if (
                isinstance(initial, Variable)
                and initial in own
                and loop.initial.count(initial) == 1
                and not self._reads(later, initial)
            ):
                self.into[carried] = initial

    def _merge_results(self, statement: Statement, inner: Block) -> None:
        made = {value: index for index, other in enumerate(inner.statements) for value in defined_by(other)}
        for target, result in zip(defined_by(statement), inner.results, strict=True):
            if not isinstance(result, Variable) or inner.results.count(result) > 1:
                continue
            first = self.find(result)
            if first not in made or self.find(target) is first:
                continue
            later = [*_inside(inner.statements[made[first]]), *_behind(inner, made[first])]
            if isinstance(statement, Branch) or not self._reads(later, target):
                self.into[first] = target

    def _reads(self, items: Iterable[Arg], value: Variable) -> bool:
        wanted = self.find(value)
        return any(isinstance(part, Variable) and self.find(part) is wanted for item in items for part in walk(item))


def _inside(statement: Statement) -> Iterator[Arg]:
    """The expressions in a statement's blocks, and the condition of a loop."""
    for block in blocks_of(statement):
        yield from expressions_in(block)
    if isinstance(statement, (While, For)):
        yield statement.condition


def _behind(block: Block, index: int) -> Iterator[Arg]:
    """The expressions after a statement in its block."""
    return expressions_in(Block(block.statements[index + 1 :], block.results))
