"""Linear systems of TensorFlow, which ONNX lacks."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr


def matrix_inverse(node: Node, x: Operand, *, adjoint: int = 0) -> Arg:
    """tf.linalg.inv: the solution for an identity matrix (`ops.inverse` does not run on Ascend)."""
    identity = expr("ops.zeros_like({0}) + ops.eye({0}.shape[-1], {0}.shape[-1], {1})", x, node.dtype())
    return _solution(x, identity, adjoint)


def matrix_solve(node: Node, matrix: Operand, rhs: Operand, *, adjoint: int = 0) -> Arg:
    """tf.linalg.solve: `ops.matrix_solve(a, b)`."""
    return _solution(matrix, rhs, adjoint)


def _solution(matrix: Arg, rhs: Arg, adjoint: int) -> Arg:
    return expr("ops.matrix_solve({0}, {1}, True)" if adjoint else "ops.matrix_solve({0}, {1})", matrix, rhs)


ROWS = {
    "tensorflow.MatrixInverse": matrix_inverse,
    "tensorflow.MatrixSolve": matrix_solve,
}
