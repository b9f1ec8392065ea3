"""Recurrent layers as frameworks have them: their own weights, directions in the features, the batch where it was.

For D directions ONNX stacks the weights of both, joins the two biases and gives (sequence, D, batch, hidden) for every
step; MindSpore's layers keep them apart and give (sequence, batch, D * hidden), or with the batch first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.rewrite import DOMAIN, Builder, replace
from converter.graph.fusions.trace import Trace
from converter.graph.queries import attribute, numbers_of, shape_of
from converter.graph.unique_names import UniqueNames

GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Operator → where among ONNX's gates MindSpore's stand."""
_ACTIVATIONS = {
    "LSTM": (("sigmoid", "tanh", "tanh"),),
    "GRU": (("sigmoid", "tanh"),),
    "RNN": (("tanh",), ("relu",)),
}
"""What MindSpore's layers have, for one direction."""


def fuse_recurrent_layers(model: ir.Model, names: UniqueNames) -> None:
    """Replace the recurrent nodes that mean a layer of MindSpore by `fusion.LSTM`, `fusion.GRU` and `fusion.RNN`.

    Inputs: x, lengths, the initial hidden (and cell) state, None for zeros; then ONNX's W, R and B (or its two halves),
    of both directions or of one behind those of the other; or the layer's weights in MindSpore's order. Outputs: what
    every step gives, the last states; all in MindSpore's layout.
    Attributes: `direction`, `batch_first`, for RNN `nonlinearity`.
    """
    for graph in model.graphs():
        for node in graph:
            if node.op_type in GATES and not node.domain and _is_layer(node):
                weights = _weights(node)
                if weights is not None:
                    _Layer(node, names).replace(weights)


def _is_layer(node: ir.Node) -> bool:
    """Whether MindSpore has a layer with this meaning."""
    x, peepholes = node.inputs[0], node.inputs[7] if len(node.inputs) > 7 else None
    if x is None or x.dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16) or peepholes is not None:
        return False
    if attribute(node, "clip") or attribute(node, "input_forget") or attribute(node, "linear_before_reset") == 0:
        return False
    return _activations(node) in _ACTIVATIONS[node.op_type]


def _activations(node: ir.Node) -> tuple[str, ...] | None:
    """The activations of a direction; None when two directions differ."""
    plain = _ACTIVATIONS[node.op_type][0]
    given = tuple(name.lower() for name in node.attributes.get_strings("activations", plain))
    parts = {given[i : i + len(plain)] for i in range(0, len(given), len(plain))}
    return parts.pop() if len(parts) == 1 else None


def _weights(node: ir.Node) -> list[ir.Value] | None:
    """The weights: ONNX's when they are constants, else those that ONNX's were made of; None when they are computed."""
    given = [value for value in node.inputs[1:4] if value is not None]
    apart = _taken_apart(given)
    if all(value.const_value is not None for value in apart):
        return apart
    trace = Trace()
    traced = [numbers for value in given if (numbers := trace.numbers(value)) is not None]
    if len(traced) < len(given):
        return None
    gates, found = GATES[node.op_type], []
    w, r, *biases = traced
    for stacked in (w, r, *(np.split(biases[0], 2, 1) if biases else ())):
        for direction in stacked:
            blocks = np.split(direction, len(gates))
            found.append(trace.weight(np.concatenate([blocks[gate] for gate in gates])))
    weights = [weight for weight in found if weight is not None]
    return weights if len(weights) == len(found) else None


def _taken_apart(given: Sequence[ir.Value]) -> list[ir.Value]:
    """W, R and B, where they were joined: those of each direction, the bias in two halves."""
    directions = list(zip(*(_parts(value, 0) for value in given), strict=False))
    ordered = []
    for values in directions if len(directions) == 2 else [given]:
        *matrices, last = values
        ordered.append([*matrices, *(_parts(last, 1) if len(given) == 3 else (last,))])
    if len({len(values) for values in ordered}) > 1:
        return list(given)
    return [value for values in ordered for value in values]


def _parts(value: ir.Value, axis: int) -> Sequence[ir.Value]:
    """The two values of one shape that a value was joined of along an axis, else the value itself."""
    producer = value.producer()
    if producer is None or producer.op_type != "Concat" or attribute(producer, "axis") != axis:
        return (value,)
    parts = [part for part in producer.inputs if part is not None]
    return parts if len(parts) == 2 and _shape(parts[0]) == _shape(parts[1]) else (value,)


