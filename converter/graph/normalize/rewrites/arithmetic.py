"""Elementwise operators, softmax and reductions whose meaning changed."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from converter.graph.edit import Edit

Rewrite = Callable[[Edit], None]


def broadcast_7(edit: Edit) -> None:
    """Before version 7, `axis` is the axis of the first input that the second input's first axis is aligned with."""
    axis = edit.take("axis")
    if not edit.take("broadcast", 0) or axis is None:
        return  # equal shapes, or aligned at the last axis, as in NumPy
    left, right = edit.input(0), edit.input(1)
    rank, own = len(edit.shape(left)), len(edit.shape(right))
    missing = rank - axis % rank - own
    if missing > 0:
        edit.set_input(1, edit.before("Unsqueeze", right, edit.ints("axes", range(own, own + missing))))


def prelu_7(edit: Edit) -> None:
    """A vector of slopes is aligned with axis 1 before version 7, with the last axis since."""
    slope = edit.input(1)
    rank = len(edit.shape(edit.input(0)))
    if edit.shape(slope) != (1,) and len(edit.shape(slope)) == 1 and rank > 2:
        edit.set_input(1, edit.before("Unsqueeze", slope, edit.ints("axes", range(1, rank - 1))))


def softmax_13(edit: Edit) -> None:
    """Before version 13, softmax is over all axes from `axis` on together; since then over the single axis `axis`."""
    axis, data = edit.take("axis", 1), edit.input(0)
    single = _single_axis(axis, edit.find_shape(data))
    if single is not None:
        edit.set(axis=single)
        return
    old_shape = edit.before("Shape", data)
    edit.set_input(0, edit.before("Flatten", data, axis=axis))
    edit.set(axis=-1)
    edit.after("Reshape", edit.node.outputs[0], old_shape)


def _single_axis(axis: int, shape: tuple[int | None, ...] | None) -> int | None:
    """The only axis from `axis` on whose extent is not 1; the last axis when all are 1; None when there are several."""
    if shape is None:
        return axis if axis == -1 else None
    wide = [index for index in range(axis % len(shape), len(shape)) if shape[index] != 1]
    if len(wide) > 1:
        return None
    return wide[0] if wide else len(shape) - 1


def through_float(edit: Edit) -> None:
    """The operator no longer accepts integers: compute in float and cast back."""
    data = edit.input(0)
    if data is None or data.dtype is None or not data.dtype.is_integer():
        return
    edit.set_input(0, edit.before("Cast", data, to=ir.DataType.FLOAT))
    edit.after("Cast", edit.node.outputs[0], to=data.dtype)


_BINARY = ["Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor"]

REWRITES: dict[tuple[str, int], Rewrite] = {
    **{(name, 7): broadcast_7 for name in _BINARY},
    **{(name, 13): softmax_13 for name in ("Hardmax", "LogSoftmax", "Softmax")},
    ("Erf", 13): through_float,
    ("PRelu", 7): prelu_7,
    ("ReduceLogSum", 28): through_float,
    ("ReduceLogSumExp", 28): through_float,
}
