"""What contributes nothing goes."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass


def clean(model: ir.Model) -> None:
    """Remove dead nodes and initializers, in sub-graphs too."""
    RemoveUnusedNodesPass()(model)
    model.graph.sort()
