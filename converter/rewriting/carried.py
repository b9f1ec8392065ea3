"""Attributes that `forward` assigns and a method that it calls reads: in graph mode it reads the value of before."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard


def reader_of(assignment: ast.Assign, function: ast.AST, owner: ast.ClassDef) -> str:
    """The method that reads what `self.x = …` assigned, and is called after it; empty if there is none."""
    names = {each.attr for each in assignment.targets if _is_own(each)}
    if not names:
        return ""
    methods = {each.name: each for each in owner.body if isinstance(each, ast.FunctionDef)}
    end = assignment.end_lineno or assignment.lineno
    waiting = [name for name, line in _called(function) if line > end]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        method = methods.get(name)
        if method is None or name in seen:
            continue
        seen.add(name)
        if any(_is_own(each) and each.attr in names and isinstance(each.ctx, ast.Load) for each in ast.walk(method)):
            return name
        waiting += [name for name, _ in _called(method)]
    return ""


def _called(function: ast.AST) -> Iterator[tuple[str, int]]:
    """The methods of its own that a method calls, and the lines."""
    for each in ast.walk(function):
        if isinstance(each, ast.Call) and _is_own(each.func):
            yield each.func.attr, each.lineno


def _is_own(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
