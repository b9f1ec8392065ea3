"""Recognise GRU and simple RNN layers of Keras, which are frozen as loops over time steps.

tf2onnx itself recognises the loop of an LSTM. Here a loop is taken for a layer if one iteration, run by TensorFlow on
random numbers, has the same result as the layer's formula.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_TOLERANCE = 1e-4
"""Absolute tolerance for float32 results of magnitude 1."""


@dataclass(frozen=True)
class _Iteration:
    """One iteration of a loop that reads an item of a list, updates the state, and writes the state to another list.

    Attributes:
        function: the loop's body as a TensorFlow graph.
        item: the tensor read from the list, (batch, inputs).
        value: the new state, (batch, hidden).
        items, written, state, weights: indices of loop-carried values: the list that is read, the list that is written,
            the state, and the loop-invariant floats.
    """

    function: Any
    item: Any
    value: Any
    items: int
    written: int
    state: int
    weights: tuple[int, ...]


@dataclass(frozen=True)
class _Layer:
    """An ONNX operator, its attributes, and the indices of the loop-carried values that are its weights.

    `kernel` is (inputs, gates * hidden), `recurrent` (hidden, gates * hidden), `bias` (gates * hidden,) or two rows.
    """

    operator: str
    attributes: dict[str, Any]
    kernel: int
    recurrent: int
    bias: int | None


def rewrite_recurrent(graph: Any, loops: Sequence[Any], library: Any) -> None:
    """Replace While nodes of tf2onnx's `graph` that are recurrent layers; `library` holds their bodies."""
    bodies = {function.signature.name: function for function in library.function}
    for loop in loops:
        iteration = _iteration_of(bodies[loop.get_attr_str("body")])
        if iteration is None or not all(graph.is_const(loop.input[i]) for i in iteration.weights):
            continue
        others = [out for i, out in enumerate(loop.output) if i not in (iteration.written, iteration.state)]
        shapes = {i: graph.get_tensor_value(loop.input[i], as_list=False).shape for i in iteration.weights}
        layer = _recognise(iteration, shapes)
        readable = loop.inputs[iteration.items].type == "TensorListFromTensor"
        if layer is not None and readable and not any(graph.find_output_consumers(out) for out in others):
            _replace(graph, loop, iteration, layer)


def _iteration_of(body: Any) -> _Iteration | None:
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    function = function_def_to_graph(body)
    place = {tensor.name: i for i, tensor in enumerate(function.inputs)}
    outputs = [_skip_identities(tensor) for tensor in function.outputs]
    writes = [i for i, tensor in enumerate(outputs) if tensor.op.type == "TensorListSetItem"]
    reads = [op for op in function.get_operations() if op.type == "TensorListGetItem"]
    if len(writes) != 1 or len(reads) != 1 or _skip_identities(reads[0].inputs[0]).name not in place:
        return None
    value = _skip_identities(outputs[writes[0]].op.inputs[2])
    states = [i for i, tensor in enumerate(outputs) if tensor.name == value.name]
    kept = [i for i, tensor in enumerate(outputs) if tensor.dtype.is_floating and place.get(tensor.name) == i]
    if len(states) != 1:
        return None
    items = place[_skip_identities(reads[0].inputs[0]).name]
    return _Iteration(function, reads[0].outputs[0], value, items, writes[0], states[0], tuple(kept))


