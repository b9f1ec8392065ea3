"""What a table of operators imports: everything that a row is written with."""

from converter.lift import PyValue
from converter.program import (
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
from converter.tables import Call, call
from converter.translate.node import Declined, Node, Operand, kind_of
from converter.weights import Step, Weight, cast, concatenate, part, reshape, transpose

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
