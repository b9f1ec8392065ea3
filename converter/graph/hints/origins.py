"""Origins: what a constant was in torch's module, a parameter, a buffer or computed from these.

torch's exporter lists the module's parameters and buffers with the graph, and notes with every constant that it folds
from which values it did so.
"""

from __future__ import annotations

import ast
import functools
import re

import onnx_ir as ir

_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
_SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature"
_FOLDED_FROM = "pkg.onnxscript.optimizer.folded_from"
_TARGET = re.compile(r"^\w+: (PARAMETER|BUFFER) target='([^'\n]+)'", re.MULTILINE)


def is_original(value: ir.Value) -> bool:
    """Whether a constant is a parameter or buffer of the module as it was, so that its name is the module's own."""
    return _KIND in value.metadata_props


def is_fixed(value: ir.Value) -> bool:
    """Whether the source says that a constant is not trained: no parameter, nor computed from one."""
    kind, origins = value.metadata_props.get(_KIND), _origins_of(value)
    if kind is not None or origins is None:
        return kind not in (None, "PARAMETER")
    return "PARAMETER" not in origins.values()


def origin_of(value: ir.Value) -> tuple[str, bool]:
    """The only parameter, or else the only buffer, that a constant was computed from, and whether from nothing else.

    The name is "" when there are several, or none.
    """
    origins = _origins_of(value) or {}
    names = [name for name, kind in origins.items() if kind == "PARAMETER"] or list(origins)
    return (names[0], len(origins) == 1) if len(names) == 1 else ("", False)


def steps_of(value: ir.Value) -> frozenset[str]:
    """The values that a constant was computed from, or by way of, as the exporter calls them."""
    return frozenset(_names_in(value.metadata_props.get(_FOLDED_FROM, "")) or ())


def _origins_of(value: ir.Value) -> dict[str, str] | None:
    """The parameters and buffers that a constant was computed from, and which they are; None when nobody noted it."""
    noted = _names_in(value.metadata_props.get(_FOLDED_FROM, ""))
    signature = "" if value.graph is None else value.graph.metadata_props.get(_SIGNATURE, "")
    if noted is None or not signature:
        return None
    kinds = _kinds_in(signature)
    return {name: kinds[name] for name in noted if name in kinds}


@functools.lru_cache(maxsize=4)
def _kinds_in(signature: str) -> dict[str, str]:
    return {name: kind for kind, name in _TARGET.findall(signature)}


def _names_in(noted: str) -> list[str] | None:
    try:
        names = ast.literal_eval(noted)
    except (ValueError, SyntaxError):
        return None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else None
