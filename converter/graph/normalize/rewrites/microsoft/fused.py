"""Activations, and MatMul, Gemm and Conv with the operators that onnxruntime's optimiser fuses into them."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError

# Activations


def gelu(edit: Edit) -> None:
    """Gelu: exact, by erf."""
    edit.become("Gelu", [edit.input(0)])


def bias_gelu(edit: Edit) -> None:
    """BiasGelu: Gelu of a sum."""
    edit.become("Gelu", [edit.before("Add", edit.input(0), edit.input(1))])


def fast_gelu(edit: Edit) -> None:
    """FastGelu: Gelu approximated by tanh, of the sum with a bias if there is one."""
    x, bias = edit.input(0), edit.input(1)
    edit.become("Gelu", [x if bias is None else edit.before("Add", x, bias)], approximate="tanh")


def bias_split_gelu(edit: Edit) -> None:
    """BiasSplitGelu: of a sum, the first half of the last axis times Gelu of the other."""
    total = edit.before("Add", edit.input(0), edit.input(1))
    half, gate = edit.before_all("Split", 2, total, axis=-1, num_outputs=2)
    edit.become("Mul", [half, edit.before("Gelu", gate)])


def bias_add(edit: Edit) -> None:
    """BiasAdd: a sum of three."""
    edit.become("Add", [edit.before("Add", edit.input(0), edit.input(1)), edit.input(2)])


def quick_gelu(edit: Edit) -> None:
    """QuickGelu: x sigmoid(alpha x)."""
    edit.become("Swish", [edit.input(0)], alpha=edit.get("alpha", 1.702))


# Products


def fused_mat_mul(edit: Edit) -> None:
    """FusedMatMul: a scaled product; factors may be transposed, or have the batch after the rows (`transBatch`)."""
    factors = [
        _turned(edit, edit.input(index), edit.get(f"trans{side}", 0), edit.get(f"transBatch{side}", 0))
        for index, side in enumerate("AB")
    ]
    alpha = edit.get("alpha", 1.0)
    if alpha == 1:
        edit.become("MatMul", factors)
    else:
        edit.become("Mul", [edit.before("MatMul", *factors), edit.like("alpha", alpha, edit.input(0))])


def _turned(edit: Edit, value: ir.Value | None, swap: int, batch_behind: int) -> ir.Value | None:
    """Move a factor's first axis before its last axis (`batch_behind`), and swap its last two axes (`swap`)."""
    if not swap and not batch_behind:
        return value
    axes = [*range(len(edit.shape(value)))]
    if len(axes) < 2:
        return value
    if batch_behind:
        axes = [*axes[1:-1], axes[0], axes[-1]]
    if swap:
        axes = [*axes[:-2], axes[-1], axes[-2]]
    return edit.before("Transpose", value, perm=axes)


def fused_gemm(edit: Edit) -> None:
    """FusedGemm: Gemm and an activation."""
    _activated(edit, "Gemm", ("alpha", "beta", "transA", "transB"))


def fused_conv(edit: Edit) -> None:
    """FusedConv: Conv, optional Add of a tensor, and an activation."""
    if edit.input(3) is None:
        _activated(edit, "Conv", _WINDOW)
        return
    inputs = edit.node.inputs[:3]
    summed = edit.before("Add", edit.before("Conv", *inputs, **edit.given(*_WINDOW)), edit.input(3))
    _activate(edit, summed)


_WINDOW = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
_PARAMETERS = {
    "Clip": ("min", "max"),
    "Elu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "LeakyRelu": ("alpha",),
    "Relu": (),
    "Selu": ("alpha", "gamma"),
    "Sigmoid": (),
    "Softplus": (),
    "Softsign": (),
    "Tanh": (),
    "ThresholdedRelu": ("alpha",),
}


def _activated(edit: Edit, op_type: str, attributes: tuple[str, ...]) -> None:
    _activate(edit, edit.before(op_type, *edit.node.inputs, **edit.given(*attributes)))


def _activate(edit: Edit, x: ir.Value) -> None:
    """Turn the node into its activation of `x`. FusedConv has a list of parameters, FusedGemm an attribute for each."""
    name = edit.get("activation", "")
    if name not in _PARAMETERS:
        raise RefusedError(f"its activation '{name}' is unknown")
    names = _PARAMETERS[name]
    values = edit.get("activation_params") or [edit.get(f"activation_{name}") for name in names]
    given = {name: value for name, value in zip(names, values, strict=False) if value is not None}
    if name == "Clip":  # in ONNX, its bounds are inputs
        edit.become(name, [x, *(edit.like(bound, number, x) for bound, number in given.items())])
    else:
        edit.become(name, [x], **given)
