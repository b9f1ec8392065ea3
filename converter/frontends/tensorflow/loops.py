"""Raise lowered loops: turn a frame of Enter, Merge, Switch, NextIteration and Exit into a While node again.

Freezing a function of TensorFlow 2 lowers its While nodes to these five operators. tf2onnx does not follow tensor lists
through them, loses shapes, and recognises an LSTM of Keras by its While. So a frame becomes a While again, with its
condition and body as functions of the library. The exception are loops of TensorFlow 1 over TensorArrays, which are
resources: tf2onnx recognises those in lowered form.

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
    """A loop-carried value. All fields are names of tensors.

    Attributes:
        initial: the value before the first iteration.
        merged: the output of Merge, which the condition reads.
        inside: the output of Switch, which the body reads.
        next: the value after an iteration; None if the value is loop-invariant.
        leaving: the Exit node; None if the value is not read after the loop.
    """

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
    """Replace frames by While nodes, inner loops first; remove nodes on which no tensor in `ends` depends."""
    while (frame := _innermost(graph)) is not None:
        _replace(graph, frame if _has_trip_counter(graph, frame) else _with_trip_counter(graph, frame))
        graph = graphs.part(graph, graphs.needed(graph, ends))
    return graph


def _innermost(graph: GraphDef) -> _Frame | None:
    """A frame that contains no other; None if there is no frame to replace."""
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
        inner = graphs.needed(graph, _body_results(frame), {graphs.split(v) for v in _body_inputs(frame)})
        if not any(nodes[n].op in ("Enter", "Exit") for n in inner):
            return frame
    return None


def _position(enter: NodeDef) -> tuple[int, str]:
    """Sort key of Enter nodes: lowering numbers them in the order of the While's inputs, `while/enter/_12`."""
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
    """Find the loop-carried values from a frame's Enter nodes; None if it does not have the form of a lowered While."""
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


def _has_trip_counter(graph: GraphDef, frame: _Frame) -> bool:
    """Whether the first value counts iterations from 0 and the second is the maximum trip count, as tf2onnx expects.

    Neither may be read after the loop. A maximum of -1 is none; any other is compared with the counter.
    """
    from tensorflow.core.framework.types_pb2 import DT_INT32

    if len(frame.variables) < 2 or any(variable.leaving for variable in frame.variables[:2]):
        return False
    nodes = {node.name: node for node in graph.node}
    counter, limit = frame.variables[:2]
    step = nodes.get(graphs.split(_skip_identities(nodes, counter.next or counter.inside))[0])
    return (
        step is not None
        and step.op in ("Add", "AddV2")
        and step.attr["T"].type == DT_INT32
        and _skip_identities(nodes, step.input[0]) == counter.inside
        and _skip_identities(nodes, limit.next or limit.inside) == limit.inside
        and _constant(nodes, counter.initial) == 0
        and (_constant(nodes, limit.initial) == -1 or _is_compared(graph, frame))
    )


def _constant(nodes: Mapping[str, NodeDef], tensor: str) -> int | None:
    """The number that a constant of type int32 holds; None for any other tensor."""
    import tensorflow as tf

    node = nodes[graphs.split(_skip_identities(nodes, tensor))[0]]
    if node.op != "Const" or node.attr["dtype"].type != tf.int32 or node.attr["value"].tensor.tensor_shape.dim:
        return None
    return int(tf.make_ndarray(node.attr["value"].tensor))


def _is_compared(graph: GraphDef, frame: _Frame) -> bool:
    """Whether the condition asks if the first value is less than the second."""
    compared = [variable.merged for variable in frame.variables[:2]]
    names = graphs.needed(graph, [frame.condition], {graphs.split(tensor) for tensor in compared})
    nodes = {node.name: node for node in graph.node}
    return any(
        node.op == "Less" and [_skip_identities(nodes, source) for source in node.input] == compared
        for node in map(nodes.get, names)
        if node is not None
    )


def _skip_identities(nodes: Mapping[str, NodeDef], tensor: str) -> str:
    """The tensor that a chain of Identity nodes reads."""
    while (node := nodes.get(graphs.split(tensor)[0])) is not None and node.op == "Identity":
        tensor = node.input[0]
    return _full(tensor)


def _with_trip_counter(graph: GraphDef, frame: _Frame) -> _Frame:
    """Add an iteration counter and a maximum trip count of -1 (no limit) before the frame's loop-carried values."""
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


def _body_inputs(frame: _Frame) -> list[str]:
    return [name for variable in frame.variables for name in (variable.merged, variable.inside)]


def _body_results(frame: _Frame) -> list[str]:
    return [frame.condition, *(variable.next for variable in frame.variables if variable.next)]


def _replace(graph: GraphDef, frame: _Frame) -> None:
    """Add a While node for the frame, and let the readers of the frame's Exit nodes read it.

    The shapes of loop-carried values are generalised until the body's results have the shapes of its inputs.
    """
    import tensorflow as tf
    from tf2onnx.shape_inference import infer_shape

    initial = [_full(variable.initial) for variable in frame.variables]
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graphs.part(graph, graphs.needed(graph, initial)), name="")
    imported = infer_shape(imported, {})  # also after a Merge, where TensorFlow infers no shape
    merged = [variable.merged for variable in frame.variables]
    inside = [variable.inside for variable in frame.variables]
    after = [variable.next or variable.inside for variable in frame.variables]
    specs = [_spec(imported.get_tensor_by_name(name)) for name in initial]
    body = _function(f"{frame.name}/body", graph, inside, after, specs)
    while (general := [_generalised(spec, result) for spec, result in zip(specs, body.results, strict=True)]) != specs:
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


def _generalised(spec: Any, tensor: Any) -> Any:
    """The most specific shape of a loop-carried value before and after an iteration: extents that change are free."""
    import tensorflow as tf

    return tf.TensorSpec(spec.shape.most_specific_compatible_shape(tensor.shape), spec.dtype)


class _Function(NamedTuple):
    """A function of the library, and its result tensors."""

    definition: FunctionDef
    results: Sequence[Any]


def _function(
    scope: str, graph: GraphDef, starts: Sequence[str], ends: Sequence[str], specs: Sequence[Any]
) -> _Function:
    """Make a function of the sub-graph between the tensors `starts` and `ends`; names of new nodes begin with `scope`.

    TensorFlow's own `wrap_function` would register inner loops for the lifetime of the process.
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
    """Let the readers of the Exit nodes read the outputs of the While."""
    for node in graph.node:
        if node.op == "Exit" and node.name in outputs:
            continue
        for i, name in enumerate(node.input):
            bare = graphs.split(name.removeprefix("^"))[0]
            if bare in outputs:
                node.input[i] = f"^{graphs.split(outputs[bare])[0]}" if name.startswith("^") else outputs[bare]
