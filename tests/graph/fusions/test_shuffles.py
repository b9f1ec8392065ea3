from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_gradient_of_moved, check_model

X = np.arange(2 * 8 * 4 * 6, dtype=np.float32).reshape(2, 8, 4, 6)
TEXT = "(float[n,8,4,6] x) => (float[a,b,c,d] y) "
TEXT += "{{ p = Reshape(x, split) t = Transpose <perm={}> (p) y = Reshape(t, merged) }}"
CASES = {
    "channels": ([0, 2, 1, 3, 4], [-1, 2, 4, 4, 6], [-1, 8, 4, 6], "ChannelShuffle", "shuffle_channels(x, 2)"),
    "pixels": ([0, 1, 4, 2, 5, 3], [-1, 2, 2, 2, 4, 6], [-1, 2, 8, 12], "DepthToSpace", None),
    "depth to space": ([0, 3, 4, 1, 5, 2], [-1, 2, 2, 2, 4, 6], [-1, 2, 8, 12], "DepthToSpace", None),
    "space to depth": ([0, 3, 5, 1, 2, 4], [-1, 8, 2, 2, 3, 2], [-1, 32, 2, 3], "SpaceToDepth", None),
    "pixels back": ([0, 1, 3, 5, 2, 4], [-1, 8, 2, 2, 3, 2], [-1, 32, 2, 3], "PixelUnshuffle", "pixel_unshuffle(x, 2)"),
}  # fmt: skip


@pytest.mark.parametrize(("perm", "split", "merged", "operator", "call"), CASES.values(), ids=CASES)
def test_a_shuffle_is_one_operator(perm, split, merged, operator, call):
    text, weights = TEXT.format(perm), {"split": np.array(split), "merged": np.array(merged)}
    assert fused(text, X, **weights) == [operator]
    if call:
        assert call in check_model(model_of(text, **weights), [X]).script


@pytest.mark.parametrize(
    ("perm", "split", "merged"),
    [
        ([0, 2, 1, 3, 4], [-1, 2, 4, 4, 6], [-1, 8, 6, 4]),
        ([0, 1, 4, 2, 5, 3], [-1, 1, 4, 2, 4, 6], [-1, 1, 16, 12]),
        ([0, 2, 1, 3, 4], [-1, 2, 8, 2, 6], [-1, 8, 4, 6]),
    ],
)
def test_other_groups_stay(perm, split, merged):
    left = fused(TEXT.format(perm), X, split=np.array(split), merged=np.array(merged))
    assert left == ["Reshape", "Transpose", "Reshape"]


PIXELS = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
ROWS_FIRST = [(0, 0), (1, 0), (0, 1), (1, 1)]
NUMBERS = {
    name: np.array([number]) for name, number in {"s0": 0, "s1": 1, "one": 1, "two": 2, "end": 2**63 - 1}.items()
}


def grids(order: list[tuple[int, int]], height: int | str = 4) -> str:
    """Pixels of blocks of two by two, concatenated in this order."""
    text = f"(float[n,{height},6,3] x) => (float[a,b,c,d] y) {{ "
    for i, (row, column) in enumerate(order):
        text += f"r{i} = Slice(x, s{row}, end, one, two) c{i} = Slice(r{i}, s{column}, end, two, two) "
    return text + f"y = Concat <axis=-1> ({', '.join(f'c{i}' for i in range(len(order)))}) }}"


@pytest.mark.parametrize("order", [ROWS_FIRST, sorted(ROWS_FIRST)], ids=["rows first", "columns first"])
def test_pixels_of_blocks_become_channels(order):
    assert fused(grids(order), PIXELS, **NUMBERS) == ["Reshape", "Transpose", "Reshape"]


@pytest.mark.parametrize(
    ("order", "height"), [(ROWS_FIRST[:3], 4), (ROWS_FIRST[::-1], 4), ([(0, 0)] * 4, 4), (ROWS_FIRST, "h")]
)
def test_other_pixels_stay(order, height):
    left = fused(grids(order, height), PIXELS, **NUMBERS)
    assert left[-1] == "Concat"
    assert "Transpose" not in left


@pytest.mark.parametrize("case", ["channels", "patches"])
def test_a_shuffle_has_a_gradient(case):
    if case == "patches":
        text, weights, x = grids(ROWS_FIRST), NUMBERS, PIXELS
    else:
        perm, split, merged, *_ = CASES[case]
        text, weights, x = TEXT.format(perm), {"split": np.array(split), "merged": np.array(merged)}, X
    check_gradient_of_moved(check_model(model_of(text, **weights), [x]), x)
