"""Every operator that ONNX does not have: its row, reference and shape agree, on cases that none may lack."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from harness import model_of
from verification.network import compared

from converter.graph import shape_of
from converter.graph.fusions import PHASES
from converter.graph.fusions.rewrite import FusedOperator
from converter.verification.reference import outputs_of
from operator_maps import registry

RANDOM = np.random.default_rng(0)
TABLES = registry.load()


@dataclass(frozen=True)
class Case:
    """Inputs, of which those at the positions `constants` are initializers, and attributes."""

    inputs: tuple[np.ndarray | None, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: tuple[int, ...] = ()


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def recurrent(gates: int, states: int, *, bidirectional: bool = False, **attributes: Any) -> Case:
    """A layer with ONNX's weights: (5, 2, 3), 4 hidden features."""
    directions = 2 if bidirectional else 1
    shapes = (directions, gates * 4, 3), (directions, gates * 4, 4), (directions, 2 * gates * 4)
    weights = [0.5 * floats(*shape) for shape in shapes]  # MindSpore's tanh is exact to 1e-5, which larger ones amplify
    if bidirectional:
        attributes["direction"] = "bidirectional"
    first = 2 + states
    batch = 5 if attributes.get("batch_first") else 2
    inputs = (floats(5, 2, 3), None, *[floats(directions, batch, 4)] * states, *weights)
    return Case(inputs, attributes, (first, first + 1, first + 2))


CASES: dict[str, list[Case]] = {
    "AdaptiveAvgPool": [Case((floats(2, 3, 5, 7),), {"output_size": [3, 4]})],
    "AssignPart": [Case((floats(2, 5, 4), floats(2, 2, 3)), {"before": [0, 1, 1], "behind": [0, 2, 0]})],
    "BasicLSTMCell": [
        Case(
            (floats(2, 3), floats(2, 4), floats(2, 4), floats(7, 16), None, floats(16)),
            {"gates": [0, 2, 1, 3], "forget_bias": 1.0},
            constants=(3, 5),
        )
    ],
    "ChannelShuffle": [Case((floats(2, 6, 3, 4),), {"groups": 3})],
    "Dense": [
        Case((floats(2, 5, 3), floats(3, 4), floats(4)), constants=(1, 2)),
        Case((floats(2, 5, 2, 3), floats(2, 3, 4, 5), floats(1, 4, 5)), {"axes": 2}, (1, 2)),
    ],
    "FloorDivide": [Case((floats(2, 3), floats(2, 3)))],
    "GRU": [recurrent(3, 1), recurrent(3, 1, bidirectional=True)],
    "GRUCell": [Case((floats(2, 3), floats(2, 4), floats(12, 3), floats(12, 4)), constants=(2, 3))],
    "LSTM": [recurrent(4, 2), recurrent(4, 2, bidirectional=True, batch_first=1)],
    "LSTMCell": [
        Case(
            (floats(2, 3), floats(2, 4), floats(2, 4), floats(16, 3), floats(16, 4), floats(16), floats(16)),
            constants=(3, 4, 5, 6),
        )
    ],
    "MaskedSoftmax": [Case((np.where([[[True]], [[False]]], floats(2, 3, 4), np.float32(-np.inf)),))],
    "NonZeroRows": [Case((floats(2, 3) > 0,))],
    "NotEqual": [Case((floats(2, 3), floats(2, 3)))],
    "PixelUnshuffle": [Case((floats(2, 3, 4, 6),), {"factor": 2})],
    "RNN": [recurrent(1, 1, direction="reverse"), recurrent(1, 1, bidirectional=True, nonlinearity="relu")],
    "RepeatInterleave": [Case((floats(2, 3, 4),), {"repeats": 3, "axis": 1})],
    "Roll": [Case((floats(2, 5),), {"shift": 2, "axis": 1})],
    "RotateHalf": [Case((floats(2, 3, 8),))],
    "Rsqrt": [Case((np.abs(floats(2, 3)) + 1,))],
    "Stack": [Case((floats(2, 3), floats(2, 3), floats(2, 3)), {"axis": 1})],
    "Standardize": [Case((floats(2, 3, 4),), {"axes": [-1], "epsilon": 1e-3})],
    "Trunc": [Case((floats(2, 3) * 9,), constants=(0,))],
    "Unbind": [Case((floats(2, 3, 4),), {"axis": 1})],
    "Unfold": [
        Case((floats(2, 3, 8, 9),), {"kernel": [2, 3], "dilation": [1, 2], "padding": [1, 0], "stride": [2, 1]})
    ],
}
OPERATORS = {operator.name: operator for operator in registry.fused_operators()}
EACH = [(operator, case) for name, operator in OPERATORS.items() for case in CASES.get(name, [None])]
each_case = pytest.mark.parametrize(("operator", "case"), EACH, ids=[operator.name for operator, _ in EACH])


def test_cases_are_those_of_operators() -> None:
    assert CASES.keys() == OPERATORS.keys()


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_it_has_a_row_and_runs_in_a_phase(operator: FusedOperator) -> None:
    assert TABLES[f"fusion.{operator.name}"].function is operator.row
    assert operator.phase in PHASES
    assert operator.steps


@each_case
def test_its_shape_is_that_of_its_reference(operator: FusedOperator, case: Case | None) -> None:
    assert case is not None, "it has no case"
    inputs = [
        array if array is None else ir.Value(type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(array.shape))
        for array in case.inputs
    ]
    wanted = outputs_of(operator, case.inputs, case.attributes)
    node = operator.node(inputs, len(wanted), **case.attributes)
    for value, array in zip(node.outputs, wanted, strict=True):
        assert all(dim in (None, extent) for dim, extent in zip(shape_of(value), array.shape, strict=True))
        assert value.dtype == (operator.dtype or ir.DataType.FLOAT) == ir.DataType.from_numpy(array.dtype)


@each_case
def test_its_row_computes_what_its_reference_does(operator: FusedOperator, case: Case | None, tmp_path: Path) -> None:
    assert case is not None, "it has no case"
    outputs = len(outputs_of(operator, case.inputs, case.attributes))
    model = model_of(
        operator.name, case.inputs, domain="fusion", constants=case.constants, outputs=outputs, **case.attributes
    )
    found = compared(model, TABLES, tmp_path)
    assert len(found.nodes) == outputs
    assert [(node.verdict, node.cosine is not None) for node in found.nodes.values()] == [("same", True)] * outputs
