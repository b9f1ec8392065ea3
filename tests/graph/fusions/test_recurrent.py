from __future__ import annotations

import numpy as np
from graph.fusions.recognition import model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(7, 2, 4)).astype(np.float32)
SHAPES = {"w": (2, 32, 4), "r": (2, 32, 8), "b": (2, 64)}
WEIGHTS = {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def test_directions_are_merged_though_their_shape_is_read():
    body = 'y, h, c = LSTM <direction = "bidirectional", hidden_size = 8> (x, w, r, b) '
    body += "t = Transpose <perm = [0, 2, 1, 3]> (y) s = Shape <start = 0, end = 2> (t) "
    body += "to = Concat <axis = 0> (s, sixteen) z = Reshape(t, to)"
    model = model_of(f"(float[7,n,4] x) => (float[7,n,16] z) {{ {body} }}", **WEIGHTS, sixteen=np.array([16]))
    script = check_model(model, [X]).script
    assert "transpose" not in script
    assert "reshape" not in script
