"""Annotations: the kind that a type hint gives a value."""

from __future__ import annotations

import ast

from converter.rewriting.kinds import (
    DTYPE,
    NONE,
    NUMBER,
    OTHER,
    SIZE,
    STRING,
    TENSOR,
    UNKNOWN,
    Kind,
    instance,
    items,
    join,
    sequence,
)
from converter.rewriting.names import Scope
from converter.rewriting.project import Project

_PLAIN = {
    "torch.Tensor": TENSOR,
    "torch.nn.Parameter": TENSOR,
    **{
        f"torch.{name}Tensor": TENSOR
        for name in ["Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"]
    },
    **{f"torch.cuda.{name}Tensor": TENSOR for name in ("Float", "Half", "Long")},
    "torch.autograd.Variable": TENSOR,
    "torch.Size": SIZE,
    "torch.dtype": DTYPE,
    "torch.device": OTHER,
    "builtins.int": NUMBER,
    "builtins.float": NUMBER,
    "builtins.bool": NUMBER,
    "builtins.str": STRING,
    "builtins.bytes": OTHER,
    "builtins.dict": Kind("dict"),
    "typing.Any": UNKNOWN,
}
_SEQUENCES = {"List", "list", "Sequence", "Iterable", "Iterator", "Set", "set", "Collection", "Generator"}
_WRAPPERS = {"Optional", "Final", "ClassVar", "Annotated", "Required"}


def kind_of_annotation(
    node: ast.expr | None, scope: Scope, project: Project, within: frozenset[str] = frozenset()
) -> Kind:
    """The kind of a value with this annotation; unknown where it says nothing.

    `within` are the aliases that are being looked at: one may name itself, `Nested = list[Tensor | "Nested"]`.
    """
    if node is None:
        return UNKNOWN
    if isinstance(node, ast.Constant):
        if node.value is None:
            return NONE
        if isinstance(node.value, str):
            try:
                return kind_of_annotation(ast.parse(node.value, mode="eval").body, scope, project, within)
            except SyntaxError:
                return UNKNOWN
        return UNKNOWN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([kind_of_annotation(each, scope, project, within) for each in (node.left, node.right)], project)
    if isinstance(node, ast.Subscript):
        return _subscripted(node, scope, project, within)
    full = project.qualified(node, scope)
    if full is None:
        return UNKNOWN
    if full in _PLAIN:
        return _PLAIN[full]
    if full.startswith("torch.nn.") or project.class_named(full) is not None:
        return instance(full)
    definition = project.definition(full)
    if definition is not None and isinstance(definition[0], ast.Assign) and full not in within:
        return kind_of_annotation(definition[0].value, definition[1].module, project, within | {full})
    return OTHER if full.startswith("builtins.") or project.is_torch(full) else UNKNOWN


def _union(kinds: list[Kind], project: Project) -> Kind:
    """One of several kinds. A tuple stands beside a class of outputs for those who ask for it, and nobody does."""
    for kind in kinds:
        if kind.name == "instance" and any(project.is_output(each) for each in kind.of):
            return kind
    return join(kinds)


def _subscripted(node: ast.Subscript, scope: Scope, project: Project, within: frozenset[str]) -> Kind:
    full = project.qualified(node.value, scope) or ""
    name = full.rpartition(".")[2]
    inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name in _WRAPPERS:
        return kind_of_annotation(inner[0], scope, project, within)
    if name == "Union":
        return _union([kind_of_annotation(each, scope, project, within) for each in inner], project)
    if name in _SEQUENCES:
        return sequence(kind_of_annotation(inner[0], scope, project, within))
    if name in ("Tuple", "tuple"):
        if len(inner) == 2 and isinstance(inner[1], ast.Constant) and inner[1].value is ...:
            return sequence(kind_of_annotation(inner[0], scope, project, within))
        return items(kind_of_annotation(each, scope, project, within) for each in inner)
    if name in ("Dict", "dict", "OrderedDict", "Mapping", "MutableMapping") and len(inner) == 2:
        return Kind("dict", (), (kind_of_annotation(inner[1], scope, project, within),))
    if name == "Callable" and len(inner) == 2:
        made = kind_of_annotation(inner[1], scope, project, within)
        if made.name == "instance":
            return Kind("class", made.of)
        return Kind("callable", (), (made,)) if made.name != "unknown" else UNKNOWN
    if name in ("Type", "type"):
        made = kind_of_annotation(inner[0], scope, project, within)
        return Kind("class", made.of) if made.name == "instance" else UNKNOWN
    return UNKNOWN
