"""Gradients that MindSpore's CPU kernels lack, where the network trains weights before the operator.

Measured with MindSpore 2.10.0 in both modes. On Ascend these gradients are there, by MindSpore's documentation.
"""

from __future__ import annotations

import onnx_ir as ir

from converter.graph import all_nodes, is_folded, numbers_of, shape_of


def notes_on_gradients(model: ir.Model) -> tuple[str, ...]:
    """A sentence for each kind of operator through which the network does not train on the CPU as its source does."""
    trained = {
        value
        for value in model.graph.initializers.values()
        if value.dtype is not None and value.dtype.is_floating_point() and not is_folded(value)
    }
    notes = {}
    for node in all_nodes(model.graph):
        if trained.isdisjoint(node.inputs):
            continue
        trained.update(value for value in node.outputs if value.dtype is None or value.dtype.is_floating_point())
        if node.op_type == "Slice" and node.inputs[0] in trained and _has_inner_step(node):
            notes["Slice"] = (
                f"On the CPU the network does not train: the gradient of a slice with a step, as of '{node.name}', "
                "is an error of MindSpore's kernel ('input memory out of bounds'). Train it on another device."
            )
        elif node.op_type == "Selu":
            notes["Selu"] = (
                f"On the CPU the gradient of ops.selu, which '{node.name}' became, is off by up to a third: "
                "an error of MindSpore's kernel. Train the network on another device."
            )
        elif (node.domain, node.op_type) == ("aten", "linalg_cholesky_ex"):
            notes["Cholesky"] = (
                "On the CPU the network does not train: the gradient of ops.cholesky, which "
                f"'{node.name}' became, has no kernel there. Train it on another device."
            )
        elif (node.domain, node.op_type) == ("aten", "linalg_qr"):
            notes["QR"] = (
                f"The network does not train: ops.qr, which '{node.name}' became, has no gradient in MindSpore."
            )
    return tuple(notes.values())


def _has_inner_step(node: ir.Node) -> bool:
    """Whether a Slice has a step along an axis that is neither the outermost one of several elements nor the last."""
    if len(node.inputs) < 5 or node.inputs[0] is None:
        return False
    axes, steps, extents = numbers_of(node.inputs[3]), numbers_of(node.inputs[4]), shape_of(node.inputs[0])
    if axes is None or steps is None or extents is None:
        return False
    rank = len(extents)
    return any(
        step > 1 and axis % rank != rank - 1 and any(extent != 1 for extent in extents[: axis % rank])
        for axis, step in zip(axes, steps, strict=True)
    )
