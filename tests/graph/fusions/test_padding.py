from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

from converter.graph.fusions import fuse_operators
from converter.graph.hints.scopes import path_of
from converter.graph.normalize import normalize

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 3, 6, 5)).astype(np.float32)
W = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
B = RANDOM.normal(size=4).astype(np.float32)
TEXT = "(float[n,3,6,5] x) => (float[n,a,b,c] y) {{ p = Pad{} y = {} }}"
AROUND = [0, 0, 0, 1, 0, 0, 1, 2]


@pytest.mark.parametrize(
    "layer",
    [
        "Conv <strides=[2,2]> (p, w)",
        "Conv <pads=[1,1,0,1]> (p, w, b)",
        'Conv <auto_pad="VALID"> (p, w)',
        "AveragePool <kernel_shape=[3,3]> (p)",
        "AveragePool <kernel_shape=[2,2], pads=[1,0,0,1], count_include_pad=1> (p)",
    ],
)
@pytest.mark.parametrize("pad", ["(x, pads)", "(x, pads, zero)"])
def test_zeros_become_the_pads_of_the_layer(layer, pad):
    weights = {"w": W, "b": B, "pads": np.array(AROUND), "zero": np.float32(0)}
    used = {
        name: array
        for name, array in weights.items()
        if name in ("pads",) or f"{name})" in pad + layer or f" {name}," in layer
    }
    assert fused(TEXT.format(pad, layer), X, **used) == [layer.split()[0]]


@pytest.mark.parametrize(
    ("pad", "layer", "pads"),
    [
        ("(x, pads)", 'Conv <auto_pad="SAME_UPPER"> (p, w)', AROUND),
        ("(x, pads, one)", "Conv (p, w)", AROUND),
        ('<mode="edge"> (x, pads)', "Conv (p, w)", AROUND),
        ("(x, pads)", "AveragePool <kernel_shape=[2,2], pads=[1,0,0,1]> (p)", AROUND),
        ("(x, pads)", "AveragePool <kernel_shape=[2,2], strides=[2,2], ceil_mode=1> (p)", AROUND),
        ("(x, pads)", "MaxPool <kernel_shape=[2,2]> (p)", AROUND),
        ("(x, pads)", "AveragePool <kernel_shape=[2,2]> (p)", [1, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_other_padding_stays(pad, layer, pads):
    weights = {"w": W, "one": np.float32(1)}
    used = {name: array for name, array in weights.items() if f"{name})" in pad + layer}
    left = fused(TEXT.format(pad, layer), X, pads=np.array(pads), **used)
    assert left == ["Pad", layer.split()[0]]


def test_the_layer_stays_in_its_own_scope():
    model = model_of(TEXT.format("(x, pads)", "Conv (p, w)"), w=W, pads=np.array(AROUND))
    for node, name in zip(model.graph.node, ("net/block_1_pad/Pad", "net/block_1_depthwise/Conv"), strict=True):
        node.name = name
    graph = normalize(model, Path())
    fuse_operators(graph)
    assert [path_of(node) for node in graph.graph] == [("net", "block_1_depthwise")]


def test_script():
    model = model_of(
        TEXT.format("(x, pads)", "Conv <strides=[2,2]> (p, w)"), w=W, pads=np.array([0, 0, 0, 0, 0, 0, 1, 1])
    )
    assert "pad(" not in check_model(model, [X]).script
