"""Stubs: the calls that a script has for nodes that could not be translated; short descriptions of rows' results."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import onnx_ir as ir

from converter.graph import operator_of
from converter.script import (
    Arg,
    Attribute,
    Branch,
    Call,
    Constant,
    Expression,
    For,
    Index,
    Leaf,
    Member,
    Name,
    Slice,
    While,
    Written,
    is_literal,
    map_parts,
    text_of,
)

LINE = 90
"""Maximum characters in a line of a stub's message."""
LONGEST_FORMULA, DEEPEST_FORMULA = 40, 4
"""Maximum characters, and maximum depth of nested operators, of a formula that describes what a node became."""


def unconverted(lines, *inputs):
    """Stand in for a node that has no translation: replace the call by code of your own."""
    raise NotImplementedError(" ".join(lines))


def stub(node: ir.Node, reason: str, inputs: tuple[Arg, ...]) -> tuple[Call, str]:
    """Return a node's stub, which is a call that raises, and the remedy that the report gives."""
    operator = operator_of(node)
    row = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    attributes = ", ".join(f"{name}={_short(value.value)}" for name, value in node.attributes.items()) or "none"
    shapes = f"inputs {_signature(node.inputs)}; outputs {_signature(node.outputs)}"
    facts = f"Attributes: {attributes}; {shapes}."
    text = f"{operator} '{node.name}' is not converted: {reason}. {facts}"
    action = f"Write it at this line, or give a row for {row} with --operator_map."
    remedy = f"{reason[:1].upper()}{reason[1:]}. {facts} {action}"
    return Call(unconverted, (textwrap.wrap(text, LINE), *inputs)), remedy


def _signature(values: Any) -> str:
    return "(" + ", ".join(_tensor(value) for value in values) + ")"


def _tensor(value: ir.Value | None) -> str:
    if value is None:
        return "-"
    dtype = value.dtype.name.lower() if value.dtype is not None else "?"
    shape = "?" if value.shape is None else ", ".join(str(dim) for dim in value.shape)
    return f"{dtype}[{shape}]"


def _short(value: Any) -> str:
    if isinstance(value, ir.Graph):
        return "a graph"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def describe(result: Arg) -> str:
    """Describe a row's result in short: `nn.Conv2d`, `ops.relu`, `x + y`."""
    match result:
        case Written():
            return describe(result.statement)
        case Branch():
            return "if"
        case While():
            return "while"
        case For():
            return "for"
        case tuple():
            return next((describe(item) for item in result if item is not None), "nothing")
        case Expression():
            return _describe(result)
    value = getattr(result, "value", None)
    return describe(value) if isinstance(value, Expression) else "its input, unchanged"


def _describe(item: Expression) -> str:
    """The function that is called first; without a call, the formula with a letter for each operand and number."""
    called = _leading_call(item)
    match called:
        case Call(function=Member() as member):
            return describe(member.constructor)
        case Call(function=Attribute(name=method)):
            return f"Tensor.{method}"
        case Call(function=Name(path)):
            return path
        case Call(function=function):
            return getattr(function, "__name__", "a call")
    formulas = [_with_letters(item, depth) for depth in range(DEEPEST_FORMULA, 0, -1)]
    return next((formula for formula in formulas if len(formula) <= LONGEST_FORMULA), formulas[-1])


def _leading_call(item: Arg) -> Arg:
    """The call that an expression begins with, `ops.argmax(x)` of `ops.argmax(x).astype(ms.int64)`; else itself."""
    found = item
    while True:
        match item:
            case Call(function=Attribute(value=value)):
                found, item = item, value
            case Call(function=Call() as inner):
                item = inner
            case Call():
                return item
            case Index(value=value):
                item = value
            case _:
                return found


def _with_letters(item: Expression, depth: int) -> str:
    """An expression as text, with at most `depth` nested operators: letters replace operands and deeper expressions."""
    letters = iter("xyzuvw")
    names: dict[Any, Name] = {}

    def lettered(part: Arg, depth: int) -> Arg:
        if inspect.isfunction(part):
            return Name(part.__name__)
        inner = depth - isinstance(part, Expression) * (not isinstance(part, (Attribute, Name, Constant, Slice)))
        if inner >= 0 and (isinstance(part, Expression) or (isinstance(part, (tuple, list)) and not is_literal(part))):
            return map_parts(part, lambda each: lettered(each, inner))
        return names.setdefault(part if isinstance(part, Leaf) else repr(part), Name(next(letters, "a")))

    return text_of(lettered(item, depth), str)
