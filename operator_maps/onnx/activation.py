"""Activations.

Source: https://onnx.ai/onnx/operators/. For an input of NaN some of MindSpore's CPU kernels return a number (Relu: 0);
there is no workaround.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.rows import Arg, Node, Operand, call, expr, invoke, reshape

if TYPE_CHECKING:
    from mindspore import ops


def elu(node: Node, x: Operand, *, alpha: float = 1.0) -> Arg:
    """Elu: `ops.elu`, which supports alpha = 1 only; composed for any other."""
    return expr("ops.elu({0})", x) if alpha == 1 else _elu(x, alpha)


def _elu(x: Operand, alpha: float) -> Arg:
    """Elu from elementary operators; the exponent is clamped to 0, as the gradient of a large input would be NaN."""
    return expr("ops.relu({0}) + {1} * ops.expm1(ops.clamp({0}, max=0.0))", x, alpha)


def selu(node: Node, x: Operand, *, alpha: float = 1.67326319, gamma: float = 1.05070102) -> Arg:
    """Selu: `ops.selu`, which has the operator's default constants; composed for others."""
    if abs(alpha - 1.67326324) < 1e-6 and abs(gamma - 1.05070099) < 1e-6:
        return expr("ops.selu({0})", x)
    return expr("{1} * ({0})", _elu(x, alpha), gamma)


def prelu(node: Node, x: Operand, slope: Operand) -> Arg:
    """PRelu: `nn.PReLU` for a constant slope, one per channel (axis 1) or one for all; composed for any other slope."""
    channels = _slope_count(x, slope)
    if channels is not None and slope.is_weight:
        return node.apply(invoke("nn.PReLU", channels), {"w": slope.weight(reshape(channels))}, x)
    return expr("ops.where({0} > 0, {0}, {0} * {1})", x, slope)


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
    hot = expr("ops.one_hot(ops.argmax({0}, {1}), {2}, 1, 0, {1})", x, place, shape[axis])
    return expr("{0}.astype({1})", hot, node.dtype())


def gelu(node: Node, x: Operand, *, approximate: str = "none") -> Arg:
    """Gelu: `ops.gelu`, exact or by tanh."""
    return invoke("ops.gelu", x, approximate="tanh") if approximate == "tanh" else expr("ops.gelu({0})", x)


def swish(node: Node, x: Operand, *, alpha: float = 1.0) -> Arg:
    """Swish: `ops.silu` for alpha = 1."""
    return expr("ops.silu({0})", x) if alpha == 1 else expr("{0} * ops.sigmoid({1} * {0})", x, alpha)


def swiglu(node: Node, gate: Operand, x: Operand, *, alpha: float = 1.0) -> Arg:
    """SwiGLU: the product of a Swish and a tensor."""
    return expr("{0} * {1}", swish(node, gate, alpha=alpha), x)


def hard_sigmoid(node: Node, x: Operand, *, alpha: float = 0.2, beta: float = 0.5) -> Arg:
    """HardSigmoid: `ops.hardsigmoid`, whose slope is 1/6 and offset 1/2; composed for others."""
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return expr("ops.hardsigmoid({0})", x)
    return expr("ops.clamp({0} * {1} + {2}, 0.0, 1.0)", x, alpha, beta)


def shrink(node: Node, x: Operand, *, bias: float = 0.0, lambd: float = 0.5) -> Arg:
    """Shrink: `ops.softshrink` where bias = lambd, `ops.hardshrink` where bias = 0, else composed."""
    if x.kind == "f" and bias == lambd:
        return expr("ops.softshrink({0}, {1})", x, lambd)
    if x.kind == "f" and bias == 0:
        return expr("ops.hardshrink({0}, {1})", x, lambd)
    moved = expr("{0} - ops.sign({0}) * {1}", x, bias)
    return expr("ops.where(ops.abs({0}) > {1}, {2}, ops.zeros_like({0}))", x, lambd, moved)


def softmax(node: Node, x: Operand, *, axis: int = -1) -> Arg:
    """Softmax: `ops.softmax`; where the model replaces NaN in the result, a function that returns NaN for all -inf.

    The softmax of a single element is written as 1: the gradient of MindSpore's CPU kernel for it makes all softmax
    gradients that are computed later wrong.
    """
    if _is_guarded(node.ir.outputs[0]):
        return expr("{0}({1}, {2})", softmax_or_nan, x, axis)
    if x.shape is not None and x.shape and x.shape[axis] == 1:
        return expr("ops.ones_like({0})", x)
    return expr("ops.softmax({0}, {1})", x, axis)


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
    """Softmax; NaN where every element is -inf, at which MindSpore's CPU kernel stops."""
    known = ops.amax(x, axis, True) > float("-inf")
    y = ops.softmax(ops.where(known, x, ops.zeros_like(x)), axis)
    return ops.where(known, y, ops.full_like(x, float("nan")))


ROWS = {
    "Celu": call("ops.celu({0}, {alpha})", alpha=1.0),
    "Elu": elu,
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": call("ops.hardswish({0})"),
    "Hardmax": hardmax,
    "LeakyRelu": call("ops.leaky_relu({0}, {alpha})", alpha=0.01),
    "LogSoftmax": call("ops.log_softmax({0}, {axis})", axis=-1),
    "Mish": call("ops.mish({0})"),
    "PRelu": prelu,
    "Relu": call("ops.relu({0})"),
    "Selu": selu,
    "Shrink": shrink,
    "Sigmoid": call("ops.sigmoid({0})"),
    "Softmax": softmax,
    "Softplus": call("ops.softplus({0})"),
    "Softsign": call("ops.softsign({0})"),
    "SwiGLU": swiglu,
    "Swish": swish,
    "Tanh": call("ops.tanh({0})"),
    "ThresholdedRelu": call("ops.threshold({0}, {alpha}, 0.0)", alpha=1.0),
}
