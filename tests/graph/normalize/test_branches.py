"""Conditions of Ifs that stand in branches."""

from __future__ import annotations

import pytest
from graph.normalize.harness import assert_equals_original, parse

_NESTED = """g (float[2] x, bool c, bool d) => (float[2] y) {
    y = If (c) <
        then_branch = t () => (float[2] a) { a = If (OUTER) <
            then_branch = tt () => (float[2] p) { p = Neg (x) }, else_branch = te () => (float[2] q) { q = Abs (x) }> },
        else_branch = e () => (float[2] b) { b = If (OUTER) <
            then_branch = et () => (float[2] r) { r = Exp (x) }, else_branch = ee () => (float[2] s) { s = Sin (x) }> }>
}"""


@pytest.mark.parametrize(("condition", "known"), [("c", [True, False]), ("d", [None, None])])
def test_the_condition_of_the_if_around_is_known(condition: str, known: list[bool | None]) -> None:
    graph = assert_equals_original(parse(_NESTED.replace("OUTER", condition), 17))
    found = [node.inputs[0].const_value for node in graph.graph.all_nodes() if node.op_type == "If"]
    assert found[0] is None
    assert [None if tensor is None else bool(tensor.numpy()) for tensor in found[1:]] == known
