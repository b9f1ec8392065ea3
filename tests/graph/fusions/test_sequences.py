from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
SEQUENCE = RANDOM.normal(size=(2, 9, 4)).astype(np.float32)
ROW, B = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((4, 4, 1, 3), (4,)))

LAYERS = {
    "Conv": "Conv <kernel_shape=[1,3], dilations=[1,2], pads=[0,2,0,1]> (r, w, b)",
    "without bias": "Conv <strides=[2,2]> (r, w)",
    "ConvTranspose": "ConvTranspose <strides=[1,2], output_padding=[0,1]> (r, w, b)",
    "MaxPool": "MaxPool <kernel_shape=[1,2], strides=[1,2], pads=[0,0,0,1]> (r)",
    "AveragePool": "AveragePool <kernel_shape=[1,3]> (r)",
}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_row_of_an_image_is_a_sequence(layer):
    """As TensorFlow writes it: the row comes before the channels are moved."""
    text = (
        "(float[n,l,4] x) => (float[n,a,b] y)"
        "{ a = Abs(x) e = Unsqueeze(a, one) r = Transpose <perm=[0,3,1,2]> (e)"
        f" c = {LAYERS[layer]} s = Squeeze(c, two) y = Relu(s) }}"
    )
    weights = {"w": ROW, "b": B} if "w" in LAYERS[layer] else {}
    if layer == "without bias":
        del weights["b"]
    axes = {"one": np.array([1]), "two": np.array([2])}
    left = fused(text, SEQUENCE, **weights, **axes)
    assert left[:2] == ["Abs", "Transpose"]
    assert not {"Squeeze", "Unsqueeze"} & set(left)
    rep = check_model(model_of(text, **weights, **axes), [SEQUENCE])
    assert "1d" in rep.script


def test_a_row_that_is_padded_stays():
    text = (
        "(float[n,4,l] x) => (float[n,a,b,c] y)"
        "{ r = Unsqueeze(x, two) y = Conv <kernel_shape=[1,3], pads=[1,0,1,0]> (r, w) }"
    )
    left = fused(text, SEQUENCE.transpose(0, 2, 1).copy(), w=ROW, two=np.array([2]))
    assert left == ["Unsqueeze", "Conv"]


def test_two_layers_share_a_weight():
    text = (
        "(float[n,4,l] x) => (float[n,a,b] y)"
        "{ r = Unsqueeze(x, two) c = Conv (r, w) s = Squeeze(c, two)"
        "  q = Unsqueeze(s, two) d = Conv (q, w) y = Squeeze(d, two) }"
    )
    x = SEQUENCE.transpose(0, 2, 1).copy()
    rep = check_model(model_of(text, w=ROW, two=np.array([2])), [x])
    assert rep.script.count("nn.Conv1d") == 1
