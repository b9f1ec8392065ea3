"""Lambdas: what the body of a `for` would make is made before the loop.

In graph mode MindSpore returns None from a `construct` with a lambda in the body of a `for`, without an error.
"""

from __future__ import annotations

from converter.script.expressions import Arg, Lambda, leaves_of, map_parts
from converter.script.statements import Assign, Block, For, Statement, Variable, blocks_of, map_statement


def make_before_loops(block: Block) -> None:
    """Assign each lambda in the body of a `for` to a variable before the loop, unless it reads a variable."""
    statements: list[Statement] = []
    for statement in block.statements:
        if isinstance(statement, For):
            statements += _taken_out(statement)
        else:
            for inner in blocks_of(statement):
                make_before_loops(inner)
        statements.append(statement)
    block.statements = statements


def _taken_out(loop: For) -> list[Assign]:
    made: list[Assign] = []

    def taken(item: Arg) -> Arg:
        if not isinstance(item, Lambda) or any(isinstance(leaf, Variable) for leaf in leaves_of(item)):
            return map_parts(item, taken)
        known = next((each for each in made if each.value == item), None)
        if known is None:
            known = Assign((Variable("activation"),), item, loop.scopes)
            made.append(known)
        return known.targets[0]

    map_statement(loop, taken)
    return made
