"""Cases of normalisations and dropout."""

from __future__ import annotations

import numpy as np
from graph.normalize.rewrites.case import Case

CHANNELS = "float[2,3,4] x, float[3] s, float[3] b, float[3] m, float[3] v"
ACTIVATIONS = "float[2,3,4] x, float[3,4] s, float[3,4] b, float[3,4] m, float[3,4] v"


def batch_norm(x: np.ndarray, s: np.ndarray, b: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
    s, b, m, v = (vector[:, None] for vector in (s, b, m, np.abs(v) + np.float32(0.5)))
    return (x - m) / np.sqrt(v) * s + b


CASES = [
    Case(
        "BatchNormalization-1",
        1,
        f"""({CHANNELS}) => (float[2,3,4] y) {{
            w = Abs(v)
            y = BatchNormalization <is_test = 1, consumed_inputs = [0, 0, 0, 1, 1], epsilon = 0.5> (x, s, b, m, w)
        }}""",
        "Abs BatchNormalization",
        batch_norm,
    ),
    Case(
        "BatchNormalization-7",
        7,
        f"({CHANNELS}) => (float[2,3,4] y) {{ w = Abs(v) y = BatchNormalization <spatial = 1> (x, s, b, m, w) }}",
        "Abs BatchNormalization",
    ),
    Case(
        "BatchNormalization-7 of every activation",
        7,
        f"""({ACTIVATIONS}) => (float[2,3,4] y) {{
            w = Abs(v)
            y = BatchNormalization <spatial = 0, epsilon = 0.1> (x, s, b, m, w)
        }}""",
    ),
    Case(
        "BatchNormalization-8 of every activation, which are channels",
        8,
        """(float[2,3] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2,3] y) {
            w = Abs(v)
            y = BatchNormalization <spatial = 0> (x, s, b, m, w)
        }""",
        "Abs BatchNormalization",
    ),
    *(
        Case(
            f"BatchNormalization-{opset} that trains",
            opset,
            f"""({CHANNELS}) => (float[2,3,4] y) {{
                w = Abs(v)
                y, n, o, p, q = BatchNormalization <momentum = 0.8> (x, s, b, m, w)
            }}""",
            "Abs BatchNormalization",
        )
        for opset in (9, 13)
    ),
    Case(
        "BatchNormalization-9 that trains, and its mean",
        9,
        f"""({CHANNELS}) => (float[2,3,4] y, float[3] n) {{
            w = Abs(v)
            y, n, o, p, q = BatchNormalization <momentum = 0.8> (x, s, b, m, w)
        }}""",
        "Abs BatchNormalization",
    ),
    Case("Dropout-6", 6, "(float[3] x) => (float[3] y) { y = Dropout <is_test = 1> (x) }", "Dropout", lambda x: x),
    Case("Dropout-7", 7, "(float[3] x) => (float[3] y) { y = Dropout <ratio = 0.3> (x) }", "Dropout"),
    Case(
        "Dropout-7 and its mask",
        7,
        "(float[3] x) => (float[3] y, float[3] z) { y, m = Dropout(x) z = Add(m, x) }",
        "Dropout Cast Add",
        lambda x: (x, x + 1),
    ),
    Case("Dropout-10", 10, "(float[3] x) => (float[3] y) { y, m = Dropout(x) }", "Dropout"),
    Case(
        "GroupNormalization-18",
        18,
        """(float[N,6,4] x, float[2] s, float[2] b) => (float[N,6,4] y) {
            y = GroupNormalization <num_groups = 2> (x, s, b)
        }""",
    ),
    Case(
        "GroupNormalization-18 of one channel each",
        18,
        """(float[N,3,4] x, float[3] s, float[3] b) => (float[N,3,4] y) {
            y = GroupNormalization <num_groups = 3> (x, s, b)
        }""",
        "GroupNormalization",
    ),
    Case(
        "MeanVarianceNormalization-1",
        7,
        "(float[N,3,4,5] x) => (float[N,3,4,5] y) { y = MeanVarianceNormalization(x) }",
        "MeanVarianceNormalization",
    ),
    Case(
        "MeanVarianceNormalization-1 across channels",
        7,
        "(float[N,3,4,5] x) => (float[N,3,4,5] y) { y = MeanVarianceNormalization <across_channels = 1> (x) }",
        "MeanVarianceNormalization",
    ),
    Case(
        "MeanVarianceNormalization-1 of the mean alone",
        7,
        "(float[N,3,4,5] x) => (float[N,3,4,5] y) { y = MeanVarianceNormalization <normalize_variance = 0> (x) }",
        "ReduceMean Sub",
    ),
]
