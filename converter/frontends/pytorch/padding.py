"""Rows of embeddings that stand for padding: PyTorch does not train them, and ONNX does not know of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import onnx
import torch

from converter.base.trained import PADDING
from converter.frontends.pytorch.detached import FX_NODE, told
from converter.graph import proto_nodes

_LOOKUP = re.compile(r"aten\.embedding\.default\]\(args = \(%\w+, %\w+, (\d+)")
"""How it tells of a lookup with a row for padding."""


def padded_tables(module: Any) -> dict[str, int]:
    """The names of the weights of which a module looks up rows, with the row that stands for padding."""
    if isinstance(module, torch.jit.ScriptModule):
        return dict(_of_graph(module.inlined_graph))
    found = ((name, getattr(each, "padding_idx", None)) for name, each in module.named_modules(remove_duplicate=False))
    return {f"{name}.weight".lstrip("."): row for name, row in found if isinstance(row, int)}


def _of_graph(graph: Any) -> Iterator[tuple[str, int]]:
    """Those of the lookups of TorchScript: in a module that was traced, the layers do not tell."""
    for node in graph.findAllNodes("aten::embedding"):
        names, row = [], node.inputsAt(2).toIValue()
        source = node.inputsAt(0).node()
        while source.kind() == "prim::GetAttr":
            names.append(source.s("name"))
            source = source.inputsAt(0).node()
        if names and row is not None and row >= 0:
            yield ".".join(reversed(names)), row


def mark_padding(model: onnx.ModelProto, tables: Mapping[str, int]) -> None:
    """Note the row for padding at each lookup of a table, and at those of which the exporter tells it."""
    for node in proto_nodes(model.graph):
        row = _row(node, tables) if node.op_type == "Gather" else None
        if row is not None:
            node.metadata_props.add(key=PADDING, value=str(row))


def _row(node: onnx.NodeProto, tables: Mapping[str, int]) -> int | None:
    found = next(filter(None, map(_LOOKUP.search, told(node, FX_NODE))), None)
    return int(found[1]) if found else tables.get(node.input[0])
