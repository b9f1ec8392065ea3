"""What a table of operators imports: everything that a row is written with."""

from converter.base.weight_steps import Step, cast, concatenate, reshape, slice_axis, transpose
from converter.lowering.context import Unsupported
from converter.lowering.node import Node, Operand
from converter.lowering.tables import TemplateRow, call
from converter.script.expressions import Arg, Constant, Expression, Index, Slice, invoke, unless_default
from converter.script.program import Member, Unpacked, Written
from converter.script.statements import Assign, Block, Branch, For, Variable, While
from converter.script.templates import expr
from converter.script.weights import Weight
from converter.shapes import PyValue, is_number, kind_of

__all__ = [
    "Arg",
    "Assign",
    "Block",
    "Branch",
    "Constant",
    "Expression",
    "For",
    "Index",
    "Member",
    "Node",
    "Operand",
    "PyValue",
    "Slice",
    "Step",
    "TemplateRow",
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
    "is_number",
    "kind_of",
    "reshape",
    "slice_axis",
    "transpose",
    "unless_default",
]
