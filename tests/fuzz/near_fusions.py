# ruff: noqa: E501
"""Graphs that look like what fusions replace: right forms, and near misses with other axes, constants, masks and readers.

A wrong fusion is silently wrong, so each form is drawn with details that a pattern may overlook.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np
from fuzz.building import Builder

F = np.float32


def _chance(b: Builder, probability: float = 0.3) -> bool:
    return b.random.random() < probability


def _pick(b: Builder, usual: Any, *others: Any) -> Any:
    """The usual value, or at times another one."""
    return b.random.choice(others) if others and _chance(b) else usual


def _scalar(b: Builder, number: float, dtype: Any = F) -> str:
    """A number as a scalar, or as a tensor of one element of some rank."""
    return b.constant(np.full([1] * _pick(b, 0, 1, 2, 4), number), dtype)


def _both_ways(b: Builder, operator: str, x: str, y: str) -> str:
    """A commutative operator with its inputs in either order."""
    return b.op(operator, *((x, y) if _chance(b, 0.5) else (y, x)))


def _input(b: Builder, *shape: int, scale: float = 1.0) -> str:
    """An input, at times with an operator before it."""
    name = b.input(b.normal(*shape, scale=scale))
    return b.op(b.random.choice(["Relu", "Neg", "Sin"]), name) if _chance(b, 0.2) else name


def _more(b: Builder, *values: str) -> None:
    """At times an inner value is read by others as well, which a fusion must keep."""
    for value in values:
        if _chance(b, 0.12):
            b.op(b.random.choice(["Neg", "Abs", "Identity"]), value)


def _axes(b: Builder, axes: list[int]) -> dict[str, Any] | list[str]:
    """Axes of a reduction, by the opset an attribute or an input."""
    return {"axes": axes} if b.opset < 18 else [b.constant(axes)]


def _reduce(b: Builder, operator: str, x: str, axes: list[int], keepdims: int) -> str:
    how = _axes(b, axes)
    if operator == "ReduceSum" and isinstance(how, dict):
        how = [b.constant(axes)]
    return (
        b.op(operator, x, *how, keepdims=keepdims)
        if isinstance(how, list)
        else b.op(operator, x, keepdims=keepdims, **how)
    )


def norm(b: Builder) -> None:
    """Layer, instance, group and RMS norms, and those without scale or bias."""
    rank = b.random.choice([2, 3, 3, 4])
    shape = [b.random.choice([1, 2, 3, 4, 4]) for _ in range(rank)]
    x = _input(b, *shape)
    last = b.random.randint(1, rank - 1)
    axes = list(range(-last, 0)) if _chance(b, 0.7) else b.random.sample(range(rank), b.random.randint(1, rank))
    keep = _pick(b, 1, 0)
    epsilon = _pick(b, 1e-5, 1e-2, 0.0, 1.0)
    other = _pick(b, axes, [0], [rank - 1])
    mean = _reduce(b, "ReduceMean", x, axes, keep)
    centred = b.op("Sub", *_pick(b, (x, mean), (mean, x)))
    if _chance(b, 0.2):  # root mean square
        centred = x
    square = {
        0: lambda: b.op("Mul", centred, centred),
        1: lambda: b.op("Pow", centred, _scalar(b, _pick(b, 2.0, 3.0, 2.5))),
        2: lambda: b.op("Mul", centred, x),
    }[_pick(b, 0, 1, 1, 2)]()
    variance = _reduce(b, _pick(b, "ReduceMean", "ReduceSum", "ReduceMax"), square, other, keep)
    shifted = _both_ways(b, "Add", variance, _scalar(b, epsilon))
    gamma_shape = _pick(b, shape[rank - last :], [shape[-1]], [1], shape[1:2] + [1] * (rank - 2), shape)
    beta_shape = _pick(b, gamma_shape, [1], shape[-1:])
    gamma, beta = (b.constant(b.numbers.normal(size=s), F) for s in (gamma_shape, beta_shape))
    form = b.random.randrange(4)
    if form == 0:
        root = b.op("Sqrt", shifted)
        result = b.op("Div", *_pick(b, (centred, root), (root, centred)))
    elif form == 1:
        root = b.op("Reciprocal", b.op("Sqrt", shifted))
        result = _both_ways(b, "Mul", centred, root)
    elif form == 2:
        root = b.op("Pow", shifted, _scalar(b, _pick(b, -0.5, 0.5, -1.0)))
        result = _both_ways(b, "Mul", centred, root)
    else:  # as TensorFlow writes it
        root = b.op("Reciprocal", b.op("Sqrt", shifted))
        factor = _both_ways(b, "Mul", root, gamma)
        rest = b.op("Sub", beta, b.op("Mul", _pick(b, mean, x), factor))
        _both_ways(b, "Add", b.op("Mul", x, factor), rest)
        _more(b, root, factor, mean)
        return
    _more(b, mean, centred, square, variance, root, result)
    if _chance(b, 0.8):
        result = _both_ways(b, "Mul", result, gamma)
        _more(b, result)
    if _chance(b, 0.7):
        b.op(_pick(b, "Add", "Sub"), result, beta)


def reshaped_norm(b: Builder) -> None:
    """Group norms as reshapes around an instance norm, with other groups, scales and shapes."""
    n, groups, per, size = 2, b.random.choice([1, 2, 3]), b.random.choice([1, 2]), b.random.choice([2, 4])
    channels = groups * per
    x = _input(b, n, channels, size, size)
    b.free = _chance(b, 0.5)
    parts = b.constant(_pick(b, [0, groups, -1], [n, groups, -1], [-1, groups, per * size * size], [0, per, -1]))
    flat = b.op("Reshape", x, parts)
    count = b.known(flat).shape[1]
    scale = np.ones(count) if _chance(b, 0.7) else b.numbers.normal(size=count)
    bias = np.zeros(count) if _chance(b, 0.7) else b.numbers.normal(size=count)
    if _chance(b, 0.7):
        y = b.op("InstanceNormalization", flat, b.constant(scale, F), b.constant(bias, F), epsilon=_pick(b, 1e-5, 0.1))
    else:
        y = b.op("Softmax", flat, axis=-1)
    y = b.op("Reshape", y, b.op("Shape", x) if _chance(b) else b.constant([n, channels, size, size]))
    _more(b, flat)
    shape = _pick(b, (channels, 1, 1), (1, channels, 1, 1), (size,), (1,), (channels, size, 1))
    y = _both_ways(b, "Mul", y, b.constant(b.numbers.normal(size=shape), F))
    if _chance(b, 0.8):
        _both_ways(b, "Add", y, b.constant(b.numbers.normal(size=_pick(b, shape, (1,), (size,))), F))


def gelu(b: Builder) -> None:
    """Gelu by erf and by tanh, Swish, HardSwish, Mish, Softplus, with constants that are nearly right."""
    x = _input(b, *(b.random.randint(1, 4) for _ in range(b.random.randint(1, 4))), scale=3.0)
    other = _pick(b, x, b.op("Abs", x), b.op("Relu", x))
    how = b.random.randrange(8)
    if how == 0:
        root = _pick(b, sqrt(2), 1.5, 2.0, -sqrt(2))
        inner = b.op("Div", x, _scalar(b, root)) if _chance(b, 0.5) else _both_ways(b, "Mul", x, _scalar(b, 1 / root))
        erf = b.op("Erf", inner)
        total = _both_ways(b, "Add", erf, _scalar(b, _pick(b, 1.0, 0.5, -1.0)))
        half = _pick(b, 0.5, 1.0, 0.25)
        form = b.random.randrange(3)
        if form == 0:
            _both_ways(b, "Mul", _both_ways(b, "Mul", other, total), _scalar(b, half))
        elif form == 1:
            _both_ways(b, "Mul", _both_ways(b, "Mul", other, _scalar(b, half)), total)
        else:
            _both_ways(b, "Mul", other, _both_ways(b, "Mul", total, _scalar(b, half)))
        _more(b, inner, erf, total)
    elif how == 1:
        cube = b.op("Pow", other, _scalar(b, _pick(b, 3.0, 2.0)))
        if _chance(b):
            cube = b.op("Mul", b.op("Mul", x, x), other)
        inner = _both_ways(b, "Add", x, _both_ways(b, "Mul", cube, _scalar(b, _pick(b, 0.044715, 0.044, 0.1))))
        tanh = b.op("Tanh", _both_ways(b, "Mul", inner, _scalar(b, _pick(b, sqrt(2 / pi), 0.8, 1.0))))
        total = _both_ways(b, "Add", tanh, _scalar(b, _pick(b, 1.0, 2.0)))
        _both_ways(b, "Mul", _both_ways(b, "Mul", x, total), _scalar(b, _pick(b, 0.5, 1.0)))
        _more(b, cube, inner, tanh)
    elif how == 2:
        scaled = _pick(b, x, _both_ways(b, "Mul", x, _scalar(b, 1.702)), other)
        gate = b.op("Sigmoid", scaled)
        _both_ways(b, "Mul", other, gate)
        _more(b, scaled, gate)
    elif how == 3:
        low, high = _pick(b, 0.0, -1.0, 0.5), _pick(b, 6.0, 5.0, 1.0)
        moved = _both_ways(b, "Add", x, _scalar(b, _pick(b, 3.0, 2.0, -3.0)))
        form = b.random.randrange(4)
        if form == 0:
            clip = b.op("Clip", moved, b.constant(low, F), b.constant(high, F))
        elif form == 1:
            clip = b.op("Min", b.op("Relu", moved), _scalar(b, high))
        elif form == 2:
            clip = b.op("Max", b.op("Min", moved, _scalar(b, high)), _scalar(b, low))
        else:
            clip = b.op("Clip", moved, "", b.constant(high, F))
        _more(b, moved, clip)
        gate = b.op("Div", clip, _scalar(b, _pick(b, 6.0, 3.0, high)))
        if _chance(b, 0.6):
            _both_ways(b, "Mul", gate, other)
    elif how == 4:
        slope, offset = _pick(b, 1 / 6, 0.2, 0.3), _pick(b, 0.5, 0.4)
        gate = b.op("HardSigmoid", x, alpha=slope, beta=offset)
        if _chance(b, 0.4):
            line = b.op("Add", _both_ways(b, "Mul", x, _scalar(b, slope)), _scalar(b, offset))
            gate = b.op("Clip", line, b.constant(_pick(b, 0.0, 0.1), F), b.constant(_pick(b, 1.0, 2.0), F))
        _both_ways(b, "Mul", gate, other)
    elif how == 5:
        soft = b.op("Softplus", x)
        if _chance(b):
            soft = b.op("Log", _both_ways(b, "Add", b.op("Exp", x), _scalar(b, _pick(b, 1.0, 2.0))))
        _both_ways(b, "Mul", other, b.op(_pick(b, "Tanh", "Sigmoid"), soft))
        _more(b, soft)
    elif how == 6:
        threshold = _pick(b, 20.0, 2.0, -1.0)
        compared = b.op("Greater", *_pick(b, (x, _scalar(b, threshold)), (_scalar(b, threshold), x)))
        soft = b.op("Softplus", other)
        b.op("Where", compared, *_pick(b, (x, soft), (soft, x)))
    else:
        largest = _reduce(b, _pick(b, "ReduceMax", "ReduceMin", "ReduceMean"), x, [-1], _pick(b, 1, 0))
        exp = b.op("Exp", b.op("Sub", x, largest))
        total = _reduce(b, _pick(b, "ReduceSum", "ReduceMean"), exp, _pick(b, [-1], [0]), _pick(b, 1, 0))
        b.op("Div", *_pick(b, (exp, total), (total, exp)))
        _more(b, exp, total)


def attention(b: Builder) -> None:
    """Attention written as products: odd scales, masks, shapes of heads, transposes, guards against NaN."""
    batch, heads, queries, keys, width = 2, *(b.random.randint(1, 3) for _ in range(3)), b.random.choice([2, 4])
    flat = _chance(b, 0.5)

    def heads_of(length: int) -> str:
        if not flat:
            return _input(b, batch, heads, length, width)
        x = _input(b, batch, length, heads * width)
        if _chance(b):
            x = b.op("MatMul", x, b.constant(b.numbers.normal(size=(heads * width, heads * width)), F))
        shape = b.constant(_pick(b, [0, 0, heads, width], [0, -1, heads, width], [batch, length, heads, -1]))
        return b.op("Transpose", b.op("Reshape", x, shape), perm=[0, 2, 1, 3])

    q, k, v = heads_of(queries), heads_of(keys), heads_of(keys)
    b.free = _chance(b, 0.5) and not flat
    k = b.op("Transpose", k, perm=[0, 1, 3, 2])
    scale = _pick(b, width**-0.5, 1.0, 0.3, width**0.5)
    form = b.random.randrange(4)
    if form == 0:
        root = sqrt(scale)
        scores = b.op("MatMul", b.op("Mul", q, _scalar(b, root)), b.op("Mul", k, _scalar(b, _pick(b, root, 0.7))))
    elif form == 1:
        scores = b.op("Mul", b.op("MatMul", q, k), _scalar(b, scale))
    elif form == 2:
        scores = b.op("Div", b.op("MatMul", q, k), _scalar(b, scale))
    else:
        scores = b.op("MatMul", b.op("Div", q, _scalar(b, scale)), k)
    _more(b, scores)
    lowest = _pick(b, F(-np.inf), F(np.finfo(F).min), F(-1e4), F(0), F(np.inf))
    hidden = b.numbers.random((queries, keys)) < 0.4
    mask = b.random.randrange(6)
    if mask == 1:
        shape = _pick(b, [queries, keys], [1, 1, queries, keys], [batch, 1, 1, keys], [batch, heads, queries, keys])
        scores = _both_ways(b, "Add", scores, b.constant(np.where(np.broadcast_to(hidden[-1:], shape), lowest, 0), F))
    elif mask == 2:
        scores = b.op(
            "Where",
            b.constant(hidden, np.bool_),
            *_pick(b, (b.constant(lowest, F), scores), (scores, b.constant(lowest, F))),
        )
    elif mask == 3:
        allowed = b.input(b.numbers.random((batch, keys)) < 0.7)
        allowed = b.op("Unsqueeze", allowed, b.constant([1, 2]))
        chosen = b.op("Where", allowed, b.constant(0, F), b.constant(lowest, F))
        scores = _both_ways(b, "Add", scores, chosen)
    elif mask == 4:
        numbers = b.op("Cast", b.input(b.numbers.integers(0, 2, (batch, 1, 1, keys))), to=1)
        numbers = b.op(
            "Mul", b.op("Sub", b.constant(1, F), numbers), b.constant(_pick(b, F(-1e4), F(np.finfo(F).min)), F)
        )
        scores = _both_ways(b, "Add", scores, numbers)
    elif mask == 5:
        causal = np.triu(np.full((queries, keys), -np.inf), _pick(b, 1, 0, 2))
        scores = b.op("Add", scores, b.constant(causal, F))
    weights = b.op("Softmax", scores, axis=_pick(b, -1, 3, 2, 1))
    if _chance(b, 0.4):
        weights = b.op("Where", b.op("IsNaN", weights), b.constant(_pick(b, 0, 1), F), weights)
    _more(b, weights)
    if _chance(b, 0.2):
        weights = b.op("Dropout", weights)
    y = b.op("MatMul", weights, v)
    if _chance(b, 0.7):
        y = b.op("Transpose", y, perm=_pick(b, [0, 2, 1, 3], [0, 1, 3, 2], [0, 2, 3, 1]))
        b.op("Reshape", y, b.constant(_pick(b, [0, 0, -1], [0, -1, heads * width], [-1, width])))


def convolution(b: Builder) -> None:
    """Convolutions with what stands around them: pads, biases, batch norms (twice), transposes, activations."""
    n, c, size, out = 2, b.random.choice([1, 2, 4]), b.random.choice([4, 5]), b.random.choice([1, 2, 4])
    around = b.random.choice([1, 2, 2, 2, 3])
    x = _input(b, n, c, *[size] * around)
    b.free = _chance(b, 0.5)
    if _chance(b, 0.4):
        pads = [0, 0, *(b.random.randint(-1, 2) for _ in range(around))]
        pads += [0, 0, *(_pick(b, pads[2 + i], 0, 1) for i in range(around))]
        if _chance(b, 0.15):
            pads[1] = 1
        mode = _pick(b, "constant", "reflect", "edge")
        fill = [b.constant(_pick(b, 0, 1, -2), F)] if _chance(b, 0.6) and mode == "constant" else []
        x = b.op("Pad", x, b.constant(pads), *fill, mode=mode)
        _more(b, x)
    c = b.known(x).shape[1]
    kernel, groups = [b.random.randint(1, 3) for _ in range(around)], _pick(b, 1, c)
    transposed = _chance(b, 0.25)
    out = out * groups
    weight_shape = [c, out // groups, *kernel] if transposed else [out, c // groups, *kernel]
    weight = b.constant(b.numbers.normal(size=weight_shape), F)
    how: dict[str, Any] = {"group": groups, "strides": [b.random.randint(1, 2) for _ in kernel]}
    how["dilations"] = [_pick(b, 1, 2) for _ in kernel]
    if _chance(b, 0.25):
        how["auto_pad"] = b.random.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    else:
        how["pads"] = [b.random.randint(0, 2) for _ in kernel * 2]
    if transposed and _chance(b):
        how["output_padding"] = [b.random.randint(0, s - 1) for s in how["strides"]]
    if transposed and "auto_pad" not in how and _chance(b, 0.2):
        del how["pads"]
        how["output_shape"] = [
            (n - 1) * s + 1 + b.random.randint(0, 2) for n, s in zip(b.known(x).shape[2:], how["strides"], strict=True)
        ]
    bias = [b.constant(b.numbers.normal(size=out), F)] if _chance(b, 0.5) else []
    kind = "ConvTranspose" if transposed else "Conv"
    y = b.op(kind, x, weight, *bias, **how)
    _more(b, y)
    if b.known(y).size == 0:
        return
    for _ in range(b.random.randint(0, 3)):
        channels, rest = b.known(y).shape[1], b.known(y).shape[2:]
        step = b.random.randrange(7)
        if step == 0:
            shape = _pick(
                b, (channels, *[1] * around), (1, channels, *[1] * around), rest[-1:], (1,), (channels, *rest)
            )
            y = _both_ways(b, _pick(b, "Add", "Mul"), y, b.constant(b.numbers.normal(size=shape), F))
        elif step == 1:
            vectors = [b.constant(b.numbers.normal(size=channels), F) for _ in range(3)]
            y = b.op(
                "BatchNormalization",
                y,
                *vectors,
                b.constant(b.numbers.random(channels) + 0.5, F),
                epsilon=_pick(b, 1e-5, 0.1),
            )
        elif step == 2:
            y = b.op(b.random.choice(["Relu", "LeakyRelu", "Sigmoid", "HardSwish"]), y)
        elif step == 3:
            y = b.op(
                "PRelu", y, b.constant(b.numbers.normal(size=_pick(b, (channels, *[1] * around), (1,), rest[-1:])), F)
            )
        elif step == 4 and around == 2:
            y = b.op("Transpose", y, perm=b.random.choice([[0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2]]))
        elif step == 5:
            y = b.op("Conv", y, weight, **{**how, "group": 1}) if not transposed and channels == c else b.op("Neg", y)
        else:
            y = _both_ways(b, "Add", y, b.op("Sigmoid", y))
        _more(b, y)


def dense(b: Builder) -> None:
    """Products with matrices, with biases, transposes and reshapes around them; weights that are read twice."""
    rank = b.random.randint(1, 4)
    shape = [b.random.randint(1, 3) for _ in range(rank - 1)]
    width, out = b.random.randint(1, 4), b.random.randint(1, 4)
    x = _input(b, *shape, width)
    b.free = _chance(b, 0.6) and rank > 1
    weight = b.constant(b.numbers.normal(size=(width, out)), F)
    turned = b.constant(b.known_constant(weight).T, F)
    form = b.random.randrange(6)
    if form == 0:
        y = b.op("MatMul", x, weight)
    elif form == 1:
        y = b.op("MatMul", x, b.op("Transpose", turned, perm=[1, 0]))
    elif form == 2 and rank == 2:
        how = {"alpha": _pick(b, 1.0, 0.5), "beta": _pick(b, 1.0, 2.0, 0.0), "transB": 1}
        bias = b.constant(b.numbers.normal(size=_pick(b, (out,), (1, out), (1,), (shape[0], out), ())), F)
        b.free = b.free and len(b.known_constant(bias)) if b.known_constant(bias).ndim else b.free
        y = b.op("Gemm", x, turned, bias, **how)
    elif form == 3 and rank > 1:
        y = b.op("MatMul", b.constant(b.numbers.normal(size=(b.random.randint(1, 3), b.known(x).shape[-2])), F), x)
        b.free = b.free and rank > 2
    elif form == 4:
        flat = b.op("Reshape", x, b.constant([-1, width]))
        y = b.op("Gemm", flat, weight) if _chance(b, 0.5) else b.op("MatMul", flat, weight)
        y = b.op("Reshape", y, b.constant(_pick(b, [*shape, out], [-1, out], [-1, *shape[1:], out])))
    else:
        wide = b.constant(b.numbers.normal(size=(*shape[-1:], width, out)), F)
        y = b.op("MatMul", x if rank == 1 else b.op("Unsqueeze", x, b.constant([-2])), wide)
    _more(b, y)
    for _ in range(b.random.randint(0, 3)):
        now = b.known(y).shape
        step = b.random.randrange(5)
        if step == 0:
            size = _pick(b, now[-1:], (1,), (), now[-2:], (1, 1, *now[-1:]))
            y = _both_ways(b, _pick(b, "Add", "Mul", "Sub"), y, b.constant(b.numbers.normal(size=size), F))
        elif step == 1:
            y = b.op("Relu", y)
        elif step == 2 and len(now) > 1:
            y = b.op("Transpose", y, perm=b.random.sample(range(len(now)), len(now)))
        elif step == 3 and now and now[-1] == width:
            y = b.op("MatMul", y, weight)
        else:
            y = b.op("Add", y, y)


def views(b: Builder) -> None:
    """Reshapes, transposes, slices and concatenations in a row: shuffles, rolls, halves, stacks, unbinding, windows."""
    how = b.random.randrange(9)
    if how == 0:  # pixel and channel shuffles, their inverses, space to depth
        r, c, h, w = (
            b.random.choice([1, 2, 3]),
            b.random.choice([1, 2]),
            b.random.choice([1, 2]),
            b.random.choice([1, 2, 3]),
        )
        x = _input(b, 2, c * r * r, h, w) if _chance(b, 0.5) else _input(b, 2, c, h * r, w * r)
        b.free = _chance(b, 0.5)
        inside = _pick(
            b, [2, c, r, r, h, w], [2, r, r, c, h, w], [2, c, h, r, w, r], [2, r * r, c, h, w], [2, c, r * r, h, w]
        )
        y = b.op("Reshape", x, b.constant([_pick(b, inside[0], 0, -1), *inside[1:]]))
        perm = list(range(len(inside)))
        usual = [0, 1, 4, 2, 5, 3] if len(inside) == 6 else [0, 2, 1, 3, 4]
        perm = _pick(
            b,
            usual,
            [0, 1, 3, 5, 2, 4] if len(inside) == 6 else [0, 1, 2, 4, 3],
            [0, *b.random.sample(perm[1:], len(perm) - 1)],
        )
        y = b.op("Transpose", y, perm=perm)
        _more(b, y)
        b.op("Reshape", y, b.constant(_pick(b, [2, c, h * r, w * r], [2, c * r * r, h, w], [2, -1, h, w], [2, -1])))
    elif how == 1:  # roll, and flips
        shape = [b.random.randint(1, 5) for _ in range(b.random.randint(1, 3))]
        x = _input(b, *shape)
        axis = b.random.randrange(-len(shape), len(shape))
        extent = shape[axis]
        b.free = _chance(b, 0.5)
        cut = b.random.randint(-extent, extent)
        other = _pick(b, cut, cut + 1, cut - 1)
        far = _pick(b, extent, 2**31 - 1, 2**63 - 1, extent - 1)
        step = [] if _chance(b, 0.5) else [b.constant([_pick(b, 1, 2, -1)])]
        behind = b.op("Slice", x, b.constant([cut]), b.constant([far]), b.constant([axis]), *step)
        before = b.op("Slice", x, b.constant([_pick(b, 0, 1)]), b.constant([other]), b.constant([axis]))
        b.op("Concat", *_pick(b, (behind, before), (before, behind)), axis=axis)
    elif how == 2:  # rotary halves
        width = b.random.choice([2, 4, 5, 6])
        x = _input(b, 2, 3, width)
        half = _pick(b, width // 2, width // 2 + 1, 1, -(width // 2))
        far = _pick(b, width, 2**63 - 1, width - 1)
        axis = _pick(b, -1, 2)
        one = b.constant([1])
        first = b.op("Slice", x, b.constant([0]), b.constant([half]), b.constant([axis]), one)
        second = b.op("Slice", x, b.constant([half]), b.constant([far]), b.constant([axis]), one)
        if _chance(b):
            first, second = second, first
        turned = b.op("Concat", b.op("Neg", second), _pick(b, first, b.op("Neg", first)), axis=axis)
        cos, sin = (b.constant(b.numbers.normal(size=(3, b.known(turned).shape[-1])), F) for _ in range(2))
        if b.known(turned).shape == b.known(x).shape:
            b.op("Add", b.op("Mul", x, cos), b.op("Mul", turned, sin))
    elif how == 3:  # repeated heads
        shape = [2, b.random.randint(1, 3), b.random.randint(1, 3), 2]
        x = _input(b, *shape)
        b.free = False
        axis, repeats = _pick(b, 2, 1, 3, 0), b.random.randint(1, 3)
        wide = b.op("Unsqueeze", x, b.constant([axis]))
        target = list(b.known(wide).shape)
        target[axis] = repeats
        wide = b.op("Expand", wide, b.constant(target))
        merged = list(shape)
        at = _pick(b, axis - 1, axis) % 4
        merged[at] *= repeats
        b.op("Reshape", wide, b.constant(merged))
    elif how == 4:  # stacks, and elements
        count, shape = b.random.randint(1, 3), [b.random.randint(1, 3) for _ in range(b.random.randint(1, 3))]
        parts = [_input(b, *shape) for _ in range(count)]
        b.free = False
        axis = b.random.randint(0, len(shape))
        parts = [b.op("Unsqueeze", part, b.constant([_pick(b, axis, 0)])) for part in parts]
        if _chance(b, 0.2):
            parts.append(b.constant(b.normal(*b.known(parts[0]).shape), F))
        y = b.op("Concat", *parts, axis=_pick(b, axis, 0))
        _more(b, *parts[:count])
        axis = b.random.randrange(b.known(y).ndim)
        extent = b.known(y).shape[axis]
        indices = _pick(
            b,
            list(range(extent)),
            list(range(extent))[::-1],
            [0] * extent,
            list(range(extent - 1)),
            [i - extent for i in range(extent)],
        )
        elements = [b.op("Gather", y, b.constant(_pick(b, i, [i])), axis=axis) for i in indices]
        for one in elements:
            b.op("Neg", one)
        if len(elements) > 1 and len({b.known(one).shape for one in elements}) == 1:
            b.op("Add", elements[0], elements[-1])
    elif how == 5:  # split and squeeze
        parts, rest = b.random.randint(1, 3), b.random.randint(1, 3)
        size = _pick(b, 1, 2)
        x = _input(b, 2, parts * size, rest)
        axis = _pick(b, 1, -2)
        split = {"num_outputs": parts} if b.opset >= 18 else {}
        b.op("Split", x, axis=axis, outputs=parts, **split)
        names = list(b.nodes[-1].output)
        for name in names if size == 1 else ():
            b.op("Squeeze", name, b.constant([axis]))
        if len(names) > 1:
            b.op("Concat", *_pick(b, names, names[::-1], [names[0]] * 2), axis=_pick(b, axis, 0))
    elif how == 6:  # transposes in a row, with elementwise operators and reductions between them
        rank = b.random.choice([3, 4, 4, 5])
        x = _input(b, *(b.random.randint(1, 3) for _ in range(rank)))
        usual = [0, *range(2, rank), 1]
        y = b.op("Transpose", x, perm=_pick(b, usual, b.random.sample(range(rank), rank)))
        for _ in range(b.random.randint(0, 3)):
            step = b.random.randrange(6)
            shape = b.known(y).shape
            if step == 0:
                y = b.op(b.random.choice(["Relu", "Sigmoid", "Abs"]), y)
            elif step == 1 and len(shape) == rank:
                y = _both_ways(
                    b,
                    "Add",
                    y,
                    b.constant(b.normal(*_pick(b, shape[-1:], (1,), (1, *shape[1:]), (1, 1, *shape[-1:]))), F),
                )
            elif step == 2:
                axes = b.random.sample(range(-len(shape), len(shape)), 1) if shape else []
                y = _reduce(b, b.random.choice(["ReduceMean", "ReduceMax"]), y, axes, _pick(b, 1, 0)) if axes else y
            elif step == 3:
                y = b.op("Pad", y, b.constant([b.random.randint(0, 1) for _ in shape * 2]))
            elif step == 4:
                y = b.op("Concat", y, y, axis=b.random.randrange(len(shape))) if shape else y
            else:
                y = _both_ways(b, "Mul", y, b.op("Sigmoid", y))
            _more(b, y)
        rank = b.known(y).ndim
        back = [0, rank - 1, *range(1, rank - 1)] if rank > 1 else list(range(rank))
        b.op("Transpose", y, perm=_pick(b, back, b.random.sample(range(rank), rank)))
    elif how == 7:  # patches
        size, k = b.random.choice([2, 4]), b.random.choice([1, 2])
        c = b.random.choice([1, 3])
        x = _input(b, 2, c, size, size)
        inside = b.constant(_pick(b, [2, c, size // k, k, size // k, k], [0, c, size // k, k, -1, k]))
        y = b.op(
            "Transpose",
            b.op("Reshape", x, inside),
            perm=_pick(b, [0, 2, 4, 3, 5, 1], [0, 2, 4, 1, 3, 5], [0, 1, 3, 5, 2, 4], [0, 4, 2, 3, 5, 1]),
        )
        b.op(
            "Reshape", y, b.constant(_pick(b, [2, (size // k) ** 2, k * k * c], [0, -1, k * k * c], [2, k * k * c, -1]))
        )
    else:  # reshapes in a row
        shape = [b.random.choice([1, 2, 3]) for _ in range(4)]
        y = _input(b, *shape)
        for _ in range(b.random.randint(2, 5)):
            now = list(b.known(y).shape)
            step = b.random.randrange(6)
            if step == 0:
                target = _pick(b, [0, -1], [-1], [now[0], -1, 1], [0, 0, -1] if len(now) > 1 else [-1])
                y = b.op("Reshape", y, b.constant(target))
            elif step == 1:
                y = b.op("Unsqueeze", y, b.constant(sorted(b.random.sample(range(len(now) + 2), 2))))
            elif step == 2:
                ones = [i for i, n in enumerate(now) if n == 1]
                y = (
                    b.op("Squeeze", y, b.constant([i - _pick(b, 0, len(now)) for i in ones]))
                    if ones
                    else b.op("Squeeze", y)
                )
            elif step == 3:
                y = b.op("Transpose", y, perm=b.random.sample(range(len(now)), len(now)))
            elif step == 4:
                y = b.op("Flatten", y, axis=b.random.randint(-len(now), len(now)))
            else:
                y = b.op("Expand", y, b.constant([_pick(b, 1, n) for n in now] or [2]))


def scatters(b: Builder) -> None:
    """Assignments to slices as scatters, and lookups by grids of indices."""
    h, w = b.random.randint(1, 4), b.random.randint(1, 4)
    x = _input(b, h, w)
    b.free = False
    how = b.random.randrange(4)
    rows = np.arange(h) if _chance(b, 0.6) else b.numbers.integers(-h, h, h)
    columns = np.arange(w) if _chance(b, 0.6) else b.numbers.integers(-w, w, w)
    if how == 0:
        indices = np.stack(np.broadcast_arrays(rows[:, None], columns[None]), -1)
        b.op("GatherND", x, b.constant(_pick(b, indices, indices[:, :1], indices.transpose(1, 0, 2))))
    elif how == 1:
        start, stop = sorted(b.random.sample(range(h + 1), 2))
        at = np.arange(start, stop)[:, None]
        kind = _pick(b, "none", "add", "mul") if b.opset >= 16 else "none"
        update = _input(b, stop - start, w)
        b.op(
            "ScatterND", x, b.constant(_pick(b, at, at - h)), update, **({"reduction": kind} if kind != "none" else {})
        )
    elif how == 2:
        at = np.tile(rows[:, None], (1, w))
        kind = _pick(b, "none", "add") if b.opset >= 16 else "none"
        unique = len(set(rows % h)) == h or kind == "add"
        if unique:
            b.op(
                "ScatterElements",
                x,
                b.constant(at),
                _input(b, h, w),
                axis=0,
                **({"reduction": kind} if kind != "none" else {}),
            )
        else:
            b.op("GatherElements", x, b.constant(at), axis=0)
    else:
        flat = b.op("Reshape", x, b.constant([-1, 1]))
        at = (np.arange(h)[:, None] * _pick(b, w, 1) + np.arange(w)[None]) % (h * w)
        y = b.op("Gather", flat, b.constant(at), axis=0)
        b.op("Reshape", y, b.constant(_pick(b, [h, w], [h, 1, w], [-1])))


FORMS: dict[str, Callable[[Builder], None]] = {
    "norm": norm,
    "reshaped_norm": reshaped_norm,
    "gelu": gelu,
    "attention": attention,
    "convolution": convolution,
    "dense": dense,
    "views": views,
    "scatters": scatters,
}
