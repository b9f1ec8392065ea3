"""Shapes of loop-carried values: those of the initial value, but for what an iteration changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from graph.normalize.harness import parse

from converter.graph.annotations import varying_axes
from converter.graph.normalize import normalize

KEEPS, TURNS, GROWS = "r{0} = Relu(h{0})", "r{0} = Transpose(h{0})", "r{0} = Concat<axis=0>(h{0}, h{0})"


def shapes_in(*bodies: str) -> list[tuple[str, tuple[int, ...]]]:
    """Of loops one behind the other: the shape of the value in each, and the axes that an iteration changes."""
    lines = ["v0 = Relu(x)"]
    for i, body in enumerate(bodies):
        lines.append(
            f"w{i} = Loop(n, t, v{i}) <body = b{i} (int64 i{i}, bool c{i}, float[] h{i}) => (bool d{i}, float[] r{i})"
        )
        lines.append(f"{{ d{i} = Identity(c{i}) {body.format(i)} }}>")
        lines.append(f"v{i + 1} = Tanh(w{i})")
    text = f"g (float[3,4] x, int64 n) => (float[] v{len(bodies)}) <bool t = {{1}}>"
    graph = normalize(parse(f"{text} {{ {' '.join(lines)} }}", 20), Path()).graph
    carried = [node.attributes["body"].as_graph().inputs[2] for node in graph if node.op_type == "Loop"]
    return [(str(formal.shape), varying_axes(formal)) for formal in carried]


@pytest.mark.parametrize(
    ("bodies", "shapes"),
    [
        ([KEEPS], [("[3,4]", ())]),
        ([GROWS], [("[None,4]", (0,))]),
        ([TURNS], [("[None,None]", (0, 1))]),
        ([KEEPS, GROWS], [("[3,4]", ()), ("[None,4]", (0,))]),
        ([GROWS, KEEPS, KEEPS], [("[None,4]", (0,)), ("[None,4]", ()), ("[None,4]", ())]),
        ([KEEPS, GROWS, GROWS], [("[3,4]", ()), ("[None,4]", (0,)), ("[None,4]", (0,))]),
    ],
)
def test_a_loop_starts_with_what_an_earlier_one_leaves(
    bodies: list[str], shapes: list[tuple[str, tuple[int, ...]]]
) -> None:
    assert shapes_in(*bodies) == shapes


def test_an_unknown_extent_of_one_loop_is_that_of_the_next() -> None:
    """What NonZero finds has an unknown number, which the second loop keeps and the third does not."""
    found = "f{0} = NonZero(h{0}) r{0} = Cast<to=1>(f{0})"
    assert shapes_in(found, KEEPS, GROWS) == [("[None,None]", (0, 1)), ("[None,None]", ()), ("[None,None]", (0,))]


def test_an_extent_that_shape_arithmetic_tells() -> None:
    """The state begins as zeros of the batch's extent; what one loop stacks is where the other begins."""
    loop = (
        "{1}, {2} = Loop(n, t, {0}) <body = b{0} (int64 i{0}, bool c{0}, float[] h{0}) => (bool d{0}, float[] r{0}, "
        "float[] k{0}) {{ d{0} = Identity(c{0}) s{0} = Slice(h{0}, zero, end) r{0} = Add(s{0}, x) "
        "k{0} = Identity(r{0}) }}>"
    )
    lines = "extents = Shape(x) z = Expand(o, extents)", loop.format("z", "v", "all"), "p = Gather(all, last)"
    constants = "bool t = {1}, float o = {0}, int64 last = {-1}, int64[1] zero = {0}, int64[1] end = {1000000000}"
    text = f"g (float[N,4] x, int64 n) => (float[] w) <{constants}>"
    graph = normalize(parse(f"{text} {{ {' '.join(lines)} {loop.format('p', 'w', 'y')} }}", 20), Path()).graph
    carried = [node.attributes["body"].as_graph().inputs[2] for node in graph if node.op_type == "Loop"]
    assert [(str(formal.shape), varying_axes(formal)) for formal in carried] == [("[N,4]", ())] * 2


@pytest.mark.parametrize(
    ("condition", "count", "extent"),
    [
        ("Identity(c)", "Gather(s, one)", "m"),
        ("Less(i, two)", "Gather(s, one)", None),
        ("Identity(c)", "Sub(n, m)", None),
    ],
    ids=["extent", "ends before", "difference"],
)
def test_a_loop_over_an_axis_stacks_as_many_items(condition: str, count: str, extent: str | None) -> None:
    constants = "int64 zero = {0}, int64 one = {1}, int64 two = {2}, bool t = {1}"
    text = f"""g (float[n,m,4] x) => (float[] y) <{constants}> {{
        s = Shape(x) n = Gather(s, zero) m = Gather(s, one) count = {count}
        z = Loop(count, t) <body = step (int64 i, bool c) => (bool d, float[] item) {{
            d = {condition} part = Gather<axis = 1>(x, i) item = Relu(part)
        }}>
        y = Tanh(z)
    }}"""
    output = normalize(parse(text, 20), Path()).graph.outputs[0]
    assert output.shape is not None
    known = [dim if isinstance(dim, int) else dim.value for dim in output.shape]
    assert known == [extent, "n", 4]
