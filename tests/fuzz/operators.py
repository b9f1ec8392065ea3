# ruff: noqa: E501
"""Single operators of every family, and a few more behind them: element types, opsets, broadcasting, optional inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from fuzz.building import Builder, data_type
from fuzz.chains import ADDERS

F = np.float32
FLOATS = (np.float16, np.float32, np.float64)
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8)
UNSIGNED = (np.uint8, np.uint16, np.uint32, np.uint64)


def _of(b: Builder, dtype: Any, *shape: int, scale: float = 3.0) -> np.ndarray:
    """Random numbers of an element type."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(b.numbers.random(shape) < 0.5)
    if dtype.kind in "iu":
        return np.asarray(b.numbers.integers(0 if dtype.kind == "u" else -5, 9, shape)).astype(dtype)
    return np.asarray(b.numbers.normal(size=shape) * scale).astype(dtype)


def _shape(b: Builder, low: int = 0, high: int = 4, zero: float = 0.04) -> list[int]:
    return [0 if b.random.random() < zero else b.random.randint(1, 4) for _ in range(b.random.randint(low, high))]


def _given(b: Builder, array: np.ndarray, constant: float = 0.4, fixed: bool = False) -> str:
    """An array as an initializer or as an input."""
    return b.constant(array, array.dtype) if b.random.random() < constant else b.input(array, fixed)


def _broadcast(b: Builder, shape: list[int]) -> list[int]:
    """A shape that broadcasts with another one."""
    begin = b.random.randint(0, len(shape)) if shape else 0
    found = [1 if b.random.random() < 0.3 else extent for extent in shape[begin:]]
    return [1] * b.random.choice([0, 0, 0, 1]) + found if begin == 0 else found


UNARY = ["Abs", "Neg", "Sign", "Relu", "Floor", "Ceil", "Round", "Sqrt", "Exp", "Log", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign",
         "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu", "LeakyRelu", "Gelu", "Mish", "Reciprocal", "Sin", "Cos", "Tan", "Asin",
         "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "ThresholdedRelu", "IsNaN", "IsInf", "Identity", "Shrink", "Not",
         "BitwiseNot", "Hardmax", "Softmax", "LogSoftmax", "Size", "Shape", "NonZero", "Det", "LpNormalization", "MeanVarianceNormalization",
         "Swish"]  # fmt: skip


def unary(b: Builder) -> None:
    """Functions of one tensor, of any type."""
    operator = b.random.choice(UNARY)
    kinds = {"Not": (np.bool_,), "BitwiseNot": (*INTEGERS, *UNSIGNED), "Abs": (*FLOATS, *INTEGERS, *UNSIGNED), "Neg": (*FLOATS, np.int8, np.int32, np.int64),
             "Sign": (*FLOATS, *INTEGERS, *UNSIGNED), "Relu": (*FLOATS, np.int8, np.int32), "Identity": (*FLOATS, *INTEGERS, np.bool_, *UNSIGNED),
             "NonZero": (F, np.int32, np.int64, np.bool_, np.uint8), "Shape": (*FLOATS, np.bool_), "Size": (*FLOATS, np.bool_),
             "Shrink": (*FLOATS, *INTEGERS)}  # fmt: skip
    dtype = b.random.choice(kinds.get(operator, FLOATS))
    shape = _shape(b)
    how: dict[str, Any] = {}
    scale = b.random.choice([1.0, 3.0, 20.0])
    match operator:
        case "HardSigmoid":
            how = b.random.choice([{}, {"alpha": 1 / 6, "beta": 0.5}, {"alpha": 0.3, "beta": 0.1}])
        case "Elu" | "Celu" | "LeakyRelu" | "ThresholdedRelu":
            how = b.random.choice([{}, {"alpha": 0.3}, {"alpha": 2.0}])
        case "Selu":
            how = b.random.choice([{}, {"alpha": 1.5, "gamma": 2.0}])
        case "Gelu":
            how = {"approximate": b.random.choice(["none", "tanh"])}
        case "IsInf":
            how = b.random.choice([{}, {"detect_negative": 0}, {"detect_positive": 0}])
        case "Shrink":
            how = b.random.choice([{}, {"bias": 0.5}, {"lambd": 1.5, "bias": 1.5}, {"lambd": 1.0, "bias": 0.2}])
        case "Hardmax" | "Softmax" | "LogSoftmax" | "LpNormalization":
            shape = shape or [3]
            how = {"axis": b.random.randrange(-len(shape), len(shape))} if b.random.random() < 0.8 else {}
            if operator == "LpNormalization":
                how["p"] = b.random.choice([1, 2])
        case "Shape":
            how = b.random.choice([{}, {"start": 1}, {"end": -1}, {"start": -2, "end": 2}])
        case "Det":
            size = b.random.randint(1, 3)
            shape = [*shape[:2], size, size]
        case "MeanVarianceNormalization":
            shape = [2, 3, 4, 2]
            how = {"axes": b.random.choice([[0, 2, 3], [1], [0, -1]])}
        case "Swish":
            b.opset, how = 24, b.random.choice([{}, {"alpha": 1.5}])
    b.evaluator = operator in ("Swish", "Det") and dtype == F
    b.op(operator, b.input(_of(b, dtype, *shape, scale=scale)), **how)


