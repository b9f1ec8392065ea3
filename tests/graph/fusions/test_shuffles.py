from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.arange(2 * 8 * 4 * 6, dtype=np.float32).reshape(2, 8, 4, 6)
TEXT = "(float[n,8,4,6] x) => (float[a,b,c,d] y) "
TEXT += "{{ p = Reshape(x, split) t = Transpose <perm={}> (p) y = Reshape(t, merged) }}"
CASES = {
    "channels": ([0, 2, 1, 3, 4], [-1, 2, 4, 4, 6], [-1, 8, 4, 6], "ChannelShuffle", "ops.channel_shuffle(x, 2)"),
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
