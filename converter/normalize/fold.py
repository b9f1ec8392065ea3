"""Constant folding that leaves the source's weights alone."""

from __future__ import annotations

import onnx_ir as ir
from onnxscript.optimizer import fold_constants_ir

from converter.normalize.initializers import lift_constants

FOLDED = "folded"


def is_folded(value: ir.Value) -> bool:
    """Whether `value` is an initializer that constant folding made (and the source does not name)."""
    return bool(value.meta.get(FOLDED, False))


def fold_constants(model: ir.Model) -> None:
    """Compute what is constant. Dropout, random operators and the source's float weights stay."""
    weights = {
        value
        for graph in model.graphs()
        for value in graph.initializers.values()
        if value.dtype is not None and value.dtype.is_floating_point() and value.shape != ir.Shape([])
    }
    before = {value for graph in model.graphs() for value in graph.initializers.values()}
    kept = [node for node in ir.traversal.RecursiveGraphIterator(model.graph) if _is_kept(node)]
    for node in kept:
        node.domain = "converter.kept"
    fold_constants_ir(
        model,
        input_size_limit=1 << 22,
        output_size_limit=1 << 22,
        should_fold=lambda node: not any(value in weights for value in node.inputs),
    )
    for node in kept:
        node.domain = ""
    lift_constants(model)  # the folder leaves what it computes from a Shape as a Constant node
    for graph in model.graphs():
        for value in graph.initializers.values():
            if value not in before:
                value.meta[FOLDED] = True


def _is_kept(node: ir.Node) -> bool:
    """Whether the folder must not see a node: a Dropout, or what it fails on (a SplitToSequence by a computed size)."""
    sizes = node.inputs[1] if node.op_type == "SplitToSequence" and len(node.inputs) > 1 else None
    return node.op_type == "Dropout" or (sizes is not None and sizes.const_value is None)
