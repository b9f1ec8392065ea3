"""Recurrent layers and steps against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.normalize.harness import parse
from harness import check, check_model

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, BATCH, FEATURES, HIDDEN = 4, 3, 2, 5


def recurrent(
    kind: str,
    *,
    directions: int = 1,
    bias: bool = True,
    lengths: list[int] | None = None,
    initial: bool = False,
    peepholes: bool = False,
    constant: bool = True,
    dtype: type = np.float32,
    **options: Any,
) -> str:
    """Check a recurrent node in both modes; returns the network's class."""
    generator = np.random.default_rng(0)

    def random(*shape: int, wanted: bool = True) -> np.ndarray | None:
        return (0.5 * generator.standard_normal(shape)).astype(dtype) if wanted else None

    rows, states = GATES[kind] * HIDDEN, 2 if kind == "LSTM" else 1
    inputs = [
        random(STEPS, BATCH, FEATURES),
        random(directions, rows, FEATURES),
        random(directions, rows, HIDDEN),
        random(directions, 2 * rows, wanted=bias),
        None if lengths is None else np.array(lengths, np.int32),
        *(random(directions, BATCH, HIDDEN, wanted=initial) for _ in range(states)),
    ]
    if kind == "LSTM":
        inputs.append(random(directions, 3 * HIDDEN, wanted=peepholes))
    options.setdefault("direction", "bidirectional" if directions == 2 else "forward")
    constants = (1, 2, 3) if constant else ()
    rep = check(kind, *inputs, constants=constants, outputs=1 + states, opset=22, hidden_size=HIDDEN, **options)
    return rep.script[rep.script.index("class MindSporeModel") :]


RESET_AFTER = {"linear_before_reset": 1}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {}),
        ("LSTM", {"directions": 2, "initial": True, "lengths": [4, 2, 1]}),
        ("LSTM", {"direction": "reverse", "bias": False}),
        ("LSTM", {"direction": "reverse", "lengths": [1, 4, 3]}),
        ("LSTM", {"dtype": np.float16, "rtol": 2e-3, "atol": 2e-3}),
        ("LSTM", {"free": True, "initial": True}),
        ("GRU", RESET_AFTER),
        ("GRU", {**RESET_AFTER, "directions": 2, "initial": True}),
        ("GRU", {**RESET_AFTER, "direction": "reverse", "lengths": [4, 2, 1]}),
        ("RNN", {"directions": 2, "bias": False}),
        ("RNN", {"activations": ["Relu"], "initial": True}),
    ],
)
def test_constant_weights_become_a_layer(kind, options):
    script = recurrent(kind, **options)
    assert f"nn.{kind}({FEATURES}, {HIDDEN}" in script
    assert "recurrent(" not in script


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {"constant": False, "directions": 2, "initial": True, "lengths": [1, 4, 3]}),
        ("LSTM", {"peepholes": True, "directions": 2, "lengths": [2, 4, 3]}),
        ("LSTM", {"input_forget": 1}),
        ("LSTM", {"input_forget": 1, "peepholes": True, "initial": True}),
        ("LSTM", {"clip": 0.3}),
        ("LSTM", {"dtype": np.float64}),
        ("LSTM", {"activations": ["HardSigmoid", "Affine", "ScaledTanh"], "activation_alpha": [0.3, 0.5, 1.2],
                  "activation_beta": [0.4, 0.1, 0.7]}),
        ("GRU", {"directions": 2, "initial": True}),
        ("GRU", {"direction": "reverse", "lengths": [4, 2, 1], "bias": False}),
        ("GRU", {**RESET_AFTER, "clip": 0.3}),
        ("GRU", {**RESET_AFTER, "constant": False}),
        ("RNN", {"clip": 0.3, "free": True}),
        ("RNN", {"directions": 2, "activations": ["Relu", "Tanh"]}),
    ],
)  # fmt: skip
def test_the_rest_runs_step_by_step(kind, options):
    script = recurrent(kind, **options)
    assert "recurrent(" in script
    assert f"nn.{kind}(" not in script


@pytest.mark.parametrize(
    ("name", "values"),
    [("LeakyRelu", [0.1]), ("ThresholdedRelu", [0.2]), ("Elu", [0.7]), ("Softsign", []), ("Softplus", [])],
)
def test_activations(name, values):
    options = {"activation_alpha": values} if values else {}
    assert "recurrent(" in recurrent("RNN", activations=[name], **options)


def test_a_forward_layer_reads_like_one():
    script = recurrent("LSTM", initial=True, free=True)
    assert "output, (hidden, cell) = self.node(x0, (x5, x6))" in script


def test_an_activation_with_numbers_in_a_loop():
    """Graph mode gives None for a lambda in the body of a `for`."""
    text = """g (float[n,1,1] x) => (float[2,1,1,1] y) <int64 trips = {2}, float[1,1,1] w = {1}> {
        y = Loop (trips, "") <body = b (int64 i, bool go) => (bool still, float[1,1,1] end) {
            still = Identity (go)
            , end = RNN <clip: float = 0.5, hidden_size: int = 1> (x, w, w)
        }>
    }"""
    rep = check_model(parse(text, 22), [np.array([1, -2, 3], np.float32).reshape(3, 1, 1)])
    assert "for i in range(2)" in rep.script
