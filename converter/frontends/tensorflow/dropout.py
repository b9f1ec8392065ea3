"""Dropouts that a source marked: an Identity with a rate becomes a Dropout, which acts in training only."""

from __future__ import annotations

from typing import Any

import numpy as np

RATE = "_dropout_rate"
"""The attribute of an Identity node of TensorFlow that stands for a dropout: the share of elements that it drops.

TensorFlow ignores and keeps attributes that begin with an underscore."""


def rewrite_dropout(graph: Any, ops: list[Any]) -> list[Any]:
    """Replace marked Identity nodes by Dropout nodes without a training mode: they do nothing in inference.

    A rewriter for tf2onnx: `graph` is its graph.
    """
    for node in list(ops):
        if node.type == "Identity" and node.get_attr(RATE) is not None:
            rate = node.get_attr_value(RATE)
            ratio = graph.make_const(f"{node.name}/ratio", np.array(rate, np.float32)).output[0]
            node.type = "Dropout"
            del node.attr[RATE]
            graph.replace_inputs(node, [node.input[0], ratio])
            node.skip_conversion = True
    return graph.get_nodes()
