"""LSTM, GRU, RNN: recurrent layers as frameworks have them, which are nn.LSTM, nn.GRU and nn.RNN.

For D directions ONNX stacks the weights of both, joins the two biases and gives (sequence, D, batch, hidden) for every
step; MindSpore's layers keep them apart and give (sequence, batch, D * hidden), or with the batch first.

Inputs: x, lengths, the initial hidden (and cell) state (D, batch, hidden), None for zeros; then the weights in a form
that `operator_maps.lib.recurrent_weights` lists. Outputs: the hidden state of every step, the last states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx_ir as ir

from converter.base.weight_steps import apply
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, FusedOperator, Shape
from converter.graph.fusions.trace import Trace
from converter.graph.queries import attribute, numbers_of, shape_of
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames
from converter.rows import Arg, Assign, Node, Operand, Variable, Written, expr, invoke, unless_default
from operator_maps.lib.recurrent_weights import GATES, PARAMETERS, places_of_parameters

_ACTIVATIONS = {
    "LSTM": (("sigmoid", "tanh", "tanh"),),
    "GRU": (("sigmoid", "tanh"),),
    "RNN": (("tanh",), ("relu",)),
}
"""What MindSpore's layers have, for one direction."""

# What is a layer


def fuse_layers(operator: str, model: ir.Model, names: UniqueNames) -> None:
    """Replace the nodes of a recurrent operator of ONNX that mean a layer of MindSpore."""
    for graph in model.graphs():
        for node in graph:
            if node.op_type == operator and not node.domain and _is_layer(node):
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
        output, *last = self._make([x, lengths, *states, *weights], batch_first)
        results = dict.fromkeys(ends, output)
        if others:
            results[node.outputs[0]] = self._every_step(output)
        results |= {value: self._split(output) for value in self._apart}
        results |= {old: self._in_layout(new) for old, new in zip(node.outputs[1:], last, strict=True) if _is_read(old)}
        replace(gone, self._builder.nodes, results, at=node)

    def _make(self, inputs: Sequence[ir.Value | None], batch_first: bool) -> Sequence[ir.Value]:
        """Make the layer; returns its outputs."""
        node = self._node
        attributes: dict[str, str | int] = {"direction": self._direction, "batch_first": int(batch_first)}
        if node.op_type == "RNN":
            attributes["nonlinearity"] = (_activations(node) or ("tanh",))[0]
        layer = _OPERATORS[node.op_type].node(inputs, len(node.outputs), **attributes)
        layer.name = self._names.fresh(f"{node.name}/{node.op_type}")
        self._builder.nodes.append(layer)
        for output, old in zip(layer.outputs, node.outputs, strict=True):
            output.name = self._names.fresh(f"{old.name}/{node.op_type}")
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
    pending, seen = [state], {state}
    while pending:
        value = pending.pop()
        producer = value.producer()
        if producer is None or not has_trait(producer, Trait.DATA_MOVEMENT):
            if not _is_constant_zero(value, producer):
                return False
            continue
        sources = producer.inputs if producer.op_type == "Concat" else producer.inputs[:1]
        fresh = {source for source in sources if source is not None} - seen
        seen |= fresh
        pending += fresh
    return True


def _is_constant_zero(value: ir.Value, producer: ir.Node | None) -> bool:
    if value.const_value is not None:
        return not value.const_value.numpy().any()
    if producer is None or producer.op_type != "ConstantOfShape":
        return False
    filled = producer.attributes.get_tensor("value", None)
    return filled is None or not filled.numpy().any()


# What a layer computes


def _states(operator: str) -> int:
    """How many states a layer has: the hidden and, in an LSTM, the cell state."""
    return 2 if operator == "LSTM" else 1


