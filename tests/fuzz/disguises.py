"""Other forms of a model that compute the same: types, free axes, where constants stand, functions and sub-graphs.

A family of random graphs says what is computed; a disguise says how the file writes it. Each is kept only where
the source still runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import numpy as np
import onnx
from fuzz.building import Feeds, declared, names_read, run
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper, numpy_helper

Change = Callable[[ModelProto, dict[str, np.ndarray], Random], None]
_DOMAIN = "local"


def disguised(
    model: ModelProto, feeds: Feeds, random: Random, evaluator: bool
) -> tuple[ModelProto, dict[str, np.ndarray]]:
    """A model in another form, and its inputs in that form.

    Args:
        model: the model, which stays as it is.
        feeds: its inputs.
        random: what decides which of `CHANGES` are made.
        evaluator: whether onnx's evaluator runs what onnxruntime has no kernel for.
    """
    now, fed = model, dict(feeds)
    for change, chance in CHANGES:
        if random.random() >= chance:
            continue
        tried, inputs = ModelProto(), dict(fed)
        tried.CopyFrom(now)
        try:
            change(tried, inputs, random)
            run(tried, [inputs], evaluator)
        except Exception:  # the source has no kernel of that type, or no such form
            continue
        now, fed = tried, inputs
    return now, fed


def other_type(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """All float32 numbers in another type."""
    retype(model, feeds, TensorProto.FLOAT, random.choice([TensorProto.FLOAT16, TensorProto.DOUBLE]))


def retype(model: ModelProto, feeds: dict[str, np.ndarray], before: int, after: int) -> bool:
    """Give all numbers of one type another one; return whether there are any."""
    old, new = (helper.tensor_dtype_to_np_dtype(kind) for kind in (before, after))
    found = False

    def change(tensor: TensorProto) -> None:
        nonlocal found
        if tensor.data_type == before:
            found = True
            with np.errstate(over="ignore"):
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(new), tensor.name))

    nodes = [node for inside in model.functions for node in inside.node]
    for graph in _graphs(model.graph):
        nodes += graph.node
        for tensor in graph.initializer:
            change(tensor)
        for value in [*graph.input, *graph.output, *graph.value_info]:
            if value.type.tensor_type.elem_type == before:
                found, value.type.tensor_type.elem_type = True, after
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                change(attribute.t)
            elif attribute.name in ("to", "dtype") and attribute.i == before:
                attribute.i = after
    feeds.update({name: array.astype(new) for name, array in feeds.items() if array.dtype == old})
    return found


def free_axes(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """Every axis of every input has a name; equal extents have the same one at times.

    The length of a vector of integers stays, which are bounds or indices, and the last axis of a signal, which says
    whether it is complex.
    """
    if any(node.op_type in ("LSTM", "GRU", "RNN") or node.domain == "ai.onnx.ml" for node in model.graph.node):
        raise ValueError("onnxruntime reads behind lengths that do not fit")
    shared = random.random() < 0.5
    for value in model.graph.input:
        extents = feeds[value.name].shape
        names: list[int | str] = [f"s{n}" if shared else f"{value.name}_{i}" for i, n in enumerate(extents)]
        if len(extents) == 1 and feeds[value.name].dtype.kind in "iu":
            names = list(extents)
        if extents and any(node.op_type in ("DFT", "STFT") for node in model.graph.node):
            names[-1] = extents[-1]
        value.CopyFrom(declared(value.name, feeds[value.name], names))
    for value in model.graph.output:
        value.CopyFrom(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, None))


def no_shapes(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """No output has a shape."""
    for value in model.graph.output:
        value.CopyFrom(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, None))


def fed_constants(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """Some initializers are inputs, so that bounds, indices and weights are computed."""
    for tensor in list(model.graph.initializer):
        if random.random() < 0.4:
            feeds[tensor.name] = numpy_helper.to_array(tensor)
            model.graph.input.append(declared(tensor.name, feeds[tensor.name]))
            model.graph.initializer.remove(tensor)


def constant_nodes(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """Initializers are Constant nodes, one for each reader."""
    kept = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name in kept:
                nodes.append(helper.make_node("Constant", [], [f"{name}_{len(nodes)}"], value=kept[name]))
                node.input[i] = nodes[-1].output[0]
        nodes.append(node)
    inner = {name for node in nodes for name in names_read(node)} & set(kept)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensor for name, tensor in kept.items() if name in inner)


def function(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """The graph is a function of the file that is called once."""
    graph = model.graph
    starts = [value.name for value in [*graph.input, *graph.initializer]]
    ends = [value.name for value in graph.output]
    model.functions.append(helper.make_function(_DOMAIN, "whole", starts, ends, graph.node, model.opset_import))
    model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    del graph.node[:]
    graph.node.append(helper.make_node("whole", starts, ends, domain=_DOMAIN))


def branch(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """The graph is a branch of an If, which captures its inputs."""
    graph, inner = model.graph, _inner(model.graph)
    other = GraphProto(name="other")
    for value in inner.output:
        rank = len(value.type.tensor_type.shape.dim)
        kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        other.node.append(
            helper.make_node(
                "Constant", [], [f"{value.name}_o"], value=numpy_helper.from_array(np.zeros([1] * rank, kind))
            )
        )
        other.output.append(helper.make_empty_tensor_value_info(f"{value.name}_o"))
    feeds["chosen"] = np.array(True)
    graph.input.append(declared("chosen", feeds["chosen"]))
    node = helper.make_node("If", ["chosen"], [v.name for v in graph.output], then_branch=inner, else_branch=other)
    _only(graph, node)


def iterations(model: ModelProto, feeds: dict[str, np.ndarray], random: Random) -> None:
    """The graph is the body of a Loop, whose outputs are stacked."""
    graph, inner = model.graph, _inner(model.graph)
    inner.node.append(helper.make_node("Identity", ["going"], ["still"]))
    del inner.input[:]
    inner.input.extend(
        [helper.make_tensor_value_info("step", TensorProto.INT64, []), helper.make_tensor_value_info("going", 9, [])]
    )
    outputs = list(inner.output)
    del inner.output[:]
    inner.output.extend([helper.make_tensor_value_info("still", TensorProto.BOOL, []), *outputs])
    graph.initializer.append(numpy_helper.from_array(np.array(random.randint(1, 2)), "trips"))
    _only(graph, helper.make_node("Loop", ["trips", ""], [value.name for value in graph.output], body=inner))
    no_shapes(model, feeds, random)


def _inner(graph: GraphProto) -> GraphProto:
    """A graph as a sub-graph, which captures the inputs; the names of what it returns are its own."""
    inner = GraphProto()
    inner.CopyFrom(graph)
    del inner.input[:], inner.value_info[:]
    for value in inner.output:
        inner.node.append(helper.make_node("Identity", [value.name], [f"{value.name}_i"]))
        value.name = f"{value.name}_i"
    return _renamed(inner, {value.name for value in graph.output})


def _renamed(graph: GraphProto, names: set[str]) -> GraphProto:
    """A graph whose values of these names, which stand outside, too, have others."""
    for node in graph.node:
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                field[i] = f"{name}_in" if name in names else name
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                _renamed(attribute.g, names)
    for value in graph.output:
        value.name = f"{value.name}_in" if value.name in names else value.name
    return graph


def _only(graph: GraphProto, node: onnx.NodeProto) -> None:
    kept = [tensor for tensor in graph.initializer if tensor.name in node.input]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.append(node)
    graph.initializer.extend(kept)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _graphs(attribute.g)


CHANGES: tuple[tuple[Change, float], ...] = (
    (other_type, 0.3),
    (fed_constants, 0.25),
    (free_axes, 0.5),
    (no_shapes, 0.2),
    (constant_nodes, 0.2),
    (function, 0.1),
    (branch, 0.1),
    (iterations, 0.08),
)
"""What may be done, in this order, and how often."""
