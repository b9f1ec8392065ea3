"""Notes on gradients that MindSpore's CPU kernels lack; a note can go when its kernel is mended."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converter.lowering import notes_on_gradients

SLICE = "z = Slice(h, zero, far, {axis}, two) y = Relu(z)"


def notes_of(body: str, head: str = "h = Add(x, w)") -> tuple[str, ...]:
    """The notes on a network that adds a weight to images."""
    numbers = "int64[1] zero = {0}, int64[1] far = {99}, int64[1] one = {1}, int64[1] three = {3}, int64[1] two = {2}"
    text = f'<ir_version: 10, opset_import: ["" : 21]> net (float[n,6,4,3] x) => (float[a,b,c,d] y) <{numbers}> '
    model = ir.from_onnx_text(text + f"{{ {head} {body} }}")
    weight = ir.val("w", const_value=ir.tensor(np.ones(3, np.float32), name="w"))
    for node in model.graph:
        for place, value in enumerate(node.inputs):
            if value is not None and value.name == "w":
                node.replace_input_with(place, weight)
    model.graph.initializers["w"] = weight
    for value in (model.graph[0].outputs[0],):
        value.shape, value.dtype = ir.Shape(["n", 6, 4, 3]), ir.DataType.FLOAT
    return notes_on_gradients(model)


@pytest.mark.parametrize(
    ("body", "head", "word"),
    [
        (SLICE.format(axis="one"), "h = Add(x, w)", "slice with a step"),
        (SLICE.format(axis="three"), "h = Add(x, w)", ""),
        (SLICE.format(axis="zero"), "h = Add(x, w)", ""),
        (SLICE.format(axis="one"), "h = Relu(x)", ""),
        ("y = Selu(h)", "h = Add(x, w)", "ops.selu"),
        ("y = Selu(h)", "h = Relu(x)", ""),
        ("y = aten.linalg_cholesky_ex(h)", "h = Add(x, w)", "ops.cholesky"),
        ("y = aten.linalg_qr(h)", "h = Add(x, w)", "ops.qr"),
    ],
)
def test_what_does_not_train_on_the_cpu_is_noted(body, head, word):
    notes = notes_of(body, head)
    assert len(notes) == bool(word)
    assert word in "".join(notes)


def test_the_kernels_still_lack_these_gradients():
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)
    x = ms.Tensor(np.linspace(-2, 2, 36, dtype=np.float32).reshape(2, 6, 3))
    with pytest.raises(RuntimeError, match="out of bounds"):
        ms.grad(lambda value: value[:, ::2].sum())(x).asnumpy()
    selu = ms.grad(lambda value: ms.ops.selu(value).sum())(x).asnumpy()
    wanted = 1.0507009873554805 * np.where(x.asnumpy() > 0, 1, 1.6732632423543772 * np.exp(x.asnumpy()))
    assert np.abs(selu - wanted).max() > 0.1
