"""Recurrent operators of ONNX that are no layer of MindSpore: one iteration of a loop for each step.

`operator_maps.fusions.recurrent` replaces those that are one; the others have computed weights or options that no
layer has.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from converter.rows import (
    Arg,
    Assign,
    Node,
    Operand,
    Variable,
    Written,
    expr,
    unless_default,
)
from operator_maps.lib import recurrent_steps as steps


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
    """ONNX LSTM: nn.LSTM; steps in a loop for peepholes, coupled gates, clipping, odd activations, computed weights."""
    # onnxruntime clips the inputs of the gates, not the cell state
    functions = _functions(node, activations, activation_alpha, activation_beta, (clip, clip, None))
    run = _Run(node, x, w, r, b, lengths, (h, c), direction, layout, functions)
    if p is None and not input_forget:
        return run.of(steps.lstm_step)
    zeros = expr("ops.zeros({0}, dtype={1})", (run.directions, 3 * run.hidden), node.mindspore_dtype(x.dtype))
    return run.of(steps.coupled_lstm_step if input_forget else steps.peephole_lstm_step, zeros if p is None else p)


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
    """ONNX GRU: nn.GRU with `linear_before_reset=1`; steps in a loop for the rest, as for LSTM."""
    functions = _functions(node, activations, activation_alpha, activation_beta, (clip,))
    run = _Run(node, x, w, r, b, lengths, (h,), direction, layout, functions)
    return run.of(steps.reset_after_gru_step if linear_before_reset else steps.gru_step)


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
    """ONNX RNN: nn.RNN with tanh or relu; steps in a loop for the rest, as for LSTM."""
    functions = _functions(node, activations, activation_alpha, activation_beta, (clip,))
    return _Run(node, x, w, r, b, lengths, (h,), direction, layout, functions).of(steps.rnn_step)


@dataclass
class _Run:
    """A recurrent node of ONNX that is written as a loop over time steps."""

    node: Node
    x: Operand
    w: Operand
    r: Operand
    b: Operand | None
    lengths: Operand | None
    states: tuple[Operand | None, ...]
    direction: str
    layout: int
    functions: Sequence[Arg]

    def __post_init__(self) -> None:
        shape = self.r.shape
        if shape is None or len(shape) != 3 or shape[1] is None or shape[2] is None:
            raise self.node.decline("the shape of its weights is unknown")
        self.rows: int = shape[1]
        self.hidden: int = shape[2]
        self.directions = 2 if self.direction == "bidirectional" else 1

    def of(self, step: Callable[..., Any], peepholes: Arg = None) -> Arg:
        """Write the call that iterates a step function over the sequence, once for each direction."""
        node, used = self.node, (*self.node.used, False, False)
        x = node.let("x", self._swapped(self.x)) if self.layout else self.x
        calls = []
        for i in range(self.directions):
            backward = self.direction == "reverse" or i == 1
            run = expr(
                "{0}({1}, {2}, {3}, {4}, {5}, lengths={6}, backward={7})",
                *(steps.recurrent, step, x, self._state_of(i), self._weights_of(i, peepholes), self._functions_of(i)),
                *unless_default(lengths=(self.lengths, None), backward=(backward, False)).values(),
            )
            targets = (Variable("output") if used[0] else None, Variable("state") if any(used[1:]) else None)
            calls.append(Assign(targets, node.resolve(run)))
        for call in calls[:-1]:
            node.emit(call)
        outputs, states = zip(*(call.targets for call in calls), strict=True)
        axis = 1 + self.layout
        every = expr("ops.stack({0}, {1})", outputs, axis) if len(calls) == 2 else _with_axis(outputs[0], axis)
        last = [self._swapped(self._last(k, states)) if used[1 + k] else None for k in range(len(self.states))]
        return Written(calls[-1], (self._swapped(every) if used[0] else None, *last)[: len(node.used)])

    def _swapped(self, x: Arg) -> Arg:
        """With `layout = 1`, a sequence or a state with its first two axes swapped; else unchanged."""
        return expr("{0}.swapaxes(0, 1)", x) if self.layout else x

    def _state_of(self, index: int) -> Arg:
        """The initial state of one direction: (1, batch, hidden); with an LSTM's cell state, (2, batch, hidden)."""
        given = next((state for state in self.states if state is not None), None)
        if given is None:
            batch = (self.x.shape_python() or ())[1 - self.layout]
            dtype = self.node.mindspore_dtype(self.x.dtype)
            return expr("ops.zeros({0}, dtype={1})", (len(self.states), batch, self.hidden), dtype)
        states = [expr("ops.zeros_like({0})", given) if state is None else state for state in self.states]
        parts = tuple(map(self._swapped, states))
        if self.directions == 2:
            parts = tuple(expr("{0}[{1}:{2}]", each, index, index + 1) for each in parts)
        return parts[0] if len(parts) == 1 else expr("ops.cat({0})", parts)

    def _weights_of(self, index: int, peepholes: Arg) -> tuple[Arg, ...]:
        """The weights of one direction: input, hidden, their biases, and the peephole weights if any."""
        weights: list[Arg] = [expr("{0}[{1}]", operand, index) for operand in (self.w, self.r)]
        if self.b is None:
            weights += [expr("ops.zeros({0}, dtype={1})", self.rows, self.node.mindspore_dtype(self.x.dtype))] * 2
        else:
            bounds = expr("{0}[{1}, :{2}]", self.b, index, self.rows), expr("{0}[{1}, {2}:]", self.b, index, self.rows)
            weights += bounds
        return (*weights, expr("{0}[{1}]", peepholes, index)) if peepholes is not None else tuple(weights)

    def _functions_of(self, index: int) -> tuple[Arg, ...]:
        """The activations of one direction; the same for both if only one set is given."""
        share = len(self.states) + (self.rows > self.hidden)
        return tuple(self.functions[-share:] if index else self.functions[:share])

    def _last(self, index: int, states: Sequence[Variable]) -> Arg:
        """The last hidden (0) or cell (1) state of all directions."""
        if self.directions == 2:
            return expr("ops.stack(({0}[{2}], {1}[{2}]))", *states, index)
        if len(self.states) == 1:
            return states[0]
        return expr("{0}[1:]" if index else "{0}[:1]", states[0])


def _with_axis(x: Arg, axis: int) -> Arg:
    return expr("{0}.unsqueeze({1})", x, axis)


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
    for name in map(str.lower, names):
        if name not in _FUNCTIONS:
            raise node.decline(f"the activation {name} is unknown")
        formula, defaults = _FUNCTIONS[name]
        values = [next(given, default) for given, default in zip((alpha, beta), defaults, strict=False)]
        bound = next(clip)
        if bound:
            formula = formula.replace("{z}", f"ops.clamp({{z}}, {{{len(values)}}}, {{{len(values) + 1}}})")
            values += [-bound, bound]
        formula = formula.replace("{z}", "z")
        functions.append(expr(f"lambda z: {formula}", *values) if values else expr(formula.removesuffix("(z)")))
    return functions


ROWS = {
    "GRU": gru,
    "LSTM": lstm,
    "RNN": rnn,
}
