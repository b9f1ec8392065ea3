"""Upgrade: rewrite every node to one opset.

onnx's own version converter is not used: it drops metadata and function names, serialises the weights, refuses a whole
model for one node, and silently changes the meaning of a dozen operators (`tests/normalize/test_upgrade.py`
compares each with the original). Of ONNX's 426 changes of operators, those not in `REWRITES` only extend what an
operator accepts; a test compares the schemas and fails for a change that is neither.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx
import onnx_ir as ir

from converter.errors import describe_unexpected
from converter.graph.annotations import OPSET, ORIGINAL, REASON, REFUSED
from converter.graph.edit import Edit, RefusedError
from converter.graph.normalize.rewrites import EXPERIMENTAL, RELATIVES, RELATIVES_DOMAIN, REWRITES
from converter.graph.shape_inference import infer_node, infer_shapes
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_nodes


def upgrade(model: ir.Model, kept: Collection[str] = ()) -> None:
    """Rewrite nodes of ONNX's domain and of onnxruntime's (`RELATIVES`) to `OPSET`; other nodes stay.

    A node that cannot be rewritten moves to the domain `REFUSED` and is otherwise unchanged; `refusal_of` gives its
    operator and the reason. An opset newer than `OPSET` is treated as `OPSET`.

    Args:
        model: without local functions and Constant nodes.
        kept: operators (`com.microsoft.Gelu`) that are not rewritten.
    """
    version = model.opset_imports[""]
    nodes = [
        node
        for node in all_nodes(model.graph)
        if node.domain == "" or (_is_relative(node) and f"{node.domain}.{node.op_type}" not in kept)
    ]
    changed = {node for node in nodes if _is_relative(node) or _has_changed(node.op_type, node.version or version)}
    if changed and all(node.domain or node.version in (None, version) for node in nodes):
        infer_shapes(model)  # the rewrites need ranks
    names = UniqueNames.of(model)
    for node in nodes:
        if node in changed:
            _rewrite(node, node.version or version, names)
        if changed and any(value.shape is None for value in node.outputs):
            infer_node(node)
        node.version = None
    model.opset_imports[""] = OPSET
    model.opset_imports[REFUSED] = 1


def _is_relative(node: ir.Node) -> bool:
    return node.domain == RELATIVES_DOMAIN and node.op_type in RELATIVES


def _has_changed(op_type: str, version: int) -> bool:
    if op_type not in _CHANGED and onnx.defs.has(op_type):
        return False
    return not _exists(op_type) or any((op_type, step) in REWRITES for step in range(version + 1, OPSET + 1))


def _exists(op_type: str) -> bool:
    return onnx.defs.has(op_type) and not onnx.defs.get_schema(op_type, OPSET).deprecated


def _rewrite(node: ir.Node, version: int, names: UniqueNames) -> None:
    op_type, attributes, inputs = node.op_type, list(node.attributes.values()), list(node.inputs)
    original = f"{RELATIVES_DOMAIN}.{op_type}" if _is_relative(node) else f"{op_type}-{version}"
    edit = Edit(node, names)
    try:
        if _is_relative(node):
            RELATIVES[op_type](edit)
            node.domain, version = "", OPSET
        for step in range(version + 1, OPSET + 1):
            if rewrite := REWRITES.get((node.op_type, step)):
                rewrite(edit)
        if rewrite := EXPERIMENTAL.get(node.op_type):
            rewrite(edit)
        if not _exists(node.op_type):
            raise RefusedError(f"ONNX {OPSET} has no such operator")
    except Exception as error:
        reason = str(error) if isinstance(error, RefusedError) else f"its rewrite failed ({describe_unexpected(error)})"
        edit.become(op_type, inputs)
        node.attributes.update({attribute.name: attribute for attribute in attributes})
        node.domain = REFUSED
        node.metadata_props[ORIGINAL] = original
        node.metadata_props[REASON] = reason


_CHANGED = {op_type for op_type, _ in REWRITES}
