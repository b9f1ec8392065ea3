"""Sequence lengths of `tf.nn.dynamic_rnn`: let its loop run to the end of the time axis.

TensorFlow stops after the longest sequence; the rest of the outputs, which nothing wrote, are zeros. tf2onnx returns
the steps that ran, and no others. A step behind the end of all sequences writes zeros and leaves the states as they
are, so that the loop may as well run over all of them (`_dynamic_rnn_loop` in tensorflow/python/ops/rnn.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_SELECTS = ("Select", "SelectV2")
_WRITES = {"TensorArrayWriteV3": 2, "TensorListSetItem": 2}
"""Operators that write an element of an array → the input that is written."""
_COPIES = ("Identity", "Switch", "Merge", "Enter")
"""Operators that hand the first of their inputs on."""


def run_all_steps(graph: GraphDef) -> None:
    """Replace the limit of each loop that ends with the longest sequence by the extent of the time axis, in place.

    The loops are lowered: frames of Enter, Merge, Switch, NextIteration and Exit.
    """
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op != "Minimum" or (lengths := _longest(node, nodes)) is None:
            continue
        entered = [each for each in graph.node if (node.name, 0) in graphs.data_inputs(each)]
        if not entered or any(each.op != "Enter" for each in entered):
            continue
        frames = {each.attr["frame_name"].s for each in entered}
        if all(_keeps_what_is_over(frame, lengths, graph, nodes) for frame in frames):
            for each in entered:
                each.input[0] = node.input[0]


def _longest(node: NodeDef, nodes: Mapping[str, NodeDef]) -> str | None:
    """The sequence lengths L in `Minimum(steps, Maximum(1, Max(L)))`; None for another Minimum."""
    bounded = nodes[graphs.split(node.input[1])[0]]
    if bounded.op != "Maximum":
        return None
    longest = nodes[graphs.split(bounded.input[1])[0]]
    return graphs.split(longest.input[0])[0] if longest.op == "Max" else None


def _keeps_what_is_over(frame: bytes, lengths: str, graph: GraphDef, nodes: Mapping[str, NodeDef]) -> bool:
    """Whether an iteration writes and hands on nothing of its own for a sequence that is over."""
    results = list(_results(frame, graph, nodes))
    return bool(results) and all(
        node.op in _SELECTS and _asks_if_over(nodes[graphs.split(node.input[0])[0]], lengths, nodes) for node in results
    )


def _results(frame: bytes, graph: GraphDef, nodes: Mapping[str, NodeDef]) -> Iterator[NodeDef]:
    """The nodes that make what an iteration writes and hands on, but for counters."""
    entered = {node.name for node in graph.node if node.op == "Enter" and node.attr["frame_name"].s == frame}
    for merge in graph.node:
        if merge.op != "Merge" or graphs.split(merge.input[0])[0] not in entered:
            continue
        after = _source(nodes[graphs.split(merge.input[1])[0]].input[0], nodes)
        if after.op in _WRITES:
            after = _source(after.input[_WRITES[after.op]], nodes)
        if after.op not in ("Add", "AddV2", "Merge"):  # a counter, or what stays as it is
            yield after


def _source(tensor: str, nodes: Mapping[str, NodeDef], copies: Sequence[str] = _COPIES[:2], end: str = "") -> NodeDef:
    """The node that makes a tensor, before what only hands it on; `end` if that is among these."""
    node = nodes[graphs.split(tensor)[0]]
    while node.op in copies and node.name != end:
        node = nodes[graphs.split(node.input[0])[0]]
    return node


def _asks_if_over(node: NodeDef, lengths: str, nodes: Mapping[str, NodeDef]) -> bool:
    """Whether a node is `GreaterEqual(time, L)`."""
    return node.op == "GreaterEqual" and _source(node.input[1], nodes, _COPIES, lengths).name == lengths
