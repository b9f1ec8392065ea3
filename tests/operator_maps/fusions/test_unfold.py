"""Patches that torch's exporter gathers by tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)


def table(kernel: int, count: int, dilation: int = 1, stride: int = 1) -> np.ndarray:
    return dilation * np.arange(kernel)[:, None] + stride * np.arange(count)


PATCHES = """(float[n,2,{h},{w}] x) => (float[n,{k},{l}] y) {{ {pad}
    r = Gather <axis=2> ({source}, rows) c = Gather <axis=4> (r, columns)
    t = Transpose <perm=[0,1,2,4,3,5]> (c) y = Reshape(t, shape) }}"""


@pytest.mark.parametrize(
    ("extents", "rows", "columns", "pads", "text"),
    [
        ((6, 7), table(3, 4), table(3, 5), (0, 0), "ops.unfold(x, 3)"),
        ((8, 9), table(3, 4, stride=2), table(3, 5, stride=2), (1, 1), "ops.unfold(x, 3, padding=1, stride=2)"),
        ((8, 9), table(2, 6, 2), table(3, 5, 2), (0, 0), "ops.unfold(x, (2, 3), dilation=2)"),
        ((8, 8), table(2, 5, stride=2), table(1, 8), (1, 0), "padding=(1, 0), stride=(2, 1))"),
        ((7, 7), table(3, 4), table(3, 5), (0, 0), None),  # the last row is left out
        ((6, 7), table(3, 4)[::-1].copy(), table(3, 5), (0, 0), None),
    ],
)
def test_patches_are_unfolded(
    extents: tuple[int, int], rows: np.ndarray, columns: np.ndarray, pads: tuple[int, int], text: str | None
) -> None:
    (h, w), (k, count) = extents, (2 * len(rows) * len(columns), rows.shape[1] * columns.shape[1])
    weights: dict[str, Any] = {"rows": rows, "columns": columns, "shape": np.array([-1, k, count])}
    source, pad = "x", ""
    if any(pads):
        source, pad = "p", "p = Pad(x, pads)"
        weights["pads"] = np.array([0, 0, *pads, 0, 0, *pads])
    graph = PATCHES.format(h=h, w=w, k=k, l=count, source=source, pad=pad)
    x = RANDOM.normal(size=(2, 2, h, w)).astype(np.float32)
    assert ("Unfold" in fused(graph, x, **weights)) == (text is not None)
    if text is not None:
        assert text in check_model(model_of(graph, **weights), [x]).script
