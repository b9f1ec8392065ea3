"""Replacement of nodes by new ones, which keep names and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx_ir as ir

from converter.graph.provenance import merge_provenance, transfer_provenance


def replace(old: Iterable[ir.Node], new: Sequence[ir.Node], results: Mapping[ir.Value, ir.Value], at: ir.Node) -> None:
    """Insert the nodes `new` after `at`; remove `old`, and nodes whose results only these read.

    Args:
        old: the nodes to remove.
        new: the nodes to insert; none when the results exist already.
        results: from values that other nodes read to those that replace them.
        at: one of `old`, after every node that `new` reads.
    """
    graph = at.graph
    assert graph is not None
    old = list(dict.fromkeys(old))
    if new:
        transfer_provenance(old, new)
    successor = new[-1] if new else _adjacent(at.outputs[0], results[at.outputs[0]])
    for value, result in results.items():
        replace_value(value, result)
    graph.insert_after(at, new)
    sources = [value.producer() for node in old for value in node.inputs if value is not None]
    graph.remove(old, safe=True)
    unused = _remove_unused(sources)
    merge_provenance(successor, unused if new else [*old, *unused])


def _adjacent(gone: ir.Value, stays: ir.Value) -> ir.Node:
    """The node that gets the provenance of a removed one: the producer of `stays`, else a node that reads `gone`."""
    return stays.producer() or gone.consumers()[0]


def _remove_unused(nodes: Iterable[ir.Node | None]) -> list[ir.Node]:
    """Remove those of `nodes` whose results nothing reads, then their producers likewise; return the removed nodes."""
    pending, gone = list(nodes), []
    while pending:
        node = pending.pop()
        if node is None or node.graph is None or any(v.uses() or v.is_graph_output() for v in node.outputs):
            continue
        pending += [value.producer() for value in node.inputs if value is not None]
        node.graph.remove(node, safe=True)
        gone.append(node)
    return gone


def replace_value(old: ir.Value, new: ir.Value) -> None:
    """Replace all uses of `old` by `new`; the value of a new node also gets its name, type and shape."""
    producer = new.producer()
    if producer is not None and producer.graph is None:
        new.name, new.type, new.shape = old.name, old.type, old.shape if old.shape is not None else new.shape
        new.metadata_props.update(old.metadata_props)
    old.replace_all_uses_with(new, replace_graph_outputs=True)
