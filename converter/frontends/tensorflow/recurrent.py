"""GRU and simple recurrent layers of Keras, recognised in the loop over time that they are written as.

tf2onnx knows the LSTM's loop. Here a loop counts as a layer when one turn of it, run by TensorFlow on random numbers,
gives what the layer's formula gives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_TOLERANCE = 1e-4
"""Numbers of about 1, float32."""


@dataclass(frozen=True)
class _Turn:
    """One turn of a loop: it reads an item of a list, changes the state, and writes it to another list.

    The indices are those of the loop's variables.
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
    """An ONNX operator, its attributes, and which variables of the loop are its kernel, recurrent kernel and bias."""

    operator: str
    attributes: dict[str, Any]
    kernel: int
    recurrent: int
    bias: int | None


def rewrite_recurrent(graph: Any, loops: Sequence[Any], library: Any) -> None:
    """Replace While nodes of tf2onnx's `graph` that are recurrent layers; `library` holds their bodies."""
    bodies = {function.signature.name: function for function in library.function}
    for loop in loops:
        turn = _turn(bodies[loop.get_attr_str("body")])
        if turn is None or not all(graph.is_const(loop.input[i]) for i in turn.weights):
            continue
        others = [out for i, out in enumerate(loop.output) if i not in (turn.written, turn.state)]
        shapes = {i: graph.get_tensor_value(loop.input[i], as_list=False).shape for i in turn.weights}
        layer = _recognise(turn, shapes)
        readable = loop.inputs[turn.items].type == "TensorListFromTensor"
        if layer is not None and readable and not any(graph.find_output_consumers(out) for out in others):
            _replace(graph, loop, turn, layer)


def _turn(body: Any) -> _Turn | None:
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    function = function_def_to_graph(body)
    place = {tensor.name: i for i, tensor in enumerate(function.inputs)}
    outputs = [_behind(tensor) for tensor in function.outputs]
    writes = [i for i, tensor in enumerate(outputs) if tensor.op.type == "TensorListSetItem"]
    reads = [op for op in function.get_operations() if op.type == "TensorListGetItem"]
    if len(writes) != 1 or len(reads) != 1 or _behind(reads[0].inputs[0]).name not in place:
        return None
    value = _behind(outputs[writes[0]].op.inputs[2])
    states = [i for i, tensor in enumerate(outputs) if tensor.name == value.name]
    kept = [i for i, tensor in enumerate(outputs) if tensor.dtype.is_floating and place.get(tensor.name) == i]
    if len(states) != 1:
        return None
    items = place[_behind(reads[0].inputs[0]).name]
    return _Turn(function, reads[0].outputs[0], value, items, writes[0], states[0], tuple(kept))


def _behind(tensor: Any) -> Any:
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor


def _recognise(turn: _Turn, shapes: dict[int, tuple[int, ...]]) -> _Layer | None:
    """Try the formulas that the weights' shapes allow."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    for layer, hidden in _candidates(shapes):
        values = {i: random.uniform(-1, 1, shape).astype(np.float32) for i, shape in shapes.items()}
        x, h = (random.uniform(-1, 1, (2, size)).astype(np.float32) for size in (shapes[layer.kernel][0], hidden))
        feeds = {turn.function.inputs[i].name: value for i, value in values.items()}
        feeds |= {turn.item.name: x, turn.function.inputs[turn.state].name: h}
        try:
            with tf.compat.v1.Session(graph=turn.function) as session:
                computed = session.run(turn.value.name, feeds)
        except (tf.errors.OpError, ValueError, TypeError):
            continue  # it computes something else
        bias = np.zeros(1, np.float32) if layer.bias is None else values[layer.bias]
        expected = _formula(layer, x, h, values[layer.kernel], values[layer.recurrent], bias)
        if computed.shape == expected.shape and np.abs(computed - expected).max() < _TOLERANCE:
            return layer
    return None


def _candidates(shapes: dict[int, tuple[int, ...]]) -> Iterator[tuple[_Layer, int]]:
    """The layers that weights of these shapes can belong to, with the size of their state."""
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
    """One step of the layer, as the ONNX operator defines it; a bias of two rows is that of the input and the state."""
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


def _replace(graph: Any, loop: Any, turn: _Turn, layer: _Layer) -> None:
    """Put the layer in the place of the loop."""
    from tf2onnx.graph_builder import GraphBuilder

    build = GraphBuilder(graph)

    def kernel(index: int) -> str:
        turned = graph.make_node("Transpose", [loop.input[index]], attr={"perm": [1, 0]}).output[0]
        return build.make_unsqueeze({"data": turned, "axes": [0]})

    name = f"{loop.name.rpartition('/')[0] or loop.name}/{layer.operator.lower()}"
    inputs = [
        loop.inputs[turn.items].input[0],
        kernel(layer.kernel),
        kernel(layer.recurrent),
        _bias(graph, loop, layer, name),
        "",
        build.make_unsqueeze({"data": loop.input[turn.state], "axes": [0]}),
    ]
    node = graph.make_node(layer.operator, inputs, attr=layer.attributes, output_count=2, name=name)
    sequence = build.make_squeeze({"data": node.output[0], "axes": [1]})
    for reader in graph.find_output_consumers(loop.output[turn.written]):
        if reader.type == "TensorListStack":
            graph.replace_all_inputs(reader.output[0], sequence)
    last = build.make_squeeze({"data": node.output[1], "axes": [0]})
    graph.replace_all_inputs(loop.output[turn.state], last)


def _bias(graph: Any, loop: Any, layer: _Layer, name: str) -> str:
    """The two biases of ONNX in one vector; that of the state is zero where the source has one bias only."""
    if layer.bias is None:
        return ""
    value = graph.get_tensor_value(loop.input[layer.bias], as_list=False)
    if value.ndim == 2:
        shape = graph.make_const(f"{name}/shape", np.array([1, value.size], np.int64)).output[0]
        return graph.make_node("Reshape", [loop.input[layer.bias], shape]).output[0]
    return graph.make_const(f"{name}/bias", np.concatenate([value, np.zeros_like(value)])[np.newaxis]).output[0]
