"""Cases of broadcasting, softmax and what no longer takes integers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from graph.normalize.rewrites.case import Case

BINARY = {"Add": np.add, "Div": np.divide, "Mul": np.multiply, "Sub": np.subtract}
COMPARISONS = {"Greater": np.greater, "Less": np.less}
LOGIC = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}


def broadcasts() -> Iterator[Case]:
    kinds = {"float": BINARY | COMPARISONS, "bool": LOGIC, "int32": {"Equal": np.equal}}
    for kind, formulas in kinds.items():
        for name, formula in formulas.items():
            result = "float" if name in BINARY else "bool"
            signature = f"({kind}[N,3,4] x, {kind}[3] s) => ({result}[N,3,4] y)"
            text = f"{signature} {{ y = {name} <broadcast = 1, axis = 1> (x, s) }}"
            yield Case(f"{name}-1", 5, text, None, lambda x, s, formula=formula: formula(x, s[:, None]))
    for name, formula in BINARY.items():
        text = f"(float[3] x, float[3] s) => (float[3] y) {{ y = {name} <consumed_inputs = [0, 0]> (x, s) }}"
        yield Case(f"{name}-1 of equal shapes", 1, text, name, formula)


CASES = [
    *broadcasts(),
    Case(
        "Pow-1",
        6,
        "(float[N,3,4] x, float[3] s) => (float[N,3,4] y) { a = Abs(x) y = Pow <broadcast = 1, axis = 1> (a, s) }",
        "Abs Unsqueeze Pow",
        lambda x, s: np.abs(x) ** s[:, None],
    ),
    Case(
        "Add-6 along the first axes",
        6,
        "(float[N,3,4] x, float[2,3] s) => (float[N,3,4] y) { y = Add <broadcast = 1, axis = 0> (x, s) }",
        "Unsqueeze Add",
        lambda x, s: x + s[..., None],
    ),
    Case(
        "Add-6 along the last axes",
        6,
        "(float[N,3,4] x, float[3,4] s) => (float[N,3,4] y) { y = Add <broadcast = 1> (x, s) }",
        "Add",
        np.add,
    ),
    Case(
        "Add-6 after operators that say nothing of their rank",
        6,
        """(float[N,3,4] x, float[3] s) => (float[N,3,4] y) {
            a = Add <broadcast = 1, axis = -2> (x, s)
            b = Relu(a)
            y = Mul <broadcast = 1, axis = 1> (b, s)
        }""",
        "Unsqueeze Add Relu Unsqueeze Mul",
        lambda x, s: np.maximum(x + s[:, None], 0) * s[:, None],
    ),
    Case(
        "PRelu-6 with a slope for each channel",
        6,
        "(float[N,3,2,2] x, float[3] s) => (float[N,3,2,2] y) { y = PRelu(x, s) }",
        "Unsqueeze PRelu",
        lambda x, s: np.where(x > 0, x, x * s[:, None, None]),
    ),
    Case(
        "PRelu-1 with one slope",
        1,
        "(float[N,3,2,2] x, float[1] s) => (float[N,3,2,2] y) { y = PRelu <consumed_inputs = [0]> (x, s) }",
        "PRelu",
        lambda x, s: np.where(x > 0, x, x * s),
    ),
    *(
        case
        for name in ("Softmax", "LogSoftmax", "Hardmax")
        for opset in (1, 11, 12)
        for case in (
            Case(
                f"{name}-{opset} over the last axis",
                opset,
                f"(float[N,3,4] x) => (float[N,3,4] y) {{ y = {name} <axis = 2> (x) }}",
                name,
            ),
            Case(
                f"{name}-{opset} over the only axis with an extent",
                opset,
                f"(float[N,5,1,1] x) => (float[N,5,1,1] y) {{ y = {name}(x) }}",
                name,
            ),
            Case(
                f"{name}-{opset} over two axes",
                opset,
                f"(float[N,3,4] x) => (float[N,3,4] y) {{ y = {name} <axis = 1> (x) }}",
                f"Shape Flatten {name} Reshape",
            ),
        )
    ),
    Case(
        "Softmax-11 over a negative axis",
        11,
        "(float[N,3,4] x) => (float[N,3,4] y) { y = Softmax <axis = -2> (x) }",
        "Shape Flatten Softmax Reshape",
    ),
    *(
        Case(
            f"{name}-13 of integers",
            13,
            f"(int32[2,3] x) => (int32[2] y) {{ a = Add(x, x) y = {name} <axes = [1], keepdims = 0> (a) }}",
            f"Add Cast {name} Cast",
            lambda x, formula=formula: formula(x).astype(np.int32),
        )
        for name, formula in {
            "ReduceLogSum": lambda x: np.log((2 * x).sum(1)),
            "ReduceLogSumExp": lambda x: np.log(np.exp(2 * x).sum(1)),
        }.items()
    ),
    Case("Erf-9 of integers", 9, "(int32[3] x) => (int32[3] y) { y = Erf(x) }", "Cast Erf Cast", np.zeros_like),
]
