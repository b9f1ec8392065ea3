"""Adaptive pools that torch's exporter gathers by tables."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)


def windows(extent: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of every window, and which of these it lacks."""
    starts = np.arange(count) * extent // count
    ends = -(-(np.arange(count) + 1) * extent // count)
    places = starts[:, None] + np.arange(max(ends - starts))
    return np.minimum(places, extent - 1), places >= ends[:, None]


def pool(extents: tuple[int, int], size: tuple[int, int], *, wrong: bool = False) -> tuple[str, dict[str, np.ndarray]]:
    """What torch's exporter writes for an adaptive average pool."""
    (rows, no_row), (columns, no_column) = (windows(*pair) for pair in zip(extents, size, strict=True))
    shape = (*rows.shape, *columns.shape)
    grid = np.broadcast_arrays(rows[:, :, None, None], columns)
    weights = {"table": np.stack([np.broadcast_to(part, shape) for part in grid], -1)}
    body = "a = Transpose <perm=[2,3,0,1]> (x) b = GatherND(a, table) m0 = Transpose <perm=[4,5,0,1,2,3]> (b) "
    weights["zero"] = np.array(0, np.float32)
    masked = "m0"
    for name, mask in (("row", no_row[:, :, None, None]), ("column", no_column)):
        if mask.any():
            body += f"m{name} = Where(no_{name}, zero, {masked}) "
            weights[f"no_{name}"], masked = mask, f"m{name}"
    if masked == "m0":
        del weights["zero"]
        weights["axes"] = np.array([-3, -1])
        return body + "y = ReduceMean <keepdims=0> (m0, axes)", weights
    total = ""
    for i in range(rows.shape[1]):
        body += f"r{i} = Gather <axis=3> ({masked}, i{i}) "
        for j in range(columns.shape[1]):
            body += f"e{i}{j} = Gather <axis=4> (r{i}, i{j}) "
            body += f"s{i}{j} = Add({total}, e{i}{j}) " if total else ""
            total = f"s{i}{j}" if total else f"e{i}{j}"
    weights |= {f"i{i}": np.array(i) for i in range(max(rows.shape[1], columns.shape[1]))}
    counts = ((~no_row).sum(1)[:, None] * (~no_column).sum(1)).astype(np.float32)
    return body + f"y = Div({total}, counts)", weights | {"counts": counts + wrong}


@pytest.mark.parametrize(("extents", "size"), [((6, 8), (3, 2)), ((5, 7), (3, 4)), ((6, 7), (2, 5)), ((3, 3), (5, 4))])
def test_windows_of_any_size_are_pooled(extents: tuple[int, int], size: tuple[int, int]) -> None:
    body, weights = pool(extents, size)
    x = RANDOM.normal(size=(2, 3, *extents)).astype(np.float32)
    text = f"(float[n,3,{extents[0]},{extents[1]}] x) => (float[n,3,a,b] y) {{ {body} }}"
    assert fused(text, x, **weights) == ["AdaptiveAvgPool"]
    assert f"ops.adaptive_avg_pool2d(x, {size})" in check_model(model_of(text, **weights), [x]).script


def test_another_mean_stays() -> None:
    body, weights = pool((5, 7), (3, 4), wrong=True)
    text = f"(float[n,3,5,7] x) => (float[n,3,a,b] y) {{ {body} }}"
    assert "GatherND" in fused(text, RANDOM.normal(size=(2, 3, 5, 7)).astype(np.float32), **weights)
