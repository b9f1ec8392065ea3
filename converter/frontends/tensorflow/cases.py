"""Branches that a number chooses, `tf.switch_case`: as a chain of branches that a truth value chooses.

Freezing lowers a Case to `_SwitchN`, which hands a tensor to one of N branches, and to Merges of N results; tf2onnx
knows Switch and Merge of two. In the chain, each branch but the last stands against the result of those that follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.tensor_arrays import constant

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef


def part_cases(graph: GraphDef) -> None:
    """Replace, in place, `_SwitchN` and the Merges behind it."""
    switches = {node.name: node for node in graph.node if node.op == "_SwitchN"}
    if not switches:
        return
    nodes = {node.name: node for node in graph.node}
    merges = [(node, _chosen_by(nodes, node)) for node in graph.node if node.op == "Merge"]
    replaced: dict[str, str] = {}
    for switch in switches.values():
        count = switch.attr["num_outs"].i
        for place in range(count):
            condition = _condition(graph, nodes, switch.input[1], min(place, count - 2))
            one = _switch(graph, nodes, f"{switch.name}/{min(place, count - 2)}", switch.input[0], condition, switch)
            replaced[f"{switch.name}:{place}"] = f"{one}:{int(place < count - 1)}"
    for node in graph.node:
        for i, source in enumerate(node.input):
            node.input[i] = replaced.get("{}:{}".format(*graphs.split(source)), source)
    for merge, switch in merges:
        if switch is not None:
            _chain(graph, nodes, merge, switch)
    kept = [node for node in graph.node if node.op != "_SwitchN"]
    graph.CopyFrom(type(graph)(versions=graph.versions, library=graph.library, node=kept))


def _chosen_by(nodes: dict[str, NodeDef], merge: NodeDef) -> NodeDef | None:
    """The `_SwitchN` that decides which input of a Merge is computed; None if another operator does."""
    count = len(graphs.data_inputs(merge))
    for source, _ in graphs.data_inputs(merge):
        waiting, seen = [source], {source}
        while waiting:
            node = nodes[waiting.pop()]
            if node.op == "_SwitchN" and node.attr["num_outs"].i == count:
                return node
            if node.op in ("Switch", "_SwitchN"):
                continue
            fresh = {name for name, _ in graphs.data_inputs(node)} - seen
            seen |= fresh
            waiting += fresh
    return None


def _condition(graph: GraphDef, nodes: dict[str, NodeDef], number: str, place: int) -> str:
    """Whether a number is that of a branch, as a node's name; the same node for all that ask."""
    from tensorflow.core.framework.types_pb2 import DT_INT32

    name = f"{graphs.split(number)[0]}/is_{graphs.split(number)[1]}_{place}"
    if name not in nodes:
        equal = graph.node.add(op="Equal", name=name, input=[number, constant(graph, f"{name}/place", place)])
        equal.attr["T"].type = DT_INT32
        nodes[name] = equal
    return name


def _switch(graph: GraphDef, nodes: dict[str, NodeDef], name: str, source: str, condition: str, like: NodeDef) -> str:
    """A Switch of a tensor, by name; `like` has its element type."""
    if name not in nodes:
        nodes[name] = graph.node.add(op="Switch", name=name, input=[source, condition])
        nodes[name].attr["T"].type = like.attr["T"].type
    return name


def _chain(graph: GraphDef, nodes: dict[str, NodeDef], merge: NodeDef, switch: NodeDef) -> None:
    """Let a Merge choose between the first branch and a chain of Merges of the others."""
    branches = [name for name in merge.input if not name.startswith("^")]
    scope, _, last = merge.name.rpartition("/")
    result = branches[-1]
    for place in range(len(branches) - 2, -1, -1):
        condition = _condition(graph, nodes, switch.input[1], place)
        name = f"{scope}/branch_{place}/{last}" if place else merge.name
        ends = []
        for side, source in enumerate((result, branches[place])):
            if not _depends_on(nodes, source, condition):
                source = f"{_switch(graph, nodes, f'{name}/side_{side}', source, condition, merge)}:{side}"
            ends.append(source)
        if place:
            nodes[name] = graph.node.add(op="Merge", name=name, input=ends)
            nodes[name].attr["T"].type, nodes[name].attr["N"].i = merge.attr["T"].type, 2
            result = name
        else:
            merge.input[:] = ends
            merge.attr["N"].i = 2


def _depends_on(nodes: dict[str, NodeDef], tensor: str, condition: str) -> bool:
    """Whether a tensor is computed of what a Switch with this condition hands on."""
    waiting, seen = [graphs.split(tensor)[0]], set[str]()
    while waiting:
        node = nodes[waiting.pop()]
        if node.op == "Switch" and node.input[1] == condition:
            return True
        fresh = {name for name, _ in graphs.data_inputs(node)} - seen if node.op != "Switch" else set()
        seen |= fresh
        waiting += fresh
    return False
