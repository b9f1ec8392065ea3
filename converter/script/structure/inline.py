"""Inlining: a value that only the next statement reads is written where it is read."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from converter.base.names import identifier
from converter.script.program import (
    Arg,
    Argument,
    Assign,
    Block,
    Expr,
    Member,
    Option,
    Statement,
    Variable,
    arguments_of,
    blocks_of,
    expressions_of,
)
from converter.script.structure.regions import replace_in, substituted
from converter.script.structure.sequences import class_of

WIDEST = 108
"""The widest expression that inlining makes, in characters."""
DEEPEST = 5
"""The most calls and operators in it."""
LONGEST = 3
"""So many of them with a function at their end, `relu(norm(conv(x)))`, and the next layer begins a line of its own."""


def inline_single_uses(block: Block) -> dict[Any, Any]:
    """Inline within a block and its inner ones.

    Returns:
        The statement that holds each inlined one now.
    """
    moved: dict[Any, Any] = {}
    _read_in_place(block)
    uses = _uses(block)
    kept: list[Statement] = []
    for statement in block.statements:
        for inner in blocks_of(statement):
            moved |= inline_single_uses(inner)
        while kept and _takes(statement, kept[-1], uses):
            before = kept.pop()
            moved[before] = statement
            if _keeps_name(statement, before):
                statement.targets[0].hint = before.targets[0].hint  # type: ignore[union-attr]
            replace_in(statement, {before.targets[0]: before.value})  # type: ignore[union-attr, dict-item]
        kept.append(statement)
    while kept and len(block.results) == 1 and _ends_in(block.results[0], kept[-1], uses):
        before = kept.pop()
        block.results = substituted(block.results, {before.targets[0]: before.value})  # type: ignore[union-attr, dict-item]
        moved[before] = block
    block.statements = kept
    return moved


def _read_in_place(block: Block) -> None:
    """Read a parameter wherever it is needed, and keep it in no variable."""
    read = {
        target: statement.value
        for statement in block.statements
        if (target := _single_target(statement)) is not None
        and isinstance(statement, Assign)
        and isinstance(statement.value, Member)
    }
    if read:
        block.statements = [s for s in block.statements if _single_target(s) not in read]
        for statement in block.statements:
            replace_in(statement, read)
        block.results = substituted(block.results, read)


def _uses(block: Block) -> Counter[Variable]:
    parts: Counter[Variable] = Counter()
    for statement in block.walk():
        for item in expressions_of(statement):
            parts.update(part for part in arguments_of(item) if isinstance(part, Variable))
    parts.update(part for item in block.results for part in arguments_of(item) if isinstance(part, Variable))
    return parts


def _single_target(statement: Statement) -> Variable | None:
    if isinstance(statement, Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], Variable):
        return statement.targets[0]
    return None


def _takes(statement: Statement, before: Statement, uses: Counter[Variable]) -> bool:
    """Whether a statement is the only reader of the one before it, and stays small with it inside."""
    target = _single_target(before)
    if target is None or uses[target] != 1 or not isinstance(statement, Assign):
        return False
    return _written(statement.value, target) == 1 and _fits(statement.value, target, before)


def _ends_in(result: Arg, before: Statement, uses: Counter[Variable]) -> bool:
    target = _single_target(before)
    if target is None or uses[target] != 1 or _written(result, target) != 1:
        return False
    return result is target or _fits(result, target, before)


def _written(item: Arg, target: Variable) -> int:
    """How often an expression's text has a variable: a template may have one hole in several places."""
    match item:
        case Expr():
            return sum(item.template.count(f"{{{i}}}") * _written(arg, target) for i, arg in enumerate(item.args))
        case Option():
            return _written(item.value, target)
        case tuple() | list():
            return sum(_written(part, target) for part in item)
    return int(item is target)


def _fits(item: Arg, target: Variable, before: Statement) -> bool:
    """Whether an expression stays easy to read with what a statement makes in the place of its target."""
    assert isinstance(before, Assign)
    if _width(item) + _width(before.value) > WIDEST or _depth(item) + _depth(before.value) > DEEPEST:
        return False
    reader = next((part for part in arguments_of(item) if isinstance(part, Expr) and target in part.args), None)
    layer, inner = _layer(reader), _layer(before.value)
    if layer is None:
        return True
    if inner is None:
        return _depth(before.value) < LONGEST
    return not (_is_block(layer) and _is_block(inner))


def _layer(item: Arg) -> Member | None:
    """The member with parameters that an expression calls."""
    called = item.args[0] if isinstance(item, Expr) and item.template.startswith("{0}(") and item.args else None
    return called if isinstance(called, Member) and called.weights else None


def _is_block(member: Member) -> bool:
    """Whether a member holds layers: an instance of one of the script's classes, or a sequence."""
    return class_of(member) is not None or "SequentialCell(" in member.constructor.template


def _width(item: Arg) -> int:
    """About how many characters an expression takes."""
    match item:
        case Expr():
            return len(re.sub(r"\{\d+\}", "", item.template)) + sum(map(_width, item.args))
        case Option():
            return 10 + _width(item.value)
        case tuple() | list():
            return sum(_width(part) + 2 for part in item)
        case Variable():
            return len(identifier(item.hint))
        case Member() | Argument():
            return 5 + len(item.name)
    return len(getattr(item, "__name__", "") or repr(item))


def _depth(item: Arg) -> int:
    """How many calls and operators an expression holds; reading an extent is neither."""
    return sum(isinstance(part, Expr) and part.template != "{0}.shape[{1}]" for part in arguments_of(item))


def _keeps_name(statement: Statement, before: Statement) -> bool:
    """Whether a statement is only a method of what a member's call returns, as in `self.query(x).reshape(…)`."""
    assert isinstance(statement, Assign)
    assert isinstance(before, Assign)
    value, made = statement.value, before.value
    if not statement.targets or (isinstance(statement.targets[0], Variable) and statement.targets[0].assigned):
        return False
    while isinstance(made, Expr) and made.template.startswith("{0}."):
        made = made.args[0]
    return (
        isinstance(value, Expr)
        and value.template.startswith("{0}.")
        and value.args[0] is before.targets[0]
        and isinstance(made, Expr)
        and bool(made.args)
        and isinstance(made.args[0], Member)
    )
