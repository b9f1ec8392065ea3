"""Which recurrent nodes of ONNX are layers, and what replaces them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph import Trait, UniqueNames, attribute, has_trait, numbers_of, shape_of
from converter.graph.fusions import Builder, FusedOperator, NoMatch, Trace, replace
from converter.shapes import Dims
from operator_maps.fusions.recurrent.weights import GATES

_ACTIVATIONS = {
    "LSTM": (("sigmoid", "tanh", "tanh"),),
    "GRU": (("sigmoid", "tanh"),),
    "RNN": (("tanh",), ("relu",)),
}
"""The activations of MindSpore's layers, for one direction; the default first."""


def replace_by_layer(operator: FusedOperator, node: ir.Node, names: UniqueNames) -> None:
    """Replace a recurrent node of ONNX that means a layer of MindSpore, `operator`.

    Raises:
        NoMatch: it means none.
    """
    _check_meaning(node)
    _Layer(operator, node, names).replace(_weights(node))


def _check_meaning(node: ir.Node) -> None:
    """Check that a layer of MindSpore computes the same as the node.

    Raises:
        NoMatch: there is no such layer.
    """
    x, name = node.inputs[0], f"nn.{node.op_type}"
    if x is None or x.dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16):
        raise NoMatch(f"{name} has no kernel for its type")
    if len(node.inputs) > 7 and node.inputs[7] is not None:
        raise NoMatch(f"{name} has no peepholes")
    for option in ("clip", "input_forget"):
        if attribute(node, option):
            raise NoMatch(f"{name} has no {option}")
    if attribute(node, "linear_before_reset") == 0:
        raise NoMatch(f"{name} resets after the recurrent product; this one has linear_before_reset = 0")
    if _activations(node) not in _ACTIVATIONS[node.op_type]:
        raise NoMatch(f"{name} has other activations than {node.attributes.get_strings('activations')}")


def _activations(node: ir.Node) -> tuple[str, ...] | None:
    """The activations of a direction; None if the two directions differ."""
    default = _ACTIVATIONS[node.op_type][0]
    given = tuple(name.lower() for name in node.attributes.get_strings("activations", default))
    parts = {given[i : i + len(default)] for i in range(0, len(given), len(default))}
    return parts.pop() if len(parts) == 1 else None


def _weights(node: ir.Node) -> list[ir.Value]:
    """The weights: the inputs of the node if constant, else the constants from which they were concatenated.

    Raises:
        NoMatch: the weights are computed in another way.
    """
    given = [value for value in node.inputs[1:4] if value is not None]
    parts = _before_concat(given)
    if all(value.const_value is not None for value in parts):
        return parts
    trace = Trace()
    traced = [numbers for value in given if (numbers := trace.numbers(value)) is not None]
    if len(traced) < len(given):
        raise NoMatch(f"the weights of nn.{node.op_type} are constants; these are computed")
    gates, found = GATES[node.op_type], []
    w, r, *biases = traced
    for stacked in (w, r, *(np.split(biases[0], 2, 1) if biases else ())):
        for direction in stacked:
            blocks = np.split(direction, len(gates))
            found.append(trace.weight(np.concatenate([blocks[gate] for gate in gates])))
    weights = [weight for weight in found if weight is not None]
    if len(weights) < len(found):
        raise NoMatch("its weights are put together from parts of constants")
    return weights


def _before_concat(given: Sequence[ir.Value]) -> list[ir.Value]:
    """The weights of each direction, biases in two halves, where W, R and B are a Concat of these; else W, R and B."""
    directions = list(zip(*(_two_parts(value, 0) for value in given), strict=False))
    ordered = []
    for values in directions if len(directions) == 2 else [given]:
        *matrices, last = values
        ordered.append([*matrices, *(_two_parts(last, 1) if len(given) == 3 else (last,))])
    if len({len(values) for values in ordered}) > 1:
        return list(given)
    return [value for values in ordered for value in values]


def _two_parts(value: ir.Value, axis: int) -> Sequence[ir.Value]:
    """The two values of equal shape whose Concat along an axis the value is; else the value itself."""
    producer = value.producer()
    if producer is None or producer.op_type != "Concat" or attribute(producer, "axis") != axis:
        return (value,)
    parts = [part for part in producer.inputs if part is not None]
    return parts if len(parts) == 2 and _shape(parts[0]) == _shape(parts[1]) else (value,)


