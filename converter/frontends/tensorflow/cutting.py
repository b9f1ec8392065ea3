"""Cutting the graph at the ends that the user named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from converter.errors import BadParamError, ParamMissingError
from converter.frontends.tensorflow import graph as graphs
from converter.source import Dim, End, Request

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


@dataclass(frozen=True)
class Cut:
    """The part of a graph between its ends. `feeds` and `fetches` are the ends' tensors in the graph as it was."""

    graph: GraphDef
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    feeds: tuple[str, ...]
    fetches: tuple[str, ...]


def cut(frozen: GraphDef, request: Request) -> Cut:
    """Cut `frozen` at the ends of the request; each input becomes a Placeholder of its own."""
    import tensorflow as tf

    with tf.Graph().as_default() as whole:
        tf.import_graph_def(frozen, name="")
    used = {name.lstrip("^").partition(":")[0] for node in frozen.node for name in node.input}
    inputs = request.input_nodes or tuple(n.name for n in frozen.node if n.op == "Placeholder")
    outputs = request.output_nodes or tuple(n.name for n in frozen.node if n.name not in used)
    feeds = [_tensor(whole, name) for name in inputs]
    fetches = [_tensor(whole, name) for name in outputs]
    stop = frozenset(graphs.split(tensor.name) for tensor in feeds)
    needed = graphs.closure(frozen, [tensor.name for tensor in fetches], stop)
    missing = [node.name for node in frozen.node if node.name in needed and node.op == "Placeholder"]
    if missing:
        raise ParamMissingError(f"the outputs need '{missing[0]}:0', which is not listed in --input_nodes.")

    result = tf.compat.v1.GraphDef(versions=frozen.versions, library=frozen.library)
    replaced: dict[str, str] = {}
    input_ends = []
    for i, (name, tensor) in enumerate(zip(inputs, feeds, strict=True)):
        shape, example = _shape(tensor.shape, request.shapes[i] if i < len(request.shapes) else "-")
        placeholder = result.node.add(op="Placeholder", name=tensor.op.name)
        if tensor.op.name in needed:
            placeholder.name = tensor.name.replace(":", "_")
        placeholder.attr["dtype"].type = tensor.dtype.as_datatype_enum
        dims = None if shape is None else [d if isinstance(d, int) else None for d in shape]
        placeholder.attr["shape"].shape.CopyFrom(tf.TensorShape(dims).as_proto())
        replaced[tensor.name] = f"{placeholder.name}:0"
        input_ends.append(End(name, f"{placeholder.name}:0", tensor.dtype.as_numpy_dtype, shape, example))
    for node in frozen.node:
        if node.name in needed:
            copy = result.node.add()
            copy.CopyFrom(node)
            del copy.input[:]
            for name in node.input:
                if not name.startswith("^"):
                    source, index = graphs.split(name)
                    copy.input.append(replaced.get(f"{source}:{index}", name))
                elif name[1:] in needed:
                    copy.input.append(name)
    _bypass_identities(result)
    with tf.Graph().as_default() as part:
        tf.import_graph_def(result, name="")
    output_ends = []
    for name, tensor in zip(outputs, fetches, strict=True):
        value = replaced.get(tensor.name, tensor.name)
        shape, _ = _shape(part.get_tensor_by_name(value).shape, "-")
        output_ends.append(End(name, value, tensor.dtype.as_numpy_dtype, shape))
    return Cut(
        result, tuple(input_ends), tuple(output_ends), tuple(t.name for t in feeds), tuple(t.name for t in fetches)
    )


def _bypass_identities(graph: GraphDef) -> None:
    """Let the consumers of a constant read it directly: a frozen variable is a constant behind an Identity."""
    constants = {node.name for node in graph.node if node.op == "Const"}
    behind = {
        node.name: node.input[0]
        for node in graph.node
        if node.op == "Identity" and len(node.input) == 1 and graphs.split(node.input[0])[0] in constants
    }
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = behind.get(name.removesuffix(":0"), name)


def _tensor(graph, name: str):
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError) as error:
        raise BadParamError(f"the graph has no tensor '{name}'.") from error


def _shape(shape, given: str) -> tuple[tuple[Dim, ...] | None, tuple[int, ...] | None]:
    own = None if shape.rank is None else shape.as_list()
    if given == "-":
        if own is None:
            return None, None
        return tuple(_free(i) if d is None else d for i, d in enumerate(own)), None
    dims: list[Dim] = [d if d.isalpha() else int(d) for d in given.split(",")]
    if own is None:
        own = [None] * len(dims)
    if len(own) != len(dims):
        raise BadParamError(f"shape {given} has {len(dims)} dimensions, the tensor {len(own)}.")
    named = tuple(
        g if isinstance(g, str) else (_free(i) if d is None else d) for i, (d, g) in enumerate(zip(own, dims))
    )
    return named, tuple(1 if isinstance(d, str) else d for d in dims)


def _free(axis: int) -> str:
    return "N" if axis == 0 else f"d{axis}"
