"""Scan, which had a batch axis in its first version."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError

Rewrite = Callable[[Edit], None]


def scan_9(edit: Edit) -> None:
    """Scan-8 iterates over axis 1 for each element of batch axis 0: becomes a Scan over axis 0 with a Scan as body."""
    if edit.input(0) is not None:
        raise RefusedError("its sequences differ in length (input sequence_lens), for which ONNX has no operator now")
    data, outputs = edit.node.inputs[1:], edit.node.outputs
    directions = edit.take("directions")
    attributes = {name: attribute.value for name, attribute in edit.node.attributes.items()}
    if directions is not None:
        attributes["scan_input_directions"] = directions
    rows = [_row(edit, value) for value in data]
    inner = ir.node("Scan", rows, attributes, num_outputs=len(outputs), name=edit.fresh("Scan"))
    inner.metadata_props.update(edit.node.metadata_props)
    for value in inner.outputs:
        value.name = edit.fresh("row")
    body = ir.Graph(rows, inner.outputs, nodes=[inner], name=edit.fresh("body"))
    edit.become("Scan", data, body=body, num_scan_inputs=len(data))


def _row(edit: Edit, value: ir.Value | None) -> ir.Value:
    """The input of the outer Scan's body: `value` without its first axis."""
    assert value is not None
    shape = None if value.shape is None else ir.Shape(value.shape[1:])
    return ir.Value(name=edit.fresh("row"), type=value.type, shape=shape)


REWRITES: dict[tuple[str, int], Rewrite] = {("Scan", 9): scan_9}
