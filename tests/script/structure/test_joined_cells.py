"""Joined cells: blocks that read the results of the two before them become instances of one class."""

from __future__ import annotations

from script.programs import call, dense, let, variables

from converter.base.scope import Scope
from converter.script.expressions import Binary, invoke
from converter.script.statements import Statement, Variable
from converter.script.structure.joined_cells import find_joined_cells
from converter.script.structure.regions import Region


def cell(number: int, older: Variable, newer: Variable) -> tuple[list[Statement], Variable]:
    """Two branches, joined: five statements before the join."""
    a, b, c, d, e, joined = variables(f"a{number} b{number} c{number} d{number} e{number} normal_concat_{number}")
    return [
        let(a, call(dense(f"normal_older_{number}"), older)),
        let(b, invoke("ops.relu", a)),
        let(c, call(dense(f"normal_newer_{number}"), newer)),
        let(d, invoke("ops.tanh", c)),
        let(e, Binary("*", d, c)),
        let(joined, invoke("ops.cat", (b, e), 1)),
    ], joined


def chain(cells: int) -> tuple[list[Statement], Variable]:
    older, newer = variables("x y")
    statements: list[Statement] = []
    for number in range(cells):
        made, result = cell(number, older, newer)
        statements += made
        older, newer = newer, result
    return statements, newer


def test_each_cell_is_a_region() -> None:
    statements, result = chain(5)
    root = Region(Scope(""), items=list(statements))
    assert find_joined_cells(root, (result,))
    assert [region.scope.name for region in root.inner()] == ["NormalCell"] * 5
    assert [region.statements for region in root.inner()] == [statements[i : i + 6] for i in range(0, 30, 6)]


def test_what_stands_between_cells_goes_to_the_cell_that_needs_it() -> None:
    statements, result = chain(4)
    early = statements.pop(18)  # the last cell's first statement reads the result of the second cell
    statements.insert(12, early)
    root = Region(Scope(""), items=list(statements))
    assert find_joined_cells(root, (result,))
    assert early in root.inner()[3].statements
    assert len(root.items) == 4


def test_a_value_that_two_cells_read_stays_outside() -> None:
    statements, result = chain(4)
    (shared,) = variables("shared")
    (x,) = (part for part in (statements[0].value.args[0],))  # type: ignore[union-attr]
    both = let(shared, invoke("ops.relu", x))
    for position in (0, 6):
        statements[position].value = call(dense(f"normal_older_{position}"), shared)  # type: ignore[union-attr]
    root = Region(Scope(""), items=[both, *statements])
    assert find_joined_cells(root, (result,))
    assert root.items[0] is both


def test_a_chain_of_sums_is_left_to_others() -> None:
    (x,) = variables("x")
    statements: list[Statement] = []
    for number in range(6):
        a, b, c = variables(f"a{number} b{number} c{number}")
        statements += [
            let(a, call(dense(f"one_{number}"), x)),
            let(b, call(dense(f"two_{number}"), a)),
            let(c, Binary("+", b, x)),
        ]
        x = c
    root = Region(Scope(""), items=list(statements))
    assert not find_joined_cells(root, (x,))
    assert root.items == statements
