"""Creation: tensors made of their shape or their bounds."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr


def constant_of_shape(node: Node, shape: Operand, *, value: object = None) -> Arg:
    """ONNX ConstantOfShape: `ops.zeros((x.shape[0], 4), ms.float32)`, or ops.full."""
    extents = shape.python()
    if extents is None:
        raise node.decline("its shape is computed")
    number = 0 if value is None else value.numpy().reshape(-1)[0].item()  # type: ignore[attr-defined]
    if number == 0:
        return expr("ops.zeros({0}, {1})", extents, node.dtype())
    return expr("ops.full({0}, {1}, dtype={2})", extents, number, node.dtype())


def range_(node: Node, start: Operand, limit: Operand, delta: Operand, *, stash_type: int = 1) -> Arg:
    """ONNX Range: `ops.arange(0, x.shape[0])`."""
    bounds = [operand.number_or_tensor() for operand in (start, limit, delta)]
    return expr("ops.arange({0}, {1}, {2}, dtype={3})", *bounds, node.dtype())


ROWS = {
    "ConstantOfShape": constant_of_shape,
    "Range": range_,
}
