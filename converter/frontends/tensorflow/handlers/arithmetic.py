"""Handlers of arithmetic, element by element, and of its sums and counts along an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from converter.base.bounded import follows
from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_OF_EXTENTS = ("Add", "AddV2", "ConcatV2", "Concat", "Max", "Maximum", "Mul", "Pack")
"""Operators whose result is not negative if no input is negative."""

_PARTS = ("Cast", "Gather", "GatherV2", "Identity", "Reshape", "Slice", "Squeeze", "StridedSlice", "Unsqueeze")
"""Operators whose result consists of elements of their first input."""

_MOST_STEPS = 256
"""Nodes before an extent that are visited."""


def alias(operator: str) -> Handler:
    """A handler for an operator that ONNX has under another name."""

    def handle(build: NodeBuilder) -> None:
        build.finish(operator, *build.inputs)

    return handle


def _erfc(build: NodeBuilder) -> None:
    """1 - erf(x)."""
    build.finish("Sub", build.number(1), build.add("Erf", build.inputs[0]))


def _expm1(build: NodeBuilder) -> None:
    """exp(x) - 1."""
    build.finish("Sub", build.add("Exp", build.inputs[0]), build.number(1))


def _log1p(build: NodeBuilder) -> None:
    """log(1 + x)."""
    build.finish("Log", build.add("Add", build.inputs[0], build.number(1)))


def _mod(build: NodeBuilder) -> None:
    """The remainder with the dividend's sign."""
    build.finish("Mod", *build.inputs, fmod=1)


def _floor_mod(build: NodeBuilder) -> None:
    """The remainder with the divisor's sign: Mod for integers, x - floor(x / y) * y for floats."""
    x, y = build.inputs
    if _is_integer(build):
        build.finish("Mod", x, y)
    else:
        build.finish("Sub", x, build.add("Mul", build.add("Floor", build.add("Div", x, y)), y))


def _floor_div(build: NodeBuilder) -> None:
    """Division rounded to minus infinity. ONNX rounds integer division to zero, which is equal for extents (>= 0)."""
    x, y = build.inputs
    if not _is_integer(build):
        build.finish("Floor", build.add("Div", x, y))
        return
    if not all(is_extent(source) for source in build.sources):
        x = build.add("Sub", x, build.add("Mod", x, y))
    build.finish("Div", x, y)


def _is_integer(build: NodeBuilder) -> bool:
    return build.numpy_dtype(build.inputs[0]).kind in "iu"


def is_extent(node: Any) -> bool:
    """Whether a value is computed from shapes and constants, and never negative."""
    return follows(node, _operands_of_extent, _MOST_STEPS)


def _operands_of_extent(node: Any) -> list[Any] | None:
    """The operands of arithmetic on extents, which must be extents; none if it is one by itself, None if unknown."""
    if node.is_const():
        return [] if (node.get_tensor_value(as_list=False) >= 0).all() else None
    if node.type in _OF_EXTENTS:
        return list(node.inputs)
    if node.type in _PARTS:
        return [node.inputs[0]]
    return [] if node.type in ("Shape", "Size") else None


def _zero_where(index: int, compute: Callable[[NodeBuilder], str]) -> Handler:
    """A handler for an operator that is 0 wherever input `index` is 0, and `compute` elsewhere."""

    def handle(build: NodeBuilder) -> None:
        zero = build.number(0)
        build.finish("Where", build.add("Equal", build.inputs[index], zero), zero, compute(build))

    return handle


def _quotient(build: NodeBuilder) -> str:
    return build.add("Div", *build.inputs)


def _product(build: NodeBuilder) -> str:
    return build.add("Mul", *build.inputs)


def _times_log(build: NodeBuilder) -> str:
    x, y = build.inputs
    return build.add("Mul", x, build.add("Log", y))


