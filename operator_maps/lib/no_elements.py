"""Tensors of no elements, which some operators of MindSpore refuse, and for which some CPU kernels end the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.graph import may_be_empty
from converter.rows import Arg, Expression, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def unless_empty(x: Operand, y: Arg) -> Arg:
    """`y`, or `x` itself where the graph may meet it without elements and it has none."""
    return expr("{1} if {0}.size else {0}", x, y) if may_be_empty(x.value) else y


def flip(x: Operand, y: Arg, axes: tuple[int, ...]) -> Expression:
    """`ops.flip(y, axes)` of a part `y` of `x`, or of `x` itself."""
    return (
        expr("{0}({1}, {2})", flip_or_none, y, axes) if may_be_empty(x.value) else expr("ops.flip({0}, {1})", y, axes)
    )


def flip_or_none(x, axes):
    """ops.flip, whose kernel may end the process for a tensor of no elements."""
    return ops.flip(x, axes) if x.size else x


def best_class(x: Operand, scores: Arg) -> Expression:
    """The place of the highest of the scores of each row of `x`; the first one's where two are the same."""
    if may_be_empty(x.value, 0):
        return expr("{0}({1}, -1, False)", argmax_or_none, scores)
    return expr("ops.argmax({0}, -1)", scores)


def argmax_or_none(x, axis, keep):
    """ops.argmax, which refuses a tensor of no elements."""
    if x.size == 0:
        return ops.amax(x, axis, keep).astype(ms.int64)
    return ops.argmax(x, axis, keep)
