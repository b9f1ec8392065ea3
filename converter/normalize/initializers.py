"""From the file's form into the graph's: constants are initializers, and initializers are not inputs."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveInitializersFromInputsPass


def read_model(model: onnx.ModelProto, base_dir: Path) -> ir.Model:
    """Return `model` as a graph; external data stays on disk, found in `base_dir`."""
    graph = ir.from_proto(model)
    ir.external_data.set_base_dir(graph.graph, base_dir)
    return graph


def lift_constants(model: ir.Model) -> None:
    """Turn Constant nodes into initializers and take initializers out of the inputs, in sub-graphs too."""
    RemoveInitializersFromInputsPass()(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
