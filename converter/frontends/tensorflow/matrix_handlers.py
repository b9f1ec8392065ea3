"""tf2onnx handlers for TensorFlow's operators on the diagonals of matrices (…, M, N), for extents that may be free.

tf2onnx translates them to loops. What is not translated here, a diagonal beside the main one, is left to its handlers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.frontends.tensorflow.node_building import add_constant, add_node, finish


def _band_part(graph: Any, node: Any, **kwargs: Any) -> None:
    """Trilu for each side on which elements are set to 0."""
    from tf2onnx.onnx_opset.nn import MatrixBandPart

    if not all(source.is_const() for source in node.inputs[1:]):
        MatrixBandPart.version_7(graph, node, **kwargs)
        return
    dtype = graph.get_dtype(node.input[0])
    lower, upper = (int(source.get_tensor_value()) for source in node.inputs[1:])
    kept = node.input[0]
    for upper_side, diagonal in ((0, upper), (1, -lower)):
        if (upper, lower)[upper_side] >= 0:
            place = add_constant(graph, node, diagonal, np.int64)
            kept = add_node(graph, node, "Trilu", [kept, place], upper=upper_side)
            graph.set_dtype(kept, dtype)
    finish(graph, node, "Identity", [kept])


def _diag(graph: Any, node: Any, **kwargs: Any) -> None:
    """Matrices (…, N, N) with these diagonals, and 0 elsewhere; `tf.eye` writes it for a vector of ones."""
    from onnx import TensorProto
    from tf2onnx.onnx_opset.tensor import MatrixDiag

    if not _is_main(node, 1, rows=2, columns=3, padding=4):
        MatrixDiag.version_12(graph, node, **kwargs)
        return
    diagonal = node.input[0]
    if _are_ones(graph, node.inputs[0]):
        extent = graph.make_node("Shape", [diagonal], dtypes=[TensorProto.INT64]).output[0]
        shape = add_node(graph, node, "Concat", [extent, extent], axis=0)
        filled = graph.make_node("ConstantOfShape", [shape], dtypes=[TensorProto.FLOAT]).output[0]
        finish(graph, node, "EyeLike", [filled], dtype=graph.get_dtype(diagonal))
        return
    zero = _zero(graph, node)
    column = _unsqueezed(graph, node, diagonal, -1)
    finish(graph, node, "Where", [_on_diagonal(graph, node, diagonal, -1, -1), column, zero])


def _diag_part(graph: Any, node: Any, **kwargs: Any) -> None:
    """The diagonals of matrices: sums of rows in which everything else is 0."""
    from tf2onnx.onnx_opset import tensor

    matrix, shape = node.input[0], graph.get_shape(node.input[0])
    if not shape or not _is_main(node, 1) or _is_boolean(graph, node):
        own = tensor.MatrixDiagPart if node.type == "MatrixDiagPart" else tensor.MatrixDiagPartV2V3
        own.version_11(graph, node, **kwargs)
        return
    rows, columns = shape[-2:]
    if rows != columns and (rows > columns or columns < 0):
        raise NotImplementedError("the diagonal of matrices that may have more rows than columns")
    alone = add_node(graph, node, "Where", [_on_diagonal(graph, node, matrix, -2, -1), matrix, _zero(graph, node)])
    graph.set_dtype(alone, graph.get_dtype(matrix))
    finish(graph, node, "ReduceSum", [alone, add_constant(graph, node, [-1], np.int64)], keepdims=0)


def _set_diag(graph: Any, node: Any, **kwargs: Any) -> None:
    """Where, on the diagonal, these elements."""
    from tf2onnx.onnx_opset.tensor import MatrixSetDiagV3

    matrix, diagonal = node.input[:2]
    shape = graph.get_shape(matrix)
    if not shape or not _is_main(node, 2):
        MatrixSetDiagV3.version_12(graph, node, **kwargs)
        return
    axis = -2 if 0 <= shape[-1] < shape[-2] else -1
    values = _unsqueezed(graph, node, diagonal, axis)
    finish(graph, node, "Where", [_on_diagonal(graph, node, matrix, -2, -1), values, matrix])


def _are_ones(graph: Any, diagonal: Any) -> bool:
    """Whether a value is a vector (N,) of ones."""
    while diagonal.type == "Identity":
        diagonal = diagonal.inputs[0]
    if len(graph.get_shape(diagonal.output[0]) or ()) != 1 or diagonal.type not in ("Fill", "Expand"):
        return False
    value = diagonal.inputs[diagonal.type == "Fill"]
    return bool(value.is_const() and np.all(value.get_tensor_value(as_list=False) == 1))


def _is_main(node: Any, offset: int, **options: int) -> bool:
    """Whether the node is about the main diagonal: the first version of an operator is, others have an input for it.

    Rows and columns must follow from the diagonal (-1), and the padding be 0.
    """
    if len(node.inputs) <= offset:
        return True
    wanted = {offset: 0} | {index: 0 if name == "padding" else -1 for name, index in options.items()}
    return all(
        node.inputs[index].is_const() and not np.any(node.inputs[index].get_tensor_value(as_list=False) != value)
        for index, value in wanted.items()
    )


def _on_diagonal(graph: Any, node: Any, value: str, rows: int, columns: int) -> str:
    """Booleans (M, N), true where row and column are equal; M and N are the extents of two axes of `value`."""
    lines = [_positions(graph, node, value, axis) for axis in dict.fromkeys((rows, columns))]
    return str(graph.make_node("Equal", [_unsqueezed(graph, node, lines[0], 1), lines[-1]]).output[0])


def _positions(graph: Any, node: Any, value: str, axis: int) -> str:
    from onnx import TensorProto

    zero, one, place = (add_constant(graph, node, number, np.int64) for number in (0, 1, axis))
    extents = graph.make_node("Shape", [value], dtypes=[TensorProto.INT64]).output[0]
    extent = add_node(graph, node, "Gather", [extents, place], axis=0)
    return add_node(graph, node, "Range", [zero, extent, one])


def _unsqueezed(graph: Any, node: Any, value: str, axis: int) -> str:
    return add_node(graph, node, "Unsqueeze", [value, add_constant(graph, node, [axis], np.int64)])


def _zero(graph: Any, node: Any) -> str:
    from tf2onnx import utils

    return add_constant(graph, node, 0, utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0])))


def _is_boolean(graph: Any, node: Any) -> bool:
    from onnx import TensorProto

    return bool(graph.get_dtype(node.input[0]) == TensorProto.BOOL)


MATRIX_HANDLERS: Mapping[str, Any] = {
    "MatrixBandPart": _band_part,
    **dict.fromkeys(("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3"), _diag),
    **dict.fromkeys(("MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3"), _diag_part),
    **dict.fromkeys(("MatrixSetDiag", "MatrixSetDiagV2", "MatrixSetDiagV3"), _set_diag),
}