def shapes(
    operator: str,
    x: Shape,
    lengths: Shape | None,
    *others: Shape | None,
    direction: str = "forward",
    batch_first: int = 0,
    nonlinearity: str = "tanh",
) -> list[Shape]:
    """(sequence, batch, D * hidden), or with the batch first; then (D, batch, hidden) for each state."""
    states = _states(operator)
    directions = 2 if direction == "bidirectional" else 1
    hidden = others[states][-2] // len(GATES[operator])  # type: ignore[index, operator]
    state = (directions, x[0 if batch_first else 1], hidden)
    return [(*x[:2], directions * hidden), *[state] * states]


def reference(
    operator: str,
    x: np.ndarray,
    lengths: np.ndarray | None,
    *others: np.ndarray | None,
    direction: str = "forward",
    batch_first: int = 0,
    nonlinearity: str = "tanh",
) -> tuple[np.ndarray, ...]:
    """One step after the other, in 64 bits; beyond a sequence's length its output is zero and its state stays."""
    initial, given = others[: _states(operator)], [each for each in others[_states(operator) :] if each is not None]
    directions = 2 if direction == "bidirectional" else 1
    places = places_of_parameters(operator, [weight.shape for weight in given], directions)
    parameters = {name: apply(steps, given[i]).astype(np.float64) for name, (i, steps) in places.items()}
    wide = (x.swapaxes(0, 1) if batch_first else x).astype(np.float64)
    zeros = np.zeros((directions, wide.shape[1], parameters["weight_hh_l0"].shape[1]))
    outputs, last = [], []
    for i in range(directions):
        w, r, *biases = (parameters.get(name + "_reverse" * i, np.float64(0)) for name in PARAMETERS)
        states = [zeros[i] if each is None else each[i].astype(np.float64) for each in initial]
        output = np.zeros((*wide.shape[:2], zeros.shape[2]))
        backward = direction == "reverse" or i == 1
        for t in reversed(range(len(wide))) if backward else range(len(wide)):
            given_x, given_h = wide[t] @ w.T + biases[0], states[0] @ r.T + biases[1]
            new = _STEPS[operator, nonlinearity](given_x, given_h, *states)
            inside = np.full((wide.shape[1], 1), True) if lengths is None else (t < lengths)[:, None]
            states = [np.where(inside, one, other) for one, other in zip(new, states, strict=True)]
            output[t] = np.where(inside, new[0], 0)
        outputs.append(output)
        last.append(states)
    every = np.concatenate(outputs, -1)
    made = (every.swapaxes(0, 1) if batch_first else every, *map(np.stack, zip(*last, strict=True)))
    return tuple(array.astype(x.dtype) for array in made)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 2)) / 2


def _lstm_step(x: np.ndarray, h: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, ...]:
    """The next states, from what input and hidden state give for the gates: input, forget, cell, output."""
    i, f, g, o = np.split(x + h, 4, -1)
    cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(cell), cell


