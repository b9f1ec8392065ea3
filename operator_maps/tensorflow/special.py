"""Special functions, decompositions and bits of TensorFlow, which ONNX lacks or has under another name."""

from __future__ import annotations

import onnx_ir as ir

from converter.rows import Arg, Node, Operand, Unpacked, call, invoke
from operator_maps.lib.bits import bit_cast


def svd(node: Node, x: Operand, *, compute_uv: int = 1, full_matrices: int = 0) -> Arg | Unpacked | tuple[Arg, ...]:
    """tf.linalg.svd: `s, u, v = ops.svd(x)`; the signs of the vectors are open, and may be others than TensorFlow's."""
    if any(node.used[1:]):
        return Unpacked(invoke("ops.svd", x, bool(full_matrices)))
    values = invoke("ops.svd", x, compute_uv=False)
    return (values, None, None)[: len(node.outputs)] if len(node.outputs) > 1 else values


def bitcast(node: Node, x: Operand, *, type: int) -> Arg:
    """tf.bitcast between types of one size; others change the shape, too."""
    if x.dtype is None or x.dtype.itemsize != ir.DataType(type).itemsize:
        raise node.decline("the sizes of its types differ")
    return bit_cast(node, x, to=type)


ROWS = {
    "tensorflow.Bitcast": bitcast,
    "tensorflow.Igamma": call("ops.igamma({0}, {1})"),
    "tensorflow.Igammac": call("ops.igammac({0}, {1})"),
    "tensorflow.Svd": svd,
}
