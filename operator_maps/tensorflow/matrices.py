"""Linear systems of TensorFlow, which ONNX lacks."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.matrices import inverse_of


def matrix_inverse(node: Node, x: Operand, *, adjoint: int = 0) -> Arg:
    """tf.linalg.inv: the solution for an identity matrix."""
    return inverse_of(node, x, bool(adjoint))


def matrix_solve(node: Node, matrix: Operand, rhs: Operand, *, adjoint: int = 0) -> Arg:
    """tf.linalg.solve: `ops.matrix_solve(a, b)`."""
    return expr("ops.matrix_solve({0}, {1}, True)" if adjoint else "ops.matrix_solve({0}, {1})", matrix, rhs)


ROWS = {
    "tensorflow.MatrixInverse": matrix_inverse,
    "tensorflow.MatrixSolve": matrix_solve,
}
