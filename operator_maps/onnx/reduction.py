"""Reductions, ArgMax and ArgMin, and cumulative operators.

Source: https://onnx.ai/onnx/operators/. The reduction of no elements is defined in ONNX; MindSpore's CPU kernels leave
memory that nobody wrote. If the shape shows that a tensor is empty, the value of ONNX is written; where the graph may
meet one (`may_be_empty`), it is selected when the network runs. Integers of 64 bits are added as floats by the CPU's
kernel; where they may be large, their halves are added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from converter.graph import is_selected, may_be_empty, may_be_large, may_be_nan, may_hide_rows
from converter.rows import Arg, Node, Operand, expr, invoke
from operator_maps.lib.no_elements import argmax_or_none, flip

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


@dataclass(frozen=True)
class Reduction:
    """Row of an operator that reduces some or all axes, which are given as constants or as a tensor.

    Attributes:
        function: MindSpore's function, called as `function(x, axes, True)` where a reduced axis is kept with extent 1.
        keep: the name of that option where it is a keyword only.
        before: elementwise expression that is applied to the input.
        after: elementwise expression that is applied to the result.
        identity: the result of reducing no elements.
        widens: whether `function` returns int64 for other integer types unless `dtype` is given.
        needs_axes: whether `function` needs the axes even if it reduces all.
    """

    function: str
    keep: str = ""
    before: str = "{0}"
    after: str = "{0}"
    identity: float = 0.0
    widens: bool = False
    needs_axes: bool = False

    def __call__(
        self, node: Node, data: Operand, axes: Operand | None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Arg:
        """Translate a node.

        Raises:
            Unsupported: the rank of `data` is needed and unknown.
        """
        before, has_own_type = self.before, False
        if data.kind == "u" and before == "ops.abs({0})":  # there is no kernel for it
            before = "{0}"
        elif data.kind in "iu" and self.function == "ops.mean":  # of integers it is computed in float32
            before, has_own_type = "{0}.astype(ms.float64)", True
        if self.after != "{0}":
            has_own_type = data.kind in "iu" or data.dtype == ir.DataType.FLOAT16
            if data.kind == "f" and has_own_type:  # it may hold the root of a sum that it does not hold
                before = before.replace("{0}", "{0}.astype(ms.float32)")
        reduced = replace(self, before=before)._reduced(node, data, axes, keepdims, noop_with_empty_axes)
        return expr("{0}.astype({1})", reduced, node.dtype()) if has_own_type else reduced

    def _reduced(
        self, node: Node, data: Operand, axes: Operand | None, keepdims: int, noop_with_empty_axes: int
    ) -> Arg:
        result = node.outputs[0]
        if data.size == 0 and result.size:
            filled = expr("ops.full({0}, {1}, dtype={2})", result.shape, self._neutral(result), node.dtype())
            return _apply(self.after, filled)
        chosen: Arg = () if axes is None or axes.size == 0 else axes.items() or axes
        if chosen == () and (noop_with_empty_axes or data.rank == 0):
            return _apply(self.after, _apply(self.before, data))
        if chosen == ():
            chosen = _every_axis(node, data) if keepdims or self.needs_axes else None
        reduced = _apply(self.before, data)
        options: dict[str, Arg] = {self.keep: True} if keepdims and self.keep else {}
        where = () if chosen is None else (chosen[0] if isinstance(chosen, tuple) and len(chosen) == 1 else chosen,)
        if self.function == "ops.sum" and self.before == "{0}" and may_be_large(data.value):
            total: Arg = expr("{0}({1}, {2}, {3})", sum_of_halves, data, *(where or (None,)), bool(keepdims))
        else:
            if self.widens and data.kind in "iu" and data.dtype != ir.DataType.INT64:
                options["dtype"] = node.dtype()
            keep = (True,) if keepdims and not self.keep else ()
            total = invoke(self.function, reduced, *where, *keep, **options)
        if data.size == 0:
            total = expr("ops.full_like({0}, {1})", total, self._neutral(result))
        elif _has_nothing(data, chosen):
            neutral = self._neutral(result)
            if neutral == -(2**63):  # graph mode reads a minus and a number that is too large
                neutral = node.constant(np.array(neutral), "least")
            total = _unless_empty(data, total, neutral)
        return _apply(self.after, total)

    def _neutral(self, result: Operand) -> Any:
        """The identity element as a Python number; for integer types infinity is the type's limit."""
        if result.kind in "iu" and result.dtype is not None:
            limits = np.iinfo(result.dtype.numpy())
            return int(max(limits.min, min(limits.max, self.identity)))
        return bool(self.identity) if result.kind == "b" else self.identity


