"""What the passes agree on, and the marks that they leave on nodes and values for whoever reads the result."""

from __future__ import annotations

import json

import onnx_ir as ir

OPSET = 28
"""Version of ONNX's own operators in every normalised model, so that one meaning per operator is enough."""

REFUSED = "converter.refused"
"""Domain of nodes whose meaning cannot be expressed at `OPSET`; `refusal_of` says why."""

SOURCE_NAME = "converter.source_name"
CALLS = "converter.calls"
REASON = "converter.reason"
ORIGINAL = "converter.original"

KEPT = "kept"
LITERAL = "literal"
FOLDED = "folded"
DECLARED = "declared"
VARYING = "varying"


def is_folded(value: ir.Value) -> bool:
    """Whether `value` is an initializer that constant folding computed: the source does not name it."""
    return bool(value.meta.get(FOLDED))


def is_literal(value: ir.Value) -> bool:
    """Whether `value` is an initializer that was a Constant node in the source."""
    return bool(value.meta.get(LITERAL))


def varying_axes(formal: ir.Value) -> tuple[int, ...]:
    """The axes of what a loop carries that a round changes."""
    return formal.meta.get(VARYING, ())


def source_name(value: ir.Value) -> str:
    """The name of `value` in the source, which another value may have too (in another branch of an If)."""
    return value.metadata_props.get(SOURCE_NAME, value.name or "")


def calls_of(node: ir.Node) -> list[tuple[str, str]]:
    """The calls of local functions that led to `node`, outermost first: pairs of function (`domain::name`) and caller.

    The caller is the calling node's name within its own function, so that the calls of one function read alike.
    """
    return [(function, caller) for function, caller in json.loads(node.metadata_props.get(CALLS, "[]"))]


def refusal_of(node: ir.Node) -> tuple[str, str] | None:
    """What a refused node was (`BatchNormalization-9`) and why it was refused; None for other nodes."""
    if node.domain != REFUSED:
        return None
    return node.metadata_props[ORIGINAL], node.metadata_props[REASON]
