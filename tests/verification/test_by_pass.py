"""The pass that made the graph something else than its source is named, with the node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from graph.normalize.harness import feeds_for, parse, run_original

from converter.graph import fusions
from converter.graph.passes import Pipeline
from converter.verification.by_pass import suspect_of
from operator_maps import registry

TEXT = """g (float[N,4] x) => (float[N,3] y) <float[4,3] w = {1, -2, 3, 4, -5, 6, 7, 8, -9, 1, 2, 3}> {
    [first] a = Clip (x) [second] b = Relu (a) [third] c = MatMul (b, w) [fourth] d = Softmax <axis = 1> (c)
    [fifth] y = Neg (d)
}"""


@pytest.fixture
def suspected(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What is suspected when a pass makes another operator of the nodes of an operator."""

    def find(broken: str | None, operator: str = "Relu") -> str:
        def breaks(graph: ir.Model, run: Callable[[ir.Model], object]) -> None:
            run(graph)
            for node in graph.graph:
                if node.op_type == operator:
                    node.op_type = "Sigmoid"
                    node.attributes.clear()

        def with_broken(make: Callable[..., Pipeline]) -> Callable[..., Pipeline]:
            def made(*arguments: object) -> Pipeline:
                whole = make(*arguments)
                whole.passes = tuple(
                    replace(each, run=partial(breaks, run=each.run)) if each.name == broken else each
                    for each in whole.passes
                )
                return whole

            return made

        for name in ("normalization", "pipeline"):
            monkeypatch.setattr(fusions, name, with_broken(getattr(fusions, name)))
        model, operators = parse(TEXT, 9), list(registry.fused_operators())
        feeds = feeds_for(model)
        replay = fusions.Replay(model, Path(), operators)
        return str(suspect_of(replay, list(feeds.values()), run_original(model, feeds), operators))

    return find


def test_no_pass_is_suspected_where_the_graph_is_the_source(suspected) -> None:
    assert suspected(None) == "None"


@pytest.mark.parametrize("name", ["inline functions", "upgrade operators", "remove identities", "sort"])
@pytest.mark.parametrize(("operator", "node"), [("Relu", "second"), ("Softmax", "fourth")])
def test_the_pass_and_the_node_are_named(suspected, name: str, operator: str, node: str) -> None:
    assert suspected(name, operator) == f"the pass '{name}', 'onnx::Sigmoid' ({node})"


def test_a_wrong_fusion_is_named(suspected) -> None:
    assert suspected("fuse views").startswith("the pass 'fuse views', 'onnx::Sigmoid'")


def test_the_source_itself_is_never_suspected() -> None:
    model = parse(TEXT, 9)
    feeds = feeds_for(model)
    wrong = [np.zeros_like(each) for each in run_original(model, feeds)]
    assert suspect_of(fusions.Replay(model, Path()), list(feeds.values()), wrong) is None
