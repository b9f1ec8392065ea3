"""Local functions become their bodies."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import InlinePass


def inline_functions(model: ir.Model) -> None:
    """Replace every call of a local function by the function's nodes."""
    if model.functions:
        InlinePass()(model)