class _Layer:
    """A node that becomes a layer."""

    def __init__(self, node: ir.Node, names: UniqueNames) -> None:
        self._node = node
        self._names = names
        self._builder = Builder(node, names)
        self._direction = node.attributes.get_string("direction", "forward")
        self._directions = 2 if self._direction == "bidirectional" else 1
        self._hidden = int(_shape(node.inputs[2])[2] or 0)
        self._layout = attribute(node, "layout")
        self._apart: list[ir.Value] = []
        """What has the directions in an axis of their own behind the batch, and is read beside its merged form."""

    def replace(self, weights: Sequence[ir.Value]) -> None:
        """Put the layer in the node's place, with what brings it into the layout that is expected."""
        node = self._node
        x, _, _, _, lengths, *states = [*node.inputs, *(None,) * 7][: 7 if node.op_type == "LSTM" else 6]
        assert x is not None
        source = x.producer()
        ends, others, gone = self._merged()
        batch_first = bool(self._layout)
        turns = [turn for end in ends for turn in end.consumers()]
        inner = not others and not self._apart and not any(end.is_graph_output() for end in ends)
        if source is not None and inner and all(map(_is_turn, [source, *turns])):
            x, ends, batch_first = source.inputs[0], [turn.outputs[0] for turn in turns], True
            gone += turns
        states = [None if state is None or _is_zero(state) else self._in_layout(state) for state in states]
        assert x is not None
        output, *last = self._make(x, [lengths, *states, *weights], batch_first)
        results = dict.fromkeys(ends, output)
        if others:
            results[node.outputs[0]] = self._every_step(output)
        results |= {value: self._split(output) for value in self._apart}
        results |= {old: self._in_layout(new) for old, new in zip(node.outputs[1:], last, strict=True) if _is_read(old)}
        replace(gone, self._builder.nodes, results, at=node)

    def _make(self, x: ir.Value, others: Sequence[ir.Value | None], batch_first: bool) -> Sequence[ir.Value]:
        """Make the layer; returns its outputs."""
        node = self._node
        attributes: dict[str, str | int] = {"direction": self._direction, "batch_first": int(batch_first)}
        if node.op_type == "RNN":
            attributes["nonlinearity"] = (_activations(node) or ("tanh",))[0]
        name = self._names.fresh(f"{node.name}/{node.op_type}")
        layer = ir.node(node.op_type, [x, *others], attributes, domain=DOMAIN, name=name, num_outputs=len(node.outputs))
        self._builder.nodes.append(layer)
        extents = (*_shape(x), None, None)[:2]
        state = (self._directions, extents[0 if batch_first else 1], self._hidden)
        shapes = [(*extents, self._directions * self._hidden), state, state]
        for output, old, shape in zip(layer.outputs, node.outputs, shapes, strict=False):
            output.name = self._names.fresh(f"{old.name}/{node.op_type}")
            output.type, output.shape = x.type, ir.Shape(shape)
        return layer.outputs

    def _merged(self) -> tuple[list[ir.Value], bool, list[ir.Node]]:
        """The output with its directions merged, by nodes behind; whether others read it; the node and those behind."""
        ends: list[ir.Value] = []
        others, merging = self._node.outputs[0].is_graph_output(), [self._node]
        for user in self._node.outputs[0].consumers():
            chain = self._merging(user)
            others |= not chain
            merging += chain
            ends += [node.outputs[0] for node in chain[-1:]]
        return ends, others, merging

    def _merging(self, user: ir.Node) -> list[ir.Node]:
        """The nodes, from one that reads the output on, that together merge the directions into the features."""
        if user.graph is not self._node.graph:
            return []
        if user.op_type == "Squeeze" and self._directions == 1:
            return [user] if numbers_of(user.inputs[1]) in ((1 + self._layout,), (self._layout - 3,)) else []
        if user.op_type == "Transpose" and not self._layout and attribute(user, "perm") == (0, 2, 1, 3):
            behind = list(user.outputs[0].consumers())
            merging = [node for node in behind if self._merges(node)]
            if len(merging) != 1:
                return []
            if len(behind) > 1:
                self._apart.append(user.outputs[0])
            return [user, *merging]
        return [user] if self._layout and self._merges(user) else []

    def _merges(self, user: ir.Node) -> bool:
        """Whether a node is a Reshape of (a, b, D, hidden) to (a, b, D * hidden)."""
        before, after = _shape(user.inputs[0]), _shape(user.outputs[0])
        merged = (*before[:2], self._directions * self._hidden)
        return user.op_type == "Reshape" and len(before) == 4 and None not in before and after == merged

    def _every_step(self, merged: ir.Value) -> ir.Value:
        """What every step gives, as ONNX has it."""
        op = self._builder
        if self._directions == 1:
            return op.Unsqueeze(merged, op.constant("axes", np.array([1 + self._layout])))
        split = self._split(merged)
        return split if self._layout else op.Transpose(split, perm=(0, 2, 1, 3))

    def _split(self, merged: ir.Value) -> ir.Value:
        """The two directions in an axis of their own behind the first two."""
        shape = np.array([0, 0, self._directions, self._hidden])
        return self._builder.Reshape(merged, self._builder.constant("shape", shape))

    def _in_layout(self, state: ir.Value) -> ir.Value:
        """A state in the other's layout."""
        return self._builder.Transpose(state, perm=(1, 0, 2)) if self._layout else state


def _is_turn(node: ir.Node | None) -> bool:
    """Whether a node brings the batch before the sequence, or behind it."""
    return node is not None and node.op_type == "Transpose" and attribute(node, "perm") == (1, 0, 2)


def _shape(value: ir.Value | None) -> tuple[int | str | None, ...]:
    """The extents; none when even the rank is unknown."""
    return (None if value is None else shape_of(value)) or ()


def _is_read(value: ir.Value) -> bool:
    return value.is_graph_output() or bool(value.uses())


def _is_zero(state: ir.Value) -> bool:
    """Whether a state is zeros: a constant, or one that is as large as the batch."""
    if state.const_value is not None:
        return not state.const_value.numpy().any()
    producer = state.producer()
    if producer is None:
        return False
    if producer.op_type == "ConstantOfShape":
        value = producer.attributes.get_tensor("value", None)
        return value is None or not value.numpy().any()
    source = producer.inputs[0] if producer.op_type in ("Expand", "Slice", "Split", "Transpose") else None
    return source is not None and _is_zero(source)
