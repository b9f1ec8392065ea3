"""Handlers of recurrent layers, and of cells of them, that are one operator in TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder


def _gru_block_cell(build: NodeBuilder) -> None:
    """One step of a GRU with one matrix for reset and update gate.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/ops/rnn_ops.cc
    """
    x, before, gates_weight, cell_weight, gates_bias, cell_bias = build.inputs
    both = build.add("Concat", x, before, axis=1)
    gates = build.add("Sigmoid", build.add("Add", build.add("MatMul", both, gates_weight), gates_bias))
    reset, update = build.add_split("Split", gates, outputs=2, axis=1, num_outputs=2)
    kept = build.add("Concat", x, build.add("Mul", before, reset), axis=1)
    cell = build.add("Tanh", build.add("Add", build.add("MatMul", kept, cell_weight), cell_bias))
    fresh = build.add("Mul", build.add("Sub", build.number(1), update), cell)
    build.replace(reset, update, cell, build.add("Add", fresh, build.add("Mul", update, before)))


_GATES = {"BlockLSTM": "icfo", "BlockLSTMV2": "ifco"}
"""Operator → its gates in the order of the weights: input, cell, forget, output."""
_ONNX_GATES = "iofc"
_CLIP = {"BlockLSTM": 3.0, "BlockLSTMV2": 0.0}
_EXTENTS = frozenset({"Cast", "Identity", "Squeeze", "StridedSlice"})
"""Operators that lead from a shape to one of its extents."""


def _block_lstm(build: NodeBuilder) -> None:
    """An LSTM, whose input is (time, batch, inputs): ONNX's LSTM, or a Scan where that does not have what is read.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/ops/rnn_ops.cc
    """
    graph, node, sources = build.graph, build.node, build.sources
    used = sources[4:] if build.attribute("use_peephole") else [sources[4], sources[-1]]
    if (
        any(graph.find_output_consumers(name) or name in graph.outputs for name in node.output[:-1])
        or build.attribute("cell_clip", _CLIP[node.type]) > 0
        or not all(source.is_const() for source in used)
    ):
        _scanned_lstm(build)
        return
    weight, *peepholes, bias = (source.get_tensor_value(as_list=False) for source in used)
    size = bias.size // 4
    gates = dict(zip(_GATES[node.type], np.split(weight, 4, axis=1), strict=True))
    biases = dict(zip(_GATES[node.type], np.split(bias.reshape(1, -1), 4, axis=1), strict=True))
    if node.type == "BlockLSTM":
        biases["f"] = biases["f"] + np.asarray(build.attribute("forget_bias", 1.0), bias.dtype)

    def weights(name: str, *parts: Any) -> str:
        return str(graph.make_const(f"{node.name}/{name}", np.concatenate(parts, axis=1)).output[0])

    own, recurrent = zip(
        *(np.split(gates[gate].transpose(), [len(weight) - size], axis=1) for gate in _ONNX_GATES), strict=True
    )
    inputs = [
        build.inputs[1],
        weights("kernel", *(part.reshape(1, size, -1) for part in own)),
        weights("recurrent_kernel", *(part.reshape(1, size, -1) for part in recurrent)),
        weights("bias", *(biases[gate] for gate in _ONNX_GATES), np.zeros((1, 4 * size), bias.dtype)),
        _lengths(build),
        *(build.add("Unsqueeze", build.inputs[i], build.int64([0])) for i in (3, 2)),
    ]
    if peepholes:
        inputs.append(weights("peepholes", *(peepholes[i].reshape(1, -1) for i in (0, 2, 1))))
    states = build.add("Squeeze", build.add("LSTM", *inputs, hidden_size=size), build.int64([1]))
    result = node.output[-1]
    graph.remove_node(node.name)
    graph.make_node("Identity", [states], outputs=[result], dtypes=[build.dtype(states)])


def _scanned_lstm(build: NodeBuilder) -> None:
    """An LSTM whose gates or cells are read or clipped, or whose weights are computed: a Scan over the steps.

    Raises:
        NotImplementedError: it ends before the last step.
    """
    if _lengths(build):
        raise NotImplementedError("it ends before the last step")
    graph, node = build.graph, build.node
    _, x, cell, hidden, weight, *peepholes, bias = build.inputs
    dtype = build.dtype(x)
    body = graph.create_new_graph_with_same_config()
    body.parent_graph = graph
    step = NodeBuilder(body, node)
    before, state, part = (f"{node.name}/{name}" for name in ("cell", "hidden", "step"))
    for name, like in ((before, cell), (state, hidden), (part, x)):
        shape = build.shape(like)
        body.add_graph_input(name, dtype, shape[1:] if like == x else shape)

    gates = step.add("Add", step.add("MatMul", step.add("Concat", part, state, axis=1), weight), bias)
    gate = dict(zip(_GATES[node.type], step.add_split("Split", gates, outputs=4, axis=1, num_outputs=4), strict=True))
    if node.type == "BlockLSTM":
        forget = np.asarray(build.attribute("forget_bias", 1.0), build.numpy_dtype(x))
        gate["f"] = step.add("Add", gate["f"], step.constant(forget, forget.dtype))

    def opened(name: str, seen: str, peephole: str) -> str:
        if build.attribute("use_peephole"):
            gate[name] = step.add("Add", gate[name], step.add("Mul", seen, peephole))
        return step.add("Sigmoid", gate[name])

    inner, forgotten, fresh = opened("i", before, peepholes[0]), opened("f", before, peepholes[1]), gate["c"]
    fresh = step.add("Tanh", fresh)
    after = step.add("Add", step.add("Mul", fresh, inner), step.add("Mul", before, forgotten))
    if (bound := build.attribute("cell_clip", _CLIP[node.type])) > 0:
        limits = (np.asarray(limit, build.numpy_dtype(x)) for limit in (-bound, bound))
        after = step.add("Clip", after, *(step.constant(limit, limit.dtype) for limit in limits))
    outer = opened("o", after, peepholes[2])
    shown = step.add("Tanh", after)
    result = step.add("Mul", shown, outer)
    for value in (after, result, inner, after, forgotten, outer, fresh, shown, result):
        output = step.add("Identity", value)
        body.add_graph_output(output, dtype, build.shape(cell))
    scan = graph.make_node(
        "Scan",
        [cell, hidden, x],
        attr={"num_scan_inputs": 1},
        output_count=9,
        dtypes=[dtype] * 9,
        branches={"body": body},
    )
    build.replace(*scan.output[2:])


def _lengths(build: NodeBuilder) -> str:
    """The length of every sequence; empty if the limit is the number of time steps."""
    limit, x = build.inputs[:2]
    origin = build.sources[0]
    while origin.type in _EXTENTS:
        origin = origin.inputs[0]
    if origin.type == "Shape" and origin.input[0] == x:
        return ""
    if origin.is_const() and [int(origin.get_tensor_value())] == build.shape(x)[:1]:
        return ""
    return build.add("Expand", build.cast(limit, TensorProto.INT32), build.add("Shape", x, start=1, end=2))


HANDLERS: Mapping[str, Handler] = {**dict.fromkeys(_GATES, _block_lstm), "GRUBlockCell": _gru_block_cell}
