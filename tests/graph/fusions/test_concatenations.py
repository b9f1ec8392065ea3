from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
ELEMENTS = """(float[n,3] x) => (float[k] y) {{
    m = ReduceSum <keepdims = 0> (x, first) a = Gather(m, {0}) b = Gather(m, {1}) c = Gather(m, {2})
    p = Reshape(a, whole) q = Unsqueeze(b, first) r = Reshape(c, whole) j = Concat <axis = 0> ({3}) y = Relu(j)
}}"""


@pytest.mark.parametrize(
    ("order", "parts", "joined"),
    [
        (("zero", "one", "two"), "p, q, r", True),
        (("zero", "one", "last"), "p, q, r", True),
        (("one", "zero", "two"), "p, q, r", False),
        (("zero", "one", "two"), "p, q", False),
    ],
    ids=str,
)
def test_all_elements_of_a_vector(order, parts, joined):
    """What torch exports for the lengths of a split that `lengths.tolist()` gave."""
    numbers = {"zero": 0, "one": 1, "two": 2, "last": -1}
    constants = {name: np.array(number) for name, number in numbers.items() if name in order}
    left = fused(ELEMENTS.format(*order, parts), X, first=np.array([0]), whole=np.array([-1]), **constants)
    assert ("Concat" not in left) == joined
