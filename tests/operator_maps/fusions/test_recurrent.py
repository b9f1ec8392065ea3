from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import model_of
from harness import check_model, expected_of
from harness import model_of as onnx_model

from converter.base.weight_steps import apply
from operator_maps.fusions.recurrent.weights import places_of_parameters
from operator_maps.registry import fused_operators

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(7, 2, 4)).astype(np.float32)
SHAPES = {"w": (2, 32, 4), "r": (2, 32, 8), "b": (2, 64)}
WEIGHTS = {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def test_directions_are_merged_though_their_shape_is_read():
    body = 'y, h, c = LSTM <direction = "bidirectional", hidden_size = 8> (x, w, r, b) '
    body += "t = Transpose <perm = [0, 2, 1, 3]> (y) s = Shape <start = 0, end = 2> (t) "
    body += "to = Concat <axis = 0> (s, sixteen) z = Reshape(t, to)"
    model = model_of(f"(float[7,n,4] x) => (float[7,n,16] z) {{ {body} }}", **WEIGHTS, sixteen=np.array([16]))
    script = check_model(model, [X]).script
    assert "transpose" not in script
    assert "reshape" not in script


@pytest.mark.parametrize("lengths", [None, [4, 7]], ids=["full", "lengths"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_the_reference_is_what_onnxruntime_computes(operator, gates, direction, lengths):
    directions, states = 2 if direction == "bidirectional" else 1, 2 if operator == "LSTM" else 1
    shapes = (directions, gates * 8, 4), (directions, gates * 8, 8), (directions, 2 * gates * 8)
    weights = [RANDOM.normal(size=shape).astype(np.float32) for shape in shapes]
    initial = [RANDOM.normal(size=(directions, 2, 8)).astype(np.float32) for _ in range(states)]
    lengths = None if lengths is None else np.array(lengths, np.int32)
    given = [X, *weights, lengths, *initial]
    options = {"linear_before_reset": 1} if operator == "GRU" else {}
    model = onnx_model(operator, given, outputs=1 + states, opset=22, direction=direction, hidden_size=8, **options)
    every, *last = expected_of(model, [array for array in given if array is not None])
    wanted = every.transpose(0, 2, 1, 3).reshape(7, 2, -1), *last
    layer = next(each for each in fused_operators() if each.name == operator)
    made = layer.reference(X, lengths, *initial, *weights, direction=direction)
    for got, want in zip(made, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_all_forms_of_the_weights_give_the_same(operator, gates):
    shapes = (2, gates * 8, 4), (2, gates * 8, 8), (2, 2 * gates * 8)
    w, r, b = (RANDOM.normal(size=shape).astype(np.float32) for shape in shapes)
    halves = np.split(b, 2, 1)
    each = [array[i : i + 1] for i in range(2) for array in (w, r, *halves)]
    places = places_of_parameters(operator, shapes, 2)
    own = [apply(steps, (w, r, b)[index]) for index, steps in places.values()]
    layer = next(each for each in fused_operators() if each.name == operator)
    states = [None] * (2 if operator == "LSTM" else 1)
    made = [
        layer.reference(X, None, *states, *weights, direction="bidirectional")
        for weights in ((w, r, b), (w, r, *halves), each, own)
    ]
    for other in made[1:]:
        for got, want in zip(other, made[0], strict=True):
            np.testing.assert_array_equal(got, want)
