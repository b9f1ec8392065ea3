"""From a cut graph to ONNX, by tf2onnx.

tf2onnx is made for inference: it computes constants together, merges equal ones and folds batch norms. Here the
result is trained on, so each weight of the source stays an initializer of its own, under its own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx

from converter.errors import TfRuntimeError
from converter.frontends.endpoints import is_named
from converter.frontends.source import Dim, Endpoint
from converter.frontends.tensorflow import layers, loops, order, rewrites, weights
from converter.frontends.tensorflow.cutting import Cut
from converter.frontends.tensorflow.tf2onnx_session import DOMAIN, Session

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

OPSET = 18
"""The newest opset that tf2onnx writes."""

_NOT_INLINED = ("_XlaMustCompile", "_noinline", "api_implements")
"""Attributes that keep TensorFlow from expanding a call: it is to be compiled, or has another form for a GPU."""


def to_onnx(cut: Cut) -> tuple[onnx.ModelProto, tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """Translate the cut graph; return the model with its inputs and outputs.

    Free dimensions stay free as long as tf2onnx can do with that. Where it fails on a node, they are fixed to their
    example, the batch last; a node that it fails on even so keeps its TensorFlow operator.

    Raises:
        TfRuntimeError: tf2onnx refuses the graph as a whole.
    """
    best, failure = None, None
    for inputs in _fixed_step_by_step(cut.inputs):
        try:
            model, failed = _convert(cut, inputs)
        except Exception as error:  # tf2onnx raises whatever its handlers raise
            failure = failure or error
            continue
        if best is None or failed < best[2]:
            best = model, inputs, failed
        if not failed:
            break
    if best is None:
        raise TfRuntimeError(
            f"tf2onnx cannot translate the graph: {' '.join(str(failure).split())[:300]}. "
            "Cut it around the node, with --input_nodes and --output_nodes."
        ) from failure
    model, inputs, _ = best
    return model, tuple(_settled(end) for end in inputs), _output_ends(model, [_settled(end) for end in cut.outputs])


def _settled(end: Endpoint) -> Endpoint:
    """The end as the finished model names it."""
    return replace(end, value=end.value.removesuffix(":0"))


def _fixed_step_by_step(inputs: tuple[Endpoint, ...]) -> Iterator[tuple[Endpoint, ...]]:
    """The inputs as they are; with all free dimensions but the batch fixed; with all fixed."""
    given = inputs
    yield given
    for first in (1, 0):
        fixed = tuple(replace(end, shape=_fix(end, first)) for end in inputs)
        if fixed != given:
            yield fixed
        given = fixed


def _fix(end: Endpoint, first: int) -> tuple[int | str, ...]:
    pairs = zip(end.shape or (), end.example or (), strict=True)
    return tuple(example if axis >= first else dim for axis, (dim, example) in enumerate(pairs))


def _convert(cut: Cut, inputs: Sequence[Endpoint]) -> tuple[onnx.ModelProto, int]:
    """Translate the graph with these shapes; also return how many nodes tf2onnx failed on."""
    input_names, output_names = [end.value for end in inputs], [end.value for end in cut.outputs]
    graph = _inline_functions(_with_shapes(cut.graph, inputs), input_names + output_names)
    graph = loops.raise_loops(graph, input_names + output_names)
    rewrites.prepare(graph)
    session = Session(graph, cut.contents, input_names, output_names, OPSET)
    model = session.convert()
    layers.tidy(model.graph)
    weights.restore(model.graph, _float_constants(cut))
    order.settle(model.graph, {node.name for node in cut.graph.node})
    _set_ends(model, [_settled(end) for end in inputs])
    return model, len(session.failed)


def _with_shapes(graph: GraphDef, inputs: Sequence[Endpoint]) -> GraphDef:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    result = GraphDef()
    result.CopyFrom(graph)
    for node, end in zip(result.node, inputs, strict=False):
        for dim, extent in zip(node.attr["shape"].shape.dim, end.shape or (), strict=True):
            dim.size = extent if isinstance(extent, int) else -1
    return result


def _inline_functions(graph: GraphDef, ends: Sequence[str]) -> GraphDef:
    """Expand function calls and drop what only orders execution, by TensorFlow's own optimizer.

    It lowers control flow, too.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.config_pb2 import ConfigProto
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
    from tensorflow.python.grappler import tf_optimizer

    for holder in (*graph.node, *graph.library.function, *(n for f in graph.library.function for n in f.node_def)):
        for name in _NOT_INLINED:
            holder.attr.pop(name, None)
    config = ConfigProto()
    rewrites = config.graph_options.rewrite_options
    rewrites.optimizers[:] = ["function", "dependency"]
    rewrites.function_optimization = RewriterConfig.AGGRESSIVE
    rewrites.min_graph_nodes = -1
    with tf.Graph().as_default():
        meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(ends)
    optimized = tf_optimizer.OptimizeGraph(config, meta_graph)
    place = {node.name: index for index, node in enumerate(graph.node)}  # the optimizer's order is random
    optimized.node.sort(key=lambda node: (place.get(node.name, len(place)), node.name))
    optimized.library.function.sort(key=lambda function: function.signature.name)
    return optimized


def _float_constants(cut: Cut) -> dict[str, np.ndarray]:
    import tensorflow as tf

    found = {}
    for nodes in (cut.graph.node, *(function.node_def for function in cut.graph.library.function)):
        for node in nodes:
            tensor = node.attr["value"].tensor if node.op == "Const" else None
            if tensor is None or not tf.dtypes.as_dtype(tensor.dtype).is_floating:
                continue
            if node.name in cut.contents:
                shape = [dim.size for dim in tensor.tensor_shape.dim]
                dtype = tf.dtypes.as_dtype(tensor.dtype).as_numpy_dtype
                found[node.name] = np.frombuffer(cut.contents[node.name], dtype).reshape(shape)
            else:
                found[node.name] = tf.make_ndarray(tensor)
    return found


def _set_ends(model: onnx.ModelProto, inputs: Sequence[Endpoint]) -> None:
    """Name the free dimensions of the inputs, and let ONNX infer those of the outputs."""
    model.graph.name = "graph"
    del model.graph.input[:]
    for end in inputs:
        dtype = onnx.helper.np_dtype_to_tensor_dtype(end.dtype)
        model.graph.input.append(onnx.helper.make_tensor_value_info(end.value, dtype, end.shape))
    opsets = {node.domain for node in model.graph.node}
    used = [opset for opset in model.opset_import if opset.domain in ("", *opsets)]
    del model.opset_import[:]
    model.opset_import.extend(used)
    if DOMAIN in opsets:
        model.opset_import.add(domain=DOMAIN, version=1)


def _output_ends(model: onnx.ModelProto, outputs: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The outputs with the names of their free dimensions, as far as ONNX can follow them."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    return tuple(
        replace(end, shape=_merge(end.shape, value.type.tensor_type.shape))
        for end, value in zip(outputs, inferred.graph.output, strict=True)
    )


def _merge(shape: tuple[Dim, ...] | None, inferred: onnx.TensorShapeProto) -> tuple[Dim, ...] | None:
    """TensorFlow's shape, with ONNX's extents where it says `?`."""
    known = tuple(dim.dim_value or (dim.dim_param if is_named(dim.dim_param) else "?") for dim in inferred.dim)
    if shape is None:
        return known or None  # no extents: a scalar, or nothing known
    if len(shape) != len(known):
        return shape
    return tuple(other if dim == "?" else dim for dim, other in zip(shape, known, strict=True))
