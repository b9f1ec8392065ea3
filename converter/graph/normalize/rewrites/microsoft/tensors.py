"""Operators on tensors of which ONNX has another form: axes, distinct elements, distances."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError


def expand_dims(edit: Edit) -> None:
    """ExpandDims: one new axis, whose place is a scalar."""
    axis = edit.before("Cast", edit.input(1), to=ir.DataType.INT64)
    edit.become("Unsqueeze", [edit.input(0), edit.before("Reshape", axis, edit.ints("shape", [1]))])


def unique(edit: Edit) -> None:
    """Unique: the distinct elements of a vector as they come, the place of each among them, and their counts."""
    values, _, *others = edit.before_all("Unique", 4, edit.input(0), sorted=0)
    for index, value in enumerate(others, 1):
        if len(edit.node.outputs) > index:
            edit.replace_output(index, value)
    edit.node.resize_outputs(1)
    edit.become("Identity", [values])


def grid_sample(edit: Edit) -> None:
    """GridSample, whose kinds of interpolation have other names."""
    kinds = {"bilinear": "linear", "bicubic": "cubic"}
    mode = edit.get("mode", "bilinear")
    options = edit.given("align_corners", "padding_mode")
    edit.become("GridSample", [edit.input(0), edit.input(1)], mode=kinds.get(mode, mode), **options)


def nhwc_max_pool(edit: Edit) -> None:
    """NhwcMaxPool: MaxPool of images whose channels are last."""
    rank = 2 + len(edit.get("kernel_shape"))
    options = edit.given("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")
    x = edit.before("Transpose", edit.input(0), perm=[0, rank - 1, *range(1, rank - 1)])
    edit.become("Transpose", [edit.before("MaxPool", x, **options)], perm=[0, *range(2, rank), 1])


def conv_transpose_with_dynamic_pads(edit: Edit) -> None:
    """ConvTransposeWithDynamicPads: ConvTranspose, whose padding is an input. Refused when it is computed."""
    pads = [] if edit.input(2) is None else edit.array(edit.input(2)).tolist()
    options = edit.given("auto_pad", "dilations", "group", "kernel_shape", "output_padding", "strides")
    inputs = [edit.input(index) for index in (0, 1, 3)]
    edit.become("ConvTranspose", inputs, **options, **({"pads": pads} if pads else {}))


def c_dist(edit: Edit) -> None:
    """CDist: the distance of each row of the first matrix from each of the second, or its square."""
    metric = edit.get("metric", "sqeuclidean")
    if metric not in ("euclidean", "sqeuclidean"):
        raise RefusedError(f"its metric '{metric}' is unknown")
    a, b = edit.input(0), edit.input(1)
    axes = edit.ints("axes", [1])
    norms = (edit.before("ReduceSumSquare", each, axes, keepdims=1) for each in (a, b))
    of_a, of_b = next(norms), edit.before("Transpose", next(norms), perm=[1, 0])
    product = edit.before("MatMul", a, edit.before("Transpose", b, perm=[1, 0]))
    twice = edit.before("Mul", product, edit.like("two", 2, a))
    squares = edit.before("Sub", edit.before("Add", of_a, of_b), twice)
    inputs = [squares, edit.like("zero", 0, a)]  # where rows are equal, rounding may leave less
    if metric == "sqeuclidean":
        edit.become("Max", inputs)
    else:
        edit.become("Sqrt", [edit.before("Max", *inputs)])
