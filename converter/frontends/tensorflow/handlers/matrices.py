"""Handlers of operators on the diagonals of matrices (…, M, N), for extents that may be free.

tf2onnx translates them to loops. What is not translated here, a diagonal beside the main one, is left to its handlers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder


def _band_part(build: NodeBuilder) -> None:
    """Trilu for each side on which elements are set to 0."""
    from tf2onnx.onnx_opset.nn import MatrixBandPart

    if not all(source.is_const() for source in build.sources[1:]):
        build.leave_to(MatrixBandPart.version_7)
        return
    lower, upper = (int(source.get_tensor_value()) for source in build.sources[1:])
    kept = build.inputs[0]
    for upper_side, diagonal in ((0, upper), (1, -lower)):
        if (upper, lower)[upper_side] >= 0:
            place = build.int64(diagonal)
            kept = build.add("Trilu", kept, place, upper=upper_side)
    build.finish("Identity", kept)


def _diag(build: NodeBuilder) -> None:
    """Matrices (…, N, N) with these diagonals, and 0 elsewhere; `tf.eye` writes it for a vector of ones."""
    from tf2onnx.onnx_opset.tensor import MatrixDiag

    if not _is_main(build, 1, rows=2, columns=3, padding=4):
        build.leave_to(MatrixDiag.version_12)
        return
    diagonal = build.inputs[0]
    if _are_ones(build):
        extent = build.add("Shape", diagonal)
        shape = build.add("Concat", extent, extent, axis=0)
        build.finish("EyeLike", build.add("ConstantOfShape", shape), dtype=build.dtype(diagonal))
        return
    zero = build.number(0)
    column = _unsqueezed(build, diagonal, -1)
    build.finish("Where", _on_diagonal(build, diagonal, -1, -1), column, zero)


def _diag_part(build: NodeBuilder) -> None:
    """The diagonals of matrices: sums of rows in which everything else is 0."""
    from tf2onnx.onnx_opset import tensor

    matrix, shape = build.inputs[0], build.shape(build.inputs[0])
    if not shape or not _is_main(build, 1) or build.dtype(build.inputs[0]) == TensorProto.BOOL:
        own = tensor.MatrixDiagPart if build.node.type == "MatrixDiagPart" else tensor.MatrixDiagPartV2V3
        build.leave_to(own.version_11)
        return
    rows, columns = shape[-2:]
    if rows != columns and (rows > columns or columns < 0):
        raise NotImplementedError("the diagonal of matrices that may have more rows than columns")
    alone = build.add("Where", _on_diagonal(build, matrix, -2, -1), matrix, build.number(0))
    build.finish("ReduceSum", alone, build.int64([-1]), keepdims=0)


def _set_diag(build: NodeBuilder) -> None:
    """Where, on the diagonal, these elements."""
    from tf2onnx.onnx_opset.tensor import MatrixSetDiagV3

    matrix, diagonal = build.inputs[:2]
    shape = build.shape(matrix)
    if not shape or not _is_main(build, 2):
        build.leave_to(MatrixSetDiagV3.version_12)
        return
    axis = -2 if 0 <= shape[-1] < shape[-2] else -1
    values = _unsqueezed(build, diagonal, axis)
    build.finish("Where", _on_diagonal(build, matrix, -2, -1), values, matrix)


def _are_ones(build: NodeBuilder) -> bool:
    """Whether the first input is a vector (N,) of ones."""
    diagonal = build.sources[0]
    while diagonal.type == "Identity":
        diagonal = diagonal.inputs[0]
    if len(build.shape(diagonal.output[0])) != 1 or diagonal.type not in ("Fill", "Expand"):
        return False
    value = diagonal.inputs[diagonal.type == "Fill"]
    return bool(value.is_const() and np.all(value.get_tensor_value(as_list=False) == 1))


def _is_main(build: NodeBuilder, offset: int, **options: int) -> bool:
    """Whether the node is about the main diagonal: the first version of an operator is, others have an input for it.

    Rows and columns must follow from the diagonal (-1), and the padding be 0.
    """
    if len(build.inputs) <= offset:
        return True
    wanted = {offset: 0} | {index: 0 if name == "padding" else -1 for name, index in options.items()}
    return all(
        build.sources[index].is_const() and not np.any(build.sources[index].get_tensor_value(as_list=False) != value)
        for index, value in wanted.items()
    )


def _on_diagonal(build: NodeBuilder, value: str, rows: int, columns: int) -> str:
    """Booleans (M, N), true where row and column are equal; M and N are the extents of two axes of `value`."""
    lines = [_positions(build, value, axis) for axis in dict.fromkeys((rows, columns))]
    return build.add("Equal", _unsqueezed(build, lines[0], 1), lines[-1])


def _positions(build: NodeBuilder, value: str, axis: int) -> str:

    zero, one, place = (build.int64(number) for number in (0, 1, axis))
    extent = build.add("Gather", build.add("Shape", value), place, axis=0)
    return build.add("Range", zero, extent, one)


def _unsqueezed(build: NodeBuilder, value: str, axis: int) -> str:
    return build.add("Unsqueeze", value, build.int64([axis]))


HANDLERS: Mapping[str, Handler] = {
    "MatrixBandPart": _band_part,
    **dict.fromkeys(("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3"), _diag),
    **dict.fromkeys(("MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3"), _diag_part),
    **dict.fromkeys(("MatrixSetDiag", "MatrixSetDiagV2", "MatrixSetDiagV3"), _set_diag),
}
