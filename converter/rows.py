"""What a table of operators imports: everything that a row is written with."""

from converter.base.weight_steps import Step, cast, concatenate, reshape, slice_axis, transpose
from converter.lowering.node import Node, Operand, Unsupported, kind_of
from converter.lowering.tables import Call, call
from converter.script.program import (
    Arg,
    Assign,
    Block,
    Branch,
    Expr,
    For,
    Member,
    Unpacked,
    Variable,
    While,
    Written,
    expr,
    invoke,
    unless_default,
)
from converter.script.weights import Weight
from converter.shapes import PyValue

__all__ = [
    "Arg",
    "Assign",
    "Block",
    "Branch",
    "Call",
    "Expr",
    "For",
    "Member",
    "Node",
    "Operand",
    "PyValue",
    "Step",
    "Unpacked",
    "Unsupported",
    "Variable",
    "Weight",
    "While",
    "Written",
    "call",
    "cast",
    "concatenate",
    "expr",
    "invoke",
    "kind_of",
    "reshape",
    "slice_axis",
    "transpose",
    "unless_default",
]
