"""Expressions: the traversals agree on every class of expression."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest
from script.programs import variables

from converter.script.expressions import (
    AnyExpression,
    Arg,
    Attribute,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    Name,
    Option,
    Raw,
    Slice,
    Unary,
    dimension,
    dimension_read,
    invoke,
    is_literal,
    map_parts,
    parts_of,
    unless_default,
    walk,
)
from converter.script.printer import text_of
from converter.script.statements import Variable

CLASSES = get_args(AnyExpression)


def example(kind: type[Any]) -> tuple[Any, list[Variable]]:
    """An expression with a variable of its own in each of its fields, and these variables in the order of the fields.

    A keyword argument's default is only compared with its value, and is no part.
    """
    parts: list[Variable] = []

    def part() -> Variable:
        parts.append(Variable(f"part{len(parts)}"))
        return parts[-1]

    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        match kind, field.name, field.type:
            case _, "default", _:
                values["default"] = None
            case _, "text", _:
                values["text"] = "{_part_0_: _part_1_}"
            case _, "operator", _:
                values["operator"] = "-"
            case _, _, "Arg":
                values[field.name] = part()
            case _, _, "tuple[Arg, ...]":
                values[field.name] = (part(), part())
            case _, _, "tuple[str, ...]":
                values[field.name] = ("option",)
            case _, name, "str":
                values[name] = name
            case _, name, "Literal":
                values[name] = 3
            case _:
                raise AssertionError(f"{kind.__name__}.{field.name} has a type that no example is known for")
    return kind(**values), parts


def label(item: Any) -> str:
    return item.label


@pytest.fixture(params=CLASSES, ids=lambda kind: kind.__name__)
def sample(request: pytest.FixtureRequest) -> tuple[Any, list[Variable]]:
    return example(request.param)


def test_every_class_is_an_expression_of_the_union() -> None:
    assert {kind.__name__ for kind in Expression.__subclasses__()} == {kind.__name__ for kind in CLASSES}


def test_parts_are_all_fields_that_hold_arguments(sample: tuple[Any, list[Variable]]) -> None:
    item, parts = sample
    assert list(parts_of(item)) == parts
    assert list(walk(item)) == [item, *parts]


def test_parts_stand_in_the_order_of_the_text(sample: tuple[Any, list[Variable]]) -> None:
    item, parts = sample
    places = [text_of(item, label).index(part.hint) for part in parts]
    assert places == sorted(places)


def test_mapping_replaces_every_part_and_nothing_else(sample: tuple[Any, list[Variable]]) -> None:
    item, parts = sample
    wrapped = map_parts(item, lambda part: Index(part, 0))
    assert type(wrapped) is type(item)
    assert list(parts_of(wrapped)) == [Index(part, 0) for part in parts]
    assert map_parts(wrapped, lambda part: part.value) == item
    assert map_parts(item, lambda part: part) is item


def test_tuples_and_lists_are_mapped_as_such() -> None:
    x, y = variables("x y")
    assert map_parts((x, 1), lambda part: y if part is x else part) == (y, 1)
    assert map_parts([x, 1], lambda part: y if part is x else part) == [y, 1]
    same = [x]
    assert map_parts(same, lambda part: part) is same


def test_a_slice_keeps_the_bounds_that_it_lacks() -> None:
    x, y = variables("x y")
    assert parts_of(Slice(stop=x)) == (x,)
    assert map_parts(Slice(stop=x), lambda _: y) == Slice(None, y, None)
    assert map_parts(Slice(step=x), lambda _: y) == Slice(None, None, y)


def test_a_walk_goes_depth_first_from_left_to_right() -> None:
    x, y = variables("x y")
    product, call = Binary("*", x, 2), Call(Name("f"), ((y, 3),))
    total = Binary("+", product, call)
    assert list(walk(total)) == [total, product, x, 2, call, Name("f"), (y, 3), y, 3]


def test_a_walk_does_not_recurse() -> None:
    item: Arg = Variable("x")
    for _ in range(50_000):
        item = Unary("-", item)
    assert sum(1 for _ in walk(item)) == 50_001


@pytest.mark.parametrize(
    ("item", "literal"),
    [
        (3, True),
        (None, True),
        ("same", True),
        ((1, (2.5, None)), True),
        ([], True),
        (Constant(3), False),
        (..., False),
        (Variable("x"), False),
        ((1, Variable("x")), False),
        (Name("ms.float32"), False),
    ],
    ids=str,
)
def test_literals_are_data(item: Arg, literal: bool) -> None:
    assert is_literal(item) is literal


def test_a_dimension_is_read_as_it_was_written() -> None:
    x = Variable("x")
    assert text_of(dimension(x, 1), label) == "x.shape[1]"
    assert dimension_read(dimension(x, 1)) == (x, 1)
    assert dimension_read(Index(Attribute(x, "dtype"), 1)) is None
    assert dimension_read(Index(x, 1)) is None
    assert dimension_read(x) is None


def test_keyword_arguments_are_the_last_ones() -> None:
    made = invoke("nn.Conv2d", 3, 64, stride=2, **unless_default(group=(1, 1)))
    assert made == Call(Name("nn.Conv2d"), (3, 64, 2, Option(1, 1)), ("stride", "group"))
    assert made.positional == (3, 64)
    assert made.keywords == (("stride", 2), ("group", Option(1, 1)))


def test_trees_are_compared_by_their_content() -> None:
    x, other = Variable("x"), Variable("x")
    assert Binary("+", x, 1) == Binary("+", x, 1)
    assert Binary("+", x, 1) != Binary("+", other, 1)
    assert Raw("{_part_0_: 1}", (x,)) in {Raw("{_part_0_: 1}", (x,))}
