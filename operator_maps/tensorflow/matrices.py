"""Linear algebra of TensorFlow, which ONNX lacks."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, Unpacked, call, expr, invoke
from operator_maps.lib.matrices import inverse_of


def matrix_inverse(node: Node, x: Operand, *, adjoint: int = 0) -> Arg:
    """tf.linalg.inv: the solution for an identity matrix."""
    return inverse_of(node, x, bool(adjoint))


def matrix_solve(node: Node, matrix: Operand, rhs: Operand, *, adjoint: int = 0) -> Arg:
    """tf.linalg.solve: `ops.matrix_solve(a, b)`."""
    return expr("ops.matrix_solve({0}, {1}, True)" if adjoint else "ops.matrix_solve({0}, {1})", matrix, rhs)


def triangular_solve(node: Node, matrix: Operand, rhs: Operand, *, lower: int = 1, adjoint: int = 0) -> Arg:
    """tf.linalg.triangular_solve: `ops.matrix_solve(ops.tril(a), b)`."""
    triangle = invoke("ops.tril" if lower else "ops.triu", matrix)
    return invoke("ops.matrix_solve", triangle, rhs, *([True] if adjoint else []))


def qr(node: Node, x: Operand, *, full_matrices: int = 0) -> Arg:
    """tf.linalg.qr: `q, r = ops.qr(x)`; the signs of the vectors are open, and may be others than TensorFlow's."""
    return Unpacked(invoke("ops.qr", x, *(["complete"] if full_matrices else [])))


def diag(node: Node, x: Operand) -> Arg:
    """tf.linalg.tensor_diag: `ops.diag_embed(x)` of a vector."""
    if x.rank != 1:
        raise node.decline("its tensor is no vector")
    return invoke("ops.diag_embed", x)


def diag_part(node: Node, x: Operand) -> Arg:
    """tf.linalg.tensor_diag_part: `ops.diagonal(x)` of a matrix."""
    if x.rank != 2:
        raise node.decline("its tensor is no matrix")
    return invoke("ops.diagonal", x)


ROWS = {
    "tensorflow.Cholesky": call("ops.cholesky({0})"),
    "tensorflow.Cross": call("ops.cross({0}, {1}, -1)"),
    "tensorflow.Diag": diag,
    "tensorflow.DiagPart": diag_part,
    "tensorflow.LogMatrixDeterminant": lambda node, x: Unpacked(invoke("ops.slogdet", x)),
    "tensorflow.MatrixInverse": matrix_inverse,
    "tensorflow.MatrixSolve": matrix_solve,
    "tensorflow.MatrixTriangularSolve": triangular_solve,
    "tensorflow.Qr": qr,
}
