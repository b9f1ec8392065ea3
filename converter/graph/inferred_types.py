"""Inferred types: what ONNX's shape inference finds for the values of a model, a large one run by run.

For each sub-graph, onnx copies the types of all values around it, which is quadratic time for a model of many small
loops or branches. Such a model is inferred in runs of its nodes, each a model of its own. Shape arithmetic is not
followed from one run to the next, so a model of usual size is one run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import onnx
from google.protobuf.message import EncodeError

from converter.base.memory import at_most
from converter.graph.fatal_inference import without_fatal
from converter.graph.walk import proto_subgraphs

_MOST_MEMORY = 1 << 30
"""Bytes that one inference may take."""
_MOST_COPIED = 4_000_000
"""Types copied by the inference of a whole model, about three seconds; where it would copy more, runs are made."""
_MOST_COPIED_IN_RUN = 100_000
_MOST_READ = 1024
"""Elements of an initializer that inference may read: one that says a shape or an axis is smaller."""
INVENTED = re.compile(r"unk__(\d+)")
"""ONNX's name for an unknown dimension."""
_FIRST = 10**9
"""The numbers of a run's unknown dimensions begin at a multiple of this: those of different runs are not equal."""


def infer_proto(model: onnx.ModelProto, *, follow: bool = True) -> onnx.ModelProto:
    """ONNX's shape inference; `follow` says whether it follows the elements of shapes, if memory allows.

    It takes some 60 bytes for every element of a vector, however long: a Range of 10^12 would fill the machine.

    Raises:
        InferenceError: it fails.
    """
    model = without_fatal(_without_weights(model))
    for data_prop in (True, False) if follow else (False,):
        try:
            with at_most(_MOST_MEMORY):
                return onnx.shape_inference.infer_shapes(
                    model, check_type=False, strict_mode=False, data_prop=data_prop
                )
        except MemoryError:
            continue
        except (RuntimeError, ValueError, EncodeError) as error:  # InferenceError is a RuntimeError
            raise onnx.shape_inference.InferenceError(str(error)) from error
    raise onnx.shape_inference.InferenceError("the inference takes too much memory")


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its large initializers declared as inputs: inference copies them, and reads their types only."""
    large = [tensor for tensor in model.graph.initializer if math.prod(tensor.dims) > _MOST_READ]
    if not large:
        return model
    graph = onnx.GraphProto(name=model.graph.name, input=model.graph.input, output=model.graph.output)
    graph.node.extend(model.graph.node)
    graph.value_info.extend(model.graph.value_info)
    graph.initializer.extend(tensor for tensor in model.graph.initializer if math.prod(tensor.dims) <= _MOST_READ)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    declared = {info.name for info in graph.input}
    graph.input.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in large
        if tensor.name not in declared
    )
    return onnx.ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions, graph=graph
    )


def inferred_types(model: onnx.ModelProto, *, follow: bool) -> dict[str, onnx.TypeProto]:
    """The types and shapes of all values that nodes compute, those in sub-graphs included, by name.

    Args:
        model: names of values are unique in all its graphs; it has no local functions.
        follow: whether it follows the elements of shapes.

    Raises:
        InferenceError: it fails.
    """
    graph = model.graph
    if _copied(graph.node) <= _MOST_COPIED:
        return {info.name: info.type for info in _value_infos(infer_proto(model, follow=follow).graph)}
    known = {info.name: info for info in (*graph.input, *graph.value_info, *graph.output)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    types: dict[str, onnx.TypeProto] = {}
    for number, nodes in enumerate(_runs(graph.node), 1):
        part = _model_of(nodes, model, known, constants)
        before = {dim.dim_param for info in part.graph.input for dim in _dims(info)}
        for info in _value_infos(infer_proto(part, follow=follow).graph):
            for dim in _dims(info):
                invented = INVENTED.fullmatch(dim.dim_param)
                if invented and dim.dim_param not in before:
                    dim.dim_param = f"unk__{number * _FIRST + int(invented[1])}"
            known[info.name] = info
            types[info.name] = info.type
    return types


def _model_of(
    nodes: list[onnx.NodeProto],
    model: onnx.ModelProto,
    known: dict[str, onnx.ValueInfoProto],
    constants: dict[str, onnx.TensorProto],
) -> onnx.ModelProto:
    """A run of nodes as a model, whose inputs are the values that the run reads."""
    made = [name for node in nodes for name in node.output]
    own = set(made)
    read = dict.fromkeys(name for name in _names_read(nodes) if name not in own)
    part = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(constants[name] for name in read if name in constants)
    part.graph.input.extend(known[name] for name in read if name in known and name not in constants)
    part.graph.value_info.extend(known[name] for name in made if name in known)
    return part


def _runs(nodes: Iterable[onnx.NodeProto]) -> Iterator[list[onnx.NodeProto]]:
    run: list[onnx.NodeProto] = []
    graphs = values = 0
    for node in nodes:
        more_graphs, more_values = _size(node)
        graphs, values = graphs + more_graphs, values + more_values
        if run and graphs * values > _MOST_COPIED_IN_RUN:
            yield run
            run, graphs, values = [], more_graphs, more_values
        run.append(node)
    yield run


def _copied(nodes: Iterable[onnx.NodeProto]) -> int:
    """About how many types the inference of these nodes copies: a sub-graph those of all values before it."""
    graphs, values = (sum(column) for column in zip((0, 0), *map(_size, nodes), strict=True))
    return graphs * values


def _size(node: onnx.NodeProto) -> tuple[int, int]:
    """The number of sub-graphs and of values in a node."""
    graphs, values = 0, len(node.output)
    for inner in proto_subgraphs(node):
        sizes = [_size(each) for each in inner.node]
        graphs += 1 + sum(size[0] for size in sizes)
        values += len(inner.input) + sum(size[1] for size in sizes)
    return graphs, values


def _names_read(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """The values that nodes and their sub-graphs read, those within the sub-graphs included."""
    for node in nodes:
        yield from node.input
        for inner in proto_subgraphs(node):
            yield from _names_read(inner.node)
            yield from (value.name for value in inner.output)


def _value_infos(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.value_info
    yield from graph.output
    for node in graph.node:
        for inner in proto_subgraphs(node):
            yield from _value_infos(inner)


def _dims(info: onnx.ValueInfoProto) -> Iterable[onnx.TensorShapeProto.Dimension]:
    return info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") else ()
