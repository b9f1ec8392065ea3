"""Linear algebra of PyTorch for which its exporter has no ONNX function.

Source: https://pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr, invoke


def inverse(node: Node, x: Operand, *, check_errors: int = 0) -> tuple[Arg, ...]:
    """torch.linalg.inv: the solution for an identity matrix (`ops.inverse` does not run on Ascend)."""
    identity = expr("ops.zeros_like({0}) + ops.eye({0}.shape[-1], {0}.shape[-1], {1})", x, node.dtype())
    return _first(node, expr("ops.matrix_solve({0}, {1})", x, identity))


def solve(node: Node, a: Operand, b: Operand, *, left: int = 1, check_errors: int = 0) -> tuple[Arg, ...]:
    """torch.linalg.solve: `ops.matrix_solve(a, b)`."""
    if not left:
        raise node.decline("it solves x @ a = b")
    if b.rank is None or a.rank is None or b.rank != a.rank:
        raise node.decline("its right side is a vector, or of unknown rank")
    return _first(node, expr("ops.matrix_solve({0}, {1})", a, b))


def cholesky(node: Node, x: Operand, *, upper: int = 0, check_errors: int = 0) -> tuple[Arg, ...]:
    """torch.linalg.cholesky: `ops.cholesky(x)`, which is not documented for Ascend."""
    return _first(node, invoke("ops.cholesky", x, *([True] if upper else [])))


def slogdet(node: Node, x: Operand) -> tuple[Arg, ...]:
    """torch.linalg.slogdet: `sign, logabsdet = ops.slogdet(x)`."""
    if any(node.used[2:]):
        raise node.decline("its factors are read")
    sign, size = node.unpack(("sign", "logabsdet"), invoke("ops.slogdet", x))
    return (sign, size, *[None] * (len(node.outputs) - 2))


def _first(node: Node, result: Arg) -> tuple[Arg, ...]:
    """The result and, for the further outputs, nothing.

    Raises:
        Unsupported: one of those is read.
    """
    if any(node.used[1:]):
        raise node.decline("what it tells of errors, or its factors, are read")
    return (result, *[None] * (len(node.outputs) - 1))


ROWS = {
    "aten._linalg_slogdet": slogdet,
    "aten._linalg_solve_ex": solve,
    "aten.linalg_cholesky_ex": cholesky,
    "aten.linalg_inv_ex": inverse,
}
