"""Stubs: what stands in a script for a node that could not be translated, and how a node is described."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import onnx_ir as ir

from converter.graph.provenance import operator_of
from converter.script.program import Arg, Branch, Expr, For, Member, While, Written, expr

LINE = 90
"""Characters in a line of a stub's message."""


def unconverted(lines, *inputs):
    """Stand in for a node that has no translation: replace the call by code of your own."""
    raise NotImplementedError(" ".join(lines))


def stub(node: ir.Node, reason: str, inputs: tuple[Arg, ...]) -> tuple[Expr, str]:
    """Write a stub for a node: the call that raises, and what the report tells the reader to do."""
    operator = operator_of(node)
    row = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    attributes = ", ".join(f"{name}={_short(value.value)}" for name, value in node.attributes.items()) or "none"
    shapes = f"inputs {_signature(node.inputs)}; outputs {_signature(node.outputs)}"
    text = f"{operator} '{node.name}' is not converted: {reason}. Attributes: {attributes}; {shapes}."
    holes = "".join(f", {{{i + 2}}}" for i in range(len(inputs)))
    remedy = (
        f"{reason[:1].upper()}{reason[1:]}. Attributes: {attributes}; {shapes}. "
        f"Write it at this line, or give a row for {row} with --operator_map."
    )
    return expr(f"{{0}}({{1}}{holes})", unconverted, textwrap.wrap(text, LINE), *inputs), remedy


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
    """Say in a word what a row wrote: `nn.Conv2d`, `ops.relu`, `x + y`."""
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
        case Expr():
            return _describe(result)
    value = getattr(result, "value", None)
    return describe(value) if isinstance(value, Expr) else "its input, unchanged"


def _describe(item: Expr) -> str:
    first = item.args[0] if item.args else None
    if item.template.startswith("{0}("):
        if isinstance(first, Member):
            return _describe(first.constructor)
        return getattr(first, "__name__", "a call")
    if item.template.startswith("{0}.") and "(" in item.template:
        return "Tensor" + item.template[3:].split("(")[0]
    called = re.match(r"[A-Za-z_][\w.]*(?=\()", item.template)
    if called:
        return called[0]
    letters = iter("xyzuvw")
    names: dict[str, str] = {}
    return re.sub(r"\{(\d+)\}", lambda m: names.setdefault(m[1], next(letters, "a")), item.template)
