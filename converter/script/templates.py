"""Templates: the notation for expressions in the rows of operator tables, parsed once into trees with holes.

    expr("ops.pad({0}, {1})", x, (0, 1))

A hole is a number, or a name such as `{alpha}`. Doubled braces are literal braces.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converter.errors import ScriptGenerationError
from converter.script.expressions import (
    Arg,
    Attribute,
    Binary,
    Call,
    Comprehension,
    Conditional,
    Constant,
    Index,
    Lambda,
    Leaf,
    Name,
    Raw,
    Slice,
    Starred,
    Unary,
    map_parts,
    walk,
)

OPERATORS: Mapping[str, type[ast.AST]] = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "//": ast.FloorDiv,
    "%": ast.Mod,
    "**": ast.Pow,
    "@": ast.MatMult,
    "&": ast.BitAnd,
    "|": ast.BitOr,
    "^": ast.BitXor,
    "<<": ast.LShift,
    ">>": ast.RShift,
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
    "is": ast.Is,
    "is not": ast.IsNot,
    "in": ast.In,
    "not in": ast.NotIn,
    "and": ast.And,
    "or": ast.Or,
}
"""The binary operators, comparisons and `and` and `or` included."""

UNARY_OPERATORS: Mapping[str, type[ast.unaryop]] = {"-": ast.USub, "+": ast.UAdd, "not": ast.Not, "~": ast.Invert}

_HOLE = re.compile(r"_hole_(\w+)_")
_SIGNS = {kind: sign for sign, kind in OPERATORS.items()}
_UNARY_SIGNS = {kind: sign for sign, kind in UNARY_OPERATORS.items()}


@dataclass(frozen=True, slots=True)
class Hole(Leaf):
    """A placeholder of a template, replaced by an argument."""

    key: int | str


def expr(template: str, *args: Arg) -> Any:
    """Write an expression: `expr("ops.pad({0}, {1})", x, (0, 1))`.

    Raises:
        ScriptGenerationError: the template is not a Python expression.
    """
    return filled(parsed(template), args)


def filled(tree: Arg, args: Any) -> Arg:
    """A parsed template with each hole replaced by `args[key]`."""
    if isinstance(tree, Hole):
        return args[tree.key]
    return map_parts(tree, lambda part: filled(part, args))


def holes_of(template: str) -> list[int | str]:
    """The keys of a template's holes, each once, in the order of the text."""
    return list(dict.fromkeys(part.key for part in walk(parsed(template)) if isinstance(part, Hole)))


@functools.lru_cache(maxsize=4096)
def parsed(template: str) -> Arg:
    """A template's tree.

    Raises:
        ScriptGenerationError: it is not a Python expression.
    """
    source = re.sub(r"\{(\w+)\}", r"_hole_\1_", template).replace("{{", "{").replace("}}", "}")
    try:
        return _tree(ast.parse(source, mode="eval").body)
    except SyntaxError as error:
        raise ScriptGenerationError(
            f"a row wrote '{template}', which is not a Python expression ({error.msg})"
        ) from error


def _tree(node: ast.expr) -> Arg:
    match node:
        case ast.Name():
            hole = _HOLE.fullmatch(node.id)
            return Name(node.id) if hole is None else Hole(int(hole[1]) if hole[1].isdigit() else hole[1])
        case ast.Constant():
            return Constant(node.value)
        case ast.Attribute():
            value = _tree(node.value)
            return Name(f"{value.path}.{node.attr}") if isinstance(value, Name) else Attribute(value, node.attr)
        case ast.Call():
            names = tuple(keyword.arg or "**" for keyword in node.keywords)
            args = (*map(_tree, node.args), *(_tree(keyword.value) for keyword in node.keywords))
            return Call(_tree(node.func), args, names)
        case ast.Subscript():
            return Index(_tree(node.value), _tree(node.slice))
        case ast.Slice():
            return Slice(*(None if bound is None else _tree(bound) for bound in (node.lower, node.upper, node.step)))
        case ast.Tuple():
            return tuple(map(_tree, node.elts))
        case ast.List():
            return list(map(_tree, node.elts))
        case ast.Starred():
            return Starred(_tree(node.value))
        case ast.IfExp():
            return Conditional(_tree(node.body), _tree(node.test), _tree(node.orelse))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return Constant(-number)
        case ast.UnaryOp():
            return Unary(_UNARY_SIGNS[type(node.op)], _tree(node.operand))
        case ast.BinOp():
            return Binary(_SIGNS[type(node.op)], _tree(node.left), _tree(node.right))
        case ast.BoolOp():
            return functools.reduce(functools.partial(Binary, _SIGNS[type(node.op)]), map(_tree, node.values))
        case ast.Compare(ops=[operator], comparators=[right]):
            return Binary(_SIGNS[type(operator)], _tree(node.left), _tree(right))
        case ast.Lambda(args=ast.arguments([], parameters, None, [], [], None, [])):
            return Lambda(tuple(parameter.arg for parameter in parameters), _tree(node.body))
        case ast.ListComp(generators=[ast.comprehension(target=ast.Name(id=variable), ifs=[]) as generator]):
            return Comprehension(_tree(node.elt), variable, _tree(generator.iter))
    return _raw(node)


def _raw(node: ast.expr) -> Raw:
    """A `Raw` expression, for Python syntax that has no class of its own."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name) and _HOLE.fullmatch(part.id)]
    names.sort(key=lambda name: (name.lineno, name.col_offset))  # in the order of the text
    for i, name in enumerate(names):
        names[i], name.id = ast.Name(name.id), f"_part_{i}_"
    return Raw(ast.unparse(node), tuple(map(_tree, names)))
