"""Export a cut graph to ONNX with tf2onnx.

tf2onnx optimises for inference: it folds and merges constants, and folds batch norms. The result of a conversion is
trained, so here each weight of the source stays an initializer of its own, with its own name.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np
import onnx

from converter.base.trained import NO
from converter.errors import TfRuntimeError
from converter.frontends.endpoints import is_named
from converter.frontends.source import Dim, Endpoint
from converter.frontends.tensorflow import (
    layers,
    list_tensors,
    loops,
    order,
    rewrites,
    tensor_arrays,
    vectorized,
    weights,
    written_lists,
)
from converter.frontends.tensorflow.cases import part_cases
from converter.frontends.tensorflow.constant_switches import decide_switches
from converter.frontends.tensorflow.cutting import Cut
from converter.frontends.tensorflow.detached import mark_stops
from converter.frontends.tensorflow.dropout import RATE
from converter.frontends.tensorflow.sequence_lengths import run_all_steps
from converter.frontends.tensorflow.tf2onnx_session import DOMAIN, GraphSession
from converter.frontends.tensorflow.trained import trained_constants
from converter.graph import infer_proto, proto_nodes

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef

_OF_LISTS = ("TensorList", "TensorArray")
"""Prefixes of TensorFlow's operators on lists and arrays: tf2onnx keeps those for which it has no handler."""

_NOT_INLINED = ("_XlaMustCompile", "_noinline", "api_implements")
"""Attributes that keep TensorFlow from inlining a call: it is to be compiled, or has another form for a GPU."""


