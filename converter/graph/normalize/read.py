"""Read an ONNX protobuf into the graph that the passes change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from converter.errors import GraphInitError, NodeInputMissingError
from converter.graph.annotations import OPSET
from converter.graph.external_data import map_external_data
from converter.graph.walk import all_graphs, all_nodes


def read_model(model: onnx.ModelProto, base_dir: Path) -> ir.Model:
    """Return `model` as a new graph; tensors are shared, and external data stays on disk, relative to `base_dir`.

    Raises:
        GraphInitError: the protobuf is not a valid graph, or its opset is unknown.
        NodeInputMissingError: a node reads a value that nothing produces.
    """
    try:
        graph = ir.from_proto(_without_sparse_tensors(model))
        map_external_data(graph, base_dir)
        graph.graph.sort()
    except Exception as error:  # a malformed file can cause any error in the library
        reason = " ".join(str(error.__cause__ or error).split()[:50]) or type(error).__name__
        raise GraphInitError(f"the model cannot be read as a graph: {reason}. Check it with onnx.checker.") from error
    _check_sources(graph)
    versions = graph.opset_imports
    versions[""] = versions.pop("ai.onnx", versions.get("", 1))  # two names of one domain; without a version it is 1
    if not 0 <= versions[""] <= OPSET:
        raise GraphInitError(
            f"the model is written in operator set {versions['']}, and the sets 1 to {OPSET} are known. "
            "Export it for one of these, or install a newer version of onnx2mindspore."
        )
    return graph


def _check_sources(model: ir.Model) -> None:
    """Raise when a node or an output of a graph reads a value that nothing produces."""
    known = {value for graph in all_graphs(model) for value in (*graph.inputs, *graph.initializers.values())}
    needed = [(f"node '{node.name}'", value) for node in all_nodes(model.graph) for value in node.inputs]
    needed += [("the graph's outputs", value) for graph in all_graphs(model) for value in graph.outputs]
    for user, value in needed:
        if value is not None and value.producer() is None and value not in known:
            raise NodeInputMissingError(
                f"Nothing makes the value '{value.name}' that {user} need{'s' * ('node' in user)}."
            )


def _without_sparse_tensors(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model`, or a copy whose sparse tensors are dense: onnx_ir does not read them."""
    if not any(graph.sparse_initializer or _sparse_attributes(graph) for graph in _graphs(model.graph)):
        return model
    dense = onnx.ModelProto()
    dense.CopyFrom(model)
    for graph in _graphs(dense.graph):
        graph.initializer.extend(_densify(tensor) for tensor in graph.sparse_initializer)
        del graph.sparse_initializer[:]
        for attribute in _sparse_attributes(graph):
            attribute.t.CopyFrom(_densify(attribute.sparse_tensor))
            attribute.ClearField("sparse_tensor")
            attribute.type, attribute.name = onnx.AttributeProto.TENSOR, "value"
    return dense


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.type in _GRAPH_TYPES else ():
                yield from _graphs(inner)


_GRAPH_TYPES = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


def _sparse_attributes(graph: onnx.GraphProto) -> list[onnx.AttributeProto]:
    return [a for node in graph.node if node.op_type == "Constant" for a in node.attribute if a.name == "sparse_value"]


def _densify(sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    values, indices = onnx.numpy_helper.to_array(sparse.values), onnx.numpy_helper.to_array(sparse.indices)
    if indices.ndim == 2:
        indices = np.ravel_multi_index(tuple(indices.T), tuple(sparse.dims))
    dense = np.zeros(math.prod(sparse.dims), values.dtype)
    dense[indices] = values
    return onnx.numpy_helper.from_array(dense.reshape(tuple(sparse.dims)), sparse.values.name)
