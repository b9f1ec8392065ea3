"""Linear algebra: matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.graph import may_be_empty
from converter.rows import Arg, Attribute, Node, Operand, Weight, expr, invoke, transpose, unless_default
from operator_maps.lib.matrices import inverse_of

if TYPE_CHECKING:
    from mindspore import ops


def matmul(node: Node, a: Operand, b: Operand) -> Arg:
    """ONNX MatMul: nn.Linear if the right operand is a weight matrix (in, out), else ops.matmul.

    Unsigned integers, which have no kernel, are multiplied as int64, with the same bits. A product over no elements is
    0; the CPU's kernel does not write it.
    """
    if b.is_weight and b.rank == 2 and b.kind == "f" and b.size:
        return dense(node, a, b.weight(transpose(1, 0)))
    if a.kind == "u":
        return expr("ops.matmul({0}.astype(ms.int64), {1}.astype(ms.int64)).astype({2})", a, b, node.dtype())
    product = expr("ops.matmul({0}, {1})", a, b)
    if a.rank and (0 in (b.shape or ()) or may_be_empty(a.value, -1)):
        return over_something(product, expr("{0}.shape[-1]", a), a.kind)
    return product


def over_something(product: Arg, extent: Arg, kind: str | None) -> Arg:
    """A product along axes of an extent, which is 0 if there are no elements; the CPU's kernel does not write it."""
    filled = expr("ops.scalar_to_tensor({0}, ms.int64) > 0", extent)
    return expr("ops.where({0}, {1}, {2})", filled, product, 0.0 if kind == "f" else 0)


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
    """ONNX Gemm: nn.Linear if its matrix, and its bias (a vector), are weights; else ops.matmul."""
    x: Arg = expr("{0}.T", a) if transA else a
    plain = alpha == 1 and beta == 1
    if a.kind != "f" and not plain:
        raise node.decline(f"alpha {alpha} and beta {beta} scale integers")
    if b.is_weight and b.kind == "f" and b.size:
        weight = b.weight() if transB else b.weight(transpose(1, 0))
        if plain and c is not None and c.is_weight and c.shape == weight.shape[:1]:
            return dense(node, x, weight, c.weight())
        product = dense(node, x, weight)
    else:
        product = expr("ops.matmul({0}, {1})", x, expr("{0}.T", b) if transB else b)
        if may_be_empty(a.value, 0 if transA else 1):
            product = over_something(product, expr("{0}.shape[{1}]", a, 0 if transA else 1), a.kind)
    scaled = product if alpha == 1 else expr("{0} * {1}", product, alpha)
    if c is None or beta == 0:
        return scaled
    return expr("{0} + {1}", scaled, c if beta == 1 else expr("{0} * {1}", c, beta))


def dense(node: Node, x: Arg, weight: Weight, bias: Weight | None = None) -> Arg:
    """Make an nn.Linear layer: `self.fc(x)`; where another layer has the matrix, a product with that layer's parameter.

    Args:
        node: the node that the layer translates.
        x: (..., channels).
        weight: (units, channels).
        bias: (units,).
    """
    units, channels = weight.shape
    options = unless_default(bias=(bias is not None, True), dtype=(expr(f"ms.{weight.dtype}"), expr("ms.float32")))
    weights = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    layer = invoke("nn.Linear", channels, units, **options)
    if (tied := node.tied(layer, weights)) is not None:
        product = expr("ops.matmul({0}, {1})", x, _transposed(tied["weight"]))
        return product if bias is None else expr("{0} + {1}", product, tied["bias"])
    return node.apply(layer, weights, x)


def _transposed(matrix: Arg) -> Arg:
    """`matrix.T`; the matrix that was transposed if it is such an expression itself."""
    return matrix.value if isinstance(matrix, Attribute) and matrix.name == "T" else expr("{0}.T", matrix)


def det(node: Node, x: Operand) -> Arg:
    """Det: `ops.det`, which refuses matrices of one element, that are their own determinants."""
    extents = (None,) if x.shape is None else x.shape[-2:]
    if 1 in extents:
        return expr("{0}[..., 0, 0]", x)
    return expr("ops.det({0})", x) if any(extents) else expr("{0}({1})", determinant, x)


def determinant(x):
    """The determinants of matrices that may have one element."""
    if x.shape[-1] == 1:
        return x[..., 0, 0]
    return ops.det(x)


def inverse(node: Node, x: Operand) -> Arg:
    """com.microsoft.Inverse, which onnxruntime's package writes for torch.inverse: a solution of a linear system."""
    return inverse_of(node, x)


ROWS = {
    "Det": det,
    "Gemm": gemm,
    "MatMul": matmul,
    "com.microsoft.Inverse": inverse,
}
