"""Every operator to its meaning at one opset."""

from __future__ import annotations

import onnx
import onnx_ir as ir

OPSET = 28


def upgrade(model: ir.Model) -> None:
    """Bring `model` to opset `OPSET`."""
    version = model.opset_imports.get("", OPSET)
    if version >= OPSET:
        return
    metadata = {node.name: dict(node.metadata_props) for node in ir.traversal.RecursiveGraphIterator(model.graph)}
    tensors = {name: value.const_value for name, value in model.graph.initializers.items()}
    upgraded = ir.from_proto(onnx.version_converter.convert_version(ir.to_proto(model), OPSET))
    for node in ir.traversal.RecursiveGraphIterator(upgraded.graph):
        node.metadata_props.update(metadata.get(node.name, {}))
    for name, value in upgraded.graph.initializers.items():
        if name in tensors:
            value.const_value = tensors[name]
    from converter.normalize.names import name_nodes

    model.graph = upgraded.graph
    model.opset_imports.update(upgraded.opset_imports)
    name_nodes(model)