def _skip_identities(tensor: Any) -> Any:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def _recognise(iteration: _Iteration, shapes: dict[int, tuple[int, ...]]) -> _Layer | None:
    """Compare one iteration with each formula that the weights' shapes allow; return the first equal layer, or None."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    state = iteration.function.inputs[iteration.state]
    batch = (iteration.item.shape.rank and iteration.item.shape[0]) or 2  # a graph may fix it at 1
    for layer, hidden in _candidates(shapes):
        values = {i: random.uniform(-1, 1, shape).astype(np.float32) for i, shape in shapes.items()}
        x, h = (random.uniform(-1, 1, (batch, size)).astype(np.float32) for size in (shapes[layer.kernel][0], hidden))
        feeds = {iteration.function.inputs[i].name: value for i, value in values.items()}
        feeds |= {iteration.item.name: x, state.name: h}
        try:
            with tf.compat.v1.Session(graph=iteration.function) as session:
                computed = session.run(iteration.value.name, feeds)
        except (tf.errors.OpError, ValueError, TypeError):
            continue  # the body needs other inputs
        bias = np.zeros(1, np.float32) if layer.bias is None else values[layer.bias]
        expected = _formula(layer, x, h, values[layer.kernel], values[layer.recurrent], bias)
        if computed.shape == expected.shape and np.abs(computed - expected).max() < _TOLERANCE:
            return layer
    return None


def _candidates(shapes: dict[int, tuple[int, ...]]) -> Iterator[tuple[_Layer, int]]:
    """The layers that can have weights of these shapes, each with its hidden size."""
    matrices = [i for i, shape in shapes.items() if len(shape) == 2]
    for kernel, recurrent in itertools.permutations(matrices, 2):
        rest = [i for i in shapes if i not in (kernel, recurrent)]
        hidden, width = shapes[recurrent]
        if shapes[kernel][1] != width or len(rest) > 1 or any(shapes[i] not in ((width,), (2, width)) for i in rest):
            continue
        bias = rest[0] if rest else None
        choices: list[tuple[str, dict[str, Any]]] = []
        if width == 3 * hidden:
            choices = [("GRU", {"linear_before_reset": before}) for before in (1, 0)]
        elif width == hidden:
            choices = [("RNN", {"activations": [activation]}) for activation in ("Tanh", "Relu")]
        for operator, attributes in choices:
            yield _Layer(operator, {"hidden_size": hidden, **attributes}, kernel, recurrent, bias), hidden


def _formula(layer: _Layer, x: np.ndarray, h: np.ndarray, w: np.ndarray, r: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """One time step of the layer as the ONNX operator defines it: the new state (batch, hidden).

    A bias of two rows has the bias of the input and that of the state.
    """
    input_bias, state_bias = bias if bias.ndim == 2 else (bias, np.zeros(1, np.float32))
    from_x, from_h = x @ w + input_bias, h @ r + state_bias
    if layer.operator == "RNN":
        total = from_x + from_h
        return np.tanh(total) if layer.attributes["activations"] == ["Tanh"] else np.maximum(total, 0)
    size = layer.attributes["hidden_size"]
    update, reset = (1 / (1 + np.exp(-(from_x + from_h)[:, k * size : (k + 1) * size])) for k in (0, 1))
    if layer.attributes["linear_before_reset"]:
        candidate = reset * from_h[:, 2 * size :]
    else:
        candidate = (reset * h) @ r[:, 2 * size :] + (state_bias[2 * size :] if state_bias.size > 1 else 0)
    return update * h + (1 - update) * np.tanh(from_x[:, 2 * size :] + candidate)


def _replace(graph: Any, loop: Any, iteration: _Iteration, layer: _Layer) -> None:
    """Replace the loop by the layer, in tf2onnx's graph."""
    from tf2onnx.graph_builder import GraphBuilder

    build = GraphBuilder(graph)

    def kernel(index: int) -> str:
        turned = graph.make_node("Transpose", [loop.input[index]], attr={"perm": [1, 0]}).output[0]
        return build.make_unsqueeze({"data": turned, "axes": [0]})

    name = f"{loop.name.rpartition('/')[0] or loop.name}/{layer.operator.lower()}"
    inputs = [
        loop.inputs[iteration.items].input[0],
        kernel(layer.kernel),
        kernel(layer.recurrent),
        _bias(graph, loop, layer, name),
        "",
        build.make_unsqueeze({"data": loop.input[iteration.state], "axes": [0]}),
    ]
    node = graph.make_node(layer.operator, inputs, attr=layer.attributes, output_count=2, name=name)
    sequence = build.make_squeeze({"data": node.output[0], "axes": [1]})
    for reader in graph.find_output_consumers(loop.output[iteration.written]):
        if reader.type == "TensorListStack":
            graph.replace_all_inputs(reader.output[0], sequence)
    last = build.make_squeeze({"data": node.output[1], "axes": [0]})
    graph.replace_all_inputs(loop.output[iteration.state], last)


def _bias(graph: Any, loop: Any, layer: _Layer, name: str) -> str:
    """ONNX's bias (1, 2 * gates * hidden): input bias, then state bias, which is zero if the source has one bias."""
    if layer.bias is None:
        return ""
    value = graph.get_tensor_value(loop.input[layer.bias], as_list=False)
    if value.ndim == 2:
        shape = graph.make_const(f"{name}/shape", np.array([1, value.size], np.int64)).output[0]
        return graph.make_node("Reshape", [loop.input[layer.bias], shape]).output[0]
    row = value.reshape(1, -1)
    return graph.make_const(f"{name}/bias", np.concatenate([row, np.zeros_like(row)], axis=1)).output[0]