def binary(b: Builder) -> None:
    """Arithmetic, comparisons, logic and shifts with broadcasting."""
    operator = b.random.choice(["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod", "Greater", "Less", "GreaterOrEqual", "LessOrEqual",
                                "Equal", "And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift", "PRelu", "Sum", "Mean", "Where"])  # fmt: skip
    kinds: Any = (*FLOATS, *INTEGERS, *UNSIGNED, np.int32, np.int64, F)
    how: dict[str, Any] = {}
    match operator:
        case "And" | "Or" | "Xor":
            kinds = (np.bool_,)
        case "BitwiseAnd" | "BitwiseOr" | "BitwiseXor":
            kinds = (*INTEGERS, *UNSIGNED)
        case "BitShift":
            kinds, how = UNSIGNED, {"direction": b.random.choice(["LEFT", "RIGHT"])}
        case "Equal" | "Where":
            kinds = (*kinds, np.bool_)
        case "PRelu" | "Sum" | "Mean":
            kinds = FLOATS
    dtype = np.dtype(b.random.choice(kinds))
    if operator == "Mod":
        how = {"fmod": 1 if dtype.kind == "f" else b.random.randint(0, 1)}
    shape = _shape(b)
    x, y = _of(b, dtype, *shape), _of(b, dtype, *_broadcast(b, shape))
    if operator == "Pow":
        other = np.dtype(b.random.choice([dtype, F, np.int32, np.int64]))
        y = (
            b.numbers.integers(0, 4, y.shape).astype(other)
            if dtype.kind in "iu" or b.random.random() < 0.5
            else _of(b, other, *y.shape, scale=1.0)
        )
    if operator in ("Div", "Mod") and dtype.kind in "iu":
        y = np.where(y == 0, 2, y).astype(dtype)
    if operator == "BitShift":
        y = b.numbers.integers(0, 8 * dtype.itemsize, y.shape).astype(dtype)
    one, other_name = (
        _given(b, x, 0.2, operator == "BitShift"),
        _given(b, y, 0.5, operator in ("BitShift", "Pow") or (operator in ("Div", "Mod") and dtype.kind in "iu")),
    )
    if not b.feeds:
        one = b.input(x)
    if operator in ("Max", "Min", "Sum", "Mean") and b.random.random() < 0.4:
        more = [_given(b, _of(b, dtype, *_broadcast(b, shape)), 0.5) for _ in range(b.random.randint(0, 2))]
        b.op(operator, one, other_name, *more)
    elif operator == "Where":
        b.op("Where", _given(b, _of(b, np.bool_, *_broadcast(b, shape)), 0.3), *b.random.sample([one, other_name], 2))
    else:
        swapped = operator not in ("PRelu", "BitShift", "Pow", "Div", "Mod") and b.random.random() < 0.5
        b.op(operator, *((other_name, one) if swapped else (one, other_name)), **how)


def cast(b: Builder) -> None:
    """Casts between all types, clips, and ranges of numbers."""
    dtypes = (*FLOATS, *INTEGERS, *UNSIGNED, np.bool_, ml_dtypes.bfloat16)
    shape = _shape(b)
    if b.random.random() < 0.6:
        x = b.input(_of(b, b.random.choice(dtypes[:-1]), *shape))
        y = b.op("Cast", x, to=data_type(np.zeros(1, b.random.choice(dtypes))))
        if b.known(y).dtype == ml_dtypes.bfloat16:
            y = b.op("Cast", b.op("Add", y, y) if b.random.random() < 0.5 else y, to=1)
        if b.random.random() < 0.5:
            b.op("Cast", y, to=data_type(np.zeros(1, b.random.choice(dtypes[:-1]))))
        return
    dtype = b.random.choice((*FLOATS, *INTEGERS, *UNSIGNED))
    low, high = sorted(_of(b, dtype).item() for _ in range(2))
    bounds = [
        _given(b, np.array(number, dtype), 0.8, True) if b.random.random() < 0.75 else "" for number in (low, high)
    ]
    b.op("Clip", b.input(_of(b, dtype, *shape)), *(bounds if bounds[1] else bounds[:1] if bounds[0] else []))


