"""Tables: what layers compute of positions is computed once."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from script.programs import call, dense, let, region, variables

from converter.script.expressions import Arg, Binary, dimension, invoke
from converter.script.statements import Statement, Variable
from converter.script.structure.regions import statements_of
from converter.script.structure.tables import merge_equal_tables

LENGTH = ir.SymbolicDim("T")


def layers(count: int, mask: Arg | None = None, function: str = "ops.where") -> tuple[Variable, list[Statement]]:
    """Layers that each count the positions of their own result, compare them, and hide what comes later."""
    given = last = Variable("x", (2, LENGTH, 8))
    statements: list[Statement] = []
    for i in range(count):
        made = Variable("made", (2, LENGTH, 8))
        columns, rows, seen, hidden, total = variables("columns rows seen hidden total")
        statements += [
            let(made, call(dense(f"m{i}"), last)),
            let(columns, invoke("ops.arange", dimension(made, 1))),
            let(rows, invoke("ops.unsqueeze", columns, 1)),
            let(seen, Binary(">=", rows, columns)),
            let(hidden, invoke(function, seen, given if mask is None else mask, -1e9)),
            let(total, Binary("+", made, hidden)),
        ]
        last = total
    return given, statements


@pytest.mark.parametrize(("function", "left"), [("ops.where", 4 + 3 * 2), ("ops.dropout", 4 + 2 + 3 * 2)])
def test_the_mask_of_each_layer_is_that_of_the_first(function: str, left: int) -> None:
    given, statements = layers(3, function=function)
    tree = region(*statements)
    instead, moved = merge_equal_tables(tree, [given])
    assert len(list(statements_of(tree))) == left
    assert moved[statements[7]] is statements[1]
    assert set(instead.values()) <= {statement.targets[0] for statement in statements[:6]}  # type: ignore[union-attr]


def test_positions_of_another_extent_stay() -> None:
    _, statements = layers(3)
    tree = region(*statements)
    other = Variable("other", (2, ir.SymbolicDim("S")))
    assert merge_equal_tables(tree, [other]) == ({}, {})
    assert list(statements_of(tree)) == statements
