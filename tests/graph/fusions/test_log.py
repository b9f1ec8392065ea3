"""The log says how often fusions match, and why nodes that look like an operator stay."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from graph.fusions.recognition import OPERATORS, model_of

from converter.commands import mindconverter
from converter.graph.fusions import fuse_operators
from converter.graph.normalize import normalize

LOGGER = "converter.graph.fusions"
NORM = "m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, axes) "
INSIDE = NORM + "e = Add(v, eps) s = Sqrt(e) "
OUTSIDE = NORM + "r = Sqrt(v) s = Add(r, eps) "
REST = "z = Div(d, s) w = Mul(z, gamma) y = Add(w, beta)"
WEIGHTS = {"axes": np.array([-1]), "eps": np.float32(1e-3), "beta": np.ones(5, np.float32)}
PEEPHOLES = """(float[7,2,4] x) => (float[7,1,2,8] y) {
    y, h, c = LSTM <hidden_size = 8> (x, w, r, b, , , , p) }"""


def norm(body: str, gamma: tuple[int, ...]) -> onnx.ModelProto:
    text = f"(float[2,3,5] x) => (float[2,3,5] y) {{ {body} {REST} }}"
    model = model_of(text, **WEIGHTS, gamma=np.full(gamma, 2, np.float32))
    for node in model.graph.node:
        node.name = f"/norm/{node.op_type}_{node.output[0]}"
    return model


def logged(model: onnx.ModelProto, caplog: pytest.LogCaptureFixture) -> str:
    normalised = normalize(model, Path())
    with caplog.at_level(logging.INFO, LOGGER):
        fuse_operators(normalised, OPERATORS)
    return "\n".join(caplog.messages)


def test_matches_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(norm(INSIDE, (5,)), caplog) == (
        "fusion layer_instance_or_group_norm from deviation_over_root: matched 1"
    )


@pytest.mark.parametrize(
    ("model", "node", "reason"),
    [
        (norm(INSIDE, (3, 1)), "/norm/Add_y", "its scale has shape (3, 1) and bias (5,), the normalised axes (5,)"),
        (norm(OUTSIDE, (5,)), "/norm/Add_s", "Sqrt is expected, not Add"),
        (
            model_of(
                f"(float[2,3,5] x) => (float[2,3,5] y, float[2,3,5] d) {{ {INSIDE} {REST} }}",
                **WEIGHTS,
                gamma=np.ones(5, np.float32),
            ),
            "d",
            "a value inside it is read elsewhere too",
        ),
        (
            model_of(
                PEEPHOLES,
                **{
                    name: np.zeros(shape, np.float32)
                    for name, shape in {"w": (1, 32, 4), "r": (1, 32, 8), "b": (1, 64), "p": (1, 24)}.items()
                },
            ),
            "y",
            "nn.LSTM has no peepholes",
        ),
    ],
    ids=["scale", "epsilon outside of the root", "read elsewhere", "peepholes"],
)
def test_a_near_miss_has_a_reason(
    model: onnx.ModelProto, node: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert f"    not 1, first '{node}': {reason}" in logged(model, caplog).splitlines()


def test_the_command_shows_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    onnx.save(norm(INSIDE, (3, 1)), tmp_path / "norm.onnx")
    options = ["--model_file", str(tmp_path / "norm.onnx"), "--output", str(tmp_path / "out"), "--no_verify"]
    assert mindconverter.main([*options, "--verbose"]) == 0
    shown = capfd.readouterr().err
    assert "not 1, first '/norm/Add_y': its scale has shape (3, 1)" in shown
    assert mindconverter.main([*options[:3], str(tmp_path / "again"), "--no_verify"]) == 0
    assert "fusion" not in capfd.readouterr().err