def reduction(b: Builder) -> None:
    """Reductions, cumulative sums, largest elements, of any type, over any axes."""
    shape = _shape(b, 1)
    axis = b.random.randrange(-len(shape), len(shape))
    match b.random.randrange(7):
        case 0 | 1 | 2 | 3:
            operator = b.random.choice(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
                                        "ReduceLogSumExp", "ReduceSumSquare"])  # fmt: skip
            more = (np.int8, np.uint8, np.bool_) if operator in ("ReduceMax", "ReduceMin") else ()
            x = b.input(
                _of(
                    b,
                    b.random.choice((*FLOATS, F, np.int32, np.int64, *more)),
                    *(_shape(b) if b.random.random() < 0.3 else shape),
                )
            )
            rank = b.known(x).ndim
            axes = [i - b.random.choice([0, rank]) for i in b.random.sample(range(rank), b.random.randint(0, rank))]
            how: dict[str, Any] = {"keepdims": b.random.randint(0, 1)} if b.random.random() < 0.8 else {}
            if b.opset >= 18 or operator == "ReduceSum":
                inputs = [_given(b, np.array(axes, np.int64), 0.85, True)] if axes or b.random.random() < 0.4 else []
                if b.random.random() < 0.3:
                    how["noop_with_empty_axes"] = 1
                b.op(operator, x, *inputs, **how)
            else:
                b.op(operator, x, **({"axes": axes} if axes else {}), **how)
        case 4:
            x = b.input(_of(b, b.random.choice((*FLOATS, np.int32, np.int64, np.uint8, np.int8)), *shape))
            how = {"keepdims": b.random.randint(0, 1), "select_last_index": b.random.randint(0, 1), "axis": axis}
            b.op(b.random.choice(["ArgMax", "ArgMin"]), x, **how)
        case 5:
            x = b.input(_of(b, b.random.choice((*FLOATS, np.int32, np.int64)), *shape, scale=1.0))
            operator = b.random.choice(["CumSum", "CumSum", "CumProd"])
            if operator == "CumProd":
                b.opset, b.evaluator = 26, True
            b.op(
                operator,
                x,
                b.constant(np.array(axis)),
                exclusive=b.random.randint(0, 1),
                reverse=b.random.randint(0, 1),
            )
        case 6:
            x = b.input(_of(b, b.random.choice((F, F, np.float64, np.int32, np.int64)), *shape))
            count = b.random.randint(0, shape[axis])
            k = _given(b, np.array([count], np.int64), 0.8, True)
            if b.random.random() < 0.7:
                b.op("TopK", x, k, outputs=2, axis=axis, largest=b.random.randint(0, 1))
            else:
                how = {"axis": axis} if b.random.random() < 0.6 else {}
                b.op("Unique", x, outputs=4, sorted=b.random.randint(0, 1), **how)


def indexing(b: Builder) -> None:
    """Gathers, scatters, one-hot vectors, compressions, with negative indices."""
    dtype = b.random.choice((*FLOATS, *INTEGERS, np.bool_, F, F))
    shape = _shape(b, 1, 4, 0.0)
    b.free = b.random.random() < 0.4
    x = _of(b, dtype, *shape)
    axis = b.random.randrange(-len(shape), len(shape))
    extent = shape[axis]
    index = b.random.choice((np.int64, np.int64, np.int32))
    match b.random.randrange(9):
        case 0 | 1:
            indices = b.numbers.integers(-extent, extent, _shape(b, 0, 2)).astype(index)
            b.op("Gather", _given(b, x), _given(b, indices, 0.5, True), axis=axis)
        case 2:
            size = [n if i == axis % len(shape) else b.random.randint(1, n) for i, n in enumerate(shape)]
            indices = b.numbers.integers(-extent, extent, size).astype(index)
            b.op("GatherElements", b.input(x), _given(b, indices, 0.5, True), axis=axis)
        case 3:
            batch = b.random.choice([0, 0, 1]) if len(shape) > 1 else 0
            last = b.random.randint(1, len(shape) - batch)
            outer = shape[:batch] + _shape(b, 1, 2, 0.0)
            parts = [b.numbers.integers(-shape[batch + i], shape[batch + i], outer) for i in range(last)]
            b.op("GatherND", b.input(x), _given(b, np.stack(parts, -1), 0.5, True), batch_dims=batch)
        case 4 | 5:
            size = [b.random.randint(1, n) for n in shape]
            reduction = b.random.choice(["none", "add", "mul", "max", "min"]) if b.opset >= 18 else "none"
            where = b.numbers.integers(-extent, extent, size).astype(index)
            if reduction == "none":  # the order of duplicates is open
                where = np.argsort(
                    b.numbers.random([extent if i == axis % len(shape) else n for i, n in enumerate(size)]), axis
                )
                where = np.take(where, range(size[axis]), axis).astype(index)
                where = where - extent if b.random.random() < 0.4 else where
            how = {} if reduction == "none" else {"reduction": reduction}
            b.op(
                "ScatterElements",
                b.input(x),
                _given(b, where, 0.5, True),
                _given(b, _of(b, dtype, *size)),
                axis=axis,
                **how,
            )
        case 6:
            last = b.random.randint(1, len(shape))
            count = b.random.randint(1, int(np.prod(shape[:last])))
            flat = b.numbers.choice(int(np.prod(shape[:last])), count, replace=False)
            where = np.stack(np.unravel_index(flat, shape[:last]), -1)
            where = where - np.array(shape[:last]) if b.random.random() < 0.4 else where
            reduction = b.random.choice(["none", "add", "mul", "max", "min"]) if b.opset >= 18 else "none"
            how = {} if reduction == "none" else {"reduction": reduction}
            b.op(
                "ScatterND",
                b.input(x),
                _given(b, where, 0.5, True),
                _given(b, _of(b, dtype, count, *shape[last:])),
                **how,
            )
        case 7:
            depth = b.random.randint(1, 4)
            kind = b.random.choice((np.int64, np.int32, F))
            indices = b.numbers.integers(-depth, depth + 1, shape).astype(kind)
            values = np.array(
                [b.random.choice([0, -1]), b.random.choice([1, 5])], b.random.choice((F, np.int64, np.int32))
            )
            name = _given(b, np.array(b.random.choice([depth, [depth]]), np.int64), 0.8, True)
            b.op(
                "OneHot",
                b.input(indices, True),
                name,
                b.constant(values, values.dtype),
                axis=b.random.randint(-len(shape) - 1, len(shape)),
            )
        case 8:
            flat = b.random.random() < 0.4
            length = b.random.randint(1, int(np.prod(shape)) if flat else extent)
            condition = b.numbers.random(length) < 0.6
            b.op("Compress", b.input(x), _given(b, condition, 0.5, True), **({} if flat else {"axis": axis}))


