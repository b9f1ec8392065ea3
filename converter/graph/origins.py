"""Origins: whether an initializer was a parameter or a buffer of torch's module, or was folded from such.

torch's exporter records the module's parameters and buffers in the graph's metadata, and in the metadata of every
constant that it folds the names of the values that it was folded from.
"""

from __future__ import annotations

import ast
import functools
import re

import onnx_ir as ir

from converter.base.trained import FROZEN, INFERENCE, TRAINED, YES
from converter.graph.annotations import is_folded

_KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
_SIGNATURE = "pkg.torch.export.ExportedProgram.graph_signature"
_FOLDED_FROM = "pkg.onnxscript.optimizer.folded_from"
_TARGET = re.compile(r"^\w+: (PARAMETER|BUFFER) target='([^'\n]+)'", re.MULTILINE)


def is_original(value: ir.Value) -> bool:
    """Whether a constant is an unchanged parameter or buffer of the module, so that its name is the module's own."""
    return _KIND in value.metadata_props


def trained(value: ir.Value) -> bool | None:
    """Whether the source trains a constant: it is a parameter, or folded from one; None when the source does not say.

    A frontend's own record goes before that of torch's exporter.
    """
    if known := _recorded(value):
        return None if known in (FROZEN, INFERENCE) else known == YES
    kind, origins = value.metadata_props.get(_KIND), _origins_of(value)
    if kind is not None:
        return kind == "PARAMETER"
    return None if origins is None else "PARAMETER" in origins.values()


def is_fixed(value: ir.Value) -> bool:
    """Whether the source records that a constant is not trained."""
    return trained(value) is False


def is_frozen(value: ir.Value) -> bool:
    """Whether a constant is a parameter of the source that the source does not train."""
    return _recorded(value) in (FROZEN, INFERENCE)


def is_of_inference(value: ir.Value) -> bool:
    """Whether a constant belongs to a layer that the source freezes, so that it runs as in inference."""
    return _recorded(value) == INFERENCE


def is_trained_number(value: ir.Value) -> bool:
    """Whether a constant of one element is trained: a layer's scale, the slope of a PReLU. Others are in a formula."""
    tensor = value.const_value
    return tensor is not None and tensor.size == 1 and not is_folded(value) and trained(value) is True


def _recorded(value: ir.Value) -> str:
    tensor = value.const_value
    notes = {} if tensor is None else getattr(tensor, "metadata_props", {})
    return value.metadata_props.get(TRAINED) or notes.get(TRAINED, "")


def has_signature(graph: ir.Graph) -> bool:
    """Whether torch's exporter recorded the module's parameters and buffers."""
    return _SIGNATURE in graph.metadata_props


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
