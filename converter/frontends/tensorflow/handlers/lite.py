"""Handlers of operators that TensorFlow Lite alone has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_GATES, _ONNX_GATES = "ifco", "iofc"
"""Gates in the order of the inputs, and of ONNX's weights: input, forget, cell, output."""
_PLAIN = 15
"""Inputs of an LSTM without peepholes, projection, norms or coupled gates: x, 4 + 4 weights, 4 biases, 2 states."""


def _sequence_lstm(build: NodeBuilder) -> None:
    """ONNX's LSTM, whose states begin with zeros. The bound of the cells, which Keras does not have, is left out.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/kernels/unidirectional_sequence_lstm.cc
    """
    x, *others = build.inputs
    biases = others[8:12]
    if len(build.inputs) != _PLAIN or any(len(build.shape(bias)) != 1 for bias in biases):
        raise NotImplementedError("peepholes, a projection, norms or coupled gates")
    if build.attribute("fused_activation_function") != "TANH":
        raise NotImplementedError("an activation other than tanh")
    size = build.shape(biases[0])[0]
    weights = _joined(build, "kernel", others[:4], [1, size, -1])
    recurrent = _joined(build, "recurrent_kernel", others[4:8], [1, size, -1])
    bias = _joined(build, "bias", biases, [1, size], np.zeros((1, 4 * size), np.float32))  # ONNX has two biases
    in_batches = not build.attribute("time_major")
    sequence = build.add("Transpose", x, perm=[1, 0, 2]) if in_batches else x
    layer = build.add("LSTM", sequence, weights, recurrent, bias, hidden_size=size)
    states = build.add("Squeeze", layer, build.int64([1]))
    build.replace(build.add("Transpose", states, perm=[1, 0, 2]) if in_batches else states)


def _joined(build: NodeBuilder, name: str, values: Sequence[str], shape: Sequence[int], *more: np.ndarray) -> str:
    """The weights of the gates in one tensor: a constant, a weight of its own, unless they are dequantised first."""
    sources = {source.output[0]: source for source in build.sources if source.is_const()}
    gates = [values[_GATES.index(gate)] for gate in _ONNX_GATES]
    if not sources.keys() >= set(gates):
        shaped = [build.add("Reshape", gate, build.int64(shape)) for gate in gates]
        return build.add("Concat", *shaped, *map(build.constant, more), axis=1)
    arrays = [np.asarray(sources[gate].get_tensor_value(as_list=False)).reshape(shape) for gate in gates]
    return str(build.graph.make_const(f"{build.node.name}/{name}", np.concatenate([*arrays, *more], axis=1)).output[0])


def _gelu(build: NodeBuilder) -> None:
    """The exact form, or the approximation by tanh. https://ai.google.dev/edge/litert/models/ops_compatibility"""
    (x,) = build.inputs
    if build.attribute("approximate"):
        cube = build.add("Mul", build.add("Mul", build.add("Mul", x, x), x), 0.044715)
        inner = build.add("Tanh", build.add("Mul", build.add("Add", x, cube), math.sqrt(2 / math.pi)))
    else:
        inner = build.add("Erf", build.add("Div", x, math.sqrt(2)))
    build.finish("Mul", build.add("Mul", x, build.add("Add", inner, 1.0)), build.number(0.5))


def _clip(low: float, high: float) -> Handler:
    def clip(build: NodeBuilder) -> None:
        build.finish("Clip", build.inputs[0], build.number(low), build.number(high))

    return clip


HANDLERS: Mapping[str, Handler] = {
    "TFL_GELU": _gelu,
    "TFL_RELU_0_TO_1": _clip(0, 1),
    "TFL_RELU_N1_TO_1": _clip(-1, 1),
    "TFL_UNIDIRECTIONAL_SEQUENCE_LSTM": _sequence_lstm,
}
