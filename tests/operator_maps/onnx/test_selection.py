from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check, check_model
from onnx_backend import MindSporeBackend

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 5)).astype(np.float32)


def one(k: int) -> np.ndarray:
    return np.array([k], np.int64)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "ops.sort(x0, -1, True)"),
        ({"axis": 1}, "ops.sort(x0, 1, True)"),
        ({"axis": 2, "largest": 0}, "ops.sort(x0, 2, False)"),
    ],
)
def test_top_k(options: dict[str, Any], text: str) -> None:
    assert text in check("TopK", X, one(3), outputs=2, constants=(1,), free=True, **options).script


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.uint32, np.float16, np.float32])
def test_top_k_takes_the_first_of_equal_ones(dtype: Any, largest: int) -> None:
    ties = RNG.integers(0, 4, (2, 40)).astype(dtype)
    expect = np.argsort(ties.astype(np.float64) * (-1 if largest else 1), axis=1, kind="stable")[:, :7]
    values = np.take_along_axis(ties, expect, 1)
    check("TopK", ties, one(7), outputs=2, constants=(1,), largest=largest, expect=[values, expect])


def test_top_k_of_a_computed_number() -> None:
    check("TopK", X, one(2), outputs=2, axis=1)
    check("TopK", X, one(2), outputs=2, axis=1, free=True)


@pytest.mark.parametrize("x", [X > 0, (X * 2).astype(np.int64), X[0], X[:0], X * np.float32(1e-20)])
def test_nonzero(x: np.ndarray) -> None:
    check("NonZero", x, expect=[np.stack(np.nonzero(x))])


def test_what_is_found_after_nothing_was() -> None:
    """In graph mode, MindSpore's kernel of transpose writes nothing any more once it was given no elements."""
    import mindspore as ms

    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[2,3] x) => (int64[2,n] places, int64[n,2] rows)'
        "{ places = NonZero (x) rows = Transpose (places) }"
    )
    rep = MindSporeBackend.prepare(model)
    ms.set_context(mode=ms.GRAPH_MODE)
    full = np.array([[0, 1, 0], [2, 0, 3]], np.float32)
    for x in (full, np.zeros_like(full), full, full[::-1].copy()):
        places, rows = (found.asnumpy() for found in rep.net(ms.Tensor(x)))
        np.testing.assert_array_equal(places, np.stack(np.nonzero(x)))
        np.testing.assert_array_equal(rows, np.argwhere(x))


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_compress(axis: int | None) -> None:
    options = {} if axis is None else {"axis": axis}
    check("Compress", X, np.array([False, True]), constants=(), **options)


@pytest.mark.parametrize("ordered", [0, 1])
def test_unique_of_as_many_as_the_run_finds(ordered: int) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 20]>'
        "g (float[N] x) => (float[a] y, int64[a] first, int64[b] place, int64[a] counts)"
        "{ zero = Constant <value_float = 0.0> () positive = Greater (x, zero) found = Compress (x, positive) "
        f"y, first, place, counts = Unique <sorted = {ordered}> (found) }}"
    )
    for x in ([3.0, -1.0, 1.0, 3.0, 2.0], [-1.0, -2.0]):
        check_model(model, [np.array(x, np.float32)])


@pytest.mark.parametrize("options", [{}, {"sorted": 0}, {"axis": 0}, {"axis": 1, "sorted": 0}, {"axis": -1}])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_unique(options: dict[str, Any], dtype: Any) -> None:
    x = RNG.integers(0, 2, (7, 2)).astype(dtype)
    check("Unique", x, outputs=4, **options)
    check("Unique", x, **options)
