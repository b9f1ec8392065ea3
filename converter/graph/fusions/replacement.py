"""Replacement: put new nodes in the place of old ones, with their names and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx_ir as ir

from converter.graph.provenance import merge_provenance, transfer_provenance


def replace(old: Iterable[ir.Node], new: Sequence[ir.Node], results: Mapping[ir.Value, ir.Value], at: ir.Node) -> None:
    """Put the nodes `new` where `at` stands and drop `old`, and what only these used.

    Args:
        old: the nodes that go.
        new: the nodes that come; there need be none when the results are there already.
        results: the values that others use, and what takes their place.
        at: one of `old`, behind all that `new` needs.
    """
    graph = at.graph
    assert graph is not None
    old = list(dict.fromkeys(old))
    if new:
        transfer_provenance(old, new)
    heir = new[-1] if new else _neighbour(at.outputs[0], results[at.outputs[0]])
    for value, result in results.items():
        take_place(value, result)
    graph.insert_after(at, new)
    sources = [value.producer() for node in old for value in node.inputs if value is not None]
    graph.remove(old, safe=True)
    unused = _remove_unused(sources)
    merge_provenance(heir, unused if new else [*old, *unused])


def _neighbour(gone: ir.Value, stays: ir.Value) -> ir.Node:
    """Who stands for a node that did nothing: what made the value, else what uses it."""
    return stays.producer() or gone.consumers()[0]


def _remove_unused(nodes: Iterable[ir.Node | None]) -> list[ir.Node]:
    """Remove those of `nodes` that nothing uses, and what only they used; returns them."""
    pending, gone = list(nodes), []
    while pending:
        node = pending.pop()
        if node is None or node.graph is None or any(v.uses() or v.is_graph_output() for v in node.outputs):
            continue
        pending += [value.producer() for value in node.inputs if value is not None]
        node.graph.remove(node, safe=True)
        gone.append(node)
    return gone


def take_place(old: ir.Value, new: ir.Value) -> None:
    """Let `new` be `old` for everything that uses it; a value that is new itself gets its name, type and shape too."""
    producer = new.producer()
    if producer is not None and producer.graph is None:
        new.name, new.type, new.shape = old.name, old.type, old.shape
        new.metadata_props.update(old.metadata_props)
    old.replace_all_uses_with(new, replace_graph_outputs=True)
