"""Loops that ask after every round whether to go on, as TensorFlow's do, run as often as before."""

from __future__ import annotations

import numpy as np
import pytest
from graph.normalize.harness import normalized, operators, parse
from harness import check_model

LOOP = """g (float[4] x, int64 n) => (float[4] y, float[k,4] z) {{
    start = Constant <value = int64 {{{start}}}> () one = Constant <value = int64 {{1}}> ()
    {before}
    s, n_out, y, z = Loop ({limit}, {condition}, start, n, x) <body = b (int64 i, bool go, int64 c, int64 m, float[4] a)
        => (bool more, int64 next, int64 m_out, float[4] b, float[4] seen) {{
        m_out = Identity (m)
        next = Add (c, one)
        {test}
        f = Cast <to = 1> (c)
        b = Add (a, f)
        seen = Identity (b)
    }}>
}}"""
BEFORE = "begin = Less (start, n)"
TESTS = {
    "the next number": "more = Less (next, m)",
    "of floats": "p = Cast <to = 1> (next) q = Cast <to = 1> (m) more = Less (p, q)",
    "the other way round": "more = Greater (m, next)",
}


def check(text: str, n: int) -> str:
    """The script gives what onnx gives; returns it."""
    x = np.arange(4, dtype=np.float32)
    return check_model(parse(text, 20), [x, np.array(n)]).script


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(("start", "n"), [(0, 3), (2, 5), (0, 0), (4, 1)])
def test_rounds_are_counted(test, start, n):
    text = LOOP.format(start=start, before=BEFORE, limit="", condition="begin", test=TESTS[test])
    script = check(text, n)
    assert "for i in range(" in script
    assert "proceed" not in script


@pytest.mark.parametrize(("limit", "test"), [("two", "next"), ("nine", "next"), ("n", "next"), ("n", "i")])
def test_the_lower_of_two_limits_holds(limit, test):
    before = f"{BEFORE} two = Constant <value = int64 {{2}}> () nine = Constant <value = int64 {{9}}> ()"
    text = LOOP.format(start=0, before=before, limit=limit, condition="begin", test=f"more = Less ({test}, m)")
    script = check(text, 4)
    assert "proceed" not in script


def test_another_condition_stays():
    test = (
        "p = Less (next, m) t = ReduceSum <keepdims = 0> (a) h = Constant <value = float {20.0}> ()"
        "q = Less (t, h) more = And (p, q)"
    )
    text = LOOP.format(start=0, before=BEFORE, limit="", condition="begin", test=test)
    script = check(text, 9)
    assert "for i in range(" in script
    assert "break" in script


@pytest.mark.parametrize(
    ("condition", "test"),
    [
        ("", "more = Less (next, m)"),  # the first round runs whatever n is
        ("begin", "more = Less (c, m)"),  # none runs where n is 0, but n + 1 do
        ("begin", "two = Constant <value = int64 {2}> () t = Mul (c, two) more = Less (t, m)"),
    ],
    ids=["one round at least", "one round more", "another number"],
)
def test_what_does_not_count_rounds_stays(condition, test):
    text = LOOP.format(start=0, before=BEFORE, limit="", condition=condition, test=test)
    loop = next(node for node in normalized(parse(text, 20)).graph if node.op_type == "Loop")
    assert loop.inputs[0] is None


def test_what_is_only_counted_is_not_carried():
    text = LOOP.format(start=0, before=BEFORE, limit="", condition="begin", test=TESTS["the next number"])
    model = normalized(parse(text, 20))
    assert next(len(node.inputs) for node in model.graph if node.op_type == "Loop") == 3
    assert operators(model).count("Add") == 1


STEPS = """g (float[4] x) => (float[4] y, float[k,4] z) {{
    start = Constant <value = int32 {{{start}}}> () step = Constant <value = int32 {{{step}}}> ()
    limit = Constant <value = int32 {{{limit}}}> ()
    begin = {compare} (start, limit)
    s, y, z = Loop (, begin, start, x) <body = b (int64 i, bool go, int32 c, float[4] a)
        => (bool more, int32 next, float[4] b, float[4] seen) {{
        next = {change} (c, step)
        more = {compare} ({asked}, limit)
        f = Cast <to = 1> (c)
        b = Add (a, f)
        seen = Identity (b)
    }}>
}}"""


@pytest.mark.parametrize("asked", ["next", "c"])
@pytest.mark.parametrize(
    ("start", "change", "step", "compare", "limit"),
    [(4, "Add", -1, "Greater", -1), (4, "Sub", 2, "Greater", -1), (1, "Add", 3, "Less", 9), (0, "Add", 3, "Less", 9)],
)
def test_counters_that_go_down_or_by_larger_steps(asked, start, change, step, compare, limit):
    text = STEPS.format(start=start, change=change, step=step, compare=compare, limit=limit, asked=asked)
    script = check_model(parse(text, 20), [np.arange(4, dtype=np.float32)]).script
    count = len(range(start, limit, -step if change == "Sub" else step)) + (asked == "c")
    assert f"in range({count}):" in script
    assert "proceed" not in script
