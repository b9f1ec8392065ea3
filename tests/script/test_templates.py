"""Templates: what a row writes becomes a tree."""

from __future__ import annotations

import pytest
from script.programs import variables

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
    Name,
    Raw,
    Slice,
    Starred,
    Unary,
)
from converter.script.templates import OPERATORS, UNARY_OPERATORS, Hole, expr, filled, holes_of, parsed

X, Y = variables("x y")


@pytest.mark.parametrize(
    ("template", "tree"),
    [
        ("ops.relu", Name("ops.relu")),
        ("3", Constant(3)),
        ("-3", Constant(-3)),
        ("-2.5", Constant(-2.5)),
        ("None", Constant(None)),
        ("'same'", Constant("same")),
        ("...", Constant(...)),
        ("{0}", Hole(0)),
        ("{alpha}", Hole("alpha")),
        ("{0}.shape", Attribute(Hole(0), "shape")),
        ("ops.relu({0})", Call(Name("ops.relu"), (Hole(0),))),
        ("{0}.sum(1, keepdims=True)", Call(Attribute(Hole(0), "sum"), (Constant(1), Constant(True)), ("keepdims",))),
        ("f(**{0})", Call(Name("f"), (Hole(0),), ("**",))),
        ("f(*{0}, 1)", Call(Name("f"), (Starred(Hole(0)), Constant(1)))),
        ("{0}[0]", Index(Hole(0), Constant(0))),
        ("{0}[..., 1:]", Index(Hole(0), (Constant(...), Slice(Constant(1))))),
        ("{0}[:{1}:2]", Index(Hole(0), Slice(None, Hole(1), Constant(2)))),
        ("-{0}", Unary("-", Hole(0))),
        ("not {0}", Unary("not", Hole(0))),
        ("{0} + 1", Binary("+", Hole(0), Constant(1))),
        ("{0} is not None", Binary("is not", Hole(0), Constant(None))),
        ("{0} and {1} and {2}", Binary("and", Binary("and", Hole(0), Hole(1)), Hole(2))),
        ("{0} if {1} else {2}", Conditional(Hole(0), Hole(1), Hole(2))),
        ("({0}, 1)", (Hole(0), Constant(1))),
        ("[{0}, 1]", [Hole(0), Constant(1)]),
        ("lambda z: z + {0}", Lambda(("z",), Binary("+", Name("z"), Hole(0)))),
        ("[f(i) for i in {0}]", Comprehension(Call(Name("f"), (Name("i"),)), "i", Hole(0))),
    ],
)
def test_a_template_is_a_tree_with_holes(template: str, tree: Arg) -> None:
    assert parsed(template) == tree


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_binary_operator_is_read(operator: str) -> None:
    assert expr(f"{{0}} {operator} {{1}}", X, Y) == Binary(operator, X, Y)


@pytest.mark.parametrize("operator", UNARY_OPERATORS)
def test_every_unary_operator_is_read(operator: str) -> None:
    assert expr(f"{operator} {{0}}", X) == Unary(operator, X)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{'a': {0}, 'b': {1}}}", "{'a': _part_0_, 'b': _part_1_}"),
        ("{{{1}: {0}}}", "{_part_0_: _part_1_}"),
        ("0 < {0} < {1}", "0 < _part_0_ < _part_1_"),
        ("[z for z in {0} if z is not {1}]", "[z for z in _part_0_ if z is not _part_1_]"),
        ("{{f({0}): {1}}}", "{f(_part_0_): _part_1_}"),
        ("lambda *z: {0} + {1}", "lambda *z: _part_0_ + _part_1_"),
        ("lambda z=1: {0} + {1}", "lambda z=1: _part_0_ + _part_1_"),
    ],
)
def test_what_has_no_class_is_kept_as_text_with_its_parts_in_the_order_of_the_text(template: str, text: str) -> None:
    tree = expr(template, X, Y)
    assert isinstance(tree, Raw)
    assert tree.text == text
    assert tree.args == ((Y, X) if template.index("{1}") < template.index("{0}") else (X, Y))


def test_holes_are_filled_in_their_places() -> None:
    assert expr("f({1}, {0}, {1})", X, Y) == Call(Name("f"), (Y, X, Y))
    assert filled(parsed("{x} * {scale}"), {"x": X, "scale": 2}) == Binary("*", X, 2)
    assert expr("{0}", (1, X)) == (1, X)


def test_holes_are_listed_once_each_in_the_order_of_the_text() -> None:
    assert holes_of("f({1}, {alpha}, {0}, {1})") == [1, "alpha", 0]
    assert holes_of("ops.relu") == []


def test_an_argument_is_never_read_as_a_template() -> None:
    assert expr("f({0})", "{1} {{ _hole_0_") == Call(Name("f"), ("{1} {{ _hole_0_",))


def test_a_template_without_arguments_is_not_copied() -> None:
    assert expr("ops.relu(1)") is parsed("ops.relu(1)")


@pytest.mark.parametrize("template", ["ops.relu(", "y = {0}", "", "{0} {1}", "return {0}", "*{0}"])
def test_what_is_no_expression_is_an_error_that_quotes_it(template: str) -> None:
    with pytest.raises(ScriptGenerationError, match="which is not a Python expression") as caught:
        expr(template, X, Y)
    assert f"'{template}'" in str(caught.value)


def test_a_hole_without_an_argument_is_an_error() -> None:
    with pytest.raises(IndexError):
        expr("{0} + {1}", X)
