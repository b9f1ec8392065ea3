"""Layers: normalisations and dropout."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError

Rewrite = Callable[[Edit], None]


def batch_normalization_9(edit: Edit) -> None:
    """Up to version 8, `spatial=0` means statistics per activation, of shape (C, ...), instead of per channel."""
    if edit.take("spatial", 1) or len(edit.shape(edit.input(1))) == 1:
        return
    if len(edit.node.outputs) > 1:
        raise RefusedError("it trains statistics for every activation (spatial=0), which ONNX cannot say any more")
    data, scale, bias, mean, variance = edit.node.inputs
    epsilon = edit.like("epsilon", edit.get("epsilon", 1e-5), data)
    deviation = edit.before("Sqrt", edit.before("Add", variance, epsilon))
    normalized = edit.before("Div", edit.before("Sub", data, mean), deviation)
    edit.become("Add", [edit.before("Mul", normalized, scale), bias])


def batch_normalization_14(edit: Edit) -> None:
    """Before version 14, a node with more than one output is in training mode."""
    outputs = edit.node.outputs
    if len(outputs) == 1:
        return
    if any(value.uses() or value.is_graph_output() for value in outputs[3:]):
        raise RefusedError("its outputs saved_mean and saved_var are used, and ONNX no longer has them")
    edit.node.resize_outputs(min(len(outputs), 3))
    edit.set(training_mode=1)


def group_normalization_21(edit: Edit) -> None:
    """Scale and bias are per group, (groups,), up to version 18, and per channel, (C,), since."""
    channels, groups = edit.shape(edit.input(0))[1], edit.get("num_groups")
    if channels == groups:
        return
    if channels is None:
        count = edit.before("Shape", edit.input(0), start=1, end=2)
        each = edit.before("Div", count, edit.ints("groups", [groups]))
        shape = edit.before("Concat", edit.ints("groups", [groups]), each, axis=0)
    else:
        shape = edit.ints("shape", [groups, channels // groups])
    for index in (1, 2):
        column = edit.before("Unsqueeze", edit.input(index), edit.ints("axes", [1]))
        unknown_length = edit.before("Expand", column, shape)
        edit.set_input(index, edit.before("Reshape", unknown_length, edit.ints("channels", [channels or -1])))


def dropout_10(edit: Edit) -> None:
    """The mask has the data's element type up to version 7, and is boolean since."""
    if len(edit.node.outputs) > 1 and edit.node.outputs[1].uses():
        data = edit.input(0)
        dtype = data.dtype if data is not None and data.dtype is not None else ir.DataType.FLOAT
        edit.after("Cast", edit.node.outputs[1], output=1, to=dtype)


def dropout_12(edit: Edit) -> None:
    """Dropout-10 takes the ratio as an attribute."""
    ratio = edit.take("ratio")
    if ratio is not None:
        edit.set_input(1, edit.like("ratio", ratio, None))


def mean_variance_normalization_9(edit: Edit) -> None:
    """Before version 9, attributes say whether to normalise across channels, and whether to divide by the deviation."""
    axes = [0, 1, 2, 3] if edit.take("across_channels", 0) else [0, 2, 3]
    if edit.take("normalize_variance", 1):
        edit.set(axes=axes)
        return
    data = edit.input(0)
    edit.become("Sub", [data, edit.before("ReduceMean", data, edit.ints("axes", axes))])


def without_is_test(edit: Edit) -> None:
    """Up to version 6, `is_test` distinguishes inference from training; exported models are for inference."""
    edit.take("is_test")


REWRITES: dict[tuple[str, int], Rewrite] = {
    ("BatchNormalization", 7): without_is_test,
    ("BatchNormalization", 9): batch_normalization_9,
    ("BatchNormalization", 14): batch_normalization_14,
    ("Dropout", 7): without_is_test,
    ("Dropout", 10): dropout_10,
    ("Dropout", 12): dropout_12,
    ("GroupNormalization", 21): group_normalization_21,
    ("MeanVarianceNormalization", 9): mean_variance_normalization_9,
}
