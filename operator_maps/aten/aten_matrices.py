"""Linear algebra of PyTorch for which its exporter has no ONNX function.

Source: https://pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr, invoke
from operator_maps.lib.matrices import inverse_of


def inverse(node: Node, x: Operand, *, check_errors: int = 0) -> tuple[Arg, ...]:
    """torch.linalg.inv: the solution for an identity matrix."""
    return _first(node, inverse_of(node, x))


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


def qr(node: Node, x: Operand, *, mode: str = "reduced") -> tuple[Arg, ...]:
    """torch.linalg.qr: `q, r = ops.qr(x, mode)`; of `mode="r"`, `r` alone."""
    q, r = node.unpack(("q", "r"), invoke("ops.qr", x, *(["complete"] if mode == "complete" else [])))
    return (None if mode == "r" else q), r


def svd(node: Node, x: Operand, *, full_matrices: int = 0, compute_uv: int = 1, driver: str = "") -> tuple[Arg, ...]:
    """torch.linalg.svd and svdvals: `s, u, v = ops.svd(x)`."""
    if not compute_uv or not (node.used[0] or node.used[2]):
        return None, invoke("ops.svd", x, compute_uv=False), None
    s, u, v = node.unpack(("s", "u", "v"), invoke("ops.svd", x, **({"full_matrices": True} if full_matrices else {})))
    return u, s, expr("{0}.swapaxes(-1, -2)", v)


def solve_triangular(node: Node, a: Operand, b: Operand, *, upper: int, left: int = 1, unitriangular: int = 0) -> Arg:
    """torch.linalg.solve_triangular: `ops.matrix_solve` with the triangle."""
    if not left or unitriangular:
        raise node.decline("it solves x @ a = b, or for a diagonal of ones")
    return expr("ops.matrix_solve({0}, {1})", invoke("ops.triu" if upper else "ops.tril", a), b)


def cholesky_solve(node: Node, b: Operand, factor: Operand, *, upper: int = 0) -> Arg:
    """torch.cholesky_solve: `ops.matrix_solve` with the product of the factor and its transpose."""
    turned = expr("{0}.swapaxes(-1, -2)", factor)
    first, second = (turned, factor) if upper else (factor, turned)
    return expr("ops.matrix_solve(ops.matmul({0}, {1}), {2})", first, second, b)


def pseudo_inverse(
    node: Node, x: Operand, *rest: Operand, atol: float = 0.0, rtol: float = 0.0, hermitian: int = 0
) -> Arg:
    """torch.linalg.pinv: `ops.pinv(x)`."""
    if rest or atol or rtol or hermitian:
        raise node.decline("it has tolerances, or the matrix is said to be Hermitian")
    return invoke("ops.pinv", x)


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
    "aten._linalg_svd": svd,
    "aten.cholesky_solve": cholesky_solve,
    "aten.linalg_cholesky_ex": cholesky,
    "aten.linalg_inv_ex": inverse,
    "aten.linalg_pinv": pseudo_inverse,
    "aten.linalg_qr": qr,
    "aten.linalg_solve_triangular": solve_triangular,
}
