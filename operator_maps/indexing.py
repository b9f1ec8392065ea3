"""Indexing: elements picked, placed, ordered or counted by index."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr, invoke
from converter.operator_maps.slicing import subscript


def gather(node: Node, x: Operand, indices: Operand, *, axis: int = 0) -> Arg:
    """ONNX Gather: nn.Embedding when rows of a constant matrix are looked up, `x[:, 0]` for one index, else ops.gather."""
    if x.is_weight and x.rank == 2 and x.kind == "f" and axis in (0, -2) and not indices.is_constant:
        vocabulary, width = x.shape or ()
        layer = invoke("nn.Embedding", vocabulary, width)
        return node.apply(layer, {"embedding_table": x.weight()}, indices)
    if indices.rank == 0:
        position = indices.python()
        if position is not None:
            return subscript(x, {axis: position})
    return expr("ops.gather({0}, {1}, {2})", x, indices, axis)


ROWS = {
    "Gather": gather,
}
