"""Nodes of tf2onnx's graph, as its handlers make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

NUMBER = "number"
"""The end of the name of a constant that a handler adds: a number or a table of a formula, which is not trained."""
ABSENT = "absent"
"""The end of the name of the ones or zeros of a norm that has no scale or no bias, which are not trained."""


def add_node(graph: Any, node: Any, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
    """Add a node before `node`; returns its first output."""
    from tf2onnx import utils

    name = utils.make_name(f"{node.name}/{operator}")
    dtypes = [graph.get_dtype(inputs[0])]
    return str(graph.make_node(operator, list(inputs), attr=attributes, name=name, dtypes=dtypes).output[0])


def add_constant(graph: Any, node: Any, value: Any, dtype: type[np.generic] = np.float32) -> str:
    """Add a constant; returns its name."""
    from tf2onnx import utils

    return str(graph.make_const(utils.make_name(f"{node.name}/{NUMBER}"), np.asarray(value, dtype)).output[0])


def finish(graph: Any, node: Any, operator: str, inputs: Sequence[str], **attributes: Any) -> None:
    """Make `node` the last node of its translation."""
    node.type = operator
    for name in list(node.attr):
        del node.attr[name]
    for name, value in attributes.items():
        node.set_attr(name, value)
    graph.replace_inputs(node, list(inputs))