def _gru_step(x: np.ndarray, h: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, ...]:
    """The next state; gates: reset, update, new."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(x, 3, -1), np.split(h, 3, -1)
    z = _sigmoid(x_z + h_z)
    return ((1 - z) * np.tanh(x_n + _sigmoid(x_r + h_r) * h_n) + z * hidden,)


_STEPS: dict[tuple[str, str], Callable[..., tuple[np.ndarray, ...]]] = {
    ("LSTM", "tanh"): _lstm_step,
    ("GRU", "tanh"): _gru_step,
    ("RNN", "tanh"): lambda x, h, hidden: (np.tanh(x + h),),
    ("RNN", "relu"): lambda x, h, hidden: (np.maximum(x + h, 0),),
}

# What a layer becomes


def lstm_layer(
    node: Node,
    x: Operand,
    lengths: Operand | None,
    h: Operand | None,
    c: Operand | None,
    *weights: Operand,
    direction: str = "forward",
    batch_first: int = 0,
) -> Arg:
    """An LSTM with constant weights: nn.LSTM, `output, (hidden, cell) = self.lstm(x, (h0, c0))`."""
    return _layer(node, "LSTM", x, lengths, (h, c), weights, direction, batch_first)


def gru_layer(
    node: Node,
    x: Operand,
    lengths: Operand | None,
    h: Operand | None,
    *weights: Operand,
    direction: str = "forward",
    batch_first: int = 0,
) -> Arg:
    """A GRU with constant weights that resets after the recurrent product: nn.GRU."""
    return _layer(node, "GRU", x, lengths, (h,), weights, direction, batch_first)


def rnn_layer(
    node: Node,
    x: Operand,
    lengths: Operand | None,
    h: Operand | None,
    *weights: Operand,
    direction: str = "forward",
    batch_first: int = 0,
    nonlinearity: str = "tanh",
) -> Arg:
    """A plain recurrent layer with constant weights, of tanh or relu: nn.RNN."""
    options = unless_default(nonlinearity=(nonlinearity, "tanh"))
    return _layer(node, "RNN", x, lengths, (h,), weights, direction, batch_first, **options)


def _layer(
    node: Node,
    kind: str,
    x: Operand,
    lengths: Operand | None,
    states: Sequence[Operand | None],
    weights: Sequence[Operand],
    direction: str,
    batch_first: int,
    **options: Arg,
) -> Arg:
    """Make the layer and call it; one that runs backward gets its sequence turned round, and turns its output back."""
    directions = 2 if direction == "bidirectional" else 1
    places = places_of_parameters(kind, [weight.shape for weight in weights], directions)
    parameters = {name: weights[index].weight(*steps) for name, (index, steps) in places.items()}
    rows, features = parameters["weight_ih_l0"].shape
    options |= unless_default(
        has_bias=("bias_ih_l0" in parameters, True),
        batch_first=(bool(batch_first), False),
        bidirectional=(directions == 2, False),
    )
    if x.dtype == ir.DataType.FLOAT16:
        options["dtype"] = expr("ms.float16")
    layer = node.layer(invoke(f"nn.{kind}", features, rows // len(GATES[kind]), **options), parameters)

    def turned(sequence: Arg) -> Arg:
        if direction != "reverse":
            return sequence
        if lengths is None:
            return expr("ops.flip({0}, {1})", sequence, (batch_first,))
        return expr("ops.reverse_sequence({0}, {1}, {2}, {3})", sequence, lengths, batch_first, 1 - batch_first)

    args = [turned(x), _initial(states), lengths]
    while args[-1] is None:
        args.pop()
    holes = ", ".join(f"{{{i + 1}}}" for i in range(len(args)))
    names = zip(("output", "hidden", "cell"), node.used, strict=False)
    output, *last = (Variable(name) if used else None for name, used in names)
    last += [None] * (len(states) - len(last))
    call = Assign((output, _packed(last)), node.resolve(expr(f"{{0}}({holes})", layer, *args)))
    return Written(call, (output and turned(output), *last)[: len(node.used)])


def _initial(states: Sequence[Operand | None]) -> Arg:
    """What the layer starts from: None for zeros, a tensor, or a tuple of two."""
    given = next((state for state in states if state is not None), None)
    return _packed([expr("ops.zeros_like({0})", given) if state is None and given else state for state in states])


def _packed(items: Sequence[Arg]) -> Arg:
    """One thing as it is, several as a tuple, nothing but None as None."""
    if all(item is None for item in items):
        return None
    return items[0] if len(items) == 1 else tuple(items)


LSTM, GRU, RNN = (
    FusedOperator(
        name,
        phase="recurrent layers",
        steps=(partial(fuse_layers, name),),
        shape=partial(shapes, name),
        reference=partial(reference, name),
        row=row,
    )
    for name, row in (("LSTM", lstm_layer), ("GRU", gru_layer), ("RNN", rnn_layer))
)
_OPERATORS = {operator.name: operator for operator in (LSTM, GRU, RNN)}
