"""Special functions, decompositions and bits of TensorFlow, which ONNX lacks or has under another name."""

from __future__ import annotations

import onnx_ir as ir

from converter.rows import Arg, Node, Operand, Unpacked, call, invoke
from operator_maps.lib.bits import bit_cast
from operator_maps.lib.inverse_erf import erfinv


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
    "tensorflow.BesselI0": call("ops.bessel_i0({0})"),
    "tensorflow.BesselI0e": call("ops.bessel_i0e({0})"),
    "tensorflow.BesselI1": call("ops.bessel_i1({0})"),
    "tensorflow.BesselI1e": call("ops.bessel_i1e({0})"),
    "tensorflow.Bitcast": bitcast,
    "tensorflow.Digamma": call("ops.digamma({0})"),
    "tensorflow.Erfinv": erfinv,
    "tensorflow.Igamma": call("ops.igamma({0}, {1})"),
    "tensorflow.Igammac": call("ops.igammac({0}, {1})"),
    "tensorflow.Lgamma": call("ops.lgamma({0})"),
    "tensorflow.NextAfter": call("ops.nextafter({0}, {1})"),
    "tensorflow.Svd": svd,
    "tensorflow.Zeta": call("ops.zeta({0}, {1})"),
}
