"""RMSNormalization: a class `RMSNorm` with a trained weight, else a function. `ops.rms_norm` has no CPU kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.rows import Arg, Argument, Assign, Block, Call, Cell, Member, Node, Operand, Statement, Variable, expr
from operator_maps.onnx.normalization import axes_from, dtype_of, is_trained

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def rms_normalization(
    node: Node, x: Operand, scale: Operand, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Arg:
    """ONNX RMSNormalization, computed in float32.

    An instance of the class `RMSNorm` where a trained vector scales the last axis, else a function.
    """
    axes = axes_from(node, x, axis)
    if (
        axes != (-1,)
        or not scale.is_weight
        or not is_trained(scale)
        or scale.shape is None
        or scale.shape in ((), (1,))
    ):
        return expr("{0}({1}, {2}, {3}, {4})", rms_norm, x, scale, axes, epsilon)
    options = dtype_of(node, scale)
    layer = Call(node.cell(rms_norm_class), (scale.shape[0], epsilon, *options.values()), tuple(options))
    return node.apply(layer, {"weight": scale.weight()}, x)


def rms_norm(x, scale, axes, epsilon):
    """Divide by the root of the mean square over `axes`, in float32, then scale."""
    wide = x.astype(ms.float32)
    wide = wide * ops.rsqrt(ops.mean(ops.square(wide), axes, True) + epsilon)
    return wide.astype(x.dtype) * scale


def rms_norm_class() -> Cell:
    """`RMSNorm(size, epsilon)`: a norm of the last axis, with its weight (size,)."""
    size, epsilon = Argument("size"), Argument("epsilon")
    dtype = Argument("dtype", expr("ms.float32"), has_default=True)
    weight = Member("weight", expr("ms.Parameter(ops.ones({0}, dtype={1}))", (size,), dtype))
    x, wide, scale = Variable("x"), Variable("wide"), Variable("scale")
    statements: list[Statement] = [
        Assign((wide,), expr("{0}.astype(ms.float32)", x)),
        Assign((scale,), expr("ops.rsqrt(ops.mean(ops.square({0}), -1, True) + {1})", wide, epsilon)),
    ]
    result = expr("({0} * {1}).astype({2}.dtype) * {3}", wide, scale, x, weight)
    return Cell(
        "RMSNorm",
        "Division by the root of the mean square over the last axis, in float32, and a scale.",
        arguments=[size, epsilon, dtype],
        members=[weight],
        inputs=[x],
        body=Block(statements, (result,)),
    )


ROWS = {
    "RMSNormalization": rms_normalization,
}
