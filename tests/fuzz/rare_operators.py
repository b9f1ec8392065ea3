# ruff: noqa: E501
"""Operators that few models have, with every attribute: convolutions, recurrence, quantisation, boxes, signals, trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fuzz.building import Builder, NotAcceptedError
from fuzz.operators import FLOATS, F, _given, _of, _shape
from onnx import TensorProto, helper

ML = "ai.onnx.ml"


def convolutions(b: Builder) -> None:
    """Conv and ConvTranspose in one to three dimensions with every attribute, computed weights at times."""
    around, group = b.random.randint(1, 3), b.random.choice([1, 1, 2, 3])
    inner, outer = (b.random.randint(1, 2) for _ in range(2))
    transposed = b.random.random() < 0.5
    size = [b.random.randint(1, 6) for _ in range(around)]
    kernel = [b.random.randint(1, 3) for _ in size]
    channels = group * inner
    x = b.input(b.normal(b.random.randint(1, 2), channels, *size))
    weights = b.normal(channels, outer, *kernel) if transposed else b.normal(group * outer, inner, *kernel)
    w = _given(b, weights, 0.8, True)
    bias = [_given(b, b.normal(group * outer), 0.8, True)] if b.random.random() < 0.5 else []
    how: dict[str, Any] = {"group": group}
    if b.random.random() < 0.4:
        how["kernel_shape"] = kernel
    if b.random.random() < 0.7:
        how["strides"] = [b.random.randint(1, 3) for _ in size]
    if b.random.random() < 0.4:
        how["dilations"] = [b.random.randint(1, 3) for _ in size]
    if b.random.random() < 0.3:
        how["auto_pad"] = b.random.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif b.random.random() < 0.6:
        how["pads"] = [b.random.randint(0, 2) for _ in size * 2]
    if transposed and b.random.random() < 0.3:
        how["output_padding"] = [b.random.randint(0, 1) for _ in size]
    if transposed and b.random.random() < 0.2 and "pads" not in how:
        how["output_shape"] = [b.random.randint(1, 12) for _ in size]
    b.op("ConvTranspose" if transposed else "Conv", x, w, *bias, **how)


ACTIVATIONS = ["Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"]  # fmt: skip


def recurrence(b: Builder) -> None:
    """LSTM, GRU and RNN: activations, clip, layouts, lengths, peepholes, any of their outputs."""
    kind = b.random.choice(["LSTM", "GRU", "RNN"])
    gates, functions = {"LSTM": (4, 3), "GRU": (3, 2), "RNN": (1, 1)}[kind]
    direction = b.random.choice(["forward", "reverse", "bidirectional"])
    d = 2 if direction == "bidirectional" else 1
    length, batch, width, hidden = b.random.randint(1, 4), *(b.random.randint(1, 3) for _ in range(3))
    layout = int(b.opset >= 14 and direction == "forward" and b.random.random() < 0.4)
    b.evaluator = layout == 1  # which knows no lengths, bounds, and other functions
    state = (batch, d, hidden) if layout else (d, batch, hidden)
    x = b.input(b.normal(*((batch, length, width) if layout else (length, batch, width))))
    inputs = [x, *(b.constant(b.normal(d, gates * hidden, n), F) for n in (width, hidden))]
    inputs.append(b.constant(b.normal(d, 2 * gates * hidden), F) if b.random.random() < 0.7 else "")
    lengths = b.numbers.integers(1, length + 1, batch)
    inputs.append(_given(b, lengths.astype(np.int32), 0.5, True) if b.random.random() < 0.4 and not layout else "")
    for _ in range(2 if kind == "LSTM" else 1):
        inputs.append(_given(b, b.normal(*state), 0.3, True) if b.random.random() < 0.5 else "")
    if kind == "LSTM":
        inputs.append(b.constant(b.normal(d, 3 * hidden), F) if b.random.random() < 0.4 else "")
    how: dict[str, Any] = {"hidden_size": hidden, "direction": direction} | ({"layout": 1} if layout else {})
    if b.random.random() < 0.5 and not layout:
        chosen = [b.random.choice(ACTIVATIONS) for _ in range(functions * d)]
        how["activations"] = chosen
        if b.random.random() < 0.6 or {"Affine", "ScaledTanh", "ThresholdedRelu"} & {*chosen}:
            how["activation_alpha"] = [b.random.choice([0.2, 0.5, 1.0]) for _ in chosen]
            how["activation_beta"] = [b.random.choice([0.2, 0.5, 1.0]) for _ in chosen]
    if b.random.random() < 0.3 and not layout:
        how["clip"] = b.random.choice([0.5, 2.0])
    if kind == "GRU" and b.random.random() < 0.5:
        how["linear_before_reset"] = 1
    if kind == "LSTM" and not layout and b.random.random() < 0.15:
        how["input_forget"] = 1
    b.free = layout == 0 and not inputs[4] and b.random.random() < 0.4
    outputs = [f"y{i}" if b.random.random() < 0.7 else "" for i in range(3 if kind == "LSTM" else 2)]
    outputs = outputs if any(outputs) else ["y0", *outputs[1:]]
    if not b.add_node(helper.make_node(kind, inputs, outputs, **how)):
        raise NotAcceptedError(b.why)


def quantised(b: Builder) -> None:
    """Quantised products, convolutions and elementwise operators, around floats; blocks, axes, narrow types."""
    kind = b.random.choice([np.uint8, np.int8])

    def scale(*shape: int) -> np.ndarray:
        return (b.numbers.random(shape) * 0.2 + 0.02).astype(F)

    def zero(*shape: int, of: Any = kind) -> np.ndarray:
        return b.numbers.integers(0, 9, shape).astype(of)

    def c(array: np.ndarray) -> str:
        return b.constant(array, array.dtype)

    def q(*shape: int) -> tuple[str, str, str]:
        s, z = c(scale()), c(zero())
        return b.op("QuantizeLinear", b.input(b.normal(*shape)), s, z), s, z

    m, k, n = (b.random.randint(1, 4) for _ in range(3))
    b.free = False
    match b.random.randrange(9):
        case 0:
            per = b.random.random() < 0.4
            w = b.numbers.integers(-9, 9, (k, n)).astype(np.int8)
            s, z = (scale(n), zero(n, of=np.int8)) if per else (scale(), zero(of=np.int8))
            b.op(
                "DequantizeLinear",
                b.op("QLinearMatMul", *q(m, k), c(w), c(s), c(z), ys := c(scale()), yz := c(zero())),
                ys,
                yz,
            )
        case 1 | 2:
            group = b.random.choice([1, 2])
            size, kernel = [b.random.randint(3, 5) for _ in range(2)], [b.random.randint(1, 3) for _ in range(2)]
            w = b.numbers.integers(0 if kind == np.uint8 else -9, 9, (2 * group, k, *kernel)).astype(kind)
            how = {
                "group": group,
                "strides": [b.random.randint(1, 2) for _ in size],
                "pads": [b.random.randint(0, 1) for _ in range(4)],
            }
            if b.random.random() < 0.5:
                x, _, xz = q(2, k * group, *size)
                b.op("Cast", b.op("ConvInteger", x, c(w), xz, c(zero()), **how), to=1)
            else:
                per = b.random.random() < 0.5 and kind == np.int8
                s, z = (scale(2 * group), np.zeros(2 * group, kind)) if per else (scale(), zero())
                bias = [c(b.numbers.integers(-99, 99, 2 * group).astype(np.int32))] if b.random.random() < 0.5 else []
                y = b.op(
                    "QLinearConv",
                    *q(2, k * group, *size),
                    c(w),
                    c(s),
                    c(z),
                    ys := c(scale() * 5),
                    yz := c(zero()),
                    *bias,
                    **how,
                )
                b.op("DequantizeLinear", y, ys, yz)
        case 3:
            operator = b.random.choice(["QLinearAdd", "QLinearMul"])
            y = b.op(
                operator,
                *q(m, k),
                *q(*b.random.choice([(m, k), (k,), (1, k)])),
                ys := c(scale()),
                yz := c(zero()),
                domain="com.microsoft",
            )
            b.op("DequantizeLinear", y, ys, yz)
        case 4:
            operator = b.random.choice(
                [
                    "QLinearSigmoid",
                    "QLinearLeakyRelu",
                    "QLinearGlobalAveragePool",
                    "QLinearAveragePool",
                    "QLinearConcat",
                    "QLinearSoftmax",
                ]
            )
            x, s, z = q(2, k, 4, 4)
            ys, yz = c(scale()), c(zero())
            if operator == "QLinearConcat":
                y = b.op(operator, ys, yz, x, s, z, *q(2, m, 4, 4), axis=1, domain="com.microsoft")
            elif operator == "QLinearAveragePool":
                y = b.op(operator, x, s, z, ys, yz, kernel_shape=[2, 2], strides=[2, 1], domain="com.microsoft")
            elif operator == "QLinearGlobalAveragePool":
                y = b.op(operator, x, s, z, ys, yz, channels_last=0, domain="com.microsoft")
            elif operator == "QLinearSoftmax":
                y = b.op(operator, x, s, z, ys, yz, axis=-1, opset=13, domain="com.microsoft")
            else:
                y = b.op(
                    operator,
                    x,
                    s,
                    z,
                    ys,
                    yz,
                    **({"alpha": 0.1} if operator == "QLinearLeakyRelu" else {}),
                    domain="com.microsoft",
                )
            b.op("DequantizeLinear", y, ys, yz)
        case 5 | 6:
            b.opset = b.random.choice([19, 21, 23])
            shape = [b.random.randint(1, 4) for _ in range(b.random.randint(1, 3))]
            axis, dtype = b.random.randrange(len(shape)), b.random.choice([np.uint8, np.int8, np.int16, np.uint16])
            if b.opset < 21:
                dtype = kind
            block = b.random.choice([0, 0, 2]) if b.opset >= 21 else 0
            if block:
                shape[axis] = 4
                s = scale(*(2 if i == axis else e for i, e in enumerate(shape)))
            else:
                s = scale(shape[axis]) if b.random.random() < 0.6 else scale()
            how = {"axis": axis - b.random.choice([0, len(shape)])} if s.ndim else {}
            how |= {"block_size": block} if block else {}
            zs = [c(zero(*s.shape, of=dtype))] if b.random.random() < 0.8 else []
            dtype = dtype if zs else np.uint8
            s = s.astype(F)
            y = b.op("QuantizeLinear", b.input(b.normal(*shape, scale=9)), c(s), *zs, **how)
            if b.random.random() < 0.8:
                b.op("DequantizeLinear", y, c(s), *zs, **how)
        case 7:
            x = b.op("DynamicQuantizeLinear", b.input(b.normal(m, k)), outputs=3)
            x, xs, xz = b.nodes[-1].output
            w = b.numbers.integers(-9, 9, (k, n)).astype(np.int8)
            y = b.op("Cast", b.op("MatMulInteger", x, c(w), xz, c(zero(of=np.int8))), to=1)
            b.op("Mul", y, b.op("Mul", xs, c(scale(n))))
        case 8:
            how = {
                "transA": b.random.randint(0, 1),
                "transB": b.random.randint(0, 1),
                "alpha": b.random.choice([1.0, 0.5]),
            }
            w = b.numbers.integers(0, 9, (n, k) if how["transB"] else (k, n)).astype(kind)
            y = b.op(
                "QGemm",
                *q(*((k, m) if how["transA"] else (m, k))),
                c(w),
                c(scale()),
                c(zero()),
                "",
                ys := c(scale()),
                yz := c(zero()),
                domain="com.microsoft",
                **how,
            )
            b.op("DequantizeLinear", y, ys, yz)


def boxes(b: Builder) -> None:
    """NonMaxSuppression, RoiAlign, MaxRoiPool, DeformConv, AffineGrid, unpooling."""
    b.free = False
    match b.random.randrange(7):
        case 0 | 1 | 2:
            batch, classes, count = (
                b.random.randint(1, 2),
                b.random.randint(1, 3),
                b.random.randint(0 if b.random.random() < 0.1 else 1, 7),
            )
            center = b.random.randint(0, 1)
            corner = b.numbers.random((batch, count, 2)) * 2
            other = (
                b.numbers.random((batch, count, 2)) + 0.2
                if center
                else corner + b.numbers.normal(size=(batch, count, 2))
            )
            scores = b.numbers.random((batch, classes, count)).astype(F)
            if b.random.random() < 0.3:
                scores = np.round(scores * 3) / 3
            optional = [
                np.array([b.random.choice([0, 1, 2, 20])]),
                np.array([b.random.choice([0.0, 0.2, 0.5, 1.0])], F),
                np.array([b.random.choice([0.0, 0.3, 0.5])], F),
            ]
            if b.random.random() < 0.2:
                optional[0] = optional[0][0]
            kept = optional[: b.random.randint(1, 3)]
            names = [_given(b, np.asarray(value), 0.7, True) for value in kept]
            b.op(
                "NonMaxSuppression",
                b.input(np.concatenate([corner, other], -1).astype(F), True),
                b.input(scores),
                *names,
                center_point_box=center,
            )
        case 3:
            b.opset = b.random.choice([16, 20, 22])
            count = b.random.randint(0 if b.random.random() < 0.1 else 1, 3)
            corner = b.numbers.random((count, 2)) * 5
            rois = np.concatenate([corner, corner + b.numbers.random((count, 2)) * 6], 1).astype(F)
            how = {
                "mode": b.random.choice(["avg", "max"]),
                "output_height": b.random.randint(1, 3),
                "output_width": b.random.randint(1, 3),
                "sampling_ratio": b.random.randint(0, 2),
                "spatial_scale": b.random.choice([1.0, 0.5]),
                "coordinate_transformation_mode": b.random.choice(["half_pixel", "output_half_pixel"]),
            }
            b.op(
                "RoiAlign",
                b.input(b.normal(2, 2, b.random.randint(3, 6), b.random.randint(3, 6))),
                b.input(rois, True),
                b.input(b.numbers.integers(0, 2, count), True),
                **how,
            )
        case 4:
            b.opset, b.evaluator = b.random.choice([19, 22]), True
            group, offsets = b.random.choice([1, 2]), b.random.choice([1, 2])
            kernel, size = [b.random.randint(1, 3) for _ in range(2)], [b.random.randint(3, 5) for _ in range(2)]
            strides, dilations = ([b.random.randint(1, 2) for _ in size] for _ in range(2))
            pads = [b.random.randint(0, 1) for _ in range(4)]
            out = [
                (size[i] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
                for i in range(2)
            ]
            if min(out) < 1:
                raise NotAcceptedError("no output")
            area = kernel[0] * kernel[1]
            x = b.input(b.normal(2, 2, *size))
            w = b.constant(b.normal(2, 2 // group, *kernel), F)
            offset = b.input(b.normal(2, offsets * area * 2, *out), True)
            more = [b.constant(b.normal(2), F)] if b.random.random() < 0.5 else [""]
            more += [b.input(b.normal(2, offsets * area, *out), True)] if b.random.random() < 0.5 else []
            b.op(
                "DeformConv",
                x,
                w,
                offset,
                *(more if more != [""] else []),
                group=group,
                offset_group=offsets,
                kernel_shape=kernel,
                pads=pads,
                strides=strides,
                dilations=dilations,
            )
        case 5:
            b.opset = 20
            around = b.random.choice([2, 3])
            size = [2, 2, *(b.random.randint(2, 4) for _ in range(around))]
            b.op(
                "AffineGrid",
                b.input(b.normal(2, around, around + 1)),
                _given(b, np.array(size), 0.7, True),
                align_corners=b.random.randint(0, 1),
            )
        case 6:
            kernel, stride = b.random.randint(2, 3), b.random.choice([2, 3])
            pooled = b.op(
                "MaxPool", b.input(b.normal(1, 2, 6, 5)), outputs=2, kernel_shape=[kernel] * 2, strides=[stride] * 2
            )
            b.op("MaxUnpool", pooled, b.nodes[-1].output[1], kernel_shape=[kernel] * 2, strides=[stride] * 2)


def signals(b: Builder) -> None:
    """DFT, STFT, windows, mel weights."""
    b.free = False
    match b.random.randrange(6):
        case 0 | 1:
            b.opset = b.random.choice([17, 20])
            length, frame = b.random.randint(8, 20), b.random.choice([4, 5, 8])
            step, onesided = b.random.randint(1, 5), b.random.randint(0, 1)
            window = _given(b, (b.numbers.random(frame)).astype(F), 0.6, True) if b.random.random() < 0.7 else ""
            more = [window, b.constant(frame)] if b.random.random() < 0.6 or not window else [window]
            shape = (2, length, b.random.choice([1, 1, 2]) if not onesided else 1)
            b.op("STFT", b.input(b.normal(*shape)), b.constant(step), *more, onesided=onesided)
        case 2:
            b.opset = 17
            b.op(
                b.random.choice(["HannWindow", "HammingWindow", "BlackmanWindow"]),
                b.input(np.array(b.random.randint(1, 9)), True),
                periodic=b.random.randint(0, 1),
            )
        case 3:
            b.opset = 17
            numbers: list[Any] = [
                b.random.randint(1, 6),
                b.random.choice([8, 16, 32]),
                b.random.choice([8000, 16000]),
                F(b.random.choice([0.0, 50.0])),
                F(b.random.choice([2000.0, 4000.0])),
            ]
            names = [_given(b, np.asarray(value), 0.7, True) for value in numbers]
            mel = b.op("MelWeightMatrix", *names)
            b.op("MatMul", b.input(b.normal(2, numbers[1] // 2 + 1)), mel)
        case _:
            b.opset = b.random.choice([17, 20])
            onesided, inverse = b.random.choice([(0, 0), (1, 0), (0, 1), *([(1, 1)] if b.opset == 20 else [])])
            rank = b.random.randint(1, 3)
            shape = [b.random.randint(1, 2), *(b.random.randint(1, 7) for _ in range(rank))]
            axis = b.random.randint(1, rank)
            kind = b.random.choice([F, F, np.float64])
            x = b.input(
                _of(b, kind, *shape, 1 if onesided and not inverse else b.random.choice([1, 2]) if not inverse else 2)
            )
            length = b.constant(b.random.randint(1, 9)) if b.random.random() < 0.4 else ""
            where = axis - b.random.choice([0, rank + 2])
            if b.opset == 20:
                b.op("DFT", x, length, b.constant(where), onesided=onesided, inverse=inverse)
            else:
                b.op("DFT", x, *([length] if length else []), axis=axis, onesided=onesided, inverse=inverse)


def classical(b: Builder) -> None:
    """ai.onnx.ml: trees, vector machines, linear models, encoders, scalers."""
    rows, width = b.random.randint(1, 4), b.random.randint(1, 4)
    kind = b.random.choice([F, F, np.float64, np.int64, np.int32])
    x = b.input(_of(b, kind, rows, width, scale=2.0))
    transform = b.random.choice(["NONE", "NONE", "NONE", "SOFTMAX", "LOGISTIC"])
    classes = b.random.randint(2, 3)

    def floats(*shape: int) -> list[float]:
        return [float(number) for number in b.normal(*shape).ravel()]

    match b.random.randrange(12):
        case 0 | 1 | 2 | 3:
            _trees(b, x, width, classes, transform)
        case 4 | 5:
            kernel = b.random.choice(["LINEAR", "RBF", "POLY", "SIGMOID"])
            count = b.random.randint(1, 4)
            how = {
                "kernel_type": kernel,
                "kernel_params": [
                    b.random.choice([0.5, 0.1]),
                    b.random.choice([0.0, 1.0]),
                    b.random.choice([2.0, 3.0]),
                ],
                "post_transform": transform,
            }
            if b.random.random() < 0.8:
                x = b.input(_of(b, F, rows, width)) if kind == np.float64 else x
                b.op(
                    "SVMRegressor",
                    x,
                    domain=ML,
                    n_supports=count,
                    support_vectors=floats(count, width),
                    coefficients=floats(count),
                    rho=floats(1),
                    one_class=b.random.randint(0, 1),
                    **how,
                )
            else:
                per = [b.random.randint(1, 2) for _ in range(classes)]
                pairs = classes * (classes - 1) // 2
                more = {"prob_a": floats(pairs), "prob_b": floats(pairs)} if b.random.random() < 0.4 else {}
                b.op(
                    "SVMClassifier",
                    x,
                    domain=ML,
                    outputs=2,
                    vectors_per_class=per,
                    support_vectors=floats(sum(per), width),
                    coefficients=floats(classes - 1, sum(per)),
                    rho=floats(pairs),
                    classlabels_ints=b.random.choice([list(range(classes)), [5, 2, 9][:classes]]),
                    **more,
                    **how,
                )
        case 6:
            targets = b.random.randint(1, 3)
            b.op(
                "LinearRegressor",
                x,
                domain=ML,
                targets=targets,
                coefficients=floats(targets, width),
                intercepts=floats(targets),
                post_transform=transform,
            )
        case 7:
            single = b.random.random() < 0.3
            count = 1 if single else classes
            b.op(
                "LinearClassifier",
                x,
                domain=ML,
                outputs=2,
                coefficients=floats(count, width),
                intercepts=floats(count),
                classlabels_ints=[3, 7] if single else list(range(classes)),
                post_transform=transform,
                multi_class=b.random.randint(0, 1),
            )
        case 8:
            b.op("Normalizer", x, domain=ML, norm=b.random.choice(["MAX", "L1", "L2"]))
        case 9:
            many = b.random.random() < 0.7
            n = width if many else 1
            if b.random.random() < 0.5:
                b.op("Scaler", x, domain=ML, offset=floats(n), scale=floats(n))
            elif kind in (F, np.float64):
                b.op(
                    "Imputer",
                    x,
                    domain=ML,
                    imputed_value_floats=floats(n),
                    replaced_value_float=b.random.choice([float("nan"), 0.0]),
                )
            else:
                b.op("Imputer", x, domain=ML, imputed_value_int64s=[1] * n, replaced_value_int64=2)
        case 10:
            if b.random.random() < 0.5:
                b.op("OneHotEncoder", x, domain=ML, cats_int64s=[0, 1, 2, 5], zeros=1)
            else:
                b.op("Binarizer", x, domain=ML, threshold=b.random.choice([0.0, 0.5, 1.0]))
        case 11:
            what = b.random.randrange(3)
            if what == 0:
                b.op(
                    "ArrayFeatureExtractor",
                    x,
                    _given(b, b.numbers.integers(0, width, b.random.randint(1, 3)), 0.6, True),
                    domain=ML,
                )
            elif what == 1:
                y = b.input(_of(b, kind, rows, 2))
                b.op("FeatureVectorizer", x, y, domain=ML, inputdimensions=[width, 2])
            else:
                z = b.input(b.numbers.integers(0, 4, (rows, width)))
                how = b.random.choice([{"values_int64s": [7, 8, 9]}, {"values_floats": [0.5, 1.5, -2.0]}])
                b.op(
                    "LabelEncoder",
                    z,
                    domain=ML,
                    keys_int64s=[0, 1, 2],
                    **how,
                    **b.random.choice([{}, {"default_int64": -5, "default_float": 0.25}]),
                )


def _trees(b: Builder, x: str, width: int, classes: int, transform: str) -> None:
    """An ensemble of random trees, a regressor or a classifier."""
    nodes: dict[str, list[Any]] = {
        name: []
        for name in (
            "treeids",
            "nodeids",
            "featureids",
            "values",
            "modes",
            "truenodeids",
            "falsenodeids",
            "missing_value_tracks_true",
            "hitrates",
        )
    }
    leaves: list[tuple[int, int]] = []
    one_mode = b.random.choice(
        ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "", ""]
    )
    for tree in range(b.random.randint(1, 3)):
        depth = b.random.randint(0, 3)
        queue, made = [(0, 0)], 1
        while queue:
            node, level = queue.pop(0)
            leaf = level >= depth or b.random.random() < 0.15
            mode = (
                "LEAF"
                if leaf
                else one_mode
                or b.random.choice(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"])
            )
            true, false = (0, 0) if leaf else (made, made + 1)
            if leaf:
                leaves.append((tree, node))
            else:
                queue += [(made, level + 1), (made + 1, level + 1)]
                made += 2
            row = (
                tree,
                node,
                0 if leaf else b.random.randrange(width),
                b.random.choice([0.0, 1.0, float(b.normal()), -1.5]),
                mode,
                true,
                false,
                b.random.randint(0, 1),
                1.0,
            )
            for name, value in zip(nodes, row, strict=True):
                nodes[name].append(value)
    how: dict[str, Any] = {f"nodes_{name}": values for name, values in nodes.items()}
    if b.random.random() < 0.5:
        del how["nodes_missing_value_tracks_true"]
    classifier = b.random.random() < 0.5
    binary = classifier and b.random.random() < 0.3
    names = ("treeids", "nodeids", "ids", "weights")
    targets = 1 if binary else classes if classifier else b.random.randint(1, 3)
    rows = [
        (tree, node, b.random.randrange(targets), float(b.normal()))
        for tree, node in leaves
        for _ in range(b.random.choice([1, 1, 2]))
    ]
    prefix = "class" if classifier else "target"
    how |= {f"{prefix}_{name}": list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    base = [float(number) for number in b.normal(targets)] if b.random.random() < 0.4 else []
    how |= {"base_values": base} if base else {}
    if classifier:
        b.op(
            "TreeEnsembleClassifier",
            x,
            domain=ML,
            outputs=2,
            classlabels_int64s=[3, 7] if binary else b.random.choice([list(range(classes)), [5, 2, 9][:classes]]),
            post_transform=transform,
            **how,
        )
    else:
        how["aggregate_function"] = b.random.choice(["SUM", "AVERAGE", "MIN", "MAX"])
        b.op("TreeEnsembleRegressor", x, domain=ML, n_targets=targets, post_transform=transform, **how)


def sequences(b: Builder) -> None:
    """Sequences that are split, grown, shortened, read and joined; sequences through loops."""
    shape = [b.random.randint(2, 4), b.random.randint(1, 3)]
    x = b.input(b.normal(*shape))
    b.free = b.random.random() < 0.4

    def add(operator: str, *inputs: str, **how: Any) -> str:
        name = f"q{len(b.nodes)}"
        b.nodes.append(helper.make_node(operator, inputs, [name], **how))
        return name

    axis = b.random.randrange(2) if not b.free else 1
    match b.random.randrange(4):
        case 0:
            seq = add("SplitToSequence", x, axis=axis, keepdims=b.random.randint(0, 1))
        case 1:
            seq = add("SplitToSequence", x, b.constant(b.random.randint(1, 2)), axis=axis)
        case 2:
            seq = add("SequenceConstruct", x, b.input(b.normal(*shape)))
        case _:
            seq = add("SequenceEmpty", dtype=TensorProto.FLOAT)
            seq = add("SequenceInsert", seq, x)
    for _ in range(b.random.randint(0, 3)):
        match b.random.randrange(3):
            case 0:
                where = [b.constant(b.random.choice([0, -1, 1]))] if b.random.random() < 0.6 else []
                seq = add(
                    "SequenceInsert",
                    seq,
                    add("Tanh", add("SequenceAt", seq, b.constant(b.random.choice([0, -1])))),
                    *where,
                )
            case 1 if b.random.random() < 0.6:
                seq = add(
                    "SequenceErase", seq, *([b.constant(b.random.choice([0, -1]))] if b.random.random() < 0.6 else [])
                )
            case _:
                body = helper.make_graph(
                    [helper.make_node("Mul", ["me", "me"], ["mo"])],
                    "map",
                    [helper.make_tensor_value_info("me", 1, None)],
                    [helper.make_tensor_value_info("mo", 1, None)],
                )
                seq = add("SequenceMap", seq, body=body) if b.opset >= 17 else seq
    if b.random.random() < 0.4:
        one, start = b.constant(1), add("SequenceAt", seq, b.constant(0))
        nodes = [
            helper.make_node("Add", ["lt", "lt"], ["ld"]),
            helper.make_node("SequenceInsert", ["lq", "ld"], ["lo"]),
            helper.make_node("Identity", ["lc"], ["lk"]),
        ]
        kind = helper.make_tensor_sequence_value_info
        body = helper.make_graph(
            nodes,
            "body",
            [
                helper.make_tensor_value_info("li", 7, []),
                helper.make_tensor_value_info("lc", 9, []),
                kind("lq", 1, None),
                helper.make_tensor_value_info("lt", 1, None),
            ],
            [
                helper.make_tensor_value_info("lk", 9, []),
                kind("lo", 1, None),
                helper.make_tensor_value_info("ld", 1, None),
            ],
        )
        b.nodes.append(
            helper.make_node(
                "Loop",
                [b.constant(b.random.randint(0, 3)), b.constant(True, np.bool_), seq, start],
                ["lseq", "lten"],
                body=body,
            )
        )
        seq = "lseq"
        del one
    ends = []
    if b.random.random() < 0.7:
        ends.append(add("ConcatFromSequence", seq, axis=b.random.choice([0, 1, -1]), new_axis=b.random.randint(0, 1)))
    if b.random.random() < 0.5:
        ends.append(add("SequenceLength", seq))
    if b.random.random() < 0.5 or not ends:
        ends.append(add("SequenceAt", seq, b.constant(b.random.choice([0, -1]))))
    b.values += [(name, np.zeros((1, 1), np.int64 if b.nodes[-1].op_type == "SequenceLength" else F)) for name in ends]


def resizes(b: Builder) -> None:
    """Resize with axes, sizes or scales that are inputs, antialias, a policy of the aspect ratio, a region, any type."""
    b.opset = b.random.choice([11, 13, 18, 19, 19])
    around = b.random.choice([1, 2, 2, 3])
    shape = [b.random.randint(1, 2), b.random.randint(1, 2), *(b.random.randint(1, 6) for _ in range(around))]
    if around == 2 and b.random.random() < 0.2:
        shape = shape[2:]
    rank = len(shape)
    mode = b.random.choice(["nearest", "linear", "linear", "cubic"])
    how: dict[str, Any] = {"mode": mode}
    ways = [
        "half_pixel",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_crop_and_resize",
        *(["half_pixel_symmetric"] * 2 if b.opset >= 19 else []),
    ]
    if b.random.random() < 0.9:
        how["coordinate_transformation_mode"] = b.random.choice(ways)
    crops = how.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    if mode == "nearest" and b.random.random() < 0.8:
        how["nearest_mode"] = b.random.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic":
        how |= {"cubic_coeff_a": b.random.choice([-0.75, -0.5])} | (
            {} if crops else {"exclude_outside": b.random.randint(0, 1)}
        )
    if crops:
        how["extrapolation_value"] = 10.0
    axes = list(range(rank - around, rank)) if rank > 2 else [0, 1]
    named = b.opset >= 18 and b.random.random() < 0.5
    if named:
        axes = b.random.sample(axes, b.random.randint(1, len(axes)))
        how["axes"] = [axis - b.random.choice([0, rank]) for axis in axes]
    if b.opset >= 18 and mode != "nearest" and not crops and b.random.random() < 0.35:
        how["antialias"] = 1
    counts = list(range(rank)) if not named else axes
    target = [b.random.randint(1, 9) if i in axes else shape[i] for i in counts]
    b.free = False
    dtype = b.random.choice([F, F, F, F, np.uint8, np.int32]) if mode == "nearest" else F
    x = b.input(_of(b, dtype, *shape, scale=9.0))
    roi = ""
    if crops:
        low = b.numbers.random(len(counts)) * 0.4
        roi = _given(b, np.concatenate([low, low + 0.3 + b.numbers.random(len(counts)) * 0.6]).astype(F), 0.8, True)
        if not named:
            whole = np.array([0.0] * rank + [1.0] * rank, F)
            whole[axes], whole[[rank + i for i in axes]] = 0.1, 0.8
            roi = b.constant(whole, F)
    if b.random.random() < 0.5:
        if b.opset >= 18 and named and b.random.random() < 0.4:
            how["keep_aspect_ratio_policy"] = b.random.choice(["stretch", "not_larger", "not_smaller"])
        b.op("Resize", x, roi, b.constant([], F) if b.opset < 13 else "", _given(b, np.array(target), 0.8, True), **how)
    else:
        scales = [b.random.choice([0.5, 2.0, 1.5, 0.6, 3.0, 1.0, 0.3]) if i in axes else 1.0 for i in counts]
        roi = roi or (b.constant([], F) if b.opset < 13 else "")
        b.op("Resize", x, roi, _given(b, np.array(scales, F), 0.8, True), **how)


def unusual(b: Builder) -> None:
    """Indices in batches, scatters that meet, ties, random equations, reversed sums, caches."""
    match b.random.randrange(9):
        case 0:
            shape = [b.random.randint(1, 3) for _ in range(b.random.randint(2, 4))]
            batch = b.random.randint(1, len(shape) - 1)
            last = b.random.randint(1, len(shape) - batch)
            outer = shape[:batch] + _shape(b, 0, 2, 0.0)
            parts = [b.numbers.integers(-shape[batch + i], shape[batch + i], outer) for i in range(last)]
            b.free = False
            b.op(
                "GatherND",
                b.input(_of(b, b.random.choice((*FLOATS, np.int64)), *shape)),
                _given(b, np.stack(parts, -1), 0.5, True),
                batch_dims=batch,
            )
        case 1 | 2:
            b.opset = max(b.opset, 18)
            shape = [b.random.randint(1, 3) for _ in range(b.random.randint(1, 3))]
            last, kind = b.random.randint(1, len(shape)), b.random.choice((F, np.float64, np.int64, np.int32))
            outer = _shape(b, 1, 2, 0.05)
            parts = [b.numbers.integers(-shape[i], shape[i], outer) for i in range(last)]
            updates = _of(b, kind, *outer, *shape[last:])
            b.free = False
            b.op(
                "ScatterND",
                b.input(_of(b, kind, *shape)),
                _given(b, np.stack(parts, -1), 0.5, True),
                _given(b, updates),
                reduction=b.random.choice(["add", "mul", "max", "min"]),
            )
        case 3:
            shape = [b.random.randint(2, 5), b.random.randint(2, 40)]
            kind = b.random.choice((F, np.int64, np.int32))
            x = b.input(b.numbers.integers(0, 4, shape).astype(kind), b.random.random() < 0.5)
            axis = b.random.choice([0, 1, -1])
            largest, k = b.random.randint(0, 1), b.random.randint(1, shape[axis])
            b.op("TopK", x, _given(b, np.array([k]), 0.7, True), outputs=2, axis=axis, largest=largest, sorted=1)
        case 4 | 5:
            letters = "abcd"[: b.random.randint(1, 4)]
            extents = {letter: b.random.randint(1, 3) for letter in letters}
            terms = [
                "".join(b.random.choice(letters) for _ in range(b.random.randint(1, 3)))
                for _ in range(b.random.randint(1, 3))
            ]
            used = sorted(set("".join(terms)))
            out = b.random.sample(used, b.random.randint(0, len(used)))
            ellipsis = b.random.random() < 0.25
            around = [b.random.randint(1, 2)] if ellipsis else []
            terms = [f"...{term}" if ellipsis and b.random.random() < 0.8 else term for term in terms]
            right = (
                ""
                if b.random.random() < 0.2
                else "->" + ("..." if ellipsis and any("." in term for term in terms) else "") + "".join(out)
            )
            equation = (", " if b.random.random() < 0.2 else ",").join(terms) + right
            names = []
            for i, term in enumerate(terms):
                array = b.normal(
                    *(around if "." in term else []), *(extents[letter] for letter in term.replace(".", ""))
                )
                names.append(b.input(array) if i == 0 else _given(b, array, 0.5))
            b.free = False
            b.op("Einsum", *names, equation=equation)
        case 6:
            shape = _shape(b, 1, 3, 0.1)
            axis = b.random.randrange(-len(shape), len(shape))
            kind = b.random.choice((F, np.float64, np.int32, np.int64))
            b.op(
                "CumSum",
                b.input(_of(b, kind, *shape)),
                _given(b, np.array(axis, b.random.choice((np.int64, np.int32))), 0.8, True),
                exclusive=b.random.randint(0, 1),
                reverse=b.random.randint(0, 1),
            )
        case 7:
            b.opset, b.evaluator, b.free = 24, True, False
            batch, heads, longest, length = 2, b.random.randint(1, 2), b.random.randint(3, 6), b.random.randint(1, 3)
            mode = b.random.choice(["linear", "circular"])
            past, update = b.normal(batch, heads, longest, 2), b.normal(batch, heads, length, 2)
            high = longest if mode == "circular" else longest - length + 1
            where = [b.input(b.numbers.integers(0, high, batch), True)] if b.random.random() < 0.8 else []
            b.op("TensorScatter", b.input(past), b.input(update), *where, mode=mode, axis=-2)
        case 8:
            b.opset = max(b.opset, 16)
            what = b.random.randrange(3)
            x = b.input(b.normal(*(_shape(b, 1, 3, 0.0))))
            if what == 0:
                b.op(
                    "Unique",
                    b.input(b.numbers.integers(0, 3, _shape(b, 1, 2, 0.0)).astype(F)),
                    outputs=4,
                    sorted=b.random.randint(0, 1),
                )
            elif what == 1:
                b.op("Compress", x, b.op("Greater", b.op("Reshape", x, b.constant([-1])), b.constant(0, F)))
            else:
                found = b.op("NonZero", b.op("Relu", x))
                b.op("GatherND", x, b.op("Transpose", found, perm=[1, 0]))


RARE: dict[str, Callable[[Builder], None]] = {
    "convolutions": convolutions,
    "recurrence": recurrence,
    "quantised": quantised,
    "boxes": boxes,
    "signals": signals,
    "classical": classical,
    "sequences": sequences,
    "resizes": resizes,
    "unusual": unusual,
}