def to_onnx(cut: Cut) -> tuple[onnx.ModelProto, tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """Translate the cut graph; return the model with its input and output endpoints.

    Dynamic dimensions stay dynamic if tf2onnx supports that. If it fails on a node, they are fixed to their example
    extents, first all but the batch, then all; a node on which it still fails keeps its TensorFlow operator.

    Raises:
        TfRuntimeError: tf2onnx cannot translate the graph as a whole.
    """
    best, failure = None, None
    forms = [_Lists.AS_WRITTEN, *([_Lists.FROM_ARRAYS] if tensor_arrays.has_arrays(cut.graph) else ()), _Lists.TENSORS]
    for inputs, lists in itertools.product(_increasingly_static(cut.inputs), forms):
        try:
            if (converted := _convert(cut, inputs, lists)) is None:
                continue
            model, failed = converted
        except TfRuntimeError:
            raise
        except Exception as error:  # a handler of tf2onnx may raise any class
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
    inputs = tuple(_freed(end, own) for end, own in zip(inputs, cut.inputs, strict=True))
    _set_ends(model, [_renamed(end) for end in inputs])
    return model, tuple(_renamed(end) for end in inputs), _output_ends(model, [_renamed(end) for end in cut.outputs])


class _Lists(Enum):
    """What lists of TensorFlow 2 and arrays of TensorFlow 1 become before tf2onnx sees them."""

    AS_WRITTEN = auto()
    FROM_ARRAYS = auto()
    """Arrays are lists."""
    TENSORS = auto()
    """Arrays and lists are tensors."""


def _renamed(end: Endpoint) -> Endpoint:
    """The endpoint with the name of its value in the final model."""
    return replace(end, value=end.value.removesuffix(":0"))


def _increasingly_static(inputs: tuple[Endpoint, ...]) -> Iterator[tuple[Endpoint, ...]]:
    """The inputs unchanged; with all dynamic dimensions but the batch fixed; with all fixed."""
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


def _freed(end: Endpoint, own: Endpoint) -> Endpoint:
    """An input as it was translated, but free where the user frees what the source fixes."""
    if end.shape is None or own.shape is None:
        return end
    pairs = zip(end.shape, own.shape, strict=True)
    return replace(end, shape=tuple(letter if letter in own.freed else dim for dim, letter in pairs))


def _convert(cut: Cut, inputs: Sequence[Endpoint], lists: _Lists) -> tuple[onnx.ModelProto, int] | None:
    """Translate the graph with these input shapes; also return the number of nodes that are not translated.

    None if there are no lists that could be tensors.
    """
    input_names, output_names = [end.value for end in inputs], [end.value for end in cut.outputs]
    dropouts = [node.name for node in cut.graph.node if RATE in node.attr]
    graph = _inline_functions(_with_shapes(cut.graph, inputs), input_names + output_names + dropouts)
    decide_switches(graph)
    part_cases(graph)
    run_all_steps(graph)
    rewrites.add_products(graph)
    if tensor_arrays.has_arrays(graph) and (lists != _Lists.AS_WRITTEN or not written_lists.arrays_in_order(graph)):
        graph = tensor_arrays.as_lists(graph, input_names + output_names)
    of_lists: dict[str, str] = {}
    if lists == _Lists.TENSORS:
        if not list_tensors.has_lists(graph):
            return None
        worked_on = list_tensors.as_tensors(graph)
        graph = _inline_functions(graph, input_names + output_names + dropouts)
        of_lists = {name: NO for name in _names(graph) if name.rpartition("/")[0] in worked_on}
    graph = loops.raise_loops(graph, input_names + output_names)
    vectorized.gather_slices(graph)
    tensor_arrays.stack_lists(graph)
    written_lists.order(graph)
    rewrites.read_rows(graph)
    rewrites.prepare(graph)
    session = GraphSession(graph, cut.contents, input_names, output_names)
    model = session.convert()
    gc.collect()  # the graph of tf2onnx refers to itself, and holds every weight
    layers.tidy(model.graph)
    constants = _float_constants(cut)
    weights.restore(model.graph, constants, of_lists | trained_constants(cut.graph, constants))
    mark_stops(model)
    order.sort_and_number(model.graph, {node.name for node in cut.graph.node})
    _set_ends(model, [_renamed(end) for end in inputs])
    return model, len(session.failed) + sum(node.op_type.startswith(_OF_LISTS) for node in proto_nodes(model.graph))


def _with_shapes(graph: GraphDef, inputs: Sequence[Endpoint]) -> GraphDef:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    result = GraphDef()
    result.CopyFrom(graph)
    for node, end in zip(result.node, inputs, strict=False):
        for dim, extent in zip(node.attr["shape"].shape.dim, end.shape or (), strict=True):
            dim.size = extent if isinstance(extent, int) else -1
    return result


def _inline_functions(graph: GraphDef, kept: Sequence[str]) -> GraphDef:
    """Inline function calls and remove control dependencies and Identity nodes, with TensorFlow's own optimizer.

    The nodes in `kept` stay. It also lowers control flow (While to Enter, Merge, Switch, NextIteration and Exit).
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.config_pb2 import ConfigProto
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
    from tensorflow.python.grappler import tf_optimizer

    for holder in (*graph.node, *graph.library.function, *(n for f in graph.library.function for n in f.node_def)):
        for name in _NOT_INLINED:
            holder.attr.pop(name, None)
        if "tensor_array_name" in holder.attr:
            holder.attr["tensor_array_name"].s = b"array"  # tf2onnx takes no empty name
    config = ConfigProto()
    rewrites = config.graph_options.rewrite_options
    rewrites.optimizers[:] = ["function", "dependency"]
    rewrites.function_optimization = RewriterConfig.AGGRESSIVE
    rewrites.min_graph_nodes = -1
    with tf.Graph().as_default():
        meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(kept)
    optimized = tf_optimizer.OptimizeGraph(config, meta_graph)
    place = {node.name: index for index, node in enumerate(graph.node)}  # the optimizer's order is random
    optimized.node.sort(key=lambda node: (place.get(node.name, len(place)), node.name))
    optimized.library.function.sort(key=lambda function: function.signature.name)
    for function in optimized.library.function:
        _shorten_names(function)
    return optimized


def _shorten_names(function: FunctionDef) -> None:
    """Take from the names of nodes what TensorFlow's optimizer puts behind them: `mul_tfg_inlined_PartitionedCall`."""
    taken = {part.name for part in (*function.node_def, *function.signature.input_arg)}
    shorter = {}
    for name in sorted(node.name for node in function.node_def):
        short = name.partition("_tfg_inlined_")[0]
        if short not in taken:
            taken.add(short)
            shorter[name] = short

    def renamed(tensor: str) -> str:
        name, *rest = tensor.removeprefix("^").split(":")
        return ("^" if tensor.startswith("^") else "") + ":".join((shorter.get(name, name), *rest))

    for node in function.node_def:
        node.name = shorter.get(node.name, node.name)
        node.input[:] = [renamed(source) for source in node.input]
    for results in (function.ret, function.control_ret):
        for name in list(results):
            results[name] = renamed(results[name])


def _names(graph: GraphDef) -> set[str]:
    bodies = (graph.node, *(function.node_def for function in graph.library.function))
    return {node.name for nodes in bodies for node in nodes}


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
    """Set the model's inputs, with names for their dynamic dimensions, and its opset imports."""
    model.graph.name = "graph"
    del model.graph.input[:]
    for end in inputs:
        dtype = onnx.helper.np_dtype_to_tensor_dtype(end.dtype)
        model.graph.input.append(onnx.helper.make_tensor_value_info(end.value, dtype, end.shape))
    set_opsets(model)


def set_opsets(model: onnx.ModelProto) -> None:
    """Declare the domains of the model's nodes, and no others; the main one always.

    Nodes that kept their TensorFlow operator get its domain, which tf2onnx forgets in bodies of loops and branches.
    """
    nodes = list(proto_nodes(model.graph))
    for node in nodes:
        if not node.domain and not onnx.defs.has(node.op_type):
            node.domain = DOMAIN
    opsets = {node.domain for node in nodes}
    used = [opset for opset in model.opset_import if opset.domain in ("", *opsets)]
    del model.opset_import[:]
    model.opset_import.extend(used)
    if DOMAIN in opsets:
        model.opset_import.add(domain=DOMAIN, version=1)


def _output_ends(model: onnx.ModelProto, outputs: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The output endpoints, with the names of dynamic dimensions that ONNX's shape inference finds."""
    inferred = infer_proto(model)
    return tuple(
        replace(end, shape=_merge(end.shape, value.type.tensor_type.shape))
        for end, value in zip(outputs, inferred.graph.output, strict=True)
    )


def _merge(shape: tuple[Dim, ...] | None, inferred: onnx.TensorShapeProto) -> tuple[Dim, ...] | None:
    """TensorFlow's shape, with `?` replaced by the extents that ONNX infers."""
    known = tuple(dim.dim_value or (dim.dim_param if is_named(dim.dim_param) else "?") for dim in inferred.dim)
    if shape is None:
        return known or None  # no extents: a scalar, or an unknown rank
    if len(shape) != len(known):
        return shape
    return tuple(other if dim == "?" else dim for dim, other in zip(shape, known, strict=True))
