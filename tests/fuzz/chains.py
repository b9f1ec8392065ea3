"""Chains of random operators on values of random ranks and extents, with random attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fuzz.building import Builder
from onnx import TensorProto

UNARY = [
    "Abs", "Neg", "Relu", "Sigmoid", "Tanh", "Exp", "Sqrt", "Log", "Floor", "Ceil", "Round", "Sign", "Softplus",
    "Softsign", "Erf", "HardSigmoid", "HardSwish", "Elu", "Selu", "LeakyRelu", "Gelu", "Mish", "Reciprocal", "Sin",
    "Cos", "Atan", "Celu", "ThresholdedRelu", "IsNaN", "IsInf",
]  # fmt: skip
BINARY = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Greater", "LessOrEqual", "Equal", "PRelu", "Mod"]
REDUCED = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSumExp",
           "ReduceSumSquare"]  # fmt: skip


def _axis(b: Builder, array: np.ndarray) -> int:
    return b.random.randrange(-array.ndim, array.ndim) if array.ndim else 0


def unary(b: Builder) -> bool:
    x = b.value()
    return x is not None and b.add(b.random.choice(UNARY), [x[0]])


def binary(b: Builder) -> bool:
    x, y = b.value("fi"), b.value("fi")
    if x is None or y is None:
        return False
    if b.random.random() < 0.5:
        shape = [extent if b.random.random() < 0.7 else 1 for extent in x[1].shape[b.random.randint(0, x[1].ndim) :]]
        y = (b.constant(b.numbers.normal(size=shape) * 2, x[1].dtype), x[1])
    operator = b.random.choice(BINARY)
    return b.add(operator, [x[0], y[0]], **({"fmod": 1} if operator == "Mod" and x[1].dtype.kind == "f" else {}))


def reduced(b: Builder) -> bool:
    x = b.value("fi")
    if x is None:
        return False
    axes = b.random.sample(range(x[1].ndim), b.random.randint(0, x[1].ndim))
    axes = [axis - b.random.choice([0, x[1].ndim]) for axis in axes]
    inputs = [x[0], b.constant(axes)] if axes or b.random.random() < 0.3 else [x[0]]
    return b.add(b.random.choice(REDUCED), inputs, keepdims=b.random.randint(0, 1))


def positions(b: Builder) -> bool:
    x = b.value()
    if x is None or not x[1].ndim:
        return False
    axis = _axis(b, x[1])
    match b.random.randrange(4):
        case 0:
            how = {"keepdims": b.random.randint(0, 1), "select_last_index": b.random.randint(0, 1)}
            return b.add(b.random.choice(["ArgMax", "ArgMin"]), [x[0]], axis=axis, **how)
        case 1:
            k = b.constant([b.random.randint(1, x[1].shape[axis])]) if x[1].shape[axis] else b.constant([0])
            return b.add("TopK", [x[0], k], 2, axis=axis, largest=b.random.randint(0, 1))
        case 2:
            how = {"exclusive": b.random.randint(0, 1), "reverse": b.random.randint(0, 1)}
            return b.add("CumSum", [x[0], b.constant(axis)], **how)
    return b.add(b.random.choice(["Softmax", "LogSoftmax", "Hardmax"]), [x[0]], axis=axis)


def moved(b: Builder) -> bool:
    x = b.value("fib")
    if x is None:
        return False
    name, array = x
    match b.random.randrange(9):
        case 0:
            return b.add("Transpose", [name], perm=b.random.sample(range(array.ndim), array.ndim))
        case 1:
            return b.add("Unsqueeze", [name, b.constant([b.random.randint(-array.ndim - 1, array.ndim)])])
        case 2:
            axes = [i for i, n in enumerate(array.shape) if n == 1 and i]
            return bool(axes) and b.add("Squeeze", [name, b.constant(axes)])
        case 3:
            return b.add("Flatten", [name], axis=b.random.randint(0, array.ndim))
        case 4:
            return b.add("Reshape", [name, b.constant([0, -1] if array.ndim > 1 else [-1])])
        case 5:
            return array.ndim > 0 and b.add("Expand", [name, b.constant([b.random.randint(1, 2), *[1] * array.ndim])])
        case 6:
            return b.add("Tile", [name, b.constant([b.random.randint(1, 2) for _ in array.shape])])
        case 7:
            pads = [b.random.randint(-1, 2) for _ in range(2 * array.ndim)]
            return b.add("Pad", [name, b.constant(pads)], mode=b.random.choice(["constant", "edge", "reflect", "wrap"]))
    return array.ndim > 1 and b.add("Trilu", [name], upper=b.random.randint(0, 1))


def cut(b: Builder) -> bool:
    x = b.value("fib")
    if x is None or not x[1].ndim:
        return False
    name, array = x
    axis = _axis(b, array)
    extent = array.shape[axis]
    match b.random.randrange(5):
        case 0:
            bounds = [b.random.randint(-extent - 1, extent + 1) for _ in range(2)]
            step = b.random.choice([1, 1, 2, -1, -2])
            return b.add("Slice", [name, *(b.constant([number]) for number in (*bounds, axis, step))])
        case 1:
            indices = b.numbers.integers(-extent, max(extent, 1), [b.random.randint(1, 3)] * b.random.randint(0, 2))
            return b.add("Gather", [name, b.constant(indices)], axis=axis)
        case 2:
            indices = b.numbers.integers(-extent, max(extent, 1), array.shape)
            return axis % array.ndim > 0 and b.add("GatherElements", [name, b.constant(indices)], axis=axis)
        case 3:
            return axis % array.ndim > 0 and b.add("Split", [name], 2, axis=axis, num_outputs=2)
    other = b.value(array.dtype.kind)
    return other is not None and b.add("Concat", [name, other[0]], axis=axis)


def products(b: Builder) -> bool:
    x = b.value()
    if x is None or not x[1].ndim:
        return False
    name, array = x
    extent = array.shape[-1]
    match b.random.randrange(4):
        case 0:
            return b.add(
                "MatMul", [name, b.constant(b.numbers.normal(size=(extent, b.random.randint(1, 4))), np.float32)]
            )
        case 1:
            weight = b.constant(b.numbers.normal(size=(3, extent)), np.float32)
            how = {"transB": 1, "alpha": b.random.choice([1.0, 0.5]), "beta": b.random.choice([1.0, 2.0])}
            return b.add("Gemm", [name, weight, b.constant(b.numbers.normal(size=3), np.float32)], **how)
        case 2:
            other = b.value()
            return other is not None and b.add("MatMul", [name, other[0]])
    scale, bias = (b.constant(b.numbers.normal(size=array.shape[-1:]), np.float32) for _ in range(2))
    return b.add("LayerNormalization", [name, scale, bias], axis=-1)


def windows(b: Builder) -> bool:
    x = b.value()
    if x is None or x[1].ndim not in (3, 4) or not x[1].shape[1]:
        return False  # onnxruntime's convolution of no channels does not end
    name, array = x
    axes, channels = array.ndim - 2, array.shape[1]
    kernel = [b.random.randint(1, 3) for _ in range(axes)]
    how: dict[str, Any] = {"kernel_shape": kernel, "strides": [b.random.randint(1, 2) for _ in kernel]}
    if b.random.random() < 0.3:
        how["auto_pad"] = b.random.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        how["pads"] = [b.random.randint(0, size - 1) for size in kernel * 2]
    around = how.get("pads", [0] * (2 * axes))
    if any(n + around[i] + around[i + axes] < kernel[i] for i, n in enumerate(array.shape[2:])):
        return False  # no window fits
    match b.random.randrange(5):
        case 0:
            return b.add("MaxPool", [name], ceil_mode=b.random.randint(0, 1), **how)
        case 1:
            both = {"ceil_mode": b.random.randint(0, 1), "count_include_pad": b.random.randint(0, 1)}
            return b.add("AveragePool", [name], **both, **how)
        case 2:
            weight = b.constant(b.numbers.normal(size=(2, channels, *kernel)), np.float32)
            return b.add("Conv", [name, weight, b.constant(b.numbers.normal(size=2), np.float32)], **how)
        case 3:
            weight = b.constant(b.numbers.normal(size=(channels, 2, *kernel)), np.float32)
            return "auto_pad" not in how and b.add("ConvTranspose", [name, weight], **how)
    return b.add(b.random.choice(["GlobalAveragePool", "GlobalMaxPool"]), [name])


def chosen(b: Builder) -> bool:
    x, condition = b.value("fi"), b.value("b")
    if x is None:
        return False
    if condition is None or b.random.random() < 0.3:
        return b.add(
            "Cast",
            [x[0]],
            to=b.random.choice([TensorProto.INT64, TensorProto.FLOAT, TensorProto.INT32, TensorProto.BOOL]),
        )
    if b.random.random() < 0.3:
        return b.add(b.random.choice(["Not", "Cast"]), [condition[0]], **({"to": 1} if b.random.random() < 0.5 else {}))
    return b.add("Where", [condition[0], x[0], b.constant(b.random.choice([0, 1, -5]), x[1].dtype)])


ADDERS: tuple[Callable[[Builder], bool], ...] = (
    unary, unary, binary, binary, reduced, positions, moved, moved, cut, cut, products, windows, chosen,
)  # fmt: skip


def random_chain(b: Builder) -> None:
    """Add some nodes, each of which reads what those before it compute."""
    for _ in range(b.random.randint(1, 2)):
        shape = [b.random.randint(1, 3), *(b.random.randint(1, 6) for _ in range(b.random.randint(0, 3)))]
        b.input(b.normal(*shape))
    size = b.random.randint(2, 8)
    for _ in range(10 * size):
        b.random.choice(ADDERS)(b)
        if len(b.nodes) >= size:
            break
