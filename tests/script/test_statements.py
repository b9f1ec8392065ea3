"""Statements: the traversals agree on every kind of statement, and its text reads like code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from script.programs import call, let, literal, returning, text, variables

from converter.base.scope import Scope
from converter.script.expressions import Arg, Binary, Index, invoke, walk
from converter.script.statements import (
    Assign,
    Block,
    Branch,
    For,
    Statement,
    Variable,
    While,
    blocks_of,
    bound_within,
    defined_by,
    expressions_in,
    expressions_of,
    map_block,
    map_statement,
    operands_of,
    visit,
    visit_block,
)

KINDS = get_args(Statement)


class Example:
    """A statement with a variable of its own at each place where one can stand.

    Attributes:
        statement: the statement.
        read: the variables within its expressions, those of its blocks included.
        made: the variables that it assigns to.
        blocks: its blocks.
    """

    def __init__(self, kind: type[Any]) -> None:
        self.read: list[Variable] = []
        self.made: list[Variable] = []
        self.blocks: list[Block] = []
        self.statement = kind(**{field.name: self._value(field) for field in dataclasses.fields(kind)})

    def _value(self, field: dataclasses.Field[Any]) -> Any:
        match field.type:
            case "Arg":
                return self._expression()
            case "tuple[Arg, ...]":
                return self._expression(), self._expression()
            case "Variable":
                return self._target()
            case "tuple[Variable, ...]":
                return self._target(), self._target()
            case "tuple[Target, ...]":
                return self._target(), (self._target(), None, (self._target(),))
            case "Block":
                body = let(Variable("inner"), self._expression())
                self.blocks.append(Block([body], (self._expression(), self._expression())))
                return self.blocks[-1]
            case "tuple[Scope, ...]":
                return (Scope("layer1", "Block"),)
        raise AssertionError(f"{field.name} has a type that no example is known for")

    def _expression(self) -> Arg:
        self.read.append(Variable(f"read{len(self.read)}"))
        return Binary("+", self.read[-1], 1)

    def _target(self) -> Variable:
        self.made.append(Variable(f"made{len(self.made)}"))
        return self.made[-1]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def example(request: pytest.FixtureRequest) -> Example:
    return Example(request.param)


def variables_in(parts: Iterator[Arg]) -> list[Variable]:
    return [part for part in parts if isinstance(part, Variable)]


def test_every_expression_is_visited(example: Example) -> None:
    assert set(variables_in(visit(example.statement))) == set(example.read)
    assert len(variables_in(visit(example.statement))) == len(example.read)


def test_every_expression_is_mapped(example: Example) -> None:
    before = list(expressions_of(example.statement))
    seen: list[Arg] = []

    def wrapped(item: Arg) -> Arg:
        seen.append(item)
        return Index(item, 0)

    map_statement(example.statement, wrapped)
    assert len(seen) == len(before)
    assert all(any(item is other for other in before) for item in seen)
    assert list(expressions_of(example.statement)) == [Index(item, 0) for item in before]


def test_expressions_are_the_operands_and_those_of_the_blocks(example: Example) -> None:
    statement = example.statement
    inner = [item for block in blocks_of(statement) for item in expressions_in(block)]
    assert list(expressions_of(statement)) == [*operands_of(statement), *inner]
    assert list(visit(statement)) == [part for item in expressions_of(statement) for part in walk(item)]


def test_expressions_come_in_the_order_of_the_text(example: Example) -> None:
    written = repr(example.statement)
    places = [written.index(f"{value.hint} ") for value in variables_in(visit(example.statement))]
    assert places == sorted(places)


def test_blocks_are_found(example: Example) -> None:
    assert list(blocks_of(example.statement)) == example.blocks


def test_every_target_is_defined_or_bound(example: Example) -> None:
    statement = example.statement
    assert set(example.made) == {*defined_by(statement), *bound_within(statement)}
    assert all(value.hint in repr(statement) for value in example.made)


def test_a_block_is_mapped_and_visited_with_its_results(example: Example) -> None:
    result = Variable("result")
    block = Block([example.statement], (result,))
    assert variables_in(visit_block(block)) == [*variables_in(visit(example.statement)), result]
    map_block(block, lambda item: Index(item, 0))
    assert all(isinstance(item, Index) for item in expressions_in(block))
    assert len(list(expressions_in(block))) == len(list(expressions_of(example.statement))) + 1


def test_a_walk_gives_statements_before_those_of_their_blocks(example: Example) -> None:
    last = let(Variable("y"), 1)
    block = Block([example.statement, last])
    inner = [statement for each in example.blocks for statement in each.statements]
    assert list(block.walk()) == [example.statement, *inner, last]


# Text


X, Y, Z, A, B, I = variables("x y z a b i")  # noqa: E741


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        pytest.param(let(Y, invoke("ops.relu", X)), "y = ops.relu(x)", id="assign"),
        pytest.param(let((Y, None), invoke("ops.split", X, 2)), "y, _ = ops.split(x, 2)", id="unpack"),
        pytest.param(Assign((Y, (None, (Z,))), X), "y, (_, (z,)) = x", id="unpack nested"),
        pytest.param(Assign((), invoke("print", X)), "print(x)", id="no target"),
        pytest.param(let(Y, call(literal("scale", 2), X)), "y = self.scale(x)", id="member"),
        pytest.param(
            Branch((Y, Z), Binary(">", X, 0), returning(A, B, after=[let(A, Binary("*", X, 2))]), returning(X, Z)),
            """
            if x > 0:
                a = x * 2
                y, z = a, b
            else:
                y = x
            """,
            id="branch",
        ),
        pytest.param(Branch((), X, Block(), Block()), "if x:\n    pass", id="empty branch"),
        pytest.param(
            While((A, B), (X, B), Binary("<", A, 10), returning(B, Binary("+", A, B))),
            """
            a = x
            while a < 10:
                a, b = b, a + b
            """,
            id="while",
        ),
        pytest.param(
            For(I, invoke("range", 3), (A,), (X,), returning(Y, after=[let(Y, Binary("+", A, I))])),
            """
            a = x
            for i in range(3):
                y = a + i
                a = y
            """,
            id="for",
        ),
        pytest.param(
            For(I, invoke("range", 3), (A,), (A,), returning(Binary("+", A, I)), condition=Binary("<", A, 10)),
            """
            for i in range(3):
                if not a < 10:
                    break
                a = a + i
            """,
            id="for with a condition",
        ),
    ],
)
def test_a_statement_reads_like_code(statement: Statement, code: str) -> None:
    assert repr(statement) == text(code)


def test_a_block_reads_like_the_body_of_a_function() -> None:
    assert repr(returning(Y, Z, after=[let(Y, X)])) == "y = x\nreturn y, z"
