"""Loops, put back together.

Freezing a function of TensorFlow 2 lowers its While nodes to Enter, Merge, Switch, NextIteration and Exit. tf2onnx
follows no tensor list through these, loses shapes, and recognises an LSTM of Keras by its While. So a frame becomes a
While again, its condition and body functions of the library; but for loops of TensorFlow 1 over TensorArrays, which are
resources: those tf2onnx knows as they are.

How a While is lowered: tensorflow/core/common_runtime/lower_while_op.h.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
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
    """Turn the frames into While nodes, inner ones first; drop what `ends` do not need."""
    while (frame := _innermost(graph)) is not None:
        _replace(graph, frame if _is_counted(graph, frame) else _counted(graph, frame))
        graph = graphs.part(graph, graphs.needed(graph, ends))
    return graph


def _innermost(graph: GraphDef) -> _Frame | None:
    """A frame that has no other inside."""
    from tensorflow.core.framework.types_pb2 import DT_RESOURCE

    nodes = {node.name: node for node in graph.node}
    readers = _readers(graph)
    enters: dict[str, list[NodeDef]] = {}
    for node in graph.node:
        if node.op == "Enter":
            enters.setdefault(node.attr["frame_name"].s.decode(), []).append(node)
    for name, members in enters.items():
        if any(node.attr["T"].type == DT_RESOURCE for node in members):
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
                _full(back.input[0]),
                None if leaving is None else leaving.name,
            )
        )
        condition = nodes[graphs.split(switch.input[1])[0]]
    return None if condition is None else _Frame(name, tuple(variables), _full(condition.input[0]))


def _is_counted(graph: GraphDef, frame: _Frame) -> bool:
    """Whether the first variable counts the turns and the second is their limit, as tf2onnx expects.

    It gives neither to anybody outside.
    """
    from tensorflow.core.framework.types_pb2 import DT_INT32

    if len(frame.variables) < 2 or any(variable.leaving for variable in frame.variables[:2]):
        return False
    nodes = {node.name: node for node in graph.node}
    counter, limit = frame.variables[:2]
    step = nodes.get(graphs.split(_behind(nodes, counter.next or counter.inside))[0])
    return (
        step is not None
        and step.op in ("Add", "AddV2")
        and step.attr["T"].type == DT_INT32
        and _behind(nodes, step.input[0]) == counter.inside
        and _behind(nodes, limit.next or limit.inside) == limit.inside
    )


def _behind(nodes: Mapping[str, NodeDef], tensor: str) -> str:
    """The tensor that Identity nodes pass on."""
    while (node := nodes.get(graphs.split(tensor)[0])) is not None and node.op == "Identity":
        tensor = node.input[0]
    return _full(tensor)


def _counted(graph: GraphDef, frame: _Frame) -> _Frame:
    """The frame with a counter and a limit (none) before its variables."""
    from tensorflow.core.framework.types_pb2 import DT_INT32

    for name, value in (("counter", 0), ("limit", -1), ("one", 1)):
        constant = graph.node.add(op="Const", name=f"{frame.name}/{name}")
        constant.attr["dtype"].type = constant.attr["value"].tensor.dtype = DT_INT32
        constant.attr["value"].tensor.tensor_shape.SetInParent()
        constant.attr["value"].tensor.int_val.append(value)
    counter, limit = (f"{frame.name}/{name}_inside:0" for name in ("counter", "limit"))
    step = graph.node.add(op="AddV2", name=f"{frame.name}/count", input=[counter, f"{frame.name}/one"])
    step.attr["T"].type = DT_INT32
    added = (
        _Variable(f"{frame.name}/counter:0", counter, counter, f"{step.name}:0", None),
        _Variable(f"{frame.name}/limit:0", limit, limit, None, None),
    )
    return replace(frame, variables=(*added, *frame.variables))


def _starts(frame: _Frame) -> list[str]:
    return [name for variable in frame.variables for name in (variable.merged, variable.inside)]


def _ends(frame: _Frame) -> list[str]:
    return [frame.condition, *(variable.next for variable in frame.variables if variable.next)]


def _replace(graph: GraphDef, frame: _Frame) -> None:
    """Put a While in the place of the frame's Exits."""
    import tensorflow as tf
    from tf2onnx.shape_inference import infer_shape

    initial = [_full(variable.initial) for variable in frame.variables]
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graphs.part(graph, graphs.needed(graph, initial)), name="")
    imported = infer_shape(imported, {})  # also behind a Merge, where TensorFlow gives up
    merged = [variable.merged for variable in frame.variables]
    inside = [variable.inside for variable in frame.variables]
    after = [variable.next or variable.inside for variable in frame.variables]
    specs = [_spec(imported.get_tensor_by_name(name)) for name in initial]
    body = _function(f"{frame.name}/body", graph, inside, after, specs)
    while (general := [_common(spec, result) for spec, result in zip(specs, body.results, strict=True)]) != specs:
        specs = general
        body = _function(f"{frame.name}/body", graph, inside, after, specs)
    condition = _function(f"{frame.name}/cond", graph, merged, [frame.condition], specs)

    loop = graph.node.add(op="While", name=frame.name, input=initial)
    for kind, function in (("cond", condition), ("body", body)):
        definition = graph.library.function.add()
        definition.CopyFrom(function.definition)
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


class _Function(NamedTuple):
    """A function of the library, and the tensors that it gives."""

    definition: FunctionDef
    results: Sequence[Any]


def _function(
    scope: str, graph: GraphDef, starts: Sequence[str], ends: Sequence[str], specs: Sequence[Any]
) -> _Function:
    """The part of the graph between these tensors, as a function; the names of its own begin with `scope`.

    TensorFlow's own `wrap_function` would register the loops inside for as long as the process lives.
    """
    import tensorflow as tf
    from tensorflow.python.framework.graph_to_function_def import graph_to_function_def

    inside = graphs.part(graph, graphs.needed(graph, ends, {graphs.split(start) for start in starts}))
    for node in inside.node:
        node.input[:] = [_full(source) for source in node.input if not source.startswith("^")]
    read = {source for node in inside.node for source in node.input}
    with tf.Graph().as_default() as body:
        values = [
            tf.compat.v1.placeholder(spec.dtype, spec.shape, f"{scope}/argument_{i}") for i, spec in enumerate(specs)
        ]
        known = dict(zip(starts, values, strict=True))
        computed = [end for end in ends if end not in known]
        arguments = {start: value for start, value in known.items() if start in read}
        results = tf.import_graph_def(inside, arguments, computed, name="")
        known.update(zip(computed, results, strict=True))
        given = [tf.identity(known[end], name=f"{scope}/result_{i}") for i, end in enumerate(ends)]
    return _Function(graph_to_function_def(body, body.get_operations(), values, given), given)


def _rewire(graph: GraphDef, outputs: Mapping[str, str]) -> None:
    """Let the readers of the Exits read the While."""
    for node in graph.node:
        if node.op == "Exit" and node.name in outputs:
            continue
        for i, name in enumerate(node.input):
            bare = graphs.split(name.removeprefix("^"))[0]
            if bare in outputs:
                node.input[i] = f"^{graphs.split(outputs[bare])[0]}" if name.startswith("^") else outputs[bare]
