"""Origins: whether an initializer was a parameter or a buffer of torch's module, or was folded from such.

torch's exporter records the module's parameters and buffers in the graph's metadata, and in the metadata of every
constant that it folds the names of the values that it was folded from.
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
    """Whether a constant is an unchanged parameter or buffer of the module, so that its name is the module's own."""
    return _KIND in value.metadata_props


def is_fixed(value: ir.Value) -> bool:
    """Whether the source records that a constant is not trained: neither a parameter nor folded from one."""
    kind, origins = value.metadata_props.get(_KIND), _origins_of(value)
    if kind is not None or origins is None:
        return kind not in (None, "PARAMETER")
    return "PARAMETER" not in origins.values()


def origin_of(value: ir.Value) -> tuple[str, bool]:
    """The parameter that a constant was folded from, else the buffer, and whether it is the constant's only origin.

    The name is "" when there are several parameters, or no parameter and several buffers, or neither.
    """
    origins = _origins_of(value) or {}
    names = [name for name, kind in origins.items() if kind == "PARAMETER"] or list(origins)
    return (names[0], len(origins) == 1) if len(names) == 1 else ("", False)


def folded_from(value: ir.Value) -> frozenset[str]:
    """The names of all values that a constant was folded from, intermediate values included."""
    return frozenset(_names_in(value.metadata_props.get(_FOLDED_FROM, "")) or ())


def _origins_of(value: ir.Value) -> dict[str, str] | None:
    """The kind (PARAMETER or BUFFER) of each origin of a constant, by name; None when the exporter recorded none."""
    recorded = _names_in(value.metadata_props.get(_FOLDED_FROM, ""))
    signature = "" if value.graph is None else value.graph.metadata_props.get(_SIGNATURE, "")
    if recorded is None or not signature:
        return None
    kinds = _kinds_in(signature)
    return {name: kinds[name] for name in recorded if name in kinds}


@functools.lru_cache(maxsize=4)
def _kinds_in(signature: str) -> dict[str, str]:
    return {name: kind for kind, name in _TARGET.findall(signature)}


def _names_in(recorded: str) -> list[str] | None:
    try:
        names = ast.literal_eval(recorded)
    except (ValueError, SyntaxError):
        return None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else None
