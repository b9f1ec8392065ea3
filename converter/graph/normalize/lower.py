"""The opset that a normalised model is written in: the oldest one that says the same, which most tools read."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import onnx
import onnx_ir as ir

from converter.graph.annotations import OPSET
from converter.graph.normalize.rewrites import REWRITES
from converter.graph.walk import all_nodes


def oldest_opset(model: ir.Model, wanted: int) -> int:
    """The oldest opset, `wanted` or a newer one, in which every node has the meaning that it has at `OPSET`."""
    nodes = (node for node in all_nodes(model.graph) if node.domain == "")
    return max((_oldest(node, wanted) for node in nodes), default=min(wanted, OPSET))


def _oldest(node: ir.Node, wanted: int) -> int:
    version = OPSET
    while version > wanted and (node.op_type, version) not in REWRITES and _accepts(node, version - 1):
        version -= 1
    return version


def _accepts(node: ir.Node, version: int) -> bool:
    """Whether the operator exists in this opset, and takes the node's attributes, inputs, outputs and their types."""
    schema = _schema(node.op_type, version)
    if schema is None:
        return False
    if schema.since_version == getattr(_schema(node.op_type, version + 1), "since_version", None):
        return True  # it has not changed
    return (
        set(node.attributes) <= set(schema.attributes)
        and schema.min_input <= len(node.inputs) <= schema.max_input
        and len(node.outputs) <= schema.max_output
        and all(map(_takes, _formal(schema.inputs, len(node.inputs)), node.inputs))
        and all(map(_takes, _formal(schema.outputs, len(node.outputs)), node.outputs))
    )


@functools.cache
def _schema(op_type: str, version: int) -> onnx.defs.OpSchema | None:
    try:
        schema = onnx.defs.get_schema(op_type, version, "")
    except onnx.defs.SchemaError:
        return None
    return None if schema.deprecated else schema


_Parameter = onnx.defs.OpSchema.FormalParameter


def _formal(formal: Sequence[_Parameter], count: int) -> list[_Parameter]:
    """The formal parameter of each of `count` arguments; the last one may be repeated."""
    return [formal[min(i, len(formal) - 1)] for i in range(count)]


def _takes(formal: _Parameter, value: ir.Value | None) -> bool:
    if value is None or value.dtype is None or not isinstance(value.type, ir.TensorType):
        return True
    return f"tensor({_NAMES.get(value.dtype, value.dtype.name.lower())})" in formal.types


_NAMES = {ir.DataType.FLOAT: "float", ir.DataType.DOUBLE: "double"}
