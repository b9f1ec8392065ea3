"""Annotations: metadata that passes record on nodes and values for later stages, and the opset of normalisation."""

from __future__ import annotations

import onnx_ir as ir

OPSET = 28
"""Opset of ONNX's own operators in every normalised model, so that each operator has one meaning."""

REFUSED = "converter.refused"
"""Domain of nodes whose meaning cannot be expressed at `OPSET`; `refusal_of` says why."""

REASON = "converter.reason"
ORIGINAL = "converter.original"

LITERAL = "literal"
FOLDED = "folded"
SOURCES = "sources"
DECLARED = "declared"
VARYING = "varying"


def is_folded(value: ir.Value) -> bool:
    """Whether `value` is an initializer that constant folding computed: the source does not name it."""
    return bool(value.meta.get(FOLDED))


def sources_of(value: ir.Value) -> frozenset[str]:
    """The names of the tables that several nodes read, and from which constant folding computed `value`."""
    return value.meta.get(SOURCES, frozenset())


def is_literal(value: ir.Value) -> bool:
    """Whether `value` is an initializer that was a Constant node in the source."""
    return bool(value.meta.get(LITERAL))


def varying_axes(formal: ir.Value) -> tuple[int, ...]:
    """The axes of a loop-carried value whose extents an iteration changes."""
    return formal.meta.get(VARYING, ())


def refusal_of(node: ir.Node) -> tuple[str, str] | None:
    """The original operator of a refused node (`BatchNormalization-9`) and the reason; None for other nodes."""
    if node.domain != REFUSED:
        return None
    return node.metadata_props[ORIGINAL], node.metadata_props[REASON]
