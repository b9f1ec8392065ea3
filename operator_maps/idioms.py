"""Operators that ONNX does not have, which `converter.idioms` recognises."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, invoke, reshape, transpose


def dense(node: Node, x: Operand, weight: Operand, bias: Operand) -> Arg:
    """A product with a constant matrix, plus a vector: nn.Dense."""
    channels, units = weight.shape or ()
    steps = () if bias.rank == 1 else (reshape(units),)  # type: ignore[arg-type]
    weights = {"weight": weight.weight(transpose(1, 0)), "bias": bias.weight(*steps)}
    return node.apply(invoke("nn.Dense", channels, units), weights, x)


ROWS = {
    "idiom.Dense": dense,
}
