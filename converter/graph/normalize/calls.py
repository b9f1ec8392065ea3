"""Calls: torch's older exporter numbers the calls of a module, and its nodes stand in scopes of their own thereby.

The second call of `block` writes `/block_1/Concat`, and of its layer `/block/conv_1/Conv`.
"""

from __future__ import annotations

import re
from itertools import accumulate

import onnx_ir as ir

from converter.graph.hints import scopes

_NUMBERED = re.compile(r"(.+)_\d+")


def record_calls(model: ir.Model) -> None:
    """Let the nodes of all calls of a module stand in the scope of the first one."""
    for_scopes = {node: tuple((node.name or "").split("/")[1:-1]) for node in model.graph if _is_traced(node)}
    known = {path[:depth] for path in for_scopes.values() for depth in range(1, len(path) + 1)}
    owners = (name.split(".")[:-1] for name in model.graph.initializers)
    modules = {path for owner in owners for path in accumulate(owner, lambda outer, name: f"{outer}.{name}")}
    for node, path in for_scopes.items():
        found = _NUMBERED.fullmatch(path[-1]) if path else None
        if found is None or (*path[:-1], found[1]) not in known:
            continue
        if scopes.dotted(scopes.scopes_of(node)) not in modules:
            first = (*scopes.path_of(node)[:-1], found[1])
            node.metadata_props[scopes.TORCH_SCOPES] = str([*first, node.name])


def _is_traced(node: ir.Node) -> bool:
    return (node.name or "").startswith("/") and scopes.TORCH_SCOPES not in node.metadata_props
