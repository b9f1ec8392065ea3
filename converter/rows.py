"""What a table of operators imports: everything that a row is written with."""

from converter.base.weight_steps import Step, cast, concatenate, part, reshape, transpose
from converter.lowering.node import Declined, Node, Operand, kind_of
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
    Value,
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
    "Declined",
    "Expr",
    "For",
    "Member",
    "Node",
    "Operand",
    "PyValue",
    "Step",
    "Unpacked",
    "Value",
    "Weight",
    "While",
    "Written",
    "call",
    "cast",
    "concatenate",
    "expr",
    "invoke",
    "kind_of",
    "part",
    "reshape",
    "transpose",
    "unless_default",
]
