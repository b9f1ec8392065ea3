"""A note on recurrent layers that graph mode compiles for fixed lengths only; it can go when MindSpore is mended."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converter.lowering import notes_on_free_lengths


def notes_of(operator: str, shape: list[int | str], **attributes: int) -> tuple[str, ...]:
    """The notes on a network of one layer, as fusions leave it."""
    x = ir.val("x", ir.DataType.FLOAT, shape)
    given = [ir.Attr(name, ir.AttributeType.INT, value) for name, value in attributes.items()]
    node = ir.Node("fused", operator, [x], given, outputs=[ir.val("y")], name="layer")
    return notes_on_free_lengths(ir.Model(ir.Graph([x], node.outputs, nodes=[node]), ir_version=10))


@pytest.mark.parametrize(
    ("operator", "shape", "attributes", "noted"),
    [
        ("GRU", ["t", 2, 3], {}, True),
        ("GRU", [2, "t", 3], {"batch_first": 1}, True),
        ("RNN", ["t", "n", 3], {}, True),
        ("GRU", ["n", 7, 3], {"batch_first": 1}, False),
        ("RNN", [7, "n", 3], {}, False),
        ("LSTM", ["t", 2, 3], {}, False),
    ],
)
def test_a_free_length_is_noted(operator, shape, attributes, noted):
    notes = notes_of(operator, shape, **attributes)
    assert len(notes) == noted
    assert f"nn.{operator} ('layer')" in "".join(notes) or not noted


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_graph_mode_still_does_not_compile_free_lengths(kind):
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE)
    layer = getattr(ms.nn, kind)(3, 2)
    layer.set_inputs(ms.Tensor(shape=[None, 1, 3], dtype=ms.float32))
    with pytest.raises(ValueError, match="Stack"):
        layer(ms.Tensor(np.ones((4, 1, 3), np.float32)))
