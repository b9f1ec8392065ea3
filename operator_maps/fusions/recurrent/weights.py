"""The weights of a recurrent layer: the forms in which they are given, and where its parameters are among them.

For D directions, G gates and H hidden features:

- the layer's own: for each direction the input weights (G * H, features); then likewise the hidden weights (G * H, H),
  then, where there are biases, those of the input (G * H) and the hidden state (G * H); gates in MindSpore's order;
- ONNX's: W (D, G * H, features), R (D, G * H, H), and the biases B (D, 2 * G * H) or its halves (D, G * H), (D, G * H);
- ONNX's for the first direction, then ONNX's for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from converter.rows import Step, concatenate, reshape, slice_axis

GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Operator → for each gate in MindSpore's order, its position in ONNX's order."""
PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
"""MindSpore's names of the parameters; those of the backward direction end in `_reverse`."""

Place: TypeAlias = tuple[int, tuple[Step, ...]]
"""The index of the weight that contains a parameter, and the weight steps from it to the parameter."""


def places_of_parameters(operator: str, shapes: Sequence[Any], directions: int) -> dict[str, Place]:
    """Where each parameter of a layer is, in the layer's order.

    Args:
        operator: LSTM, GRU or RNN.
        shapes: those of the weights, in one of the three forms.
        directions: 1 or 2.
    """
    suffixes = ("", "_reverse")[:directions]
    if len(shapes[0]) == 2:
        names = [name + suffix for name in PARAMETERS for suffix in suffixes]
        return {name: (index, ()) for index, name in enumerate(names[: len(shapes)])}
    if directions == 2 and shapes[0][0] == 1:
        half = len(shapes) // 2
        one = places_of_parameters(operator, shapes[:half], 1)
        return {
            name + suffix: (index + i * half, steps)
            for name, (index, steps) in one.items()
            for i, suffix in enumerate(suffixes)
        }
    rows = shapes[0][1]
    joined = len(shapes) == 3
    sources = ((0, 0), (1, 0), (2, 0), (2, rows)) if joined else ((0, 0), (1, 0), (2, 0), (3, 0))
    return {
        name + suffix: (
            index,
            (
                *_of_direction(shapes[index], i, directions),
                *_in_order(first, rows, GATES[operator], joined and index == 2),
            ),
        )
        for name, (index, first) in zip(PARAMETERS, sources, strict=True)
        if index < len(shapes)
        for i, suffix in enumerate(suffixes)
    }


def _of_direction(shape: Sequence[int], index: int, directions: int) -> tuple[Step, ...]:
    """The steps that select one direction and remove the axis of directions: (D, …) to (…)."""
    without = reshape(*shape[1:])
    return (without,) if directions == 1 else (slice_axis(0, index, index + 1), without)


def _in_order(first: int, rows: int, gates: Sequence[int], is_part: bool) -> tuple[Step, ...]:
    """The steps that bring the gates, `rows` rows starting at `first`, into MindSpore's order."""
    hidden = rows // len(gates)
    starts = [first + gate * hidden for gate in gates]
    blocks = [(slice_axis(0, start, start + hidden),) for start in starts]
    if len(blocks) > 1:
        return (concatenate(0, *blocks),)
    return blocks[0] if is_part else ()
