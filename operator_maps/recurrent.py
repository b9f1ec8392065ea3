"""Recurrent layers: nn.LSTM, nn.GRU and nn.RNN where their meaning fits, else steps in a loop.

For D directions, ONNX and MindSpore both take x as (sequence, batch, input) and states as (D, batch, hidden). What
every step gives is (sequence, D, batch, hidden) in ONNX and (sequence, batch, D * hidden) in MindSpore. With `layout=1`
(`batch_first`) the batch comes first, in ONNX's states too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from converter.operator_maps import recurrent_steps as steps
from converter.rows import (
    Arg,
    Assign,
    Expr,
    Node,
    Operand,
    Step,
    Value,
    Weight,
    Written,
    concatenate,
    expr,
    invoke,
    part,
    reshape,
    unless_default,
)


def lstm(
    node: Node,
    x: Operand,
    w: Operand,
    r: Operand,
    b: Operand | None,
    lengths: Operand | None,
    h: Operand | None,
    c: Operand | None,
    p: Operand | None,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = ("Sigmoid", "Tanh", "Tanh"),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
) -> Arg:
    """ONNX LSTM: nn.LSTM; steps in a loop for peepholes, coupled gates, clipping and other activations."""
    layer = Recurrence(node, x, w, r, b, lengths, (h, c), (0, 2, 3, 1), direction, layout)
    names = [name.lower() for name in activations]
    plain = p is None and not input_forget
    if plain and not clip and names == ["sigmoid", "tanh", "tanh"] * (len(names) // 3) and layer.fits:
        return layer.call("nn.LSTM")
    functions = _functions(node, names, activation_alpha, activation_beta, (clip, clip, None))
    if plain:
        return layer.run(steps.lstm_step, functions)
    zeros = expr("ops.zeros({0}, {1})", (layer.directions, 3 * layer.hidden), node.mindspore_dtype(x.dtype))
    step = steps.coupled_lstm_step if input_forget else steps.peephole_lstm_step
    return layer.run(step, functions, zeros if p is None else p)


def gru(
    node: Node,
    x: Operand,
    w: Operand,
    r: Operand,
    b: Operand | None,
    lengths: Operand | None,
    h: Operand | None,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = ("Sigmoid", "Tanh"),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> Arg:
    """ONNX GRU: nn.GRU, which resets after the recurrent product (`linear_before_reset=1`); else steps in a loop."""
    layer = Recurrence(node, x, w, r, b, lengths, (h,), (1, 0, 2), direction, layout)
    names = [name.lower() for name in activations]
    if linear_before_reset and not clip and names == ["sigmoid", "tanh"] * (len(names) // 2) and layer.fits:
        return layer.call("nn.GRU")
    functions = _functions(node, names, activation_alpha, activation_beta, (clip,))
    return layer.run(steps.reset_after_gru_step if linear_before_reset else steps.gru_step, functions)


def rnn(
    node: Node,
    x: Operand,
    w: Operand,
    r: Operand,
    b: Operand | None,
    lengths: Operand | None,
    h: Operand | None,
    *,
    activation_alpha: Sequence[float] = (),
    activation_beta: Sequence[float] = (),
    activations: Sequence[str] = ("Tanh",),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
) -> Arg:
    """ONNX RNN: nn.RNN with tanh or relu; steps in a loop for clipping and other activations."""
    layer = Recurrence(node, x, w, r, b, lengths, (h,), (0,), direction, layout)
    names = [name.lower() for name in activations]
    if not clip and set(names) in ({"tanh"}, {"relu"}) and layer.fits:
        return layer.call("nn.RNN", **unless_default(nonlinearity=(names[0], "tanh")))
    return layer.run(steps.rnn_step, _functions(node, names, activation_alpha, activation_beta, (clip,)))


@dataclass
class Recurrence:
    """A recurrent node: what the three operators have in common.

    Attributes:
        states: the initial hidden (and cell) state; None for zeros.
        gates: where among ONNX's gates MindSpore's stand.
    """

    node: Node
    x: Operand
    w: Operand
    r: Operand
    b: Operand | None
    lengths: Operand | None
    states: tuple[Operand | None, ...]
    gates: tuple[int, ...]
    direction: str
    layout: int

    def __post_init__(self) -> None:
        shape = self.w.shape
        if shape is None or shape[1] is None:
            raise self.node.decline("the shape of its weights is unknown")
        self.hidden = shape[1] // len(self.gates)
        self.directions = 2 if self.direction == "bidirectional" else 1
        self.states = tuple(None if state is None or _is_zero(state) else state for state in self.states)

    # As a layer

    @property
    def fits(self) -> bool:
        """Whether MindSpore's layers take the weights and the element type."""
        weights = [self.w, self.r] if self.b is None else [self.w, self.r, self.b]
        return self.x.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16) and all(w.is_weight for w in weights)

    def call(self, name: str, **options: Arg) -> Arg:
        """Make the layer and call it: `output, (hidden, cell) = self.lstm(x, (h0, c0))`."""
        assert self.w.shape is not None
        options |= unless_default(
            has_bias=(self.b is not None, True),
            batch_first=(self.layout == 1, False),
            bidirectional=(self.directions == 2, False),
        )
        if self.x.dtype == ir.DataType.FLOAT16:
            options["dtype"] = expr("ms.float16")
        layer = self.node.layer(invoke(name, self.w.shape[2], self.hidden, **options), self._weights())
        args = [self._turned(self.x), self._initial(), self.lengths]
        while args[-1] is None:
            args.pop()
        holes = ", ".join(f"{{{i + 1}}}" for i in range(len(args)))
        output, *last = self._targets()
        call = Assign((output, _packed(last)), self.node.resolve(expr(f"{{0}}({holes})", layer, *args)))
        every = None if output is None else self._every_step(self._turned(output))
        return self._written(call, every, [self._swapped(state) for state in last])

    def _weights(self) -> dict[str, Weight]:
        """The layer's parameters, in its order: all input weights, all hidden weights, then the biases."""
        sources = [("weight_ih_l0", self.w, 0), ("weight_hh_l0", self.r, 0)]
        if self.b is not None:
            sources += [("bias_ih_l0", self.b, 0), ("bias_hh_l0", self.b, self.hidden * len(self.gates))]
        return {
            name + suffix: operand.weight(*self._of_direction(i, operand), *self._in_order(first, operand))
            for name, operand, first in sources
            for i, suffix in enumerate(("", "_reverse")[: self.directions])
        }

    def _of_direction(self, index: int, operand: Operand) -> tuple[Step, ...]:
        shape = reshape(*(dim or 0 for dim in (operand.shape or ())[1:]))
        return (part(0, index, index + 1), shape) if self.directions == 2 else (shape,)

    def _in_order(self, first: int, operand: Operand) -> tuple[Step, ...]:
        """Bring the gates of a weight, the rows from `first` on, into MindSpore's order."""
        starts = [first + gate * self.hidden for gate in self.gates]
        blocks = [(part(0, start, start + self.hidden),) for start in starts]
        if len(blocks) > 1:
            return (concatenate(0, *blocks),)
        return blocks[0] if operand is self.b else ()

    def _initial(self) -> Arg:
        """What the layer starts from: None for zeros, a tensor, or a tuple of two."""
        return None if self.states == (None,) * len(self.states) else _packed(self._given_states())

    def _given_states(self) -> tuple[Arg, ...]:
        """The initial states, in MindSpore's layout; zeros for one that is missing beside the other."""
        given = next(state for state in self.states if state is not None)
        states = [expr("ops.zeros_like({0})", given) if state is None else state for state in self.states]
        return tuple(map(self._swapped, states))

    # As steps

    def run(self, step: Callable[..., Any], functions: Sequence[Arg], peepholes: Arg = None) -> Arg:
        """Run a step function over the sequence, once for each direction."""
        x = self.node.let("x", self._swapped(self.x)) if self.layout else self.x
        share = len(self.states) + (len(self.gates) > 1)  # activations of one direction
        calls, outputs, states = [], [], []
        for i in range(self.directions):
            backward = self.direction == "reverse" or i == 1
            run = expr(
                "{0}({1}, {2}, {3}, {4}, {5}, lengths={6}, backward={7})",
                *(steps.recurrent, step, x, self._state_of(i), self._weights_of(i, peepholes)),
                tuple(functions[-share:] if i else functions[:share]),
                *unless_default(lengths=(self.lengths, None), backward=(backward, False)).values(),
            )
            outputs.append(Value("output") if self.node.used[0] else None)
            states.append(Value("state") if any(self.node.used[1:]) else None)
            calls.append(Assign((outputs[-1], states[-1]), self.node.resolve(run)))
        for call in calls[:-1]:
            self.node.emit(call)
        last = [self._swapped(self._last(k, states)) for k in range(len(self.node.used) - 1)]
        merged = outputs[0] if self.directions == 1 else expr("ops.cat({0}, 2)", tuple(outputs))
        every = self._every_step(self._swapped(merged)) if self.node.used[0] else None
        return self._written(calls[-1], every, last)

    def _state_of(self, index: int) -> Arg:
        """The initial state of one direction: hidden, and cell behind it."""
        if self.states == (None,) * len(self.states):
            shape = self.x.shape_python()
            batch = expr("{0}.shape[{1}]", self.x, 1 - self.layout) if shape is None else shape[1 - self.layout]
            dtype = self.node.mindspore_dtype(self.x.dtype)
            return expr("ops.zeros({0}, {1})", (len(self.states), batch, self.hidden), dtype)
        states = self._given_states()
        if self.directions == 2:
            states = tuple(expr("{0}[{1}:{2}]", state, index, index + 1) for state in states)
        return states[0] if len(states) == 1 else expr("ops.cat({0})", states)

    def _last(self, index: int, states: Sequence[Value | None]) -> Arg:
        """The last hidden (0) or cell (1) state of all directions."""
        if not self.node.used[1 + index]:
            return None
        if len(self.states) == 1:
            return states[0] if self.directions == 1 else expr("ops.cat({0})", tuple(states))
        if self.directions == 1:
            return expr("{0}[1:]" if index else "{0}[:1]", states[0])
        return expr("ops.stack(({0}[{2}], {1}[{2}]))", *states, index)

    def _weights_of(self, index: int, peepholes: Arg) -> tuple[Arg, ...]:
        """The weights of one direction: input, hidden, their biases, and the peepholes where there are some."""
        rows = self.hidden * len(self.gates)
        weights: list[Arg] = [expr("{0}[{1}]", operand, index) for operand in (self.w, self.r)]
        if self.b is None:
            weights += [expr("ops.zeros({0}, {1})", rows, self.node.mindspore_dtype(self.x.dtype))] * 2
        else:
            weights += [expr("{0}[{1}, :{2}]", self.b, index, rows), expr("{0}[{1}, {2}:]", self.b, index, rows)]
        return (*weights, expr("{0}[{1}]", peepholes, index)) if peepholes is not None else tuple(weights)

    # Both

    def _targets(self) -> list[Value | None]:
        """Variables for what every step gives and for the last states; None for what nobody reads."""
        names = ("output", "hidden", "cell")[: len(self.states) + 1]
        used = (*self.node.used, False, False)
        return [Value(name) if wanted else None for name, wanted in zip(names, used, strict=False)]

    def _turned(self, x: Arg) -> Arg:
        """A sequence from its end to its beginning, when that is the layer's direction."""
        if self.direction != "reverse":
            return x
        if self.lengths is None:
            return expr("ops.flip({0}, {1})", x, (self.layout,))
        return expr("ops.reverse_sequence({0}, {1}, {2}, {3})", x, self.lengths, self.layout, 1 - self.layout)

    def _swapped(self, x: Arg) -> Arg:
        """A state or a sequence in the other layout, when the node's is not MindSpore's."""
        return expr("{0}.swapaxes(0, 1)", x) if self.layout and x is not None else x

    def _every_step(self, merged: Arg) -> Arg:
        """What every step gives, in ONNX's layout; nodes behind that bring it into MindSpore's are absorbed."""
        if self._absorb(merged):
            return merged
        if self.directions == 1:
            return expr("{0}.expand_dims({1})", merged, 1 + self.layout)
        shape = self.x.shape_python()
        first = [expr("{0}.shape[{1}]", self.x, i) for i in range(2)] if shape is None else shape[:2]
        split = expr("{0}.reshape({1})", merged, (*first, 2, self.hidden))
        return split if self.layout else expr("{0}.swapaxes(1, 2)", split)

    def _absorb(self, merged: Arg) -> bool:
        """Absorb the nodes that bring the output into MindSpore's layout; whether nothing else reads it."""
        output = self.node.ir.outputs[0]
        left = output.is_graph_output()
        for user, _ in output.uses():
            chain = self._undoing(user)
            for undone in chain:
                self.node.absorb(undone, merged)
            left = left or not chain
        return not left

    def _undoing(self, user: ir.Node) -> tuple[ir.Node, ...]:
        """The nodes, from one that reads the output on, that together merge the directions into the features."""
        if user.op_type == "Squeeze" and self.directions == 1:
            axes = _integers(user, 1)
            return (user,) if axes in ((1 + self.layout,), (self.layout - 3,)) else ()
        if user.op_type == "Transpose" and not self.layout:
            behind = [node for node, _ in user.outputs[0].uses()]
            if _permutation(user) == (0, 2, 1, 3) and len(behind) == 1 and self._merges(behind[0]):
                return user, behind[0]
        return (user,) if self.layout and self._merges(user) else ()

    def _merges(self, user: ir.Node) -> bool:
        """Whether a node is a Reshape of (a, b, D, hidden) to (a, b, D * hidden)."""
        shape = _integers(user, 1) if user.op_type == "Reshape" else None
        before, features = user.inputs[0].shape if user.inputs[0] is not None else None, self.directions * self.hidden
        if shape is None or before is None or len(shape) != 3 or shape[2] not in (-1, features):
            return False
        return all(
            new == 0 or (isinstance(old, int) and new == old) for new, old in zip(shape[:2], before, strict=False)
        )

    def _written(self, call: Assign, every: Arg, last: Sequence[Arg]) -> Written:
        return Written(call, (every, *last)[: len(self.node.used)])


