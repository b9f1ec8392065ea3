"""Matrices: what MindSpore has on all its platforms only in another form."""

from __future__ import annotations

from converter.rows import Expression, Node, Operand, expr


def inverse_of(node: Node, x: Operand, adjoint: bool = False) -> Expression:
    """The inverse: the solution for an identity matrix (`ops.inverse` does not run on Ascend)."""
    identity = expr("ops.zeros_like({0}) + ops.eye({0}.shape[-1], {0}.shape[-1], {1})", x, node.dtype())
    return expr("ops.matrix_solve({0}, {1}, True)" if adjoint else "ops.matrix_solve({0}, {1})", x, identity)
