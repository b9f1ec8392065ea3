"""Repeats: blocks of networks for which nothing was recorded, and lists of layers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from harness import check_model
from scoped import Graph

X = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)


def cells(graph: Graph, count: int) -> str:
    """Cells that read the results of the last two, as in NASNet."""
    before, x = "x", graph.node("Relu", ["x"], "")
    for _ in range(count):
        left = graph.node("Tanh", [graph.dense(before, "", (), 8, 8)], "")
        right = graph.node("Sigmoid", [graph.dense(x, "", (), 8, 8)], "")
        made = graph.node("Add", [graph.node("Mul", [left, right], ""), graph.node("Sub", [right, left], "")], "")
        before, x = x, made
    return x


def test_two_values_may_cross() -> None:
    graph = Graph(style="none")
    rep = check_model(graph.model(cells(graph, 5), 8), [X])
    assert "class Cell(" in rep.script, rep.script
    assert rep.script.count("ops.sigmoid") == 1


def inverted(graph: Graph, x: str, width: int, out: int, hidden: int) -> str:
    """A block that adds its input where the widths are equal."""
    y = graph.node("Relu", [graph.dense(x, "", (), width, hidden)], "")
    y = graph.node("Tanh", [graph.dense(y, "", (), hidden, hidden)], "")
    y = graph.dense(y, "", (), hidden, out)
    return graph.node("Add", [y, x], "") if width == out else y


def test_an_optional_statement_is_found_without_neighbours() -> None:
    graph, x, width = Graph(style="none"), "x", 8
    for out in (8, 8, 16, 16, 16, 24, 24, 24):
        x, width = inverted(graph, x, width, out, 4 * width), out
    rep = check_model(graph.model(x, width), [X])
    assert rep.script.count("class ") == 2, rep.script
    assert "with_add=True" in rep.script
    assert rep.script.count("ops.tanh") == 1


def dense_blocks(graph: Graph, depths: list[int]) -> tuple[str, int]:
    """Blocks whose layers read all that the layers before them made, as in DenseNet."""
    x, width = "x", 8
    for block, depth in enumerate(depths):
        scope, kinds = f"block{block}", ["m.DenseBlock"]
        for i in range(depth):
            inner = [*kinds, "m.DenseLayer"]
            y = graph.dense(x, f"{scope}.layer{i}.fc1", [*inner, "torch.Linear"], width, 6)
            y = graph.node("Relu", [y], f"{scope}.layer{i}", inner)
            y = graph.dense(y, f"{scope}.layer{i}.fc2", [*inner, "torch.Linear"], 6, 4)
            x, width = graph.node("Concat", [x, y], scope, kinds, axis=1), width + 4
        x = graph.node("Neg", [x], scope, kinds)
    return x, width


@pytest.mark.parametrize("depths", [[3, 5, 4]])
def test_layers_that_grow_are_a_list_and_a_loop(depths: list[int]) -> None:
    graph = Graph()
    x, width = dense_blocks(graph, depths)
    rep = check_model(graph.model(x, width), [X])
    assert rep.script.count("ops.relu") == 1, rep.script
    assert re.search(r"nn\.CellList\(\[DenseLayer\(\w+ \+ 4 \* i\) for i in range\(\w+\)\]\)", rep.script), rep.script
    assert "for layer in self" in rep.script
    names = [name for name, _ in rep.translation.program.parameters()]
    assert len(names) == len(set(names)) == 4 * sum(depths)
