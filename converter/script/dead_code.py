"""Dead code elimination: remove statements whose values nothing reads, such as a tensor only read for its shape."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

import onnx_ir as ir

from converter.script.expressions import Arg, dimension, dimension_read, map_parts, parts_of, walk
from converter.script.program import Cell, Member, Program
from converter.script.statements import (
    Assign,
    Block,
    Statement,
    Variable,
    defined_by,
    expressions_in,
    map_block,
    visit,
)


def read_extents_of_inputs(cell: Cell) -> None:
    """Read a free extent of a tensor, of which nothing but the shape is read, from an input that has the same extent.

    `ops.zeros((self.lstm(x).shape[0], 5))` needs no LSTM.
    """
    known = extents_of(cell.inputs)
    whole = {value for item in expressions_in(cell.body) for value in read_whole(item)} | set(cell.inputs)

    def moved(item: Arg) -> Arg:
        read = dimension_read(item)
        if read is None:
            return map_parts(item, moved)
        tensor, axis = read
        if not isinstance(tensor, Variable) or tensor in whole or tensor.dims is None or not isinstance(axis, int):
            return item
        dim = tensor.dims[axis]
        return known.get(dim, item) if isinstance(dim, ir.SymbolicDim) else item

    map_block(cell.body, moved)


def extents_of(values: Sequence[Variable]) -> dict[ir.SymbolicDim, Arg]:
    """Each free extent of the values, as it is read from the first value that has it."""
    return {
        dim: dimension(value, axis)
        for value in reversed(values)
        for axis, dim in reversed(list(enumerate(value.dims or ())))
        if isinstance(dim, ir.SymbolicDim)
    }


def read_whole(item: Arg) -> Iterator[Variable]:
    """The variables that an expression reads for more than their shape."""
    if isinstance(item, Variable):
        yield item
    elif dimension_read(item) is None:
        for part in parts_of(item):
            yield from read_whole(part)


def eliminate_dead_code(program: Program) -> Program:
    """Remove unread assignments from every Cell, except stubs and those that read a member that nothing else reads."""
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
    members: set[Any] = set()
    for statement in reversed(body.statements):
        parts = list(visit(statement))
        needed = not isinstance(statement, Assign) or statement in stubs or not read.isdisjoint(defined_by(statement))
        own = {part for part in parts if isinstance(part, Member)}
        if needed or not own <= members:
            kept.append(statement)
            members |= own
            read.update(part for part in parts if isinstance(part, Variable))
    dropped = set(body.statements).difference(kept)
    body.statements[:] = reversed(kept)
    return dropped
