"""Worlds: the shapes of a graph, and its shape arithmetic, where each free extent is a number."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from converter.graph.annotations import OPSET
from converter.graph.fatal_inference import make_safe
from converter.graph.shape_inference import is_small
from converter.shapes import PyValue, ShapeArithmetic

Extents = tuple[int, ...]


class World:
    """What is known of the values of a graph when each of its free dimensions has a certain extent.

    Args:
        extents: dimension → extent.
    """

    def __init__(self, extents: Mapping[str, int]) -> None:
        self._extents = extents
        self._shapes: dict[ir.Value, Extents | None] = {}
        self.arithmetic = ShapeArithmetic(self._shape_value, self._size_value)

    def shape(self, value: ir.Value | None) -> Extents | None:
        """The extents of a value; None if one is unknown."""
        if value is None:
            return None
        return self._shapes[value] if value in self._shapes else self._declared(value)

    def items(self, value: ir.Value | None) -> tuple[int, ...] | None:
        """The elements of shape arithmetic or of a small constant; None for another value."""
        known = self.arithmetic.get(value)
        return tuple(known.items) if known is not None and known.literal else None

    def declare(self, value: ir.Value) -> None:
        """Take the shape that the graph has for a value."""
        self._shapes[value] = self._declared(value)

    def set(self, value: ir.Value, shape: Extents) -> None:
        """Set the extents of a value."""
        self._shapes[value] = shape

    def evaluate(self, node: ir.Node) -> bool:
        """Compute a node of shape arithmetic; return whether it is one."""
        if not self.arithmetic.evaluate(node):
            return False
        for value in node.outputs:
            self._shapes[value] = self.arithmetic.computed[value].shape
        return True

    def forget(self, node: ir.Node) -> None:
        """Forget that a node is shape arithmetic."""
        for value in node.outputs:
            self.arithmetic.computed.pop(value, None)

    def infer(self, node: ir.Node) -> str:
        """Infer the shapes of a node's outputs; return why they do not fit, or an empty text."""
        types, constants = {}, {}
        self._shapes.update(dict.fromkeys(node.outputs))
        for value in node.inputs:
            if value is None:
                continue
            if value.dtype is None or not isinstance(value.type, ir.TensorType):
                return ""
            name = value.name or ""
            types[name] = onnx.helper.make_tensor_type_proto(value.dtype.value, self.shape(value))
            if (tensor := self._tensor(value)) is not None:
                constants[name] = ir.serde.serialize_tensor(tensor)
        try:
            schema = onnx.defs.get_schema(node.op_type, OPSET, node.domain)
            proto = make_safe(ir.serde.serialize_node(node))
            inferred = onnx.shape_inference.infer_node_outputs(schema, proto, types, constants)
        except (onnx.defs.SchemaError, onnx.checker.ValidationError):
            return ""
        except (onnx.shape_inference.InferenceError, RuntimeError) as error:
            return " ".join(str(error).split())
        for value in node.outputs:
            if value.name in inferred and inferred[value.name].tensor_type.HasField("shape"):
                dims = inferred[value.name].tensor_type.shape.dim
                known = all(dim.HasField("dim_value") for dim in dims)
                self._shapes[value] = tuple(dim.dim_value for dim in dims) if known else None
        return ""

    def _declared(self, value: ir.Value) -> Extents | None:
        if value.shape is None:
            return None
        dims = [dim if isinstance(dim, int) else self._extents.get(str(dim.value)) for dim in value.shape]
        return None if None in dims else tuple(dim for dim in dims if dim is not None)

    def _tensor(self, value: ir.Value) -> ir.TensorProtocol | None:
        """The elements that shape inference may read."""
        if value in self.arithmetic.computed:
            known = self.arithmetic.computed[value]
            assert value.dtype is not None
            return ir.tensor(np.array(known.items, value.dtype.numpy()).reshape(known.shape)) if known.literal else None
        return value.const_value if is_small(value.const_value) else None

    def _shape_value(self, value: ir.Value) -> PyValue | None:
        shape = self.shape(value)
        return None if shape is None else PyValue(shape, (len(shape),))

    def _size_value(self, value: ir.Value) -> PyValue | None:
        shape = self.shape(value)
        return None if shape is None else PyValue((int(np.prod(shape)),), ())
