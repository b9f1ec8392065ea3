"""The momenta of batch norms, which a graph of inference does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping

import onnx

from converter.base.weight_steps import SOURCE


def set_momenta(graph: onnx.GraphProto, momenta: Mapping[str, float]) -> None:
    """Give each batch norm the momentum with which the source moves its statistics.

    Args:
        graph: the graph; it is changed.
        momenta: the name of a moving mean → the share of itself that it keeps in each step of a training.
    """
    names = {tensor.name: _source_name(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "BatchNormalization" and not node.domain:
            momentum = momenta.get(names.get(node.input[3], ""))
            if momentum is not None:
                kept = [attribute for attribute in node.attribute if attribute.name != "momentum"]
                del node.attribute[:]
                node.attribute.extend([*kept, onnx.helper.make_attribute("momentum", round(momentum, 7))])


def _source_name(tensor: onnx.TensorProto) -> str:
    notes = {entry.key: entry.value for entry in tensor.metadata_props}
    name = json.loads(notes[SOURCE])["name"] if SOURCE in notes else tensor.name
    return str(name).removesuffix(":0")