def _fake_quant(build: NodeBuilder) -> None:
    """Quantise and dequantise: round to 2**num_bits levels between two limits, shifted so that 0 is a level."""
    if build.node.type == "FakeQuantWithMinMaxArgs":
        low, high = (np.array(build.attribute(name), np.float32) for name in ("min", "max"))
    elif all(source.is_const() for source in build.sources[1:]):
        low, high = (source.get_tensor_value(as_list=False) for source in build.sources[1:])
    else:
        raise NotImplementedError("limits that are computed")
    first = 1 if build.attribute("narrow_range") else 0
    last = 2 ** (build.attribute("num_bits") or 8) - 1
    scale = (high - low) / np.float32(last - first)
    zero = np.clip(np.floor(first - low / scale + np.float32(0.5)), first, last)
    low, high = (first - zero) * scale, (last - zero) * scale
    inside = build.add("Min", build.add("Max", build.inputs[0], build.constant(low)), build.constant(high))
    steps = build.add("Div", build.add("Sub", inside, build.constant(low)), build.constant(scale))
    whole = build.add("Floor", build.add("Add", steps, build.constant(0.5)))
    build.finish("Add", build.add("Mul", whole, build.constant(scale)), build.constant(low))


def _bucketize(build: NodeBuilder) -> None:
    """The number of boundaries that are less than or equal to each element."""
    last = build.int64([-1])
    boundaries = build.constant(build.node.get_attr("boundaries").floats, build.numpy_dtype(build.inputs[0]))
    reached = build.add("GreaterOrEqual", build.add("Unsqueeze", build.inputs[0], last), boundaries)
    build.finish("ReduceSum", build.cast(reached, build.dtype(build.node.output[0])), last, keepdims=0)


def _bound(compare: str) -> Handler:
    """A handler that counts, for each value, the elements of its sorted row that are less, or not greater."""

    def handle(build: NodeBuilder) -> None:
        one, last = build.int64([1]), build.int64([-1])
        row, value = build.add("Unsqueeze", build.inputs[0], one), build.add("Unsqueeze", build.inputs[1], last)
        reached = build.add(compare, row, value)
        build.finish("ReduceSum", build.cast(reached, build.dtype(build.node.output[0])), last, keepdims=0)

    return handle


def _cumulative_logsumexp(build: NodeBuilder) -> None:
    """log(cumsum(exp(x - m))) + m for the maximum m."""
    x, axis = build.inputs
    largest = build.add("ReduceMax", x, build.int64([int(build.sources[1].get_tensor_value())]), keepdims=1)
    how = {name: int(build.attribute(name) or 0) for name in ("exclusive", "reverse")}
    total = build.add("CumSum", build.add("Exp", build.add("Sub", x, largest)), axis, **how)
    build.finish("Add", build.add("Log", total), largest)


def _euclidean_norm(build: NodeBuilder) -> None:
    """ReduceL2."""
    if not build.sources[1].is_const():
        raise NotImplementedError("axes that are computed")
    axes = build.int64(np.ravel(build.sources[1].get_tensor_value(as_list=False)))
    build.finish("ReduceL2", build.inputs[0], axes, keepdims=int(build.attribute("keep_dims") or 0))


HANDLERS: Mapping[str, Handler] = {
    "AccumulateNV2": alias("Sum"),
    "Bucketize": _bucketize,
    "CumulativeLogsumexp": _cumulative_logsumexp,
    "Erfc": _erfc,
    "EuclideanNorm": _euclidean_norm,
    "Expm1": _expm1,
    "FakeQuantWithMinMaxArgs": _fake_quant,
    "FakeQuantWithMinMaxVars": _fake_quant,
    "FakeQuantWithMinMaxVarsPerChannel": _fake_quant,
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "Inv": alias("Reciprocal"),
    "Log1p": _log1p,
    "LowerBound": _bound("Less"),
    "Mod": _mod,
    "MulNoNan": _zero_where(1, _product),
    "TruncateMod": _mod,
    "UpperBound": _bound("LessOrEqual"),
    "Xdivy": _zero_where(0, _quotient),
    "Xlogy": _zero_where(0, _times_log),
}
