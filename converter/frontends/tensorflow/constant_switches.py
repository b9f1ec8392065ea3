"""Branches of TensorFlow 1 whose condition is a constant: the branch that is taken stays, without Switch and Merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_Tensor = tuple[str, int]


def decide_switches(graph: GraphDef) -> None:
    """Replace, in place, each Merge of which one input is ever computed by an Identity of it, and remove the others."""
    nodes = {node.name: node for node in graph.node}
    taken = {node.name: value for node in graph.node if (value := _condition(node, nodes)) is not None}
    if not taken:
        return
    dead = _dead(graph, {(name, 1 - value) for name, value in taken.items()})
    for node in graph.node:
        sources = [(node.input[i], source) for i, source in enumerate(graphs.data_inputs(node))]
        if node.op == "Merge" and len(live := [name for name, source in sources if source not in dead]) == 1:
            _become_identity(node, live[0])
    for node in graph.node:
        for i, (name, index) in enumerate(graphs.data_inputs(node)):
            while name in taken and index == taken[name]:
                node.input[i] = nodes[name].input[0]
                name, index = graphs.split(node.input[i])
    kept = [node for node in graph.node if (node.name, 0) not in dead and node.name not in taken]
    names = {node.name for node in kept}
    copies = [(node, [name for name in node.input if not name.startswith("^") or name[1:] in names]) for node in kept]
    for node, inputs in copies:
        node.input[:] = inputs
    result = type(graph)(versions=graph.versions, library=graph.library, node=kept)
    graph.CopyFrom(result)


def _condition(node: NodeDef, nodes: dict[str, NodeDef]) -> int | None:
    """Which output of a Switch always has the value: 1 if its condition is true; None if that is computed."""
    if node.op != "Switch":
        return None
    condition = nodes[graphs.split(node.input[1])[0]]
    while condition.op == "Identity":
        condition = nodes[graphs.split(condition.input[0])[0]]
    if condition.op != "Const":
        return None
    import tensorflow as tf

    return int(bool(tf.make_ndarray(condition.attr["value"].tensor)))


def _dead(graph: GraphDef, dead: set[_Tensor]) -> set[_Tensor]:
    """The tensors that are never computed: the given ones, and what is computed of them; (node, 0) for a whole node."""
    waiting = list(graph.node)
    while True:
        found = [node for node in waiting if _is_dead(node, dead)]
        if not found:
            return dead
        for node in found:
            dead |= {(node.name, index) for index in range(max(1, graphs.output_count(graph, node)))}
        names = {node.name for node in found}
        waiting = [node for node in waiting if node.name not in names]


def _is_dead(node: NodeDef, dead: set[_Tensor]) -> bool:
    sources = graphs.data_inputs(node)
    if node.op == "Merge":
        return all(source in dead for source in sources)
    return any(source in dead for source in sources) or any(
        (name[1:], 0) in dead for name in node.input if name.startswith("^")
    )


def _become_identity(node: NodeDef, source: str) -> None:
    node.op = "Identity"
    node.input[:] = [source]
    node.attr.pop("N", None)
