"""The calls of one module, which torch's older exporter numbers."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from converter.graph.hints.scopes import dotted, scopes_of
from converter.graph.normalize.calls import record_calls


def scopes_after(*names: str, weights: tuple[str, ...] = ()) -> list[str]:
    """The scopes of nodes of these names."""
    nodes = [ir.Node("", "Relu", [], name=name) for name in names]
    constants = [ir.Value(name=name, const_value=ir.tensor([1.0])) for name in weights]
    record_calls(ir.Model(ir.Graph([], [], nodes=nodes, initializers=constants), ir_version=10))
    return [dotted(scopes_of(node)) for node in nodes]


@pytest.mark.parametrize(
    ("names", "scopes"),
    [
        (["/block/conv/Conv", "/block/Concat", "/block/conv_1/Conv", "/block_1/Concat"], ["block.conv", "block"] * 2),
        (["/net/net.0/Conv", "/net/net.0_1/Conv", "/net/net.0_2/Conv"], ["net.0"] * 3),
        (["/block_1/Concat"], ["block_1"]),  # no call before it
        (["block/Concat", "block_1/Concat"], ["block", "block_1"]),  # TensorFlow numbers layers so
    ],
)
def test_numbered_calls_stand_in_the_scope_of_the_first(names: list[str], scopes: list[str]) -> None:
    assert scopes_after(*names) == scopes


def test_a_module_whose_name_ends_in_a_number_is_one_of_its_own() -> None:
    names = ["/conv/Conv", "/conv_1/Conv", "/conv_1_1/Conv"]
    assert scopes_after(*names, weights=("conv.weight", "conv_1.weight")) == ["conv", "conv_1", "conv_1"]
