"""Coalescing: merge variables of a Cell whose lifetimes do not overlap, so that a loop reads as if written by hand.

A branch's result is assigned directly to the branch's target. A new loop-carried value is assigned directly to the
carried variable if no later statement reads the old value. A carried variable takes the name of its initial value if
no later statement reads the initial value. So `h = h0; for …: new_h = tanh(h); h = new_h` becomes
`for …: h0 = tanh(h0)`. Values that the source assigns to one variable repeatedly, `x = norm(x); x = x + y`, share one
variable if no later statement reads the older value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from converter.base.names import identifier
from converter.script.expressions import Arg, walk
from converter.script.program import Cell, looped_over
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
    operands_of,
)


def coalesced_variables(cell: Cell) -> dict[Variable, Variable]:
    """Map each variable of a Cell to the variable whose name it can take; variables that keep their name are absent."""
    merger = _Merger()
    with merger.reads_in(cell.body) as last:
        merger.visit(cell.body, set(cell.inputs), last)
    merger.reassign(cell.body, cell.inputs)
    return {value: merger.find(value) for value in list(merger.into)}


_LastReads = dict[Variable, int]
"""Variable → the place of its last read in a block: 2i in the operands of statement i, 2i + 1 within it.

Within a statement are its blocks, and a loop's condition. The results are read behind all statements.
"""


class _Merger:
    """Merges variables one by one; variables that are already merged are treated as one variable."""

    def __init__(self) -> None:
        self.into: dict[Variable, Variable] = {}
        self._blocks: list[_LastReads] = []  # of the blocks that are being visited, outermost first

    def find(self, value: Variable) -> Variable:
        """The variable whose name `value` takes."""
        name = value
        while name in self.into:
            name = self.into[name]
        while value is not name:  # the next search is short: a chain of loops merges one variable into the next
            self.into[value], value = name, self.into[value]
        return name

    def visit(self, block: Block, own: set[Variable], last: _LastReads) -> None:
        """Merge variables within a block; `own` are the variables that only the rest of this block can read."""
        for index, statement in enumerate(block.statements):
            if isinstance(statement, (While, For)):
                self._merge_initial(statement, own, last, 2 * index)
            for inner in blocks_of(statement):
                own_inside = set() if isinstance(statement, Branch) else set(defined_by(statement))
                with self.reads_in(inner) as last_inside:
                    self.visit(inner, own_inside, last_inside)
                    self._merge_results(statement, inner, last_inside)
            own |= set(defined_by(statement))

    def reassign(self, block: Block, given: Sequence[Variable]) -> None:
        """Merge a value with the last variable of the same name in the source, if nothing reads that variable later.

        What a loop computes in each step is read in the loop only. `given` are the variables that a block begins with.
        """
        read = self._last_reads(block)
        holders = {identifier(value.hint): value for value in reversed(given)}
        made = dict.fromkeys(given, -1)
        layers: dict[str, Variable] = {}  # loop variables over layers; none is read after its loop
        for index, statement in enumerate(block.statements):
            if isinstance(statement, For) and looped_over(statement) is not None:
                first = layers.setdefault(identifier(statement.index.hint), statement.index)
                if first is not statement.index:
                    self.into[statement.index] = first
            local = dict.fromkeys(self._within(statement))
            for value in map(self.find, (*defined_by(statement), *local)):
                holder = holders.get(identifier(value.hint))
                known = value in made or not (isinstance(statement, Assign) or value in local)
                end = 2 * index + (value not in local)  # a loop reads in each step what was made before it
                gone = holder is not None and read.get(holder, -1) <= end and made[holder] < index
                if not known and value.assigned and holder is not None and gone:
                    self.into[value] = holder
                    read[holder] = read.get(value, 2 * index + 1)
                else:
                    holders[identifier(value.hint)] = holder = value
                made[holder] = index

    def _within(self, statement: Statement) -> Iterator[Variable]:
        """What a loop over given elements computes in each step, with these merged among themselves."""
        if isinstance(statement, For) and statement.condition is None:
            elements = [] if looped_over(statement) is not None else [statement.index]
            elements += statement.more
            carried = [self.find(value) for value in statement.carried]
            self.reassign(statement.body, [*elements, *carried])
            own = [value for inner in statement.body.statements for value in defined_by(inner)]
            yield from dict.fromkeys(value for value in map(self.find, (*elements, *own)) if value not in carried)

    @contextmanager
    def reads_in(self, block: Block) -> Iterator[_LastReads]:
        """The last reads in a block, kept up to date while it is visited: a variable is read where a merged one is."""
        self._blocks.append(self._last_reads(block))
        yield self._blocks[-1]
        self._blocks.pop()

    def _last_reads(self, block: Block) -> _LastReads:
        last: _LastReads = {}

        def read(item: Arg, place: int) -> None:
            last.update((self.find(part), place) for part in walk(item) if isinstance(part, Variable))

        for index, statement in enumerate(block.statements):
            for item in operands_of(statement):
                read(item, 2 * index)
            for item in _inside(statement):
                read(item, 2 * index + 1)
        for item in block.results:
            read(item, 2 * len(block.statements))
        return last

    def _merge(self, value: Variable, target: Variable) -> None:
        """Let `value`, which is not merged yet, take the name of `target`."""
        self.into[value] = target
        name = self.find(target)
        for last in self._blocks:
            if value in last:
                last[name] = max(last[value], last.get(name, -1))

    def _merge_initial(self, loop: While | For, own: set[Variable], last: _LastReads, place: int) -> None:
        for carried, initial in zip(loop.carried, loop.initial, strict=True):
            if (
                isinstance(initial, Variable)
                and initial in own
                and loop.initial.count(initial) == 1
                and last.get(self.find(initial), -1) <= place
            ):
                self._merge(carried, initial)

    def _merge_results(self, statement: Statement, inner: Block, last: _LastReads) -> None:
        made = {value: index for index, other in enumerate(inner.statements) for value in defined_by(other)}
        for target, result in zip(defined_by(statement), inner.results, strict=True):
            if not isinstance(result, Variable) or inner.results.count(result) > 1:
                continue
            first = self.find(result)
            if first not in made or self.find(target) is first:
                continue
            if isinstance(statement, Branch) or last.get(self.find(target), -1) <= 2 * made[first]:
                self._merge(first, target)


def _inside(statement: Statement) -> Iterator[Arg]:
    """The expressions in a statement's blocks, and the condition of a loop."""
    for block in blocks_of(statement):
        yield from expressions_in(block)
    if isinstance(statement, (While, For)):
        yield statement.condition
