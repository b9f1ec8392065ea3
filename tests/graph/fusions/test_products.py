from __future__ import annotations

import numpy as np
import pytest
from graph.normalize.harness import parse
from harness import check_model
from onnx import helper

X = np.random.default_rng(0).uniform(0.5, 1.5, (2, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize(
    ("axis", "compared", "copies", "is_running"),
    [(1, "below, places", 2, True), (2, "below, places", 3, True), (1, "places, below", 2, False)],
    ids=["inner", "last", "from the end"],
)
def test_a_product_over_a_triangle_is_a_running_one(axis, compared, copies, is_running, fixed):
    """What torch's exporter writes for `torch.cumprod`."""
    extents = "n,4,3" if fixed else "n,t,s"
    mask = "u = Unsqueeze (t, last)" if axis == 1 else "u = Identity (t)"
    text = f"""g (float[{extents}] x) => (float[{extents}] y) <int64 zero = {{0}}, int64 one = {{1}},
        int64[1] right = {{1}}, int64[1] last = {{-1}}, int64[1] new = {{{copies}}}, float full = {{1.0}}> {{
        length = Shape <start = {axis}, end = {axis + 1}> (x) number = Squeeze (length)
        places = Range (zero, number, one) below = Unsqueeze (places, right) t = LessOrEqual ({compared}) {mask}
        wide = Unsqueeze (x, new) kept = Where (u, wide, full) y = prims.prod <dims = [{axis}]> (kept)
    }}"""
    model = parse(text, 18)
    model.opset_import.append(helper.make_opsetid("prims", 1))
    want = X.cumprod(axis) if is_running else np.flip(np.flip(X, axis).cumprod(axis), axis)
    assert ("ops.cumprod(" in check_model(model, [X], expect=[want]).script) == is_running
