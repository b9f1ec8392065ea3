"""Linear algebra: matrix products."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, Weight, call, expr, invoke, transpose, unless_default


def matmul(node: Node, a: Operand, b: Operand) -> Arg:
    """ONNX MatMul: nn.Dense if the right operand is a weight matrix (in, out), else ops.matmul."""
    if b.is_weight and b.rank == 2 and b.kind == "f":
        return dense(node, a, b.weight(transpose(1, 0)))
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
    """ONNX Gemm: nn.Dense if its matrix, and its bias (a vector), are weights; else ops.matmul."""
    x: Arg = expr("{0}.T", a) if transA else a
    plain = alpha == 1 and beta == 1
    if a.kind != "f" and not plain:
        raise node.decline(f"alpha {alpha} and beta {beta} scale integers")
    if b.is_weight and b.kind == "f":
        weight = b.weight() if transB else b.weight(transpose(1, 0))
        if plain and c is not None and c.is_weight and c.shape == weight.shape[:1]:
            return dense(node, x, weight, c.weight())
        product = dense(node, x, weight)
    else:
        product = expr("ops.matmul({0}, {1})", x, expr("{0}.T", b) if transB else b)
    scaled = product if alpha == 1 else expr("{0} * {1}", product, alpha)
    if c is None or beta == 0:
        return scaled
    return expr("{0} + {1}", scaled, c if beta == 1 else expr("{0} * {1}", c, beta))


def dense(node: Node, x: Arg, weight: Weight, bias: Weight | None = None) -> Arg:
    """Make an nn.Dense layer: `self.fc(x)`.

    Args:
        node: the node that the layer translates.
        x: (..., channels).
        weight: (units, channels).
        bias: (units,).
    """
    units, channels = weight.shape
    options = unless_default(has_bias=(bias is not None, True), dtype=(expr(f"ms.{weight.dtype}"), expr("ms.float32")))
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return node.apply(invoke("nn.Dense", channels, units, **options), weights, x)


ROWS = {
    "Det": call("ops.det({0})"),
    "Gemm": gemm,
    "MatMul": matmul,
}
