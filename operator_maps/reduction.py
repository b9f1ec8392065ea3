"""Reductions, positions of extremes, and cumulative operators.

Source: https://onnx.ai/onnx/operators/. A reduction of no elements at all has a fixed value in ONNX and none in
MindSpore; where the shape shows it, that value is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr, invoke


@dataclass(frozen=True)
class Reduction:
    """Row of an operator that reduces some or all axes, as constants or as a tensor.

    Attributes:
        function: what reduces: `function(x, axes, keep=True)`.
        keep: its option that keeps a reduced axis with extent 1.
        before: what happens to the elements first.
        after: what happens to the result.
        nothing: the result of reducing no elements.
        widens: whether `function` returns int64 for other integers unless told the element type.
    """

    function: str
    keep: str = "keepdim"
    before: str = "{0}"
    after: str = "{0}"
    nothing: float = 0.0
    widens: bool = False

    def __call__(
        self, node: Node, data: Operand, axes: Operand | None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Arg:
        """Translate a node; declines when its rank is needed and unknown."""
        chosen = _axes(axes)
        if chosen == () and (noop_with_empty_axes or data.rank == 0):
            return _through(self.after, _through(self.before, data))
        if chosen == ():
            chosen = _every_axis(node, data) if keepdims or self.function == "ops.logsumexp" else None
        if _is_empty(data, chosen):
            return _through(self.after, self._filled(node, data, chosen, keepdims))
        options = {self.keep: True} if keepdims else {}
        if self.widens and data.kind in "iu" and data.dtype != ir.DataType.INT64:
            options |= {"dtype": node.dtype()}
        where = () if chosen is None else (chosen[0] if isinstance(chosen, tuple) and len(chosen) == 1 else chosen,)
        return _through(self.after, invoke(self.function, _through(self.before, data), *where, **options))

    def _filled(self, node: Node, data: Operand, axes: Arg, keepdims: int) -> Arg:
        """The result where there is nothing to reduce: the neutral element everywhere."""
        reduced = set(range(data.rank or 0)) if axes is None else {axis % (data.rank or 1) for axis in axes}
        extents = [1 if axis in reduced else extent for axis, extent in enumerate(data.shape_python() or ())]
        shape = tuple(extent for axis, extent in enumerate(extents) if keepdims or axis not in reduced)
        return expr("ops.full({0}, {1}, dtype={2})", shape, _as_type(self.nothing, data), node.dtype())


def _through(template: str, value: Arg) -> Arg:
    return value if template == "{0}" else expr(template, value)


def _axes(axes: Operand | None) -> Arg:
    """The axes as a tuple, empty when there are none; as a tensor when the model does not fix them."""
    if axes is None:
        return ()
    items = axes.items()
    return axes if items is None else items


def _every_axis(node: Node, data: Operand) -> tuple[int, ...]:
    if data.rank is None:
        raise node.decline("the rank of its input is unknown")
    return tuple(range(data.rank))


def _is_empty(data: Operand, axes: Arg) -> bool:
    """Whether an axis that is reduced has extent 0."""
    if data.shape is None or isinstance(axes, Operand):
        return False
    extents = data.shape if axes is None else [data.shape[axis] for axis in axes]
    return 0 in extents


def _as_type(value: float, data: Operand) -> Arg:
    """An infinity as the extreme of an integer type."""
    if data.kind not in "iu" or np.isfinite(value) or data.dtype is None:
        return bool(value) if data.kind == "b" else value
    limits = np.iinfo(data.dtype.numpy())
    return int(limits.max if value > 0 else limits.min)


def extreme(of_numbers: Reduction, of_bools: Reduction) -> Callable[..., Arg]:
    """Row of ReduceMax and ReduceMin, which bools have another function for."""

    def row(
        node: Node, data: Operand, axes: Operand | None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Arg:
        chosen = of_bools if data.kind == "b" else of_numbers
        return chosen(node, data, axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)

    return row


def position(function: str, keep: str) -> Callable[..., Arg]:
    """Row of ArgMax and ArgMin: the first position of the extreme, or the last."""

    def row(node: Node, data: Operand, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Arg:
        options = {keep: True} if keepdims else {}
        if not select_last_index:
            return invoke(function, data, axis, **options)
        backward = invoke(function, expr("ops.flip({0}, {1})", data, (axis,)), axis, **options)
        return expr("{0}.shape[{1}] - 1 - {2}", data, axis, backward)

    return row


def cumulative(function: str, primitive: str, widens: bool = False) -> Callable[..., Arg]:
    """Row of CumSum and CumProd."""

    def row(node: Node, x: Operand, axis: Operand, *, exclusive: int = 0, reverse: int = 0) -> Arg:
        items = axis.items()
        along = items[0] if items else expr("{0}.reshape(())", axis) if axis.rank else axis
        if exclusive or reverse:
            chosen = {"exclusive": exclusive, "reverse": reverse}
            options = {name: True for name, on in chosen.items() if on}
            return expr("{0}({1}, {2})", invoke(primitive, **options), x, along)
        widened = widens and x.kind in "iu" and x.dtype != ir.DataType.INT64
        return invoke(function, x, along, **({"dtype": node.dtype()} if widened else {}))

    return row


SUM = Reduction("ops.sum", widens=True)
INFINITY = float("inf")

ROWS = {
    "ArgMax": position("ops.argmax", "keepdim"),
    "ArgMin": position("ops.argmin", "keepdims"),
    "CumProd": cumulative("ops.cumprod", "ops.CumProd", widens=True),
    "CumSum": cumulative("ops.cumsum", "ops.CumSum"),
    "ReduceL1": replace(SUM, before="ops.abs({0})"),
    "ReduceL2": replace(SUM, before="ops.square({0})", after="ops.sqrt({0})"),
    "ReduceLogSum": replace(SUM, after="ops.log({0})"),
    "ReduceLogSumExp": Reduction("ops.logsumexp", nothing=-INFINITY),
    "ReduceMax": extreme(Reduction("ops.amax", "keepdims", nothing=-INFINITY), Reduction("ops.any", "keep_dims")),
    "ReduceMean": Reduction("ops.mean", "keep_dims", nothing=float("nan")),
    "ReduceMin": extreme(
        Reduction("ops.amin", "keepdims", nothing=INFINITY), Reduction("ops.all", "keep_dims", nothing=1)
    ),
    "ReduceProd": Reduction("ops.prod", "keep_dims", nothing=1.0, widens=True),
    "ReduceSum": SUM,
    "ReduceSumSquare": replace(SUM, before="ops.square({0})"),
}
