"""Scopes: where in the source a node stood, and what that calls it."""

from __future__ import annotations

import ast
import re

import onnx_ir as ir

from converter.program import Scope

TORCH_SCOPES = "pkg.torch.onnx.name_scopes"
TORCH_CLASSES = "pkg.torch.onnx.class_hierarchy"


def scopes_of(node: ir.Node) -> tuple[Scope, ...]:
    """The module calls around a node, each named within the one around it: `layer1`, `0`, `conv1`."""
    path, kinds = path_of(node), classes_of(node)
    kinds = kinds if len(kinds) == len(path) else ("",) * len(path)
    outer = ""
    scopes = []
    for full, kind in zip(path, kinds, strict=True):
        scopes.append(Scope(full.removeprefix(f"{outer}."), kind.rsplit(".", 1)[-1]))
        outer = full
    return tuple(scopes)


def path_of(node: ir.Node) -> tuple[str, ...]:
    """The scopes around a node, outermost first; empty when the source recorded none.

    Sources: torch's exporter (`pkg.torch.onnx.name_scopes`: every level's dotted path, then the node), torch's older
    exporter and TensorFlow (`a/b/op` as the node's name).
    """
    recorded = _torch_list(node, TORCH_SCOPES)
    if recorded:
        return tuple(scope for scope in recorded[:-1] if scope)
    parts = (node.name or "").split("/")
    return tuple(part for part in parts[:-1] if part)


def classes_of(node: ir.Node) -> tuple[str, ...]:
    """The class of every scope of `path_of`, where torch's exporter recorded it."""
    recorded = _torch_list(node, TORCH_CLASSES)
    names = _torch_list(node, TORCH_SCOPES)
    return tuple(kind for kind, scope in zip(recorded[:-1], names[:-1], strict=False) if scope)


def _torch_list(node: ir.Node, key: str) -> list[str]:
    text = node.metadata_props.get(key)
    if not text:
        return []
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    return [str(item) for item in value] if isinstance(value, list) else []


def layer_hint(node: ir.Node, weights: tuple[str, ...]) -> str:
    """What the source calls the layer that a node is: from its weights' names, its scope, or its own name."""
    for name in weights:
        owner, dot, last = name.rpartition(".")
        if dot and owner and re.fullmatch(r"[A-Za-z_]\w*", last):
            return owner
    return ".".join(scope.name for scope in scopes_of(node)) or node.name or node.op_type


def variable_hint(node: ir.Node, index: int) -> str:
    """What to call an output of a node: after its layer where the source has scopes, else after the value itself."""
    path = path_of(node)
    last = re.split(r"[./]", path[-1])[-1] if path else ""
    if last and not last.isdigit():
        return last
    name = node.outputs[index].name or ""
    words = re.sub(r"(_output_\d+|:\d+|_\d+)+$", "", name.split("/")[-1])
    return words if re.match(r"[A-Za-z]", words) and words != "val" else node.op_type
