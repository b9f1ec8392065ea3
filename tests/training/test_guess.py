"""A training script for a source that does not say how it was trained."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import onnx
import pytest
from onnx import parser

import converter

HEAD = '<ir_version: 8, opset_import: ["" : 17]>\n'
BODY = """agraph (float[N, 6] features) => (float[N, {size}] y)
<float[6, {size}] w = {{{numbers}}}> {{
  {lines}
}}"""


def model(folder, size: int, last: str):
    lines = "y = MatMul(features, w)" if not last else f"z = MatMul(features, w)\n  y = {last}(z)"
    numbers = ", ".join(f"{0.1 * i:.1f}" for i in range(6 * size))
    text = HEAD + BODY.format(size=size, numbers=numbers, lines=lines)
    path = folder / "scores.onnx"
    onnx.save(parser.parse_model(text), path)
    return path


@pytest.mark.parametrize(
    ("size", "last", "loss", "label"),
    [
        (4, "", "nn.CrossEntropyLoss()", "np.int32(random.integers(0, 4))"),
        (4, "Softmax", "CrossEntropyOfProbabilities()", "np.int32(random.integers(0, 4))"),
        (4, "LogSoftmax", "nn.NLLLoss()", "np.int32(random.integers(0, 4))"),
        (1, "", "nn.MSELoss()", "random.standard_normal((1,)).astype(np.float32)"),
        (3, "Sigmoid", "nn.BCELoss()", "random.integers(0, 2, (3,)).astype(np.float32)"),
    ],
)
def test_the_loss_follows_from_the_output(tmp_path, monkeypatch, size, last, loss, label):
    import mindspore as ms

    result = converter.convert(model(tmp_path, size, last), output=tmp_path, verify=False, train_script=True)
    assert any("guess" in note for note in result.notes)
    assert tmp_path / "train_scores.py" in result.files
    text = (tmp_path / "train_scores.py").read_text()
    assert f"loss = {loss}" in text
    assert label in text
    assert '"""Train scores: a guess' in text
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("scores", "train_scores"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    script = importlib.import_module("train_scores")
    net = script.load_network()
    (weight,) = net.trainable_params()
    script.main()
    trained = ms.load_checkpoint(str(tmp_path / "scores_trained.ckpt"))
    assert not np.array_equal(trained[weight.name].asnumpy(), weight.asnumpy())


def test_several_outputs_have_a_loss_each(tmp_path):
    text = HEAD + "agraph (float[N, 6] x) => (float[N, 6] a, float[N, 6] b) {\n  a = Relu(x)\n  b = Tanh(x)\n}"
    onnx.save(parser.parse_model(text), tmp_path / "two.onnx")
    converter.convert(tmp_path / "two.onnx", output=tmp_path, verify=False, train_script=True)
    written = (tmp_path / "train_two.py").read_text()
    assert "def construct(self, x, label_0, label_1)" in written
    assert "self.loss_0(output_0, label_0) + self.loss_1(output_1, label_1)" in written


def test_without_the_option_there_is_none(tmp_path):
    result = converter.convert(model(tmp_path, 4, ""), output=tmp_path, verify=False)
    assert not [path for path in result.files if path.name.startswith("train_")]
