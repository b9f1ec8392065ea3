"""Notes on a weight that the source trains as one and the script as several parameters."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.base.weight_steps import slice_axis
from converter.lowering import notes_on_tied
from converter.script import Cell, Member, Program, Weight, expr

MATRIX = ir.tensor(np.zeros((4, 2), np.float32), name="cell.weight")


def notes(*weights: Weight) -> tuple[str, ...]:
    members = [Member(f"layer{i}", expr("nn.LSTM(2, 2)"), {"weight": weight}) for i, weight in enumerate(weights)]
    return notes_on_tied(Program([Cell("MindSporeModel", members=members)], []))


def test_a_matrix_of_two_layers_is_noted() -> None:
    (note,) = notes(Weight(MATRIX), Weight(MATRIX))
    assert "'cell.weight'" in note
    assert "2 parameters (layer0.weight, layer1.weight)" in note


def test_parts_of_a_matrix_and_frozen_ones_are_not() -> None:
    assert notes(Weight(MATRIX, (slice_axis(0, 0, 2),)), Weight(MATRIX, (slice_axis(0, 2, 4),))) == ()
    assert notes(Weight(MATRIX, trainable=False), Weight(MATRIX, trainable=False)) == ()
