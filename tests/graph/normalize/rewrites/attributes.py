"""Cases of attributes that went, moved to the inputs, or were renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from graph.normalize.harness import parse, run_runtime
from graph.normalize.rewrites.case import Case

UNARY: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "Abs": ("", np.abs),
    "Ceil": ("", np.ceil),
    "Clip": ("min = -0.5", lambda x: np.maximum(x, -0.5)),
    "Dropout": ("is_test = 1", lambda x: x),
    "Elu": ("alpha = 2.0", lambda x: np.where(x > 0, x, 2 * np.expm1(x))),
    "Exp": ("", np.exp),
    "Floor": ("", np.floor),
    "HardSigmoid": ("", lambda x: np.clip(np.float32(0.2) * x + np.float32(0.5), 0, 1)),
    "LeakyRelu": ("alpha = 0.1", lambda x: np.where(x > 0, x, np.float32(0.1) * x)),
    "Neg": ("", np.negative),
    "Reciprocal": ("", np.reciprocal),
    "Relu": ("", lambda x: np.maximum(x, 0)),
    "Selu": ("", lambda x: np.float32(1.0507) * np.where(x > 0, x, np.float32(1.6732) * np.expm1(x))),
    "Sigmoid": ("", lambda x: 1 / (1 + np.exp(-x))),
    "Tanh": ("", np.tanh),
}
SEVERAL = {"Max": np.maximum, "Min": np.minimum, "Sum": np.add, "Mean": lambda x, s: (x + s) / 2}
REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")


def consumed() -> Iterator[Case]:
    for name, (attributes, formula) in UNARY.items():
        given = ", ".join(filter(None, (attributes, "consumed_inputs = [0]")))
        yield Case(f"{name}-1", 1, f"(float[3,4] x) => (float[3,4] y) {{ y = {name} <{given}> (x) }}", name, formula)
    for name, formula in {"Log": np.log, "Sqrt": np.sqrt}.items():
        text = f"(float[3] x) => (float[3] y) {{ a = Abs(x) y = {name} <consumed_inputs = [0]> (a) }}"
        yield Case(f"{name}-1", 1, text, f"Abs {name}", lambda x, formula=formula: formula(np.abs(x)))
    for name, formula in SEVERAL.items():
        text = f"(float[3] x, float[3] s) => (float[3] y) {{ y = {name} <consumed_inputs = [0, 0]> (x, s) }}"
        yield Case(f"{name}-1", 1, text, name, formula)


def reductions() -> Iterator[Case]:
    for name in REDUCTIONS:
        for opset in (7, 11) if name == "Sum" else (7, 11, 13):
            text = f"(float[2,3] x) => (float[2] y) {{ a = Abs(x) y = Reduce{name} <axes = [1], keepdims = 0> (a) }}"
            yield Case(f"Reduce{name}-{opset}", opset, text, f"Abs Reduce{name}")
        text = f"(float[2,3] x) => (float[1,1] y) {{ a = Abs(x) y = Reduce{name}(a) }}"
        yield Case(f"Reduce{name}-11 of everything", 11, text, f"Abs Reduce{name}")


def recurrent() -> Iterator[Case]:
    for name, gates in {"RNN": 1, "GRU": 3, "LSTM": 4}.items():
        signature = f"(float[4,2,3] x, float[1,{gates * 5},3] w, float[1,{gates * 5},5] r) => (float[1,2,5] y)"
        new = f"{signature} {{ a, y = {name} <hidden_size = 5> (x, w, r) }}"
        old = f"{signature} {{ a, y = {name} <hidden_size = 5, output_sequence = 0> (x, w, r) }}"
        yield Case(f"{name}-7", 7, new, name)
        yield Case(f"{name}-1", 6, old, name, lambda x, w, r, new=new: run_at_7(new, x=x, w=w, r=r))


def run_at_7(text: str, **feeds: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(run_runtime(parse(f"g {text}", 7), feeds))


CASES = [
    *consumed(),
    *reductions(),
    *recurrent(),
    Case(
        "InstanceNormalization-1",
        1,
        """(float[2,3,5] x, float[3] s, float[3] b) => (float[2,3,5] y) {
            y = InstanceNormalization <consumed_inputs = [0], epsilon = 0.5> (x, s, b)
        }""",
        "InstanceNormalization",
        lambda x, s, b: (
            (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + np.float32(0.5)) * s[:, None]
            + b[:, None]
        ),
    ),
    Case(
        "Cast-1",
        1,
        '(float[3] x) => (int32[3] y) { y = Cast <to = "INT32"> (x) }',
        "Cast",
        lambda x: x.astype(np.int32),
    ),
    Case("Clip-6", 6, "(float[3] x) => (float[3] y) { y = Clip <max = 0.5> (x) }", "Clip"),
    Case(
        "Clip-6 of doubles",
        6,
        "(double[9] x) => (double[9] y) { y = Clip <min = 0.1> (x) }",
        "Clip",
        lambda x: x.clip(0.1),
    ),
    Case("Clip-6 without limits", 6, "(float[3] x) => (float[3] y) { y = Clip(x) }", "Clip"),
    Case(
        "Concat-1",
        1,
        "(float[2,3] x, float[2,3] s) => (float[2,6] y) { y = Concat(x, s) }",
        "Concat",
        lambda x, s: np.concatenate([x, s], 1),
    ),
    Case("DFT-17", 17, "(float[2,4,3,1] x) => (float[2,4,3,2] y) { y = DFT(x) }", "DFT"),
    Case("DFT-17 along an axis", 17, "(float[2,4,3,1] x) => (float[2,4,3,2] y) { y = DFT <axis = 2> (x) }", "DFT"),
    Case("DepthToSpace-1", 1, "(float[1,8,2,3] x) => (float[1,2,4,6] y) { y = DepthToSpace <blocksize = 2> (x) }"),
    Case(
        "Gemm-6",
        6,
        "(float[2,3] x, float[4,3] w, float[4] b) => (float[2,4] y) { y = Gemm <broadcast = 1, transB = 1> (x, w, b) }",
        "Gemm",
        lambda x, w, b: x @ w.T + b,
    ),
    Case(
        "GlobalLpPool-1",
        1,
        "(float[2,3,4,5] x) => (float[2,3,1,1] y) { y = GlobalLpPool <p = 3.0> (x) }",
        "GlobalLpPool",
        lambda x: (np.abs(x) ** 3).sum((2, 3), keepdims=True) ** np.float32(1 / 3),
    ),
    Case(
        "LpPool-1",
        1,
        """(float[1,1,2,4] x) => (float[1,1,1,2] y) {
            y = LpPool <p = 1.0, kernel_shape = [2, 2], strides = [2, 2]> (x)
        }""",
        "LpPool",
        lambda x: np.abs(x).reshape(1, 1, 1, 2, 2, 2).sum((3, 5)),
    ),
    *(
        Case(
            f"GridSample-16, {mode}",
            16,
            f'(float[1,1,4,4] x, float[1,2,2,2] g) => (float[1,1,2,2] y) {{ y = GridSample <mode = "{mode}"> (x, g) }}',
            "GridSample",
        )
        for mode in ("bilinear", "bicubic", "nearest")
    ),
    Case("GridSample-16", 16, "(float[1,1,4,4] x, float[1,2,2,2] g) => (float[1,1,2,2] y) { y = GridSample(x, g) }"),
    Case("Pad-1", 1, "(float[2,3] x) => (float[3,6] y) { y = Pad <paddings = [1, 0, 0, 3], value = 2.0> (x) }", "Pad"),
    Case("Pad-2", 2, "(float[2,3] x) => (float[3,6] y) { y = Pad <pads = [1, 0, 0, 3]> (x) }", "Pad"),
    Case(
        "Pad-2, reflect", 2, '(float[2,3] x) => (float[2,7] y) { y = Pad <mode = "reflect", pads = [0, 2, 0, 2]> (x) }'
    ),
    Case(
        "Pad-10 of halves", 10, "(float16[2] x) => (float16[4] y) { y = Pad <pads = [1, 1], value = 2.5> (x) }", "Pad"
    ),
    Case(
        "Reshape-1",
        1,
        "(float[2,3] x) => (float[3,2] y) { y = Reshape <shape = [3, -1]> (x) }",
        "Reshape",
        lambda x: x.reshape(3, 2),
    ),
    Case(
        "RoiAlign-10",
        10,
        """(float[1,1,6,6] x) => (float[1,1,2,2] y) <float[1,4] r = {0.0, 0.0, 3.0, 4.0}, int64[1] i = {0}> {
            y = RoiAlign <output_height = 2, output_width = 2, sampling_ratio = 2> (x, r, i)
        }""",
        "RoiAlign",
    ),
    Case(
        "Scatter-9",
        9,
        "(float[2,3] x, float[1,2] s) => (float[2,3] y) <int64[1,2] i = {1, 0}> { y = Scatter <axis = 1> (x, i, s) }",
        "ScatterElements",
    ),
    Case("Slice-1", 1, "(float[4,5] x) => (float[2,5] y) { y = Slice <starts = [1], ends = [-1]> (x) }", "Slice"),
    Case(
        "Slice-1 of some axes",
        1,
        "(float[4,5] x) => (float[4,2] y) { y = Slice <axes = [1], starts = [-2], ends = [9]> (x) }",
        "Slice",
    ),
    Case("Split-2", 2, "(float[5] x) => (float[2] y, float[3] z) { y, z = Split <split = [2, 3]> (x) }", "Split"),
    Case(
        "Split-2 evenly", 2, "(float[4,2] x) => (float[4,1] y, float[4,1] z) { y, z = Split <axis = 1> (x) }", "Split"
    ),
    Case("Split-13 evenly", 13, "(float[4] x) => (float[2] y, float[2] z) { y, z = Split(x) }", "Split"),
    Case(
        "Split-1 by an input",
        1,
        "(float[5] x) => (float[2] y, float[3] z) <float[2] s = {2, 3}> { y, z = Split <axis = 0> (x, s) }",
        "Split",
        lambda x: (x[:2], x[2:]),
    ),
    Case("Squeeze-1", 1, "(float[1,3,1] x) => (float[3,1] y) { y = Squeeze <axes = [0]> (x) }", "Squeeze"),
    Case("Squeeze-11", 11, "(float[1,3,1] x) => (float[3] y) { y = Squeeze(x) }", "Squeeze"),
    Case(
        "Tile-1",
        1,
        "(float[2,3] x) => (float[2,6] y) <float t = {2}, float a = {1}> { y = Tile(x, t, a) }",
        "Tile",
        lambda x: np.tile(x, (1, 2)),
    ),
    Case("TopK-1", 1, "(float[2,5] x) => (float[2,3] y, int64[2,3] z) { y, z = TopK <k = 3> (x) }", "TopK"),
    Case("Unsqueeze-1", 1, "(float[3] x) => (float[1,3,1] y) { y = Unsqueeze <axes = [0, 2]> (x) }", "Unsqueeze"),
]
