"""Conditions that are known inside a branch: an If in a branch of an If on the same condition has only one branch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx_ir as ir

from converter.graph.constants import new_initializer
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import subgraphs


def know_conditions(model: ir.Model) -> None:
    """Make a constant of the condition of an If that stands in a branch of an If on the same condition.

    Graph mode compiles both branches of an if statement, also one that is never taken and whose shapes do not fit.
    """
    _know(model.graph, {}, UniqueNames.of(model))


def _know(graph: Iterable[ir.Node], known: Mapping[ir.Value, bool], names: UniqueNames) -> None:
    """Do so in a graph in which some conditions are known."""
    for node in graph:
        condition = node.inputs[0] if node.op_type == "If" and not node.domain else None
        if condition is None:
            for inner in subgraphs(node):
                _know(inner, known, names)
            continue
        if condition in known:
            assert isinstance(node.graph, ir.Graph)
            name = names.fresh(condition.name or "condition")
            constant = new_initializer(node.graph, name, ir.tensor(np.array(known[condition]), name=name))
            node.replace_input_with(0, constant)
        for name, taken in (("then_branch", True), ("else_branch", False)):
            if (branch := node.attributes.get(name)) is not None:
                _know(branch.as_graph(), {**known, condition: known.get(condition, taken)}, names)
