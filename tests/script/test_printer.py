"""Printer: a tree's text means what the tree means."""

from __future__ import annotations

import ast
from typing import Any, get_args

import pytest
from script.programs import variables

from converter.script.expressions import (
    AnyExpression,
    Arg,
    Attribute,
    Binary,
    Call,
    Comprehension,
    Conditional,
    Constant,
    Index,
    Lambda,
    Name,
    Option,
    Raw,
    Slice,
    Starred,
    Unary,
    invoke,
)
from converter.script.printer import text_of
from converter.script.templates import OPERATORS, UNARY_OPERATORS, expr

X, Y, Z = variables("x y z")
INFINITY = float("inf")


def text(item: Arg) -> str:
    return text_of(item, lambda leaf: leaf.label)


TEXTS: list[tuple[Arg, str]] = [
    (X, "x"),
    (3, "3"),
    (-3, "-3"),
    (True, "True"),
    (None, "None"),
    (Constant(...), "..."),
    (2.5e-07, "2.5e-07"),
    (-0.0, "-0.0"),
    (1 + 2j, "(1+2j)"),
    ("it's", '"it\'s"'),
    (b"\x00", "b'\\x00'"),
    (INFINITY, "float('inf')"),
    (-INFINITY, "float('-inf')"),
    (float("nan"), "float('nan')"),
    ((), "()"),
    ((1,), "(1,)"),
    ((X, [Y, -1]), "(x, [y, -1])"),
    (Name("ms.float32"), "ms.float32"),
    (Constant(-1), "-1"),
    (Constant(-INFINITY), "float('-inf')"),
    (Attribute(X, "T"), "x.T"),
    (Attribute(Binary("+", X, Y), "T"), "(x + y).T"),
    (Attribute(-1, "real"), "(-1).real"),
    (Call(Attribute(X, "sum"), (1, True), ("keepdims",)), "x.sum(1, keepdims=True)"),
    (Call(Name("f"), (X, Y), ("**",)), "f(x, **y)"),
    (Call(Name("f"), (Starred(X), (1, 2))), "f(*x, (1, 2))"),
    (Call(Lambda(("z",), Name("z")), (X,)), "(lambda z: z)(x)"),
    (Index(X, -1), "x[-1]"),
    (Index(X, (Constant(...), Slice(1, None, 2), None)), "x[..., 1::2, None]"),
    (Index(X, Slice(step=-1)), "x[::-1]"),
    (Index(X, (0,)), "x[0,]"),
    (Index(Binary("+", X, Y), 0), "(x + y)[0]"),
    (Unary("-", Binary("+", X, Y)), "-(x + y)"),
    (Unary("-", Binary("*", X, Y)), "-(x * y)"),
    (Unary("not", Binary("and", X, Y)), "not (x and y)"),
    (Binary("**", -1, 2), "(-1) ** 2"),
    (Binary("**", X, -1), "x ** -1"),
    (Binary("**", Unary("-", X), 2), "(-x) ** 2"),
    (Binary("**", Binary("**", X, Y), Z), "(x ** y) ** z"),
    (Binary("**", X, Binary("**", Y, Z)), "x ** y ** z"),
    (Binary("-", X, Binary("-", Y, Z)), "x - (y - z)"),
    (Binary("-", Binary("-", X, Y), Z), "x - y - z"),
    (Binary("*", Binary("+", X, Y), Z), "(x + y) * z"),
    (Binary("//", X, Binary("*", Y, Z)), "x // (y * z)"),
    (Binary("<", Binary("<", X, Y), Z), "(x < y) < z"),
    (Binary("and", Binary("or", X, Y), Z), "(x or y) and z"),
    (Binary("or", Binary("and", X, Y), Z), "x and y or z"),
    (Conditional(X, Binary(">", Y, 0), Conditional(Y, X, Z)), "x if y > 0 else y if x else z"),
    (Binary("+", Conditional(X, Y, Z), 1), "(x if y else z) + 1"),
    (Call(Name("f"), (Lambda(("a", "b"), Binary("+", Name("a"), X)),)), "f(lambda a, b: a + x)"),
    (Comprehension(Binary("+", Name("i"), X), "i", invoke("range", 3)), "[i + x for i in range(3)]"),
    (Call(Name("f"), (Option(1, 1), Option(2, 1)), ("stride", "group")), "f(group=2)"),
    (Call(Name("f"), (Option(1, 1),)), "f(1)"),
    (Raw("{_part_1_: _part_0_}", (X, Binary("+", Y, 1))), "{y + 1: x}"),
    (Raw("_part_0_ ** 2", (Binary("+", X, 1),)), "(x + 1) ** 2"),
]


@pytest.mark.parametrize(("item", "written"), TEXTS, ids=[written for _, written in TEXTS])
def test_text(item: Arg, written: str) -> None:
    assert ast.dump(ast.parse(text(item), mode="eval")) == ast.dump(ast.parse(written, mode="eval"))


def test_every_class_of_expression_has_a_text() -> None:
    assert {type(item) for item, _ in TEXTS} >= set(get_args(AnyExpression)) - {Option, Slice, Starred, Lambda}


@pytest.mark.parametrize("outer", OPERATORS)
def test_operators_group_as_the_tree_does(outer: str) -> None:
    for inner in OPERATORS:
        for tree in (Binary(outer, Binary(inner, X, Y), Z), Binary(outer, X, Binary(inner, Y, Z))):
            assert expr(text(tree).replace("x", "{0}").replace("y", "{1}").replace("z", "{2}"), X, Y, Z) == tree


@pytest.mark.parametrize("sign", UNARY_OPERATORS)
def test_signs_group_as_the_tree_does(sign: str) -> None:
    for operator in OPERATORS:
        for tree in (Unary(sign, Binary(operator, X, Y)), Binary(operator, Unary(sign, X), Y)):
            assert expr(text(tree).replace("x", "{0}").replace("y", "{1}"), X, Y) == tree


@pytest.mark.parametrize("number", [-1, -2.5, 3, 1e300, INFINITY, -INFINITY, -0.0, 2**70, 1e-320])
def test_numbers_keep_their_value(number: Any) -> None:
    read = eval(text(Binary("*", number, 1)), {"float": float})
    assert repr(read) == repr(number)
