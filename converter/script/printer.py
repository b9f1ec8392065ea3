"""Printer: expressions as Python's own syntax trees, so that Python handles precedence, quotes and escapes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any, assert_never, cast

from converter.script.expressions import (
    AnyExpression,
    Arg,
    Attribute,
    Binary,
    Call,
    Comprehension,
    Conditional,
    Constant,
    Expression,
    Index,
    Lambda,
    Name,
    Option,
    Raw,
    Slice,
    Starred,
    Unary,
)
from converter.script.templates import OPERATORS, UNARY_OPERATORS

NameOf = Callable[[Any], str]
"""Writes a leaf: a variable, a member, an argument, a class or a helper function."""


def text_of(item: Arg, name: NameOf) -> str:
    """Write an argument as Python."""
    return ast.unparse(syntax_tree(item, name))


def syntax_tree(item: Arg, name: NameOf) -> ast.expr:
    """Turn an argument into a syntax tree."""
    match item:
        case Expression():
            known: Any = item
            return _expression(known, name)
        case tuple():
            return ast.Tuple([syntax_tree(part, name) for part in item], ast.Load())
        case list():
            return ast.List([syntax_tree(part, name) for part in item], ast.Load())
        case bool() | None | str() | bytes() | int() | float() | complex():
            return _literal(item)
        case _:
            return ast.Name(name(item))


def _literal(item: Any) -> ast.expr:
    match item:
        case float() if item != item or item in (float("inf"), float("-inf")):
            return ast.Call(ast.Name("float"), [ast.Constant(str(item))], [])
        case int() | float() if str(item).startswith("-"):  # as Python reads it: `(-1) ** 2` needs its parentheses
            return ast.UnaryOp(ast.USub(), ast.Constant(-item))
    return ast.Constant(item)


def _expression(item: AnyExpression, name: NameOf) -> ast.expr:
    def write(part: Arg) -> ast.expr:
        return syntax_tree(part, name)

    match item:
        case Name():
            return ast.Name(item.path)
        case Constant():
            return _literal(item.value)
        case Call():
            return _call(item, name)
        case Attribute():
            return ast.Attribute(write(item.value), item.name, ast.Load())
        case Index():
            return ast.Subscript(write(item.value), write(item.index), ast.Load())
        case Slice():
            bounds = (None if bound is None else write(bound) for bound in (item.start, item.stop, item.step))
            return cast(ast.expr, ast.Slice(*bounds))
        case Unary():
            return ast.UnaryOp(UNARY_OPERATORS[item.operator](), write(item.operand))
        case Binary():
            return _binary(item.operator, write(item.left), write(item.right))
        case Conditional():
            return ast.IfExp(write(item.test), write(item.then), write(item.orelse))
        case Starred():
            return ast.Starred(write(item.value), ast.Load())
        case Lambda():
            parameters = [ast.arg(parameter) for parameter in item.parameters]
            arguments = ast.arguments([], parameters, None, [], [], None, [])
            return ast.Lambda(arguments, write(item.body))
        case Comprehension():
            generator = ast.comprehension(ast.Name(item.variable), write(item.iterable), [], 0)
            return ast.ListComp(write(item.element), [generator])
        case Option():
            return write(item.value)
        case Raw():
            filler = _Filler([write(part) for part in item.args])
            return cast(ast.expr, filler.visit(ast.parse(item.text, mode="eval").body))
    assert_never(item)


class _Filler(ast.NodeTransformer):
    """Replaces placeholder names by their parts."""

    def __init__(self, parts: list[ast.expr]) -> None:
        self._parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        place = re.fullmatch(r"_part_(\d+)_", node.id)
        return self._parts[int(place[1])] if place else node


def _call(item: Call, name: NameOf) -> ast.Call:
    """A call; options that equal MindSpore's default are omitted."""
    given = [(key, value) for key, value in item.keywords if not _is_default(value)]
    keywords = [ast.keyword(None if key == "**" else key, syntax_tree(value, name)) for key, value in given]
    return ast.Call(syntax_tree(item.function, name), [syntax_tree(arg, name) for arg in item.positional], keywords)


def _is_default(value: Arg) -> bool:
    return isinstance(value, Option) and bool(value.value == value.default)


def _binary(sign: str, left: ast.expr, right: ast.expr) -> ast.expr:
    operator = OPERATORS[sign]()
    match operator:
        case ast.boolop():
            return ast.BoolOp(operator, [left, right])
        case ast.cmpop():
            return ast.Compare(left, [operator], [right])
        case ast.Add() | ast.Sub() if isinstance(right, ast.UnaryOp) and isinstance(right.operand, ast.Constant):
            if isinstance(right.op, ast.USub):  # `x + 1` for `x - -1`
                operator, right = ast.Sub() if isinstance(operator, ast.Add) else ast.Add(), right.operand
        case ast.Pow() if isinstance(right, ast.UnaryOp) and isinstance(right.operand, ast.Constant):
            if isinstance(right.op, ast.USub):  # `x**-1` for `x ** (-1)`
                right = ast.Constant(-cast(Any, right.operand.value))
    return ast.BinOp(left, cast(ast.operator, operator), right)
