"""Script: the generated program as a typed tree, and its output as Python text."""

from __future__ import annotations

from converter.script.dead_code import eliminate_dead_code
from converter.script.dtypes import mindspore_dtype
from converter.script.expressions import (
    Arg,
    Attribute,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    Leaf,
    Name,
    Option,
    Slice,
    Starred,
    Unary,
    dimension_read,
    invoke,
    is_literal,
    map_parts,
    parts_of,
    unless_default,
)
from converter.script.mindspore_api import CELL_ATTRIBUTES
from converter.script.printer import text_of
from converter.script.program import (
    Argument,
    Cell,
    Member,
    Program,
    Record,
    Unpacked,
    Written,
    called_member,
    with_members,
)
from converter.script.statements import Assign, Block, Branch, For, Statement, Variable, While, map_block, visit
from converter.script.templates import expr, filled, holes_of, parsed
from converter.script.weights import Weight

__all__ = [
    "CELL_ATTRIBUTES",
    "Arg",
    "Argument",
    "Assign",
    "Attribute",
    "Binary",
    "Block",
    "Branch",
    "Call",
    "Cell",
    "Constant",
    "Expression",
    "For",
    "Index",
    "Leaf",
    "Member",
    "Name",
    "Option",
    "Program",
    "Record",
    "Slice",
    "Starred",
    "Statement",
    "Unary",
    "Unpacked",
    "Variable",
    "Weight",
    "While",
    "Written",
    "called_member",
    "dimension_read",
    "eliminate_dead_code",
    "expr",
    "filled",
    "holes_of",
    "invoke",
    "is_literal",
    "map_block",
    "map_parts",
    "mindspore_dtype",
    "parsed",
    "parts_of",
    "text_of",
    "unless_default",
    "visit",
    "with_members",
]
