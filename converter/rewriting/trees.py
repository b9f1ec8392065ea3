"""Traversal of syntax trees, in a fraction of the time of `ast.walk`: a package has millions of nodes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_NO_NODES = frozenset(
    {
        "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module", "name",
        "op", "ops", "rest", "simple", "type_comment", "type_ignores",
    }
)  # fmt: skip
"""Fields that hold no nodes, or such as have no parts: names, contexts, operators."""
_WITHOUT_PARTS = (ast.Constant, ast.MatchSingleton, ast.Global, ast.Nonlocal)


class _Parts(dict[type, tuple[str, ...]]):
    """The fields of each type of node that may hold nodes, in their order."""

    def __missing__(self, kind: type) -> tuple[str, ...]:
        fields = () if kind in _WITHOUT_PARTS else kind._fields  # type: ignore[attr-defined]
        self[kind] = found = tuple(name for name in fields if name not in _NO_NODES)
        return found


PARTS = _Parts()


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """A node and all its parts, in the order of `ast.walk`; contexts and operators, which have none, are left out."""
    found: list[ast.AST | None] = [tree]
    parts = PARTS
    for node in found:  # the list grows while it is read
        if node is None:  # the key of `**more` in a dict, a default that is not there
            continue
        yield node
        inside = node.__dict__
        for name in parts[node.__class__]:
            part = inside.get(name)
            if part.__class__ is list:
                found += part  # type: ignore[operator]
            elif part is not None:
                found.append(part)


def children(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node, in their order; contexts and operators are left out."""
    inside = node.__dict__
    for name in PARTS[node.__class__]:
        part = inside.get(name)
        if part.__class__ is list:
            for each in part:  # type: ignore[union-attr]
                if each is not None:
                    yield each
        elif part is not None:
            yield part
