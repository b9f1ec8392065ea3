"""Activations.

Source: https://onnx.ai/onnx/operators/. MindSpore's CPU kernels return numbers for NaN, though their documentation says
otherwise: `ops.relu`, `ops.relu6` and `ops.clamp` a bound, `ops.sign` 0, `ops.softplus` infinity; `ops.mish` and
`ops.hardswish` are wrong for infinity. Where the graph may meet these (`may_be_nan`), a form stands that is right
everywhere; behind layers the plain call stays, as on Ascend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.graph import may_be_empty, may_be_nan, may_hide_rows
from converter.rows import Arg, Node, Operand, call, expr, invoke, reshape

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def elu(node: Node, x: Operand, *, alpha: float = 1.0) -> Arg:
    """Elu: `ops.elu`, which supports alpha = 1 only; composed for any other."""
    return expr("ops.elu({0})", x) if alpha == 1 else _elu(x, alpha)


def _elu(x: Operand, alpha: float) -> Arg:
    """Elu from elementary operators; the exponent is clamped to 0, as the gradient of a large input would be NaN."""
    if may_be_nan(x.value):
        return expr("ops.maximum(0.0, {0}) + {1} * ops.expm1(ops.minimum(0.0, {0}))", x, alpha)
    return expr("ops.relu({0}) + {1} * ops.expm1(ops.clamp({0}, max=0.0))", x, alpha)


def selu(node: Node, x: Operand, *, alpha: float = 1.67326319, gamma: float = 1.05070102) -> Arg:
    """Selu: `ops.selu`, which has the operator's default constants; composed for others."""
    if abs(alpha - 1.67326324) < 1e-6 and abs(gamma - 1.05070099) < 1e-6:
        return expr("ops.selu({0})", x)
    return expr("{1} * ({0})", _elu(x, alpha), gamma)


def celu(node: Node, x: Operand, *, alpha: float = 1.0) -> Arg:
    """Celu: `ops.celu`, which takes float32 and float16; other floats are computed in float32."""
    if x.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16):
        return expr("ops.celu({0}, {1})", x, alpha)
    return expr("ops.celu({0}.astype(ms.float32), {1}).astype({2})", x, alpha, node.dtype())


def prelu(node: Node, x: Operand, slope: Operand) -> Arg:
    """PRelu: `nn.PReLU` for a constant slope, one per channel (axis 1) or one for all; composed for any other slope.

    The layer refuses a batch of nothing.
    """
    channels = _slope_count(x, slope)
    fits = slope.is_weight and slope.dtype == ir.DataType.FLOAT and not may_be_empty(x.value)
    if channels is not None and fits:
        return node.apply(invoke("nn.PReLU", channels), {"w": slope.weight(reshape(channels))}, x)
    return expr("ops.where({0} >= 0, {0}, {0} * {1})", x, slope)


def _slope_count(x: Operand, slope: Operand) -> int | None:
    """The number of slopes if they lie along axis 1, (C, 1, …); 1 for a single slope; None for any other shape."""
    if slope.size == 1:
        return 1
    if x.rank is None or slope.shape is None or slope.size is None or x.rank < 2:
        return None
    aligned = (1,) * (x.rank - len(slope.shape)) + slope.shape
    return slope.size if aligned[1] == slope.size else None


def hardmax(node: Node, x: Operand, *, axis: int = -1) -> Arg:
    """Hardmax: 1 at the first largest element along an axis, 0 elsewhere."""
    shape = x.shape_python()
    if shape is None:
        raise node.decline("the rank of its input is unknown")
    place = axis if axis == -1 else axis % len(shape)  # the axes that ops.one_hot supports
    if may_be_empty(x.value):
        return expr("{0}({1}, {2})", first_largest, x, axis)
    hot = expr("ops.one_hot(ops.argmax({0}, {1}), {2}, 1, 0, {1})", x, place, shape[axis])
    return expr("{0}.astype({1})", hot, node.dtype())


def first_largest(x, axis):
    """1 at the first largest element along an axis, 0 elsewhere; also of no elements, which ops.argmax refuses."""
    if x.size == 0:
        return x
    largest = (x == ops.amax(x, axis, True)).astype(ms.int32)
    return ops.logical_and(largest > 0, ops.cumsum(largest, axis) == 1).astype(x.dtype)


def gelu(node: Node, x: Operand, *, approximate: str = "none") -> Arg:
    """Gelu: `ops.gelu`, exact or by tanh."""
    return invoke("ops.gelu", x, approximate="tanh") if approximate == "tanh" else expr("ops.gelu({0})", x)


def swish(node: Node, x: Operand, *, alpha: float = 1.0) -> Arg:
    """Swish: `ops.silu` for alpha = 1."""
    return expr("ops.silu({0})", x) if alpha == 1 else expr("{0} * ops.sigmoid({1} * {0})", x, alpha)


def swiglu(node: Node, gate: Operand, x: Operand, *, alpha: float = 1.0) -> Arg:
    """SwiGLU: the product of a Swish and a tensor."""
    return expr("{0} * {1}", swish(node, gate, alpha=alpha), x)


def relu(node: Node, x: Operand) -> Arg:
    """Relu: `ops.relu`; a maximum that keeps NaN where there may be one."""
    return expr("ops.maximum(0.0, {0})" if may_be_nan(x.value) else "ops.relu({0})", x)