def sum_of_halves(x, axes, keep):
    """Add integers of 64 bits; MindSpore's CPU kernel adds them as floats, which hold the sums of their halves."""
    high = ops.sum(ops.bitwise_right_shift(x, 32), axes, keepdim=keep)
    low = ops.sum(ops.bitwise_and(x, 0xFFFFFFFF), axes, keepdim=keep)
    return high * 2**32 + low


def _has_nothing(data: Operand, axes: Arg) -> bool:
    """Whether nothing may be reduced: an axis among `axes` may be of extent 0, or any if they are not known."""
    which = axes if isinstance(axes, tuple) else (None,)
    return any(may_be_empty(data.value, axis, computed=True) for axis in which)


def _unless_empty(data: Operand, total: Arg, neutral: Arg) -> Arg:
    """What is reduced; `neutral` where there is nothing."""
    return expr("ops.where(ops.scalar_to_tensor({0}.size, ms.int64) > 0, {1}, {2})", data, total, neutral)


def _apply(template: str, value: Arg) -> Arg:
    return value if template == "{0}" else expr(template, value)


def _every_axis(node: Node, data: Operand) -> tuple[int, ...]:
    if data.rank is None:
        raise node.decline("the rank of its input is unknown")
    return tuple(range(data.rank))


def extreme(of_numbers: Reduction, of_bools: Reduction) -> Callable[..., Arg]:
    """Make the row of ReduceMax or ReduceMin, which for bools is `ops.any` or `ops.all`."""

    def row(
        node: Node, data: Operand, axes: Operand | None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Arg:
        chosen = of_bools if data.kind == "b" else of_numbers
        return chosen(node, data, axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)

    return row


SUM = Reduction("ops.sum", "keepdim", widens=True)
LOG_SUM_EXP = Reduction("ops.logsumexp", "keepdim", identity=-float("inf"), needs_axes=True)


def reduce_log_sum_exp(
    node: Node, data: Operand, axes: Operand | None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Arg:
    """ReduceLogSumExp: `ops.logsumexp`; if the axes are a tensor and not kept, `ops.sum` removes them.

    An empty tensor is reduced by log(sum(exp(x))) itself, as `ops.logsumexp` of minus infinity is NaN.
    """
    if data.size == 0:
        formula = replace(SUM, before="ops.exp({0})", after="ops.log({0})")
        return formula(node, data, axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)
    if may_be_nan(data.value) or may_hide_rows(data.value, 0):
        which = _every_axis(node, data) if axes is None or axes.size == 0 else axes.items()
        if which and not noop_with_empty_axes:
            total = expr("{0}({1}, {2}, {3})", log_sum_exp, data, which, bool(keepdims))
            return _unless_empty(data, total, LOG_SUM_EXP.identity) if _has_nothing(data, which) else total
    if axes is None or axes.size == 0 or axes.items() or keepdims:
        return LOG_SUM_EXP(node, data, axes, keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)
    return expr("ops.sum({0}, {1})", LOG_SUM_EXP(node, data, axes), axes)


def log_sum_exp(x, axes, keep):
    """ops.logsumexp, which is NaN where all elements are -inf."""
    top = ops.amax(x, axes, True)
    top = ops.where(ops.isfinite(top), top, ops.zeros_like(top))
    y = ops.log(ops.sum(ops.exp(x - top), axes, keepdim=True)) + top
    return y if keep else y.squeeze(axes)


def position(function: str, after: str = "{0}") -> Callable[..., Arg]:
    """Make the row of ArgMax or ArgMin: the index of the first extreme element along an axis, or of the last."""

    def row(node: Node, data: Operand, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Arg:
        keep = (True,) if keepdims else ()
        helper = argmax_or_none if function == "ops.argmax" else argmin_or_none
        result = node.outputs[0]
        if data.size == 0 and result.size == 0:
            return expr("ops.zeros({0}, dtype=ms.int64)", result.shape)
        or_none = data.size != 0 and may_be_empty(data.value)

        def found(x: Arg) -> Arg:
            if or_none:
                return expr("{0}({1}, {2}, {3})", helper, x, axis, bool(keepdims))
            return _apply(after, invoke(function, x, axis, *keep))

        if not select_last_index:
            return found(data)
        backward = found(flip(data, data, (axis,)))
        return expr("{0}.shape[{1}] - 1 - {2}", data, axis, backward)

    return row


def argmin_or_none(x, axis, keep):
    """ops.argmin, which refuses a tensor of no elements."""
    if x.size == 0:
        return ops.amin(x, axis, keep).astype(ms.int64)
    return ops.argmin(x, axis, keep).astype(ms.int64)


def cumulative(function: str, primitive: str, widens: bool = False) -> Callable[..., Arg]:
    """Make the row of CumSum or CumProd."""

    def row(node: Node, x: Operand, axis: Operand, *, exclusive: int = 0, reverse: int = 0) -> Arg:
        items = axis.items()
        along = items[0] if items else expr("{0}.reshape(())", axis) if axis.rank else axis
        # integers that a network is fed are masks of some elements, summed along the sequence
        given = x.kind == "f" or along in (0, (-(x.rank or 0))) or is_selected(x.value)
        if x.size != 0 and given and may_be_empty(x.value) and function == "ops.cumsum":
            return expr("{0}({1}, {2}, {3}, {4})", cumsum_or_none, x, along, bool(exclusive), bool(reverse))
        if exclusive or reverse:
            chosen = {"exclusive": exclusive, "reverse": reverse}
            options = {name: True for name, on in chosen.items() if on}
            return expr("{0}({1}, {2})", invoke(primitive, **options), x, along)
        upcast = widens and x.kind in "iu" and x.dtype != ir.DataType.INT64
        return invoke(function, x, along, **({"dtype": node.dtype()} if upcast else {}))

    return row


def cumsum_or_none(x, axis, exclusive, reverse):
    """ops.CumSum, which refuses a tensor of no elements."""
    if x.size == 0:
        return x
    return ops.CumSum(exclusive, reverse)(x, axis)


INFINITY = float("inf")

ROWS = {
    "ArgMax": position("ops.argmax"),
    "ArgMin": position("ops.argmin", after="{0}.astype(ms.int64)"),
    "CumProd": cumulative("ops.cumprod", "ops.CumProd", widens=True),
    "CumSum": cumulative("ops.cumsum", "ops.CumSum"),
    "ReduceL1": replace(SUM, before="ops.abs({0})"),
    "ReduceL2": replace(SUM, before="ops.square({0})", after="ops.sqrt({0})"),
    "ReduceLogSum": replace(SUM, after="ops.log({0})"),
    "ReduceLogSumExp": reduce_log_sum_exp,
    "ReduceMax": extreme(Reduction("ops.amax", identity=-INFINITY), Reduction("ops.any")),
    "ReduceMean": Reduction("ops.mean"),
    "ReduceMin": extreme(Reduction("ops.amin", identity=INFINITY), Reduction("ops.all", identity=1)),
    "ReduceProd": Reduction("ops.prod", identity=1.0, widens=True),
    "ReduceSum": SUM,
    "ReduceSumSquare": replace(SUM, before="ops.square({0})"),
}
