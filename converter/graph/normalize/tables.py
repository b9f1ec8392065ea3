"""Tables: a constant that one module reads several times is one initializer, though the exporter wrote it each time."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from converter.graph.annotations import is_folded, is_literal, sources_of
from converter.graph.hints import is_fixed, scopes
from converter.graph.origins import trained
from converter.graph.queries import is_float
from converter.graph.walk import all_graphs

_SMALLEST, _LARGEST = 17, 1 << 20
"""Elements of a table: fewer stand in the script as numbers, more take long to compare."""


def merge_equal_tables(model: ir.Model) -> None:
    """Let nodes read one initializer where they read equal ones that are not trained, of one module or of one source.

    Every layer of a decoder may reshape the angles that are computed once for all: folding makes a constant for each.
    """
    for graph in all_graphs(model):
        first: dict[tuple[object, ...], ir.Value] = {}
        for value in list(graph.initializers.values()):
            keys = list(_keys(value))
            known = next((first[key] for key in keys if key in first), value)
            if known is not value:
                value.replace_all_uses_with(known)
            first.update(dict.fromkeys(keys, known))


def _keys(value: ir.Value) -> Iterator[tuple[object, ...]]:
    """What a table has in common with another that it is one with; nothing for other constants."""
    tensor = value.const_value
    if tensor is None or not _SMALLEST <= tensor.size <= _LARGEST or value.is_graph_output() or _is_trained(value):
        return
    modules = {scopes.path_of(use.node) for use in value.uses()}
    owners = [*modules, *sorted(sources_of(value))] if len(modules) == 1 else sorted(sources_of(value))
    if owners:
        content = tensor.dtype, tuple(tensor.shape.numpy()), tensor.tobytes()
        yield from ((owner, *content) for owner in owners)


def _is_trained(value: ir.Value) -> bool:
    """Whether a constant may be a weight; one that folding computed is not, nor a number of a formula."""
    if is_folded(value):
        return trained(value) is True
    return not (is_literal(value) and (is_fixed(value) or not is_float(value)))