def moving(b: Builder) -> None:
    """Slices, splits, pads, tiles, expansions, concatenations, in any type."""
    dtype = b.random.choice((*FLOATS, *INTEGERS, np.bool_, F, np.int64))
    shape = _shape(b, 1)
    rank = len(shape)
    array = _of(b, dtype, *shape)
    axis = b.random.randrange(-rank, rank)
    constant = b.random.choice([1.0, 1.0, 0.0])
    b.free = constant == 1.0

    def numbers(values: list[int], kind: Any = np.int64) -> str:
        return _given(b, np.array(values, kind), constant, True)

    match b.random.randrange(13):
        case 0 | 1 | 2:
            axes = b.random.sample(range(rank), b.random.randint(1, rank))
            far = [-(2**63), 2**63 - 1, 2**31 - 1, -(2**31)]
            starts, ends = (
                [b.random.choice([*range(-shape[i] - 2, shape[i] + 3), *far]) for i in axes] for _ in range(2)
            )
            steps = [b.random.choice([1, 1, 2, 3, -1, -2]) for _ in axes]
            axes = [i - b.random.choice([0, rank]) for i in axes]
            kind = b.random.choice((np.int64, np.int32))
            if kind == np.int32:
                starts, ends = (np.clip(v, -(2**31), 2**31 - 1).tolist() for v in (starts, ends))
            more = [numbers(axes, kind), numbers(steps, kind)][: b.random.choice([1, 2, 2])]
            b.op("Slice", b.input(array), numbers(starts, kind), numbers(ends, kind), *more)
        case 3:
            count = b.random.randint(1, 3)
            if b.random.random() < 0.5 and b.opset >= 18:
                b.op("Split", b.input(array), outputs=count, axis=axis, num_outputs=count)
            else:
                cuts = sorted(b.random.randint(0, shape[axis]) for _ in range(count - 1))
                sizes = np.diff([0, *cuts, shape[axis]]).tolist()
                b.op("Split", b.input(array), numbers(sizes), outputs=count, axis=axis)
        case 4 | 5:
            mode = b.random.choice(["constant", "constant", "reflect", "edge", *(["wrap"] if b.opset >= 19 else [])])
            pads = [b.random.randint(-1 if mode == "constant" else 0, 3) for _ in range(2 * rank)]
            fill = [_given(b, _of(b, dtype), 0.6, True)] if mode == "constant" and b.random.random() < 0.5 else []
            if b.opset >= 18 and b.random.random() < 0.3:
                axes = b.random.sample(range(rank), b.random.randint(1, rank))
                pads = [b.random.randint(0, 2) for _ in range(2 * len(axes))]
                fill = [*(fill or [""]), numbers([i - b.random.choice([0, rank]) for i in axes])]
            b.op("Pad", b.input(array), numbers(pads), *fill, mode=mode)
        case 6:
            b.op("Tile", b.input(array), numbers([b.random.choice([0, 1, 1, 2, 3]) for _ in shape]))
        case 7:
            target = [n if n != 1 else b.random.choice([1, 3]) for n in shape]
            target = b.random.choice(
                [target, [2, *target], [1] * rank, target[-1:], [b.random.choice([1, n]) for n in target]]
            )
            b.op("Expand", b.input(array), numbers(target))
        case 8:
            others = [
                [b.random.randint(0, 3) if i == axis % rank else n for i, n in enumerate(shape)]
                for _ in range(b.random.randint(0, 2))
            ]
            b.op("Concat", b.input(array), *(_given(b, _of(b, dtype, *other)) for other in others), axis=axis)
        case 9:
            shape = [b.random.randint(1, 4) for _ in range(b.random.randint(2, 4))]
            k = [numbers(b.random.randint(-3, 3))] if b.random.random() < 0.7 else []
            b.op(
                "Trilu",
                b.input(_of(b, b.random.choice((F, np.int64, np.int32, np.bool_, np.float64)), *shape)),
                *k,
                upper=b.random.randint(0, 1),
            )
        case 10:
            length = b.random.randint(1, 4)
            batch = b.random.randint(1, 3)
            x = b.input(_of(b, dtype, length, batch, 2))
            lengths = _given(b, b.numbers.integers(1, length + 1, batch), 0.5, True)
            b.free = False
            b.op("ReverseSequence", x, lengths, time_axis=0, batch_axis=1)
        case 11:
            size = [b.random.choice([1, 2, 3]) for _ in range(b.random.randint(2, 3))]
            b.op(
                "EyeLike",
                b.input(_of(b, F, *size[:2])),
                k=b.random.randint(-2, 2),
                **b.random.choice([{}, {"dtype": 7}, {"dtype": 1}, {"dtype": 9}]),
            )
        case 12:
            axes = b.random.sample(range(rank), b.random.randint(1, rank))
            target = [b.random.randint(1, 6) for _ in axes]
            b.op("CenterCropPad", b.input(array), numbers(target), axes=[i - b.random.choice([0, rank]) for i in axes])