class _Layer:
    """A node that is replaced by a layer.

    ONNX's first output Y is (sequence, D, batch, hidden), or (batch, sequence, D, hidden) with `layout = 1`. Exporters
    add nodes that merge D into the features, as in the layer's output.
    """

    def __init__(self, operator: FusedOperator, node: ir.Node, names: UniqueNames) -> None:
        self._operator = operator
        self._node = node
        self._names = names
        self._builder = Builder(node, names)
        self._direction = node.attributes.get_string("direction", "forward")
        self._directions = 2 if self._direction == "bidirectional" else 1
        hidden = _shape(node.inputs[2])[2]
        self._hidden = hidden if isinstance(hidden, int) else 0
        self._layout = attribute(node, "layout")
        self._merging: list[ir.Node] = []
        """The nodes after Y that merge D into the features."""
        self._merged: list[ir.Value] = []
        """The outputs of the last of these nodes: (sequence, batch, D * hidden)."""
        self._unmerged: list[ir.Value] = []
        """Values (sequence, batch, D, hidden) between these nodes that other nodes read too."""
        self._is_y_read = node.outputs[0].is_graph_output()
        """Whether Y itself is an output of the graph or is read by other nodes."""
        for user in node.outputs[0].consumers():
            chain = self._merge_from(user)
            self._is_y_read |= not chain
            self._merging += chain
            self._merged += [merging.outputs[0] for merging in chain[-1:]]

    def replace(self, weights: Sequence[ir.Value]) -> None:
        """Replace the node by the layer, with transposes and reshapes for values of another layout."""
        node = self._node
        x, _, _, _, lengths, *states = [*node.inputs, *(None,) * 7][: 7 if node.op_type == "LSTM" else 6]
        assert x is not None
        before, after = x.producer(), [user for value in self._merged for user in value.consumers()]
        old, results, batch_first = [node, *self._merging], self._merged, bool(self._layout)
        only_merged = not (self._is_y_read or self._unmerged or any(value.is_graph_output() for value in self._merged))
        if before is not None and only_merged and all(map(_swaps_batch_and_sequence, [before, *after])):
            x, results, batch_first = before.inputs[0], [swap.outputs[0] for swap in after], True
            old += after
        states = [None if state is None or _is_zero(state) else self._swapped(state) for state in states]
        output, *last = self._make([x, lengths, *states, *weights], batch_first)
        replaced = dict.fromkeys(results, output)
        if self._is_y_read:
            replaced[node.outputs[0]] = self._y_of(output)
        replaced |= {value: self._split_directions(output) for value in self._unmerged}
        replaced |= {
            state: self._swapped(new) for state, new in zip(node.outputs[1:], last, strict=True) if _is_read(state)
        }
        replace(old, self._builder.nodes, replaced, at=node)

    def _make(self, inputs: Sequence[ir.Value | None], batch_first: bool) -> Sequence[ir.Value]:
        """Add the node of the layer; return its outputs."""
        node = self._node
        attributes: dict[str, str | int] = {"direction": self._direction, "batch_first": int(batch_first)}
        if node.op_type == "RNN":
            attributes["nonlinearity"] = (_activations(node) or ("tanh",))[0]
        made = self._operator.node(inputs, len(node.outputs), **attributes)
        made.name = self._names.fresh(f"{node.name}/{node.op_type}")
        self._builder.nodes.append(made)
        for output, old in zip(made.outputs, node.outputs, strict=True):
            output.name = self._names.fresh(f"{old.name}/{node.op_type}")
        return made.outputs

    def _merge_from(self, user: ir.Node) -> list[ir.Node]:
        """The nodes, starting with a reader of Y, that together merge D into the features; empty if there are none."""
        if user.graph is not self._node.graph:
            return []
        if user.op_type == "Squeeze" and self._directions == 1:
            return [user] if numbers_of(user.inputs[1]) in ((1 + self._layout,), (self._layout - 3,)) else []
        if user.op_type == "Transpose" and not self._layout and attribute(user, "perm") == (0, 2, 1, 3):
            readers = list(user.outputs[0].consumers())
            merging = [node for node in readers if self._merges(node)]
            if len(merging) != 1:
                return []
            if len(readers) > 1:
                self._unmerged.append(user.outputs[0])
            return [user, *merging]
        return [user] if self._layout and self._merges(user) else []

    def _merges(self, user: ir.Node) -> bool:
        """Whether a node is a Reshape of (a, b, D, hidden) to (a, b, D * hidden)."""
        before, after = _shape(user.inputs[0]), _shape(user.outputs[0])
        merged = (*before[:2], self._directions * self._hidden)
        return user.op_type == "Reshape" and len(before) == 4 and None not in before and after == merged

    def _y_of(self, merged: ir.Value) -> ir.Value:
        """Y, computed from the layer's output (sequence, batch, D * hidden), or with the batch first."""
        op = self._builder
        if self._directions == 1:
            return op.Unsqueeze(merged, op.constant("axes", np.array([1 + self._layout])))
        split = self._split_directions(merged)
        return split if self._layout else op.Transpose(split, perm=(0, 2, 1, 3))

    def _split_directions(self, merged: ir.Value) -> ir.Value:
        """Reshape (a, b, D * hidden) to (a, b, D, hidden)."""
        shape = np.array([0, 0, self._directions, self._hidden])
        return self._builder.Reshape(merged, self._builder.constant("shape", shape))

    def _swapped(self, state: ir.Value) -> ir.Value:
        """With ONNX's `layout = 1`, a state (D, batch, hidden) as (batch, D, hidden), or back."""
        return self._builder.Transpose(state, perm=(1, 0, 2)) if self._layout else state


def _swaps_batch_and_sequence(node: ir.Node) -> bool:
    return node.op_type == "Transpose" and attribute(node, "perm") == (1, 0, 2)


def _shape(value: ir.Value | None) -> Dims:
    """The extents; empty if the rank is unknown."""
    return (None if value is None else shape_of(value)) or ()


def _is_read(value: ir.Value) -> bool:
    return value.is_graph_output() or bool(value.uses())


def _is_zero(state: ir.Value) -> bool:
    """Whether all elements of a state are zero: it consists of zero constants and ConstantOfShape results."""
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
