"""Types and shapes of the values, as far as ONNX can infer them."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass


def infer_shapes(model: ir.Model) -> None:
    """Infer types and shapes, following shape arithmetic; what cannot be inferred stays unknown."""
    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