def shapes(b: Builder) -> None:
    """Arithmetic on shapes that becomes the target of reshapes, expansions, slices and ranges; free extents."""
    rank = b.random.randint(2, 4)
    shape = [b.random.randint(1, 4) for _ in range(rank)]
    x = b.input(b.normal(*shape))
    begin, end = b.random.choice([({}, 0), ({"start": 1}, 1), ({"end": 2}, 0), ({"start": -2}, rank - 2)])
    dims = b.op("Shape", x, **(begin if b.opset >= 15 else {}))
    del end
    count = b.known(dims).size

    def dim(index: int) -> str:
        return b.op("Gather", dims, b.constant(b.random.choice([index, index - count])), axis=0)

    def vector(name: str) -> str:
        return b.op("Unsqueeze", name, b.constant([0])) if b.known(name).ndim == 0 else name

    for _ in range(b.random.randint(1, 3)):
        one, two = dim(b.random.randrange(count)), dim(b.random.randrange(count))
        computed = b.op(
            b.random.choice(["Mul", "Add", "Sub", "Div", "Max"]),
            one,
            b.random.choice([two, b.constant(2), b.constant(1)]),
        )
        match b.random.randrange(9):
            case 0:
                b.op("Reshape", x, b.op("Concat", vector(one), b.constant([-1]), axis=0))
            case 1:
                total = b.op("ReduceProd", dims, keepdims=b.random.randint(0, 1))
                b.op("Reshape", x, b.op("Concat", vector(total), b.constant([-1]), axis=0)) if count == rank else b.op(
                    "Neg", total
                )
            case 2:
                b.op(
                    "ConstantOfShape",
                    vector(computed),
                    **b.random.choice([{}, {"value": _tensor(2.0)}, {"value": _tensor(3)}]),
                )
            case 3:
                b.op("Range", b.constant(0), computed, b.constant(b.random.choice([1, 2])))
            case 4:
                b.op("Slice", x, b.constant([0]), vector(computed), b.constant([b.random.randrange(rank)]))
            case 5:
                last = b.op("Slice", dims, b.constant([-1]), b.constant([2**63 - 1]), b.constant([0]))
                b.op("Expand", b.constant(b.normal(1), F), b.op("Concat", last, vector(one), axis=0))
            case 6:
                b.op("Where", b.op("Greater", one, two), one, computed)
                b.op("Cast", b.op("Equal", dims, b.constant([b.random.choice([-1, 1, 2])] * count)), to=7)
            case 7:
                b.op("Div", b.op("Cast", one, to=1), b.constant(2, F))
                b.op("Mul", x, b.op("Cast", computed, to=1))
            case 8:
                b.op(
                    "Tile",
                    x,
                    b.op("Concat", *[b.constant([1])] * (rank - 1), vector(b.op("Min", two, b.constant(2))), axis=0),
                )


def _tensor(number: float) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([number], F if isinstance(number, float) else np.int64))


def pools(b: Builder) -> None:
    """Pooling in one to three dimensions with every attribute; LRN, unpooling, normalisation by channel."""
    around = b.random.randint(1, 3)
    channels = b.random.randint(1, 3)
    size = [b.random.randint(1, 6) for _ in range(around)]
    dtype = b.random.choice((F, F, F, np.float64, np.float16))
    x = b.input(_of(b, dtype, b.random.randint(1, 2), channels, *size))
    kernel = [b.random.randint(1, 3) for _ in size]
    how: dict[str, Any] = {"kernel_shape": kernel}
    if b.random.random() < 0.7:
        how["strides"] = [b.random.randint(1, 3) for _ in size]
    if b.random.random() < 0.3:
        how["auto_pad"] = b.random.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif b.random.random() < 0.6:
        how["pads"] = [b.random.randint(0, n - 1) for n in kernel * 2]
    if b.random.random() < 0.3 and (b.opset >= 19 or around != 0):
        how["dilations"] = [b.random.randint(1, 2) for _ in size]
    match b.random.randrange(8):
        case 0 | 1:
            outputs = 2 if b.random.random() < 0.3 else 1
            b.op("MaxPool", x, outputs=outputs, ceil_mode=b.random.randint(0, 1), **how)
        case 2 | 3:
            how.pop("dilations", None) if b.opset < 19 else None
            x = b.input(_of(b, F, b.random.randint(1, 2), channels, *size))
            b.op("AveragePool", x, ceil_mode=b.random.randint(0, 1), count_include_pad=b.random.randint(0, 1), **how)
        case 4:
            how.pop("dilations", None) if b.opset < 18 else None
            b.op("LpPool", x, p=b.random.choice([1, 2, 3]), **how)
        case 5:
            b.op(b.random.choice(["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"]), x)
        case 6:
            x = b.input(_of(b, F, 2, channels, 3, 2))
            b.op(
                "LRN",
                x,
                size=b.random.choice([1, 2, 3]),
                **b.random.choice([{}, {"alpha": 0.01, "beta": 0.5, "bias": 2.0}]),
            )
        case 7:
            scale, bias, mean = (b.constant(b.numbers.normal(size=channels), F) for _ in range(3))
            operator = b.random.choice(["BatchNormalization", "InstanceNormalization", "GroupNormalization"])
            if operator == "BatchNormalization":
                b.op(
                    operator,
                    x,
                    scale,
                    bias,
                    mean,
                    b.constant(b.numbers.random(channels) + 0.5, F),
                    epsilon=b.random.choice([1e-5, 0.1]),
                )
            elif operator == "InstanceNormalization":
                b.op(operator, x, scale, bias, epsilon=b.random.choice([1e-5, 0.1]))
            else:
                b.opset = 21
                b.op(
                    operator,
                    x,
                    scale,
                    bias,
                    num_groups=b.random.choice([1, channels]),
                    epsilon=b.random.choice([1e-5, 0.1]),
                )


