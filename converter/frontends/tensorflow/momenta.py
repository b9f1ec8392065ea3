"""How batch norms move their statistics in training, which a graph of inference does not say."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import onnx

from converter.base.trained import BIASED, YES
from converter.base.weight_steps import SOURCE


def set_momenta(graph: onnx.GraphProto, momenta: Mapping[str, float], biased: Collection[str] = ()) -> None:
    """Give each batch norm the momentum with which the source moves its statistics, and mark those that are biased.

    Args:
        graph: the graph; it is changed.
        momenta: the name of a moving mean → the share of itself that it keeps in each step of a training.
        biased: the names of the moving variances that the source moves towards the variance of a batch itself, as
            `tf.nn.moments` has it, not n / (n - 1) of it, as fused norms do.
    """
    names = {tensor.name: _source_name(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "BatchNormalization" and not node.domain:
            momentum = momenta.get(names.get(node.input[3], ""))
            if momentum is not None:
                kept = [attribute for attribute in node.attribute if attribute.name != "momentum"]
                del node.attribute[:]
                node.attribute.extend([*kept, onnx.helper.make_attribute("momentum", round(momentum, 7))])
            if names.get(node.input[4], "") in biased:
                node.metadata_props.add(key=BIASED, value=YES)


def _source_name(tensor: onnx.TensorProto) -> str:
    notes = {entry.key: entry.value for entry in tensor.metadata_props}
    name = json.loads(notes[SOURCE])["name"] if SOURCE in notes else tensor.name
    return str(name).removesuffix(":0")
