"""Recurrent layers: how the kernels and the bias of other frameworks become the parameters of LSTM, GRU and RNN.

A layer of MindSpore (and of PyTorch) has for each direction `weight_ih` (G * H, I), `weight_hh` (G * H, H), `bias_ih`
and `bias_hh` (G * H), for G gates, H hidden and I input features. The gates are i f g o (LSTM) and r z n (GRU).

| source | tensors |
|---|---|
| Keras | kernel (I, G * H), recurrent_kernel (H, G * H), bias (G * H), of a GRU (2, G * H); gates i f g o, and z r n |
| TensorFlow 1, LSTMCell | kernel (I + H, 4 * H), bias (4 * H); gates i g f o; forget_bias is added to f |
"""

from __future__ import annotations

from converter.base.weight_steps import Step, reshape, slice_axis, transpose, zeros
from converter.weights.layouts import AS_IT_IS, Layout, Shape
from converter.weights.step_text import forget_bias, gates

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""Gates of each kind of layer; `LSTMCell` and the like are of the same kind."""

FORGET_BIAS = 1.0
"""The default of `forget_bias` in TensorFlow's LSTMCell and BasicLSTMCell, which add it when they run."""

_KERAS = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN": (0,)}
_CELL = (0, 2, 1, 3)


def kind_of(layer: str) -> str | None:
    """LSTM, GRU or RNN for the class of a recurrent layer or cell; None for another class."""
    return next((kind for kind in GATES if layer.removesuffix("Cell") == kind), None)


def recurrent_layouts(
    kind: str, role: str, family: str, source: Shape, parameter: Shape, hidden: int, one_kernel: bool
) -> tuple[Layout, ...]:
    """The layouts in which a tensor of another framework gives one parameter of a recurrent layer.

    Args:
        kind: LSTM, GRU or RNN.
        role: input weight, hidden weight, input bias or hidden bias.
        family: what the tensor's name says that it is, as `roles.family_of_tensor` names it.
        source: shape of the tensor.
        parameter: shape of the parameter.
        hidden: H of the layer.
        one_kernel: whether the source has one kernel for input and hidden state, as TensorFlow 1's LSTMCell.
    """
    if source == parameter and family in (role, ""):
        return (Layout(AS_IT_IS),)
    if one_kernel:
        layout = _of_lstm_cell(role, family, source, parameter, hidden) if kind == "LSTM" else None
    else:
        layout = _of_keras(kind, role, family, source, parameter, hidden)
    return (layout,) if layout else ()


def _in_order(order: tuple[int, ...], hidden: int, *before: Step) -> tuple[Step, ...]:
    """The steps `before`, and one that brings the gates into another order."""
    return before if order == tuple(range(len(order))) else (*before, gates(order, hidden))


def _of_keras(kind: str, role: str, family: str, source: Shape, parameter: Shape, hidden: int) -> Layout | None:
    order, named = _KERAS[kind], ", gates z r n -> r z n" if kind == "GRU" else ""
    match role, family:
        case ("input weight", "kernel") | ("hidden weight", "hidden weight") if source == parameter[::-1]:
            return Layout(f"(in, gates) -> (gates, in){named}", _in_order(order, hidden, transpose(1, 0)), True)
        case (("input bias" | "hidden bias"), "bias") if source == (
            2,
            *parameter,
        ):  # of a GRU: a row for each of the two
            row = 0 if role == "input bias" else 1
            steps = _in_order(order, hidden, slice_axis(0, row, row + 1), reshape(*parameter))
            return Layout(f"row {row} of the bias pair{named}", steps, True)
        case "input bias", "bias" if source == parameter and kind != "GRU":
            return Layout(AS_IT_IS)
        case "hidden bias", "bias" if source == parameter and kind != "GRU":
            return _no_second_bias(parameter)
    return None


def _of_lstm_cell(role: str, family: str, source: Shape, parameter: Shape, hidden: int) -> Layout | None:
    """Layouts of TensorFlow 1: the kernel's first rows are the input's, its last the hidden state's."""
    named = "gates i g f o -> i f g o"
    match role, family:
        case "input weight", "kernel" if source == (parameter[1] + hidden, parameter[0]):
            steps = _in_order(_CELL, hidden, slice_axis(0, 0, parameter[1]), transpose(1, 0))
            return Layout(f"input rows of the kernel, {named}", steps, True)
        case "hidden weight", "kernel" if source[1:] == parameter[:1] and source[0] > hidden:
            steps = _in_order(_CELL, hidden, slice_axis(0, source[0] - hidden, source[0]), transpose(1, 0))
            return Layout(f"hidden rows of the kernel, {named}", steps, True)
        case "input bias", "bias" if source == parameter:
            steps = (gates(_CELL, hidden), forget_bias(FORGET_BIAS, hidden))
            return Layout(f"{named}, forget_bias {FORGET_BIAS} added to f", steps)
        case "hidden bias", "bias" if source == parameter:
            return _no_second_bias(parameter)
    return None


def _no_second_bias(parameter: Shape) -> Layout:
    return Layout("zeros: the source has one bias", (zeros(*parameter),))