def images(b: Builder) -> None:
    """Resize in every mode, grid sampling in two and three dimensions, depth to space, columns to images."""
    match b.random.randrange(8):
        case 0 | 1 | 2 | 3:
            around = b.random.choice([1, 2, 2, 2, 3])
            shape = [b.random.randint(1, 2), b.random.randint(1, 2), *(b.random.randint(1, 5) for _ in range(around))]
            x = b.input(_of(b, F, *shape))
            mode = b.random.choice(["nearest", "nearest", "linear", "linear", "cubic"])
            how: dict[str, Any] = {"mode": mode}
            ways = [
                "half_pixel",
                "pytorch_half_pixel",
                "align_corners",
                "asymmetric",
                "half_pixel",
                *(["half_pixel_symmetric"] if b.opset >= 19 else []),
            ]
            if b.random.random() < 0.9:
                how["coordinate_transformation_mode"] = b.random.choice(ways)
            if mode == "nearest":
                how["nearest_mode"] = b.random.choice(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
            if mode == "cubic":
                how |= {"cubic_coeff_a": b.random.choice([-0.75, -0.5]), "exclude_outside": b.random.randint(0, 1)}
            if mode != "nearest" and b.opset >= 18 and b.random.random() < 0.25:
                how["antialias"] = 1
            target = [b.random.randint(1, 8) for _ in range(around)]
            if b.random.random() < 0.5:
                b.free = False
                b.op("Resize", x, "", "", b.constant([*shape[:2], *target]), **how)
            else:
                scales = [
                    b.random.choice([0.5, 2.0, 1.5, 0.6, 3.0, 1.0, n / s])
                    for n, s in zip(target, shape[2:], strict=True)
                ]
                b.op("Resize", x, "", b.constant([1, 1, *scales], F), **how)
        case 4 | 5:
            around = b.random.choice([2, 2, 3]) if b.opset >= 20 else 2
            size, target = ([b.random.randint(1, 4) for _ in range(around)] for _ in range(2))
            x = b.input(_of(b, F, 2, 2, *size))
            grid = (b.numbers.random((2, *target, around)) * 3 - 1.5).astype(F)
            names = ["linear", "nearest", "cubic"] if b.opset >= 20 else ["bilinear", "nearest", "bicubic"]
            if around == 3:
                names = names[:2]
            b.free = False
            how = {"mode": b.random.choice(names), "padding_mode": b.random.choice(["zeros", "border", "reflection"])}
            b.op("GridSample", x, _given(b, grid, 0.2, True), align_corners=b.random.randint(0, 1), **how)
        case 6:
            block, mode = b.random.randint(1, 3), b.random.choice(["DCR", "CRD"])
            depth = b.input(
                _of(b, F, 2, block * block * b.random.randint(1, 2), b.random.randint(1, 3), b.random.randint(1, 3))
            )
            if b.random.random() < 0.6:
                b.op("DepthToSpace", depth, blocksize=block, mode=mode)
            else:
                b.op("SpaceToDepth", b.input(_of(b, F, 1, 2, block * 2, block * 3)), blocksize=block)
        case 7:
            b.opset = max(b.opset, 18)
            size, kernel = [b.random.randint(3, 5) for _ in range(2)], [b.random.randint(1, 2) for _ in range(2)]
            pads, steps, dilations = (
                [b.random.randint(low, 1 + low) for _ in range(n)] for low, n in ((0, 4), (1, 2), (1, 2))
            )
            blocks = [
                (size[i] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // steps[i] + 1 for i in range(2)
            ]
            columns = b.input(_of(b, F, 1, 2 * int(np.prod(kernel)), int(np.prod(blocks))))
            b.op("Col2Im", columns, b.constant(size), b.constant(kernel), pads=pads, strides=steps, dilations=dilations)


def products(b: Builder) -> None:
    """Matrix products of any rank and type, Gemm, Einsum, integer and quantised products, quantisation."""
    m, k, n = (b.random.randint(1, 4) for _ in range(3))
    batch = _shape(b, 0, 2, 0.0)
    match b.random.randrange(9):
        case 0 | 1:
            dtype = b.random.choice((F, F, np.float64, np.float16, np.int32, np.int64, np.uint32))
            left = b.random.choice([[k], [m, k], [*batch, m, k]])
            right = b.random.choice([[k], [k, n], [*_broadcast(b, batch), k, n]])
            x, y = _given(b, _of(b, dtype, *left), 0.3), _given(b, _of(b, dtype, *right), 0.5)
            b.free = len(left) > 1 and left[0] != k
            b.op("MatMul", x, y) if b.feeds else b.op("MatMul", b.input(_of(b, dtype, *left)), y)
        case 2:
            ta, tb = b.random.randint(0, 1), b.random.randint(0, 1)
            how = (
                {"alpha": b.random.choice([1.0, 0.5]), "beta": b.random.choice([1.0, 2.0, 0.0])}
                if b.random.random() < 0.6
                else {}
            )
            dtype = b.random.choice((F, F, np.float64, np.float16))
            x = b.input(_of(b, dtype, *((k, m) if ta else (m, k))))
            y = _given(b, _of(b, dtype, *((n, k) if tb else (k, n))), 0.6)
            shape = b.random.choice([(n,), (1, n), (m, n), (m, 1), (), (1,)])
            bias = [_given(b, _of(b, dtype, *shape), 0.6)] if b.random.random() < 0.7 else []
            b.free = not ta and shape[:1] != (m,)
            b.op("Gemm", x, y, *bias, transA=ta, transB=tb, **how)
        case 3 | 4:
            equation, sizes = b.random.choice([
                ("ij,jk->ik", "mk kn"), ("bij,bjk->bik", "2mk 2kn"), ("ij->ji", "mn"), ("ij->", "mn"), ("ij->j", "mn"), ("ii->i", "mm"), ("i,j->ij", "m n"),
                ("bhid,bhjd->bhij", "2mnk 2m3k"), ("...ij,...jk->...ik", "2mk 2kn"), ("ij,ij->", "mn mn"), ("ij,kj", "mk nk"), ("bn,anm,bm->ba", "2n 3nm 2m"),
                ("ijk->kij", "mnk"), ("...i->...", "mn"), ("ab,cd->abcd", "mn k2"), ("i...,i->...", "mn m"), ("bik,bjk->bji", "2mk 2nk"),
            ])  # fmt: skip
            extents = {"m": m, "k": k, "n": n, "2": 2, "3": 3}
            arrays = [_of(b, F, *(extents[letter] for letter in word)) for word in sizes.split()]
            b.free = False
            b.op(
                "Einsum",
                *(b.input(a) if i == 0 else _given(b, a, 0.5) for i, a in enumerate(arrays)),
                equation=equation,
            )
        case 5:
            kinds = [b.random.choice((np.uint8, np.int8)) for _ in range(2)]
            x, y = b.input(_of(b, kinds[0], m, k)), _given(b, _of(b, kinds[1], k, n), 0.7)
            zeros = [b.constant(_of(b, kind), kind) for kind in kinds][: b.random.randint(0, 2)]
            b.op("MatMulInteger", x, y, *zeros)
        case 6 | 7:
            kind, axis = b.random.choice((np.uint8, np.int8)), b.random.randint(0, 1)
            per = b.random.random() < 0.5
            scale = (b.numbers.random((m, k)[axis] if per else ()) + 0.1).astype(F)
            zero = b.numbers.integers(0, 9, scale.shape).astype(kind)
            how = {"axis": axis - b.random.choice([0, 2])} if per else {}
            b.free = not (per and axis == 0)
            q = b.op("QuantizeLinear", b.input(_of(b, F, m, k)), b.constant(scale, F), b.constant(zero, kind), **how)
            if b.random.random() < 0.7:
                b.op(
                    "DequantizeLinear",
                    q,
                    b.constant(scale, F),
                    *([b.constant(zero, kind)] if b.random.random() < 0.8 else []),
                    **how,
                )
        case 8:
            b.op("DynamicQuantizeLinear", b.input(_of(b, F, m, k)), outputs=3)


def modern(b: Builder) -> None:
    """Operators of opsets 20 to 24: attention, RMS norm, rotary embedding, DFT; recurrent layers; losses."""
    match b.random.randrange(9):
        case 0 | 1 | 2:
            b.opset, b.evaluator = b.random.choice([23, 24]), True
            batch, kv, groups, width, queries, keys = (
                2,
                b.random.randint(1, 2),
                b.random.randint(1, 2),
                b.random.choice([2, 4]),
                b.random.randint(1, 3),
                b.random.randint(1, 4),
            )
            heads = kv * groups
            flat = b.random.random() < 0.4

            def qkv(count: int, length: int) -> str:
                return b.input(b.normal(*((batch, length, count * width) if flat else (batch, count, length, width))))

            inputs = [qkv(heads, queries), qkv(kv, keys), qkv(kv, keys)]
            how: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": kv} if flat else {}
            past = b.random.random() < 0.3
            length = keys + (2 if past else 0)
            mask = ""
            if b.random.random() < 0.5:
                shape = b.random.choice(
                    [
                        [queries, length],
                        [1, 1, queries, length],
                        [batch, 1, queries, length],
                        [batch, heads, queries, length],
                    ]
                )
                if b.random.random() < 0.5:
                    allowed = b.numbers.random(shape) < 0.7
                    allowed[..., 0] = True
                    mask = b.input(allowed, True)
                else:
                    mask = b.input(b.normal(*shape), True)
            if past:
                inputs += [mask, *(b.input(b.normal(batch, kv, 2, width)) for _ in range(2))]
            elif mask:
                inputs.append(mask)
            if b.random.random() < 0.4:
                how["is_causal"] = 1
            if b.random.random() < 0.3:
                how["scale"] = 0.3
            if b.random.random() < 0.2:
                how["softcap"] = 2.0
            b.free = False
            b.op("Attention", *inputs, outputs=3 if past else 1, **how)
        case 3:
            b.opset, b.evaluator = 23, True
            shape = _shape(b, 2, 4, 0.0)
            axis = b.random.randint(-len(shape), -1)
            scale = b.constant(b.normal(*shape[axis:]), F)
            b.op(
                "RMSNormalization",
                b.input(b.normal(*shape)),
                scale,
                axis=axis,
                **b.random.choice([{}, {"epsilon": 0.1}]),
            )
        case 4:
            b.opset, b.evaluator = 23, True
            batch, heads, length, width = 2, b.random.randint(1, 2), b.random.randint(1, 3), b.random.choice([4, 8])
            rotary = b.random.choice([0, 0, width // 2])
            half = (rotary or width) // 2
            flat = b.random.random() < 0.4 and not rotary
            x = b.input(b.normal(*((batch, length, heads * width) if flat else (batch, heads, length, width))))
            positions = b.random.random() < 0.5
            size = (6, half) if positions else (batch, length, half)
            caches = [_given(b, b.normal(*size), 0.5, True) for _ in range(2)]
            ids = [_given(b, b.numbers.integers(0, 6, (batch, length)), 0.4, True)] if positions else []
            how = {
                "interleaved": b.random.randint(0, 1),
                **({"num_heads": heads} if flat else {}),
                **({"rotary_embedding_dim": rotary} if rotary else {}),
            }
            b.free = False
            b.op("RotaryEmbedding", x, *caches, *ids, **how)
        case 5:
            b.opset = b.random.choice([17, 20])
            onesided, inverse = b.random.choice([(0, 0), (1, 0), (0, 1), (0, 0)])
            signal = b.input(
                _of(
                    b,
                    F,
                    2,
                    b.random.randint(2, 8),
                    b.random.randint(1, 3),
                    1 if onesided or (not inverse and b.random.random() < 0.6) else 2,
                )
            )
            b.free = False
            axis = b.random.choice([1, 2, -2])
            length = [b.constant(b.random.randint(1, 8))] if b.random.random() < 0.3 else []
            if b.opset == 20:
                b.op("DFT", signal, *(length or [""]), b.constant(axis), onesided=onesided, inverse=inverse)
            else:
                b.op("DFT", signal, *length, axis=axis % 4, onesided=onesided, inverse=inverse)
        case 6 | 7:
            kind = b.random.choice(["LSTM", "GRU", "RNN"])
            gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
            direction = b.random.choice(["forward", "reverse", "bidirectional"])
            d = 2 if direction == "bidirectional" else 1
            length, batch, width, hidden = (b.random.randint(1, 3) for _ in range(4))
            x = b.input(b.normal(length, batch, width))
            weights = [b.constant(b.normal(d, gates * hidden, n), F) for n in (width, hidden)]
            rest = [b.constant(b.normal(d, 2 * gates * hidden), F) if b.random.random() < 0.7 else ""]
            rest.append(
                b.constant(b.numbers.integers(1, length + 1, batch), np.int32) if b.random.random() < 0.3 else ""
            )
            rest.append(b.input(b.normal(d, batch, hidden), True) if b.random.random() < 0.5 else "")
            if kind == "LSTM":
                rest.append(b.input(b.normal(d, batch, hidden), True) if b.random.random() < 0.5 else "")
                rest.append(b.constant(b.normal(d, 3 * hidden), F) if b.random.random() < 0.2 else "")
            how = {"linear_before_reset": b.random.randint(0, 1)} if kind == "GRU" else {}
            if b.random.random() < 0.2:
                how["clip"] = 0.5
            b.free = b.random.random() < 0.5 and not rest[1]
            b.op(
                kind,
                x,
                *weights,
                *rest,
                outputs=3 if kind == "LSTM" else 2,
                hidden_size=hidden,
                direction=direction,
                **how,
            )
        case 8:
            n, c = b.random.randint(1, 4), b.random.randint(2, 4)
            around = _shape(b, 0, 2, 0.0)
            scores = b.input(b.normal(n, c, *around))
            labels = _given(b, b.numbers.integers(0, c, (n, *around)), 0.5, True)
            weight = [b.constant(b.numbers.random(c), F)] if b.random.random() < 0.5 else []
            how = {
                "reduction": b.random.choice(["none", "mean", "sum"]),
                **({"ignore_index": b.random.choice([0, 1, -1])} if b.random.random() < 0.4 else {}),
            }
            b.free = False
            if b.random.random() < 0.6:
                b.op("SoftmaxCrossEntropyLoss", scores, labels, *weight, outputs=b.random.choice([1, 2]), **how)
            else:
                b.op("NegativeLogLikelihoodLoss", b.op("LogSoftmax", scores, axis=1), labels, *weight, **how)


def _and_more(family: Callable[[Builder], None]) -> Callable[[Builder], None]:
    """A family whose values other operators read, at times."""

    def grown(b: Builder) -> None:
        family(b)
        for _ in range(b.random.choice([0, 0, 1, 2])):
            b.random.choice(ADDERS)(b)

    return grown


OPERATORS: dict[str, Callable[[Builder], None]] = {
    "unary": _and_more(unary),
    "binary": _and_more(binary),
    "cast": _and_more(cast),
    "reduction": _and_more(reduction),
    "indexing": _and_more(indexing),
    "moving": _and_more(moving),
    "shapes": _and_more(shapes),
    "pools": _and_more(pools),
    "images": _and_more(images),
    "products": _and_more(products),
    "modern": _and_more(modern),
}
