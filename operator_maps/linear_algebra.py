"""Linear algebra: matrix products."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr, invoke, transpose


def matmul(node: Node, a: Operand, b: Operand) -> Arg:
    """ONNX MatMul: nn.Dense when the right side is a constant matrix, else ops.matmul."""
    if b.is_weight and b.rank == 2 and b.kind == "f" and (a.rank or 0) >= 2:
        channels, units = b.shape or ()
        return node.apply(invoke("nn.Dense", channels, units, has_bias=False), {"weight": b.weight(transpose(1, 0))}, a)
    return expr("ops.matmul({0}, {1})", a, b)


def gemm(
    node: Node,
    a: Operand,
    b: Operand,
    c: Operand | None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - the operator's name for it
    transB: int = 0,  # noqa: N803
) -> Arg:
    """ONNX Gemm: nn.Dense when its matrix and bias are constants, else ops.matmul."""
    x = expr("{0}.transpose((1, 0))", a) if transA else a
    if b.is_weight and b.kind == "f" and alpha == 1 and beta == 1 and (c is None or (c.is_weight and c.rank == 1)):
        units, channels = b.shape if transB else reversed(b.shape or ())  # type: ignore[misc]
        weights = {"weight": b.weight() if transB else b.weight(transpose(1, 0))}
        if c is None:
            return node.apply(invoke("nn.Dense", channels, units, has_bias=False), weights, x)
        return node.apply(invoke("nn.Dense", channels, units), weights | {"bias": c.weight()}, x)
    y = expr("{0}.transpose((1, 0))", b) if transB else b
    result = expr("ops.matmul({0}, {1})", x, y)
    result = result if alpha == 1 else expr("{0} * {1}", alpha, result)
    if c is None:
        return result
    return expr("{0} + {1}", result, c if beta == 1 else expr("{0} * {1}", beta, c))


ROWS = {
    "Gemm": gemm,
    "MatMul": matmul,
}
