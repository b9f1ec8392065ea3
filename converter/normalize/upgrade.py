"""Every operator to its meaning at one opset, node by node.

onnx's own version converter is not used: it drops metadata and function names, serialises the weights, refuses a whole
model for one node, and changes the meaning of a dozen operators without a word (`tests/normalize/test_upgrade.py`
compares each with the original). Of ONNX's 426 changes of operators, all but those in `REWRITES` only widen what an
operator accepts; a test compares the schemas and fails when one is neither.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir

from converter.normalize.edit import Edit, RefusedError
from converter.normalize.marks import OPSET, ORIGINAL, REASON, REFUSED
from converter.normalize.names import Names
from converter.normalize.rewrites import EXPERIMENTAL, REWRITES
from converter.normalize.shapes import infer_node, infer_shapes


def upgrade(model: ir.Model) -> None:
    """Bring every node of ONNX's own domain to `OPSET`; other domains stay as they are.

    A node that cannot be brought there moves to the domain `REFUSED` and keeps all else; `refusal_of` says what it was
    and why. An opset newer than `OPSET` is taken for `OPSET`.
    """
    version = model.opset_imports[""]
    nodes = [node for node in model.graph.all_nodes() if node.domain == ""]
    if any(_needs_rewrite(node, version) for node in nodes):
        if all(node.version in (None, version) for node in nodes):
            infer_shapes(model)  # the rewrites ask for ranks
        names = Names.of(model)
        for node in nodes:
            _upgrade_node(node, node.version or version, names)
    model.opset_imports[""] = OPSET
    model.opset_imports[REFUSED] = 1


def _needs_rewrite(node: ir.Node, version: int) -> bool:
    versions = range((node.version or version) + 1, OPSET + 1)
    return not onnx.defs.has(node.op_type) or any((node.op_type, step) in REWRITES for step in versions)


def _upgrade_node(node: ir.Node, version: int, names: Names) -> None:
    original = f"{node.op_type}-{version}"
    edit = Edit(node, names)
    try:
        for step in range(version + 1, OPSET + 1):
            if rewrite := REWRITES.get((node.op_type, step)):
                rewrite(edit)
        if rewrite := EXPERIMENTAL.get(node.op_type):
            rewrite(edit)
        if not onnx.defs.has(node.op_type) or onnx.defs.get_schema(node.op_type, OPSET).deprecated:
            raise RefusedError(f"ONNX {OPSET} has no such operator")
    except RefusedError as refusal:
        node.domain = REFUSED
        node.metadata_props[ORIGINAL] = original
        node.metadata_props[REASON] = str(refusal)
    node.version = None
    infer_node(node)
