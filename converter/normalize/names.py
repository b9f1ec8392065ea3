"""A name of its own for every node, sub-graphs and functions included."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir


def name_nodes(model: ir.Model) -> None:
    """Name the unnamed nodes and make names unique over the whole model; the first holder of a name keeps it."""
    taken: set[str] = set()
    for graph in (model.graph, *model.functions.values()):
        nodes = list(ir.traversal.RecursiveGraphIterator(graph))
        taken.update(node.name for node in nodes if node.name)
    seen: set[str] = set()
    for graph in (model.graph, *model.functions.values()):
        for node in ir.traversal.RecursiveGraphIterator(graph):
            if not node.name or node.name in seen:
                node.name = next(name for name in candidates(node) if name not in taken)
                taken.add(node.name)
            seen.add(node.name)


def candidates(node: ir.Node) -> Iterator[str]:
    """Names for a node, best first: its own, its first output's, these with a number."""
    base = node.name or next((out.name for out in node.outputs if out.name), None) or node.op_type
    yield base
    count = 1
    while True:
        yield f"{base}_{count}"
        count += 1
