"""Attributes that `forward` assigns and a method that it calls reads: in graph mode it would read the value of before.

The value is handed to the method as an argument, as a person would write it. `plan_of` says where that takes an edit.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

from converter.rewriting.trees import nodes


@dataclass
class Carried:
    """The edits of one class.

    Attributes:
        assigned: each assignment in `forward` → the variable that takes the value, and whether the attribute is only
            kept for the next run: it is computed where the one that is there does not fit.
        reads: each place that reads the attribute → the variable.
        begins: the statement of `forward` before which the variable takes the attribute's value.
        calls: each call of a method → the variables that it is given.
        methods: each method → its new parameters.
        readers: each assignment → the first method that the value is handed to.
        left: each assignment for which there is no plan → the method that reads the value of before.
    """

    assigned: dict[ast.AST, tuple[str, bool]] = field(default_factory=dict)
    reads: dict[ast.AST, str] = field(default_factory=dict)
    begins: dict[ast.AST, str] = field(default_factory=dict)
    calls: dict[ast.AST, list[str]] = field(default_factory=dict)
    methods: dict[ast.AST, list[str]] = field(default_factory=dict)
    readers: dict[ast.AST, str] = field(default_factory=dict)
    left: dict[ast.AST, str] = field(default_factory=dict)


def plan_of(owner: ast.ClassDef, refused: frozenset[str], overridden: Callable[[], frozenset[str]]) -> Carried:
    """How a class hands values on.

    Args:
        owner: the class.
        refused: attributes that the result calls otherwise.
        overridden: returns the methods that classes derived from it have of their own.
    """
    plan = Carried()
    methods = {each.name: each for each in owner.body if isinstance(each, ast.FunctionDef)}
    forward = methods.get("forward")
    if forward is None:
        return plan
    found: dict[str, list[ast.Assign]] = {}
    for each in nodes(forward):
        if isinstance(each, ast.Assign):
            for target in each.targets:
                if _is_own(target):
                    found.setdefault(target.attr, []).append(each)
    for name, assignments in found.items():
        first = min(each.end_lineno or each.lineno for each in assignments)
        if readers := _readers(name, forward, first, methods):
            parts = _Attribute(name, forward, assignments, readers, methods)
            if name not in refused and parts.can_be_handed_on(overridden()):
                parts.add_to(plan)
            else:
                plan.left |= dict.fromkeys(assignments, next(iter(readers)))
    return plan


def _readers(name: str, forward: ast.FunctionDef, line: int, methods: dict[str, ast.FunctionDef]) -> list[str]:
    """The methods, called behind a line, that read an attribute, and those through which they are called."""
    found: list[str] = []
    for each in dict.fromkeys(called.func.attr for called in _calls(forward) if called.lineno > line):  # type: ignore[attr-defined]
        found += [method for method in _reading(name, each, methods, frozenset()) if method not in found]
    return found


def _reading(name: str, method: str, methods: dict[str, ast.FunctionDef], seen: frozenset[str]) -> list[str]:
    if method not in methods or method in seen:
        return []
    node = methods[method]
    inner = [
        each
        for called in _calls(node)
        for each in _reading(name, called.func.attr, methods, seen | {method})  # type: ignore[attr-defined]
    ]
    return [method, *inner] if inner or any(_places(name, node)) else []


class _Attribute:
    """An attribute that `forward` assigns and methods read."""

    def __init__(
        self,
        name: str,
        forward: ast.FunctionDef,
        assignments: list[ast.Assign],
        readers: list[str],
        methods: dict[str, ast.FunctionDef],
    ) -> None:
        self.name = name
        self.forward = forward
        self.assignments = assignments
        self.readers = [methods[each] for each in readers]
        self._names = set(readers)
        self._top = {each for each in forward.body if any(inner in assignments for inner in nodes(each))}

    def can_be_handed_on(self, overridden: frozenset[str]) -> bool:
        """Whether the attribute can become a variable of `forward` and a parameter of the methods."""
        functions = [self.forward, *self.readers]
        taken = any(
            (isinstance(each, ast.Name) and each.id == self.name)
            or (isinstance(each, ast.arg) and each.arg == self.name)
            for function in functions
            for each in nodes(function)
        )
        plain = len(self._top) == 1 and all(len(each.targets) == 1 for each in self.assignments)
        cached = self._is_cached()
        shape = plain and (cached or self._top == set(self.assignments))
        changed = any(any(_places(self.name, each, ast.Store)) for each in self.readers)
        simple = all(not each.decorator_list and not each.args.vararg for each in self.readers)
        passed = all(
            not any(isinstance(argument, ast.Starred) for argument in call.args) for call in self._calls_of_readers()
        )
        own = "forward" not in self._names and not self._names & overridden
        return shape and simple and passed and own and not taken and not changed and self._reads_follow(cached)

    def _is_cached(self) -> bool:
        """Whether the attribute is computed in an `if` that asks whether the one that is there fits."""
        (top,) = self._top if len(self._top) == 1 else (None,)
        return (
            isinstance(top, ast.If)
            and not top.orelse
            and any(_places(self.name, top.test))
            and all(each in top.body for each in self.assignments)
        )

    def _reads_follow(self, cached: bool) -> bool:
        """Whether nothing in `forward` reads the attribute, itself or in a method, before it is a variable."""
        (top,) = self._top
        line = top.lineno if cached else (top.end_lineno or 0) + 1
        inside = [*_places(self.name, self.forward), *self._calls_of_readers(self.forward)]
        return all(each.lineno >= line for each in inside)  # type: ignore[attr-defined]

    def _calls_of_readers(self, *functions: ast.FunctionDef) -> Iterator[ast.Call]:
        for function in functions or (self.forward, *self.readers):
            yield from (each for each in _calls(function) if each.func.attr in self._names)  # type: ignore[attr-defined]

    def add_to(self, plan: Carried) -> None:
        """Plan the edits."""
        cached = self._is_cached()
        plan.assigned |= dict.fromkeys(self.assignments, (self.name, cached))
        plan.readers |= dict.fromkeys(self.assignments, self.readers[0].name)
        if cached:
            plan.begins[next(iter(self._top))] = self.name
        for function in (self.forward, *self.readers):
            plan.reads |= dict.fromkeys(_places(self.name, function), self.name)
        for call in self._calls_of_readers():
            plan.calls.setdefault(call, []).append(self.name)
        for method in self.readers:
            plan.methods.setdefault(method, []).append(self.name)


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls of methods of its own."""
    for each in nodes(function):
        if isinstance(each, ast.Call) and _is_own(each.func):
            yield each


def _places(name: str, node: ast.AST, context: type[ast.expr_context] = ast.Load) -> Iterator[ast.Attribute]:
    """Where a node reads, or assigns, an attribute of its own."""
    for each in nodes(node):
        if _is_own(each) and each.attr == name and isinstance(each.ctx, context):
            yield each


def _is_own(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