def _packed(items: Sequence[Arg]) -> Arg:
    """One thing as it is, several as a tuple, nothing but None as None."""
    if all(item is None for item in items):
        return None
    return items[0] if len(items) == 1 else tuple(items)


def _is_zero(state: Operand) -> bool:
    return state.is_weight and state.constant is not None and not state.constant.any()


def _permutation(node: ir.Node) -> tuple[int, ...]:
    return tuple(node.attributes.get_ints("perm", ()))


def _integers(node: ir.Node, index: int) -> tuple[int, ...] | None:
    """A constant input's elements."""
    value = node.inputs[index] if len(node.inputs) > index else None
    if value is None or value.const_value is None:
        return None
    return tuple(value.const_value.numpy().reshape(-1).tolist())


_FUNCTIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "relu": ("ops.relu({z})", ()),
    "tanh": ("ops.tanh({z})", ()),
    "sigmoid": ("ops.sigmoid({z})", ()),
    "softsign": ("ops.softsign({z})", ()),
    "softplus": ("ops.softplus({z})", ()),
    "affine": ("{0} * {z} + {1}", (1.0, 0.0)),
    "leakyrelu": ("ops.leaky_relu({z}, {0})", (0.01,)),
    "thresholdedrelu": ("ops.where({z} > {0}, {z}, 0)", (1.0,)),
    "scaledtanh": ("{0} * ops.tanh({1} * {z})", (1.0, 1.0)),
    "hardsigmoid": ("ops.clamp({0} * {z} + {1}, 0, 1)", (0.2, 0.5)),
    "elu": ("ops.where({z} > 0, {z}, {0} * (ops.exp({z}) - 1))", (1.0,)),
}
"""Activation → its formula, and the defaults of its alpha and beta: those of the operator of the same name."""


def _functions(
    node: Node, names: Sequence[str], alphas: Sequence[float], betas: Sequence[float], clips: Sequence[float | None]
) -> list[Arg]:
    """The activations as functions of one argument, after clipping (of the gates only, as onnxruntime does)."""
    alpha, beta, clip = iter(alphas), iter(betas), itertools.cycle(clips)
    functions: list[Arg] = []
    for name in names:
        if name not in _FUNCTIONS:
            raise node.decline(f"the activation {name} is unknown")
        formula, defaults = _FUNCTIONS[name]
        values = [next(given, default) for given, default in zip((alpha, beta), defaults, strict=False)]
        bound = next(clip)
        if bound:
            formula = formula.replace("{z}", f"ops.clamp({{z}}, {{{len(values)}}}, {{{len(values) + 1}}})")
            values += [-bound, bound]
        formula = formula.replace("{z}", "z")
        functions.append(expr(f"lambda z: {formula}", *values) if values else Expr(formula.removesuffix("(z)")))
    return functions


ROWS = {
    "GRU": gru,
    "LSTM": lstm,
    "RNN": rnn,
}
