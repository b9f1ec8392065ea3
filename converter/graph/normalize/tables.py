"""Tables: a constant that one module reads several times is one initializer, though the exporter wrote it each time."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.annotations import is_folded, is_literal
from converter.graph.hints import is_fixed, scopes
from converter.graph.origins import trained
from converter.graph.queries import is_float
from converter.graph.walk import all_graphs

_SMALLEST, _LARGEST = 17, 1 << 20
"""Elements of a table: fewer stand in the script as numbers, more take long to compare."""


def merge_equal_tables(model: ir.Model) -> None:
    """Let the nodes of one module read one initializer where they read equal ones that are not trained."""
    for graph in all_graphs(model):
        first: dict[tuple[object, ...], ir.Value] = {}
        for value in list(graph.initializers.values()):
            key = _key(value)
            if key is not None and first.setdefault(key, value) is not value:
                value.replace_all_uses_with(first[key])


def _key(value: ir.Value) -> tuple[object, ...] | None:
    """What two tables of one module have in common; None for other constants."""
    tensor = value.const_value
    if tensor is None or not _SMALLEST <= tensor.size <= _LARGEST or value.is_graph_output() or _is_trained(value):
        return None
    modules = {scopes.path_of(use.node) for use in value.uses()}
    if len(modules) != 1:
        return None
    return modules.pop(), tensor.dtype, tuple(tensor.shape.numpy()), tensor.tobytes()


def _is_trained(value: ir.Value) -> bool:
    """Whether a constant may be a weight; one that folding computed is not, nor a number of a formula."""
    if is_folded(value):
        return trained(value) is True
    return not (is_literal(value) and (is_fixed(value) or not is_float(value)))
