"""Operators that ONNX does not have, which `converter.idioms` recognises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.rows import Arg, Node, Operand, Unpacked, expr, invoke, reshape, transpose

if TYPE_CHECKING:
    from mindspore import ops


def dense(node: Node, x: Operand, weight: Operand, bias: Operand) -> Arg:
    """A product with a constant matrix, plus a vector: nn.Dense."""
    channels, units = weight.shape or ()
    steps = () if bias.rank == 1 else (reshape(units),)  # type: ignore[arg-type]
    weights = {"weight": weight.weight(transpose(1, 0)), "bias": bias.weight(*steps)}
    return node.apply(invoke("nn.Dense", channels, units), weights, x)


def standardize(node: Node, x: Operand, *, axes: tuple[int, ...] = (), epsilon: float = 1e-5) -> Arg:
    """A norm without scale and bias (`nn.LayerNorm` always has both)."""
    return expr("{0}({1}, {2}, {3})", zero_mean_unit_variance, x, axes, epsilon)


def zero_mean_unit_variance(x, axes, epsilon):
    """Shift and scale `x` over `axes`."""
    x = x - ops.mean(x, axes, True)
    return x * ops.rsqrt(ops.mean(ops.square(x), axes, True) + epsilon)


def unbind(node: Node, x: Operand, *, axis: int = 0) -> Arg:
    """All elements along an axis: `q, k, v = ops.unbind(x)`."""
    return Unpacked(invoke("ops.unbind", x, *((axis,) if axis else ())))


ROWS = {
    "idiom.Dense": dense,
    "idiom.Standardize": standardize,
    "idiom.Unbind": unbind,
}
