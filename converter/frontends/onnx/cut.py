"""Cut an ONNX graph at any of its values: remove the nodes before its inputs and after its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import onnx

from converter.errors import GraphInitError, NodeInputMissingError, ParamMissingError
from converter.frontends.endpoints import listed
from converter.graph import proto_subgraphs


def cut(graph: onnx.GraphProto, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> None:
    """Make `inputs` and `outputs` the endpoints of `graph`, in place, and remove everything that is not between them.

    Nodes are sorted topologically. A node that computes an input, and also another needed value, stays; its output with
    the name of the input is renamed.

    Args:
        graph: does not contain the message objects in `inputs` and `outputs`.
        inputs: the new inputs, in order, with their types.
        outputs: the new outputs, likewise.

    Raises:
        ParamMissingError: an output needs an input of the graph that `inputs` lacks.
        NodeInputMissingError: a node reads a value that no node computes.
        GraphInitError: the graph is invalid: two nodes compute one value, or there is a cycle.
    """
    endpoints = {value.name for value in inputs}
    order = _needed(graph, endpoints, [value.name for value in outputs])
    place = {index: position for position, index in enumerate(order)}
    _arrange(graph.node, [place.get(index) for index in range(len(graph.node))])

    bounds = endpoints | {value.name for value in outputs}
    read = bounds.union(*(reads(node) for node in graph.node))
    _rename_made(graph.node, endpoints, read)
    made = {name for node in graph.node for name in node.output}
    constants = read - endpoints - made
    noted = constants | (made - bounds)
    keep(graph.initializer, lambda tensor: tensor.name in constants)
    keep(graph.sparse_initializer, lambda tensor: tensor.values.name in constants)
    keep(graph.value_info, lambda value: value.name in noted)
    keep(graph.quantization_annotation, lambda note: note.tensor_name in read)
    for field, values in ((graph.input, inputs), (graph.output, outputs)):
        del field[:]
        field.extend(values)


def initializer_names(graph: onnx.GraphProto) -> set[str]:
    """The names of the graph's initializers, dense and sparse."""
    return {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}


def reads(node: onnx.NodeProto) -> set[str]:
    """The values that a node reads: its inputs, and the outer values that its sub-graphs read."""
    names = {name for name in node.input if name}
    for body in proto_subgraphs(node):
        inner = {value.name for value in body.input} | initializer_names(body)
        used = {value.name for value in body.output}
        for child in body.node:
            used |= reads(child)
            inner.update(child.output)
        names |= used - inner
    return names


def _needed(graph: onnx.GraphProto, endpoints: set[str], outputs: Sequence[str]) -> list[int]:
    """The indices of the nodes between the endpoints, sorted topologically."""
    makers = _makers(graph)
    own_inputs = {value.name for value in graph.input}
    constants = initializer_names(graph)
    needed: set[int] = set()
    missing: dict[str, str] = {}
    pending = [(name, "the graph's output") for name in reversed(outputs)]
    while pending:
        name, reader = pending.pop()
        if name in endpoints or name in constants:
            continue
        if name in makers:
            if makers[name] not in needed:
                needed.add(makers[name])
                node = graph.node[makers[name]]
                pending += [(value, _text(node)) for value in sorted(reads(node))]
        elif name in own_inputs:
            missing[name] = reader
        else:
            raise NodeInputMissingError(
                f"the model is invalid: {reader} reads '{name}', which nothing in the graph makes."
            )
    if missing:
        own = [value.name for value in graph.input if value.name in missing]
        raise ParamMissingError(
            f"the outputs {listed(outputs)} need the input(s) {listed(own)}, which --input_nodes does not list. "
            f"Add {'it' if len(own) == 1 else 'them'}, or cut behind the node that reads '{own[0]}': {missing[own[0]]}."
        )
    return _sorted(graph, sorted(needed), {name: maker for name, maker in makers.items() if name not in endpoints})


def _makers(graph: onnx.GraphProto) -> dict[str, int]:
    """Value → the index of its producer."""
    makers: dict[str, int] = {}
    constants = initializer_names(graph)
    for index, node in enumerate(graph.node):
        for name in node.output:
            if name in constants:
                raise GraphInitError(
                    f"the model is invalid: {_text(node)} makes '{name}', which is the name of a constant, too. "
                    "Rename the constant in the source, a buffer of PyTorch that is called like an operator, and "
                    "export again."
                )
            if name and name in makers:
                raise GraphInitError(
                    f"the model is invalid: '{name}' is made twice, by {_text(graph.node[makers[name]])} and by "
                    f"{_text(node)}."
                )
            if name:
                makers[name] = index
    return makers


def _sorted(graph: onnx.GraphProto, indices: Sequence[int], makers: Mapping[str, int]) -> list[int]:
    """Sort nodes topologically (depth first, without recursion), otherwise in the graph's order."""
    before = {
        index: sorted({makers[name] for name in reads(graph.node[index]) if name in makers}, reverse=True)
        for index in indices
    }
    order: list[int] = []
    placed: dict[int, bool] = {}  # False from the first visit of a node until its producers are in `order`
    for start in indices:
        stack = [start]
        while stack:
            index = stack[-1]
            if index in placed:
                stack.pop()
                if not placed[index]:
                    placed[index] = True
                    order.append(index)
                continue
            placed[index] = False
            waiting = [maker for maker in before[index] if not placed.get(maker)]
            if any(maker in placed for maker in waiting):
                raise GraphInitError(f"the model is invalid: {_text(graph.node[index])} is part of a cycle.")
            stack += waiting
    return order


def _rename_made(nodes: Iterable[onnx.NodeProto], endpoints: set[str], read: set[str]) -> None:
    """Rename node outputs that have the name of an input: the value is now an input of the graph."""
    taken = endpoints | read | {name for node in nodes for name in node.output}
    for node in nodes:
        for index, name in enumerate(node.output):
            if name in endpoints:
                fresh = f"{name}_unused"
                while fresh in taken:
                    fresh += "_"
                taken.add(fresh)
                node.output[index] = fresh


def keep(field: Any, wanted: Callable[[Any], bool]) -> None:
    """Remove the messages of a repeated field that are not wanted."""
    flags = [wanted(message) for message in field]
    _arrange(field, [position if flag else None for position, flag in enumerate(flags)])


def _arrange(field: Any, places: Sequence[int | None]) -> None:
    """Sort a repeated field by `places`, and remove messages whose place is None, in place, without copies."""
    last = len(places)
    keys = iter(last if place is None else place for place in places)
    field.sort(key=lambda _: next(keys))
    del field[last - places.count(None) :]


def _text(node: onnx.NodeProto) -> str:
    return f"node '{node.name}' ({node.op_type})" if node.name else f"the {node.op_type} that makes '{node.output[0]}'"
