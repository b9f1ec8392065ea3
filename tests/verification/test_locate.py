"""From a line of the script to the nodes of the source."""

from __future__ import annotations

from pathlib import Path

import pytest
from verification.network import network

from converter import frontends
from converter.api import translate_source
from converter.frontends.source import Request
from converter.lowering.translation import Translation
from converter.verification.locate import lines_of, records_at
from operator_maps import registry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Translation:
    import onnx

    path = tmp_path_factory.mktemp("where") / "network.onnx"
    onnx.save(network(), path)
    return translate_source(frontends.load(Request(path)), registry.load(), "network")


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("x = ops.where(", {"/head/Greater", "/head/Where"}),
        ("return x + ops.leaky_relu(", {f"/blocks/blocks.{i}/{n}" for i in range(3) for n in (
            "conv/Conv", "norm/BatchNormalization", "act/LeakyRelu", "Add"
        )}),
        ("x = ops.sin(", {"/loop/Tanh", "/loop/Mul", "/loop/Cast", "/loop/Sin", "/loop/Add"}),
        ("x_1 = ops.abs(", {"/branch/Abs"}),
        ("import mindspore", set()),
    ],
)  # fmt: skip
def test_a_line_stands_for_nodes(made: Translation, text: str, nodes: set[str]) -> None:
    lines = enumerate(made.script.text.splitlines(), 1)
    line = next(number for number, line in lines if text in line)
    found = {record.name for record in records_at(line, made.script, made.program.records)}
    assert found == nodes


def test_graph_mode_tells_lines_in_its_message() -> None:
    message = """For 'MatMul' the shapes differ.
# 0 In file /somewhere/net.py:26~27, 8~21
# 1 In file /somewhere/net.py:15, 12~24
# 2 In file /elsewhere/basic.py:807, 12~39
"""
    assert lines_of(RuntimeError(message), Path("/somewhere/net.py")) == [15, 26]
