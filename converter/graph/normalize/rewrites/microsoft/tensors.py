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
