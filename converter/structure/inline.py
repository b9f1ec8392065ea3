"""Inlining: a value that only the next statement reads is written where it is read."""

from __future__ import annotations

from collections import Counter
from typing import Any

from converter.program import Arg, Assign, Block, Expr, Statement, Value, arguments_of, blocks_of, expressions_of
from converter.structure.regions import replace_in, substituted

WIDEST = 12
"""The largest expression, counted in variables, literals and calls, that inlining makes."""


def inline_single_uses(block: Block) -> dict[Any, Any]:
    """Inline within a block and its inner ones.

    Returns:
        The statement that holds each inlined one now.
    """
    moved: dict[Any, Any] = {}
    uses = _uses(block)
    kept: list[Statement] = []
    for statement in block.statements:
        for inner in blocks_of(statement):
            moved |= inline_single_uses(inner)
        while kept and _takes(statement, kept[-1], uses):
            before = kept.pop()
            moved[before] = statement
            replace_in(statement, {before.targets[0]: before.value})  # type: ignore[union-attr, dict-item]
        kept.append(statement)
    while kept and len(block.results) == 1 and _ends_in(block.results[0], kept[-1], uses):
        before = kept.pop()
        block.results = substituted(block.results, {before.targets[0]: before.value})  # type: ignore[union-attr, dict-item]
        moved[before] = block
    block.statements = kept
    return moved


def _uses(block: Block) -> Counter[Value]:
    parts: Counter[Value] = Counter()
    for statement in block.walk():
        for item in expressions_of(statement):
            parts.update(part for part in arguments_of(item) if isinstance(part, Value))
    parts.update(part for item in block.results for part in arguments_of(item) if isinstance(part, Value))
    return parts


def _single_target(statement: Statement) -> Value | None:
    if isinstance(statement, Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], Value):
        return statement.targets[0]
    return None


def _takes(statement: Statement, before: Statement, uses: Counter[Value]) -> bool:
    """Whether a statement is the only reader of the one before it, and stays small with it inside."""
    target = _single_target(before)
    if target is None or uses[target] != 1 or not isinstance(statement, Assign):
        return False
    parts = list(arguments_of(statement.value))
    if not any(part is target for part in parts):
        return False
    return len(parts) + _size(before) <= WIDEST


def _ends_in(result: Arg, before: Statement, uses: Counter[Value]) -> bool:
    target = _single_target(before)
    if target is None or uses[target] != 1 or not any(part is target for part in arguments_of(result)):
        return False
    return result is target or _size(before) + sum(1 for _ in arguments_of(result)) <= WIDEST


def _size(statement: Statement) -> int:
    assert isinstance(statement, Assign)
    return sum(1 for _ in arguments_of(statement.value)) if isinstance(statement.value, Expr) else 1
