"""Bring any ONNX model to one opset, without functions, constants folded, shapes inferred, nothing lost.

The passes know ONNX only. A batch norm is never folded into a convolution, a Dropout never dropped: the result is
meant to be trained.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir

from converter.normalize.clean import clean
from converter.normalize.fold import fold_constants, is_folded
from converter.normalize.functions import inline_functions
from converter.normalize.initializers import lift_constants, read_model
from converter.normalize.names import name_nodes
from converter.normalize.shapes import infer_shapes
from converter.normalize.upgrade import OPSET, upgrade

__all__ = ["OPSET", "is_folded", "normalize"]


def normalize(model: onnx.ModelProto, base_dir: Path) -> ir.Model:
    """Return `model` at opset `OPSET` as a graph of plain nodes.

    Args:
        model: at the opset of its file, cut at the user's ends, external data not loaded.
        base_dir: the folder that external data is relative to.

    Raises:
        ModelLoadingError: the model cannot be read as a graph.
    """
    graph = read_model(model, base_dir)
    for step in (
        name_nodes,  # every node gets a name of its own, the source's where it has one
        inline_functions,  # calls of local functions become their bodies; who called what stays in the metadata
        upgrade,  # every operator to its meaning at OPSET
        lift_constants,  # Constant nodes become initializers; initializers leave the inputs
        infer_shapes,
        fold_constants,  # whatever is constant, except the float weights that the source names
        infer_shapes,
        clean,  # identities and dead code out
    ):
        step(graph)
    return graph
