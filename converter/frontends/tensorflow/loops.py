"""Loops over tensor lists, put back together.

Freezing a function of TensorFlow 2 lowers its While nodes to Enter, Merge, Switch, NextIteration and Exit. tf2onnx
follows these for TensorArrays only, and recognises an LSTM or GRU of Keras by its While. So a frame that carries a
tensor list becomes a While again, its condition and body functions of the library.

How a While is lowered: tensorflow/core/common_runtime/lower_while_op.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef


@dataclass(frozen=True)
class _Variable:
    """A value that the loop carries. All are names of tensors; `next` is None for one that does not change."""

    initial: str
    merged: str
    inside: str
    next: str | None
    leaving: str | None


@dataclass(frozen=True)
class _Frame:
    name: str
    variables: tuple[_Variable, ...]
    condition: str


def raise_loops(graph: GraphDef, ends: Sequence[str]) -> GraphDef:
    """Turn the frames that carry tensor lists into While nodes, inner frames first; drop what `ends` do not need."""
    while (frame := _innermost(graph)) is not None:
        _replace(graph, frame)
        graph = graphs.part(graph, graphs.needed(graph, ends))
    return graph


def _innermost(graph: GraphDef) -> _Frame | None:
    """A frame that carries a tensor list and has no other frame inside."""
    from tensorflow.core.framework.types_pb2 import DT_VARIANT

    nodes = {node.name: node for node in graph.node}
    readers = _readers(graph)
    enters: dict[str, list[NodeDef]] = {}
    for node in graph.node:
        if node.op == "Enter":
            enters.setdefault(node.attr["frame_name"].s.decode(), []).append(node)
    for name, members in enters.items():
        if all(node.attr["T"].type != DT_VARIANT for node in members):
            continue
        frame = _frame(name, sorted(members, key=_position), nodes, readers)
        if frame is None:
            continue
        inner = graphs.needed(graph, _ends(frame), {graphs.split(v) for v in _starts(frame)})
        if not any(nodes[n].op in ("Enter", "Exit") for n in inner):
            return frame
    return None


def _position(enter: NodeDef) -> tuple[int, str]:
    """Lowering numbers the Enters in the order of the While's inputs: `while/enter/_12`."""
    number = re.search(r"\d+$", enter.name)
    return int(number[0]) if number else 0, enter.name


def _readers(graph: GraphDef) -> dict[str, list[NodeDef]]:
    readers: dict[str, list[NodeDef]] = {}
    for node in graph.node:
        for source, _ in graphs.data_inputs(node):
            readers.setdefault(source, []).append(node)
    return readers


def _frame(
    name: str, enters: Sequence[NodeDef], nodes: Mapping[str, NodeDef], readers: Mapping[str, list[NodeDef]]
) -> _Frame | None:
    """Find the loop's variables from its Enters; None when it is not what lowering a While makes."""
    variables = []
    condition = None
    for enter in enters:
        merge = next((node for node in readers.get(enter.name, ()) if node.op == "Merge"), None)
        if merge is None:
            variables.append(_Variable(enter.input[0], f"{enter.name}:0", f"{enter.name}:0", None, None))
            continue
        back = nodes[graphs.split(merge.input[1])[0]]
        switch = next((node for node in readers[merge.name] if node.op == "Switch"), None)
        if back.op != "NextIteration" or switch is None:
            return None
        leaving = next((node for node in readers.get(switch.name, ()) if node.op == "Exit"), None)
        variables.append(
            _Variable(
                enter.input[0],
                f"{merge.name}:0",
                f"{switch.name}:1",
                back.input[0],
                None if leaving is None else leaving.name,
            )
        )
        condition = nodes[graphs.split(switch.input[1])[0]]
    return None if condition is None else _Frame(name, tuple(variables), condition.input[0])


def _starts(frame: _Frame) -> list[str]:
    return [name for variable in frame.variables for name in (variable.merged, variable.inside)]


def _ends(frame: _Frame) -> list[str]:
    return [frame.condition, *(variable.next for variable in frame.variables if variable.next)]


def _replace(graph: GraphDef, frame: _Frame) -> None:
    """Put a While in the place of the frame's Exits."""
    import tensorflow as tf

    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
    merged = [variable.merged for variable in frame.variables]
    inside = [variable.inside for variable in frame.variables]
    after = [variable.next or variable.inside for variable in frame.variables]
    specs = [_spec(imported.get_tensor_by_name(_full(variable.initial))) for variable in frame.variables]
    body = _function(graph, inside, after, specs)
    while (general := [_common(spec, result) for spec, result in zip(specs, body.outputs, strict=True)]) != specs:
        specs = general
        body = _function(graph, inside, after, specs)
    condition = _function(graph, merged, [frame.condition], specs)

    loop = graph.node.add(op="While", name=frame.name, input=[variable.initial for variable in frame.variables])
    for kind, function in (("cond", condition), ("body", body)):
        definition = graph.library.function.add()
        definition.CopyFrom(function.function_def)
        definition.signature.name = f"{re.sub('[^A-Za-z0-9_]', '_', frame.name)}_{kind}"
        loop.attr[kind].func.name = definition.signature.name
    loop.attr["T"].list.type.extend(spec.dtype.as_datatype_enum for spec in specs)
    loop.attr["output_shapes"].list.shape.extend(spec.shape.as_proto() for spec in specs)
    outputs = {v.leaving: f"{frame.name}:{i}" for i, v in enumerate(frame.variables) if v.leaving}
    _rewire(graph, outputs)


def _full(tensor: str) -> str:
    return "{}:{}".format(*graphs.split(tensor))


def _spec(tensor: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec(tensor.shape, tensor.dtype)


def _common(spec: Any, tensor: Any) -> Any:
    """The shape of a variable before and after a turn, without the extents that change."""
    import tensorflow as tf

    return tf.TensorSpec(spec.shape.most_specific_compatible_shape(tensor.shape), spec.dtype)


def _function(graph: GraphDef, starts: Sequence[str], ends: Sequence[str], specs: Sequence[Any]) -> Any:
    """The part of the graph between these tensors, as a concrete function."""
    import tensorflow as tf

    inside = graphs.needed(graph, ends, {graphs.split(start) for start in starts})
    part = graphs.part(graph, inside)
    arguments = {start: f"argument_{i}:0" for i, start in enumerate(starts)}
    for node in part.node:
        data = [source for source in node.input if not source.startswith("^")]
        node.input[:] = [arguments.get(_full(source), source) for source in data]
    for i, spec in enumerate(specs):
        node = part.node.add(op="Placeholder", name=f"argument_{i}")
        node.attr["dtype"].type = spec.dtype.as_datatype_enum

    def body(*values: Any) -> list[Any]:
        own = dict(zip(starts, values, strict=True))
        computed = [end for end in ends if end not in own]
        mapping = {f"argument_{i}:0": value for i, value in enumerate(values)}
        results = tf.import_graph_def(part, mapping, [_full(end) for end in computed], name="")
        own.update(zip(computed, results, strict=True))
        return [tf.identity(own[end]) for end in ends]

    return tf.compat.v1.wrap_function(body, list(specs))


def _rewire(graph: GraphDef, outputs: Mapping[str, str]) -> None:
    """Let the readers of the Exits read the While."""
    for node in graph.node:
        if node.op == "Exit" and node.name in outputs:
            continue
        for i, name in enumerate(node.input):
            bare = graphs.split(name.removeprefix("^"))[0]
            if bare in outputs:
                node.input[i] = f"^{graphs.split(outputs[bare])[0]}" if name.startswith("^") else outputs[bare]
