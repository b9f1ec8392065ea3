"""Dead code elimination: remove statements whose values nothing reads, such as a tensor only read for its shape."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from converter.script.expressions import walk
from converter.script.program import Member, Program
from converter.script.statements import Assign, Block, Statement, Variable, defined_by, visit


def eliminate_dead_code(program: Program) -> Program:
    """Remove unread assignments from every Cell, except stubs and those that read a member."""
    stubs = {record.anchor for record in program.records if not record.converted}
    dropped = {statement for cell in program.cells for statement in _drop(cell.body, stubs)}
    for record in program.records:
        if record.anchor in dropped:
            record.anchor, record.became, record.composed = None, "nothing: only its shape is read", False
    return program


def _drop(body: Block, stubs: Container[Any]) -> set[Statement]:
    """Remove the unread assignments from a body, and return them."""
    read = {part for result in body.results for part in walk(result) if isinstance(part, Variable)}
    kept: list[Statement] = []
    for statement in reversed(body.statements):
        parts = list(visit(statement))
        needed = not isinstance(statement, Assign) or statement in stubs or not read.isdisjoint(defined_by(statement))
        if needed or any(isinstance(part, Member) for part in parts):
            kept.append(statement)
            read.update(part for part in parts if isinstance(part, Variable))
    dropped = set(body.statements).difference(kept)
    body.statements[:] = reversed(kept)
    return dropped
