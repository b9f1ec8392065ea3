"""What is computed from fixed extents, beside free ones, is a constant."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
from graph.normalize.harness import assert_same, feeds_for, find, operators, parse, run_normalized, run_original

from converter.graph.normalize import FIXED_EXTENTS, normalize
from converter.graph.passes import run_passes

POSITIONS = """
    g (float[N, 3, 5] x) => (float[N, 3, 5] y) <int64 axis = {2}, int64 zero = {0}, int64 one = {1}> {
        shape = READ
        positions = Range (zero, n, one)
        square = Mul (positions, positions)
        table = Cast <to = 1> (square)
        y = Add (x, table)
    }
"""

SLICE = """Shape (x)
        start = Constant <value_ints = [2]> ()
        stop = Constant <value_ints = [3]> ()
        part = Slice (shape, start, stop)
        n = Squeeze (part)"""


def folded(read: str) -> ir.Model:
    """The graph after the pass, which computes what the source computes."""
    model = parse(POSITIONS.replace("READ", read), 17)
    feeds = feeds_for(model)
    graph = run_passes(lambda: normalize(model, Path()), FIXED_EXTENTS)
    assert_same(run_normalized(graph, feeds), run_original(model, feeds))
    return graph


@pytest.mark.parametrize(
    "read",
    [
        "Shape (x)\n n = Gather (shape, axis)",
        "Shape <start = 1> (x)\n n = Gather (shape, one)",
        SLICE,
        "Shape (x)\n last = Constant <value_int = -1> ()\n n = Gather (shape, last)",
    ],
)
def test_what_fixed_extents_give_is_a_constant(read: str) -> None:
    graph = folded(read)
    assert operators(graph) == ["Add"]
    assert find(graph, "y").inputs[1].const_value.numpy().tolist() == [0, 1, 4, 9, 16]  # type: ignore[union-attr]


def test_what_a_free_extent_gives_is_computed() -> None:
    model = parse(
        """
        g (float[N, 5] x) => (int64[N] y) <int64 zero = {0}, int64 one = {1}> {
            shape = Shape (x)
            n = Gather (shape, zero)
            y = Range (zero, n, one)
        }
        """,
        17,
    )
    graph = run_passes(lambda: normalize(model, Path()), FIXED_EXTENTS)
    assert operators(graph) == ["Shape", "Gather", "Range"]


def test_extents_that_shape_arithmetic_tells() -> None:
    """The windows of Swin with a free batch: ONNX's inference does not divide."""
    model = parse(
        """
        g (float[N, 8, 6] x) => (float y) <
            int64 axis = {1}, int64 index = {2}, int64 zero = {0}, int64 one = {1}, int64[1] first = {0},
            int64[1] second = {1}, int64[1] two = {2}, int64[1] rest = {-1}, int64[2] column = {-1, 1}
        > {
            shape = Shape (x)
            height = Gather (shape, axis)
            half = Div (height, two)
            n = Slice (shape, first, second)
            windows = Concat <axis = 0> (n, two, half, rest)
            parts = Reshape (x, windows)
            inner = Shape (parts)
            four = Gather (inner, index)
            positions = Range (zero, four, one)
            table = Cast <to = 1> (positions)
            cut = Reshape (table, column)
            sum = Add (parts, cut)
            y = ReduceSum <keepdims = 0> (sum)
        }
        """,
        17,
    )
    feeds = feeds_for(model)
    graph = run_passes(lambda: normalize(model, Path()), FIXED_EXTENTS)
    assert_same(run_normalized(graph, feeds), run_original(model, feeds), 1e-5)
    assert "Range" not in operators(graph)