def hard_sigmoid(node: Node, x: Operand, *, alpha: float = 0.2, beta: float = 0.5) -> Arg:
    """HardSigmoid: `ops.hardsigmoid`, whose slope is 1/6 and offset 1/2; composed for others."""
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return expr("ops.hardsigmoid({0})", x)
    bounded = "ops.minimum(1.0, ops.maximum(0.0, {0}))" if may_be_nan(x.value) else "ops.clamp({0}, 0.0, 1.0)"
    return expr(bounded, expr("{0} * {1} + {2}", x, alpha, beta))


def unless_nan(plain: str, otherwise: str) -> Callable[..., Arg]:
    """Make the row of a function that is wrong for NaN or infinity on the CPU, and of what is right for them."""

    def row(node: Node, x: Operand) -> Arg:
        return expr(otherwise if may_be_nan(x.value) else plain, x)

    row.__doc__ = f"`{plain}`; `{otherwise}` where the graph may meet NaN."
    return row


def shrink(node: Node, x: Operand, *, bias: float = 0.0, lambd: float = 0.5) -> Arg:
    """Shrink: `ops.softshrink` where bias = lambd, `ops.hardshrink` where bias = 0, else composed."""
    if x.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16) and bias == lambd:
        return expr("ops.softshrink({0}, {1})", x, lambd)
    if x.dtype in (ir.DataType.FLOAT, ir.DataType.FLOAT16) and bias == 0:
        return expr("ops.hardshrink({0}, {1})", x, lambd)
    wide = x if x.kind == "f" else expr("{0}.astype(ms.float32)", x)
    moved = expr("{0} - ops.sign({0}) * {1}", wide, bias)
    shrunk = expr("ops.where(ops.abs({0}) > {1}, {2}, ops.zeros_like({0}))", wide, lambd, moved)
    return shrunk if x.kind == "f" else expr("{0}.astype({1})", shrunk, node.dtype())


def softmax(node: Node, x: Operand, *, axis: int = -1) -> Arg:
    """Softmax: `ops.softmax`; a function if a mask may hide whole rows, or the model replaces NaN in the result.

    The softmax of a single element is written as 1 (NaN where that is infinite): the gradient of MindSpore's CPU kernel
    for it makes all softmax gradients that are computed later wrong.
    """
    guarded = _is_guarded(node.ir.outputs[0]) or may_hide_rows(x.value, _from_last(x, axis))
    if x.shape is not None and x.shape and x.shape[axis] == 1:
        return expr("{0} * 0.0 + 1.0" if guarded or may_be_nan(x.value) else "ops.ones_like({0})", x)
    if guarded:
        return expr("{0}({1}, {2})", softmax_or_nan, x, axis)
    return expr("ops.softmax({0}, {1})", x, axis)


def _from_last(x: Operand, axis: int) -> int:
    """An axis counted from the last one; 0 if the rank is unknown."""
    return axis if axis < 0 else 0 if x.rank is None else axis - x.rank


def _is_guarded(value: ir.Value) -> bool:
    pending = list(value.consumers())
    while pending:
        user = pending.pop()
        if user.op_type in ("IsNaN", "Where"):
            return True
        if user.op_type == "Cast":
            pending += user.outputs[0].consumers()
    return False


def softmax_or_nan(x, axis):
    """Softmax; NaN along an axis that is -inf everywhere, or NaN somewhere: MindSpore's CPU kernel stops there."""
    known = ops.isfinite(ops.logsumexp(x, axis, True))
    y = ops.softmax(ops.where(known, x, ops.zeros_like(x)), axis)
    return ops.where(known, y, ops.full_like(x, float("nan")))


def log_softmax(node: Node, x: Operand, *, axis: int = -1) -> Arg:
    """LogSoftmax: `ops.log_softmax`; a function if there may be NaN, of which the CPU's kernel makes -inf elsewhere."""
    if may_be_nan(x.value) or may_hide_rows(x.value, _from_last(x, axis)):
        return expr("{0}({1}, {2})", log_softmax_or_nan, x, axis)
    return expr("ops.log_softmax({0}, {1})", x, axis)


def log_softmax_or_nan(x, axis):
    """Log-softmax; NaN along an axis that is -inf everywhere, or NaN somewhere."""
    known = ops.isfinite(ops.logsumexp(x, axis, True))
    return ops.where(known, ops.log_softmax(x, axis), ops.full_like(x, float("nan")))


ROWS = {
    "Celu": celu,
    "Elu": elu,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": unless_nan("ops.hardswish({0})", "{0} * ops.hardsigmoid({0})"),
    "Hardmax": hardmax,
    "LeakyRelu": call("ops.leaky_relu({0}, {alpha})", alpha=0.01),
    "LogSoftmax": log_softmax,
    "Mish": unless_nan("ops.mish({0})", "{0} * ops.tanh(ops.softplus({0}))"),
    "PRelu": prelu,
    "Relu": relu,
    "Selu": selu,
    "Shrink": shrink,
    "Sigmoid": call("ops.sigmoid({0})"),
    "Softmax": softmax,
    "Softplus": unless_nan("ops.softplus({0})", "ops.where(ops.isnan({0}), {0}, ops.softplus({0}))"),
    "Softsign": call("ops.softsign({0})"),
    "SwiGLU": swiglu,
    "Swish": swish,
    "Tanh": call("ops.tanh({0})"),
    "ThresholdedRelu": call("ops.threshold({0}, {alpha}, 0.0)", alpha=1.0),
}
