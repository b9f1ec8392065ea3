"""Tables: what is computed of positions, such as the mask of each layer, is computed once for all layers.

Exporters count the positions of each layer along its own tensors. Where their extents are those of an input of the
network, equal computations are one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import onnx_ir as ir

from converter.script.dead_code import extents_of, read_whole
from converter.script.expressions import Arg, Call, dimension_read, map_parts, walk
from converter.script.program import Member
from converter.script.statements import Assign, Statement, Variable
from converter.script.structure.regions import Region, remove_statements, replace_in, statements_of
from converter.script.structure.roles import called

_POSITIONS = frozenset({"arange", "range"})
_RANDOM = re.compile("rand|dropout|bernoulli|multinomial|normal|uniform|gumbel|poisson|shuffle")
"""Functions that return something else each time."""


Merged: TypeAlias = tuple[dict[Variable, Arg], dict[Statement, Statement]]


def merge_equal_tables(root: Region, inputs: Sequence[Variable]) -> Merged:
    """Let all statements read the first of equal values that are computed of positions, and remove the others.

    Returns:
        Maps from the removed values to those that are read instead, and from their statements to those of the others.
    """
    extents = extents_of(inputs)
    instead: dict[Variable, Arg] = {}
    moved: dict[Statement, Statement] = {}
    first: dict[object, tuple[Variable, Statement]] = {}
    tables: set[Variable] = set()
    for statement in statements_of(root) if extents else ():
        if instead:
            replace_in(statement, instead)
        target = statement.targets[0] if isinstance(statement, Assign) and len(statement.targets) == 1 else None
        if not isinstance(statement, Assign) or not isinstance(target, Variable):
            continue
        value = _reading_inputs(statement.value, extents)
        whole = set(read_whole(value))
        if not (called(value) in _POSITIONS or whole & tables) or not _is_computed(value):
            continue
        if whole <= tables:
            tables.add(target)
        known, maker = first.setdefault((value, tuple(map(type, walk(value)))), (target, statement))
        if known is not target:
            instead[target], moved[statement] = known, maker
    remove_statements(root, moved.keys())
    return instead, moved


def _is_computed(value: Arg) -> bool:
    """Whether an expression calls neither layers nor random functions, and can be compared."""
    return not any(
        isinstance(part, (Member, list)) or (isinstance(part, Call) and _RANDOM.search(called(part)))
        for part in walk(value)
    )


def _reading_inputs(item: Arg, extents: Mapping[ir.SymbolicDim, Arg]) -> Arg:
    """The expression with extents read from the network's inputs where one has them."""
    read = dimension_read(item)
    if read is None:
        return map_parts(item, lambda part: _reading_inputs(part, extents))
    value, axis = read
    if not isinstance(value, Variable) or value.dims is None or not isinstance(axis, int):
        return item
    dim = value.dims[axis]
    return extents.get(dim, item) if isinstance(dim, ir.SymbolicDim) else item
