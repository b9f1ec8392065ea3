"""LSTM, GRU, RNN: recurrent layers as frameworks have them, which are nn.LSTM, nn.GRU and nn.RNN.

For D directions ONNX stacks the weights of both, joins the two biases and gives (sequence, D, batch, hidden) for every
step; MindSpore's layers have separate weights and give (sequence, batch, D * hidden), or with the batch first.

Inputs: x, lengths, the initial hidden (and cell) state (D, batch, hidden), None for zeros; then the weights in a form
that `weights` lists. Outputs: the hidden state of every step, the last states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx_ir as ir

from converter.base.weight_steps import apply
from converter.graph import UniqueNames
from converter.graph.fusions import FusedOperator, NodeFusion, Shape
from converter.rows import Arg, Assign, Node, Operand, Variable, Written, expr, invoke, unless_default
from operator_maps.fusions.recurrent.fusion import replace_by_layer
from operator_maps.fusions.recurrent.weights import GATES, PARAMETERS, places_of_parameters


def recurrent_layer(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a recurrent node of ONNX that means a layer of MindSpore.

    Raises:
        NoMatch: it means none.
    """
    replace_by_layer(_OPERATORS[node.op_type], node, names)
    return True


def _states(operator: str) -> int:
    """The number of states of a layer: the hidden state and, in an LSTM, the cell state."""
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


def lstm_step(x: np.ndarray, h: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, ...]:
    """The next hidden and cell state (batch, H).

    `x` and `h` (batch, 4 * H) are input and hidden state times weights plus biases; gates: input, forget, cell, output.
    """
    i, f, g, o = np.split(x + h, 4, -1)
    cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(cell), cell


def gru_step(x: np.ndarray, h: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, ...]:
    """The next hidden state (batch, H); `x` and `h` (batch, 3 * H) as for `lstm_step`; gates: reset, update, new."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(x, 3, -1), np.split(h, 3, -1)
    z = _sigmoid(x_z + h_z)
    return ((1 - z) * np.tanh(x_n + _sigmoid(x_r + h_r) * h_n) + z * hidden,)


_STEPS: dict[tuple[str, str], Callable[..., tuple[np.ndarray, ...]]] = {
    ("LSTM", "tanh"): lstm_step,
    ("GRU", "tanh"): gru_step,
    ("RNN", "tanh"): lambda x, h, hidden: (np.tanh(x + h),),
    ("RNN", "relu"): lambda x, h, hidden: (np.maximum(x + h, 0),),
}


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
    """Make the layer and call it; one that runs backward gets its sequence reversed, and its output too."""
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
    cell = node.layer(invoke(f"nn.{kind}", features, rows // len(GATES[kind]), **options), parameters)

    def reversed_in_time(sequence: Arg) -> Arg:
        if direction != "reverse":
            return sequence
        if lengths is None:
            return expr("ops.flip({0}, {1})", sequence, (batch_first,))
        return expr("ops.reverse_sequence({0}, {1}, {2}, {3})", sequence, lengths, batch_first, 1 - batch_first)

    args = [reversed_in_time(x), _initial(states), lengths]
    while args[-1] is None:
        args.pop()
    holes = ", ".join(f"{{{i + 1}}}" for i in range(len(args)))
    names = zip(("output", "hidden", "cell"), node.used, strict=False)
    output, *last = (Variable(name) if used else None for name, used in names)
    last += [None] * (len(states) - len(last))
    call = Assign((output, _packed(last)), node.resolve(expr(f"{{0}}({holes})", cell, *args)))
    return Written(call, (output and reversed_in_time(output), *last)[: len(node.used)])


def _initial(states: Sequence[Operand | None]) -> Arg:
    """The initial state as the layer expects it: None for zeros, a tensor, or a tuple of two."""
    given = next((state for state in states if state is not None), None)
    return _packed([expr("ops.zeros_like({0})", given) if state is None and given else state for state in states])


def _packed(items: Sequence[Arg]) -> Arg:
    """None if all items are None; the item if there is one; else a tuple."""
    if all(item is None for item in items):
        return None
    return items[0] if len(items) == 1 else tuple(items)


LSTM, GRU, RNN = (
    FusedOperator(
        name,
        phase="recurrent layers",
        steps=(NodeFusion(name, recurrent_layer),),
        shape=partial(shapes, name),
        reference=partial(reference, name),
        row=row,
    )
    for name, row in (("LSTM", lstm_layer), ("GRU", gru_layer), ("RNN", rnn_layer))
)
_OPERATORS = {operator.name: operator for operator in (LSTM, GRU, RNN)}
