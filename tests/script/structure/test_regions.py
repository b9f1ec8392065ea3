"""Regions: a run of statements as a tree of module calls, by the scopes around each."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, literal, region, returning, text, variables, within

from converter.base.scope import Scope
from converter.script.expressions import Binary, Call, invoke
from converter.script.statements import Branch, For, Statement, While
from converter.script.structure.regions import (
    inputs_of,
    members_of,
    replace_in,
    statements_of,
    substituted,
    used_by,
)
from converter.script.templates import expr

A, B, C, D, X, Y, I = variables("a b c d x y i")  # noqa: E741


def test_a_run_of_statements_of_one_scope_is_a_region() -> None:
    tree = region(
        let(A, invoke("ops.relu", X)),
        *within("left:m.Side", *within("fc:nn.Linear", let(B, call(dense("fc"), A))), let(C, Binary("+", B, A))),
        *within("right:m.Side", let(D, invoke("ops.tanh", C))),
    )
    assert repr(tree) == text(
        """
        a = ops.relu(x)
        left (m.Side):
            fc (nn.Linear):
                b = self.fc(a)
            c = b + a
        right (m.Side):
            d = ops.tanh(c)
        """
    )
    left, right = tree.inner()
    assert [left.path, left.inner()[0].path, right.path] == ["left", "left.fc", "right"]


def test_a_scope_that_is_entered_again_is_another_region() -> None:
    tree = region(
        *within("a", let(A, invoke("ops.relu", X))),
        *within("b", let(B, invoke("ops.tanh", A))),
        *within("a", let(C, invoke("ops.relu", B))),
    )
    assert [inner.path for inner in tree.inner()] == ["a", "b", "a"]


def test_scopes_of_one_name_and_other_classes_are_other_regions() -> None:
    tree = region(*within("a:m.One", let(A, X)), *within("a:m.Two", let(B, A)))
    assert [inner.scope for inner in tree.inner()] == [Scope("a", "m.One"), Scope("a", "m.Two")]


def test_a_statement_without_scopes_takes_those_that_its_neighbours_share() -> None:
    tree = region(
        *within("net", *within("a", let(A, X))),
        let(B, A),
        *within("net", *within("b", let(C, B))),
        let(D, C),
    )
    assert repr(tree) == text(
        """
        net:
            a:
                a = x
            b = a
            b:
                c = b
        d = c
        """
    )


# What statements read


def test_a_loop_does_not_read_what_it_defines_itself() -> None:
    layer = dense("fc")
    body = returning(Binary("+", B, D), after=[let(B, call(layer, A)), let(C, Binary("*", B, I))])
    loop = For(I, invoke("range", Y), (A,), (X,), body, condition=expr("{0} < 3", A))
    assert list(used_by(loop)) == [X, Y, layer, D]


def test_a_branch_reads_what_its_blocks_read() -> None:
    branch = Branch((Y,), X, returning(A), returning(C, after=[let(C, B)]))
    assert list(used_by(branch)) == [X, A, B]


def test_inputs_are_what_a_region_reads_and_does_not_make() -> None:
    tree = region(let(B, Binary("+", X, A)), let(C, Binary("*", B, X)), let(D, Binary("-", Y, C)))
    assert inputs_of(tree) == [X, A, Y]


def test_members_come_in_the_order_of_their_first_use() -> None:
    first, second, scale = dense("first"), dense("second"), literal("scale", 2)
    tree = region(
        *within("a", let(A, call(second, X))),
        let(B, Binary("*", call(first, A), scale)),
        let(C, call(second, B)),
    )
    assert members_of(tree) == [second, first, scale]
    assert [repr(statement) for statement in statements_of(tree)] == [
        "a = self.second(x)",
        "b = self.first(a) * self.scale",
        "c = self.second(b)",
    ]


# Replacing


def test_a_variable_is_replaced_wherever_it_stands() -> None:
    item = expr("f({0}, [{0}, {1}], key={0}[{0}:])", A, B)
    assert substituted(item, {A: X}) == expr("f({0}, [{0}, {1}], key={0}[{0}:])", X, B)
    assert substituted(item, {Y: X}) is item
    assert substituted(A, {A: Call(Y)}) == Call(Y)


@pytest.mark.parametrize(
    "statement",
    [
        let(B, Binary("+", A, A)),
        Branch((B,), A, returning(A, after=[let(C, A)]), returning(A, after=[let(C, A)])),
        While((B,), (A,), A, returning(A, after=[let(C, A)])),
        For(I, A, (B,), (A,), returning(A, after=[let(C, A)]), condition=A),
    ],
    ids=lambda statement: type(statement).__name__,
)
def test_a_variable_is_replaced_in_every_field_of_a_statement(statement: Statement) -> None:
    replace_in(statement, {A: X})
    assert set(used_by(statement)) == {X}
    assert "a" not in repr(statement).replace("ra", "").replace("ha", "").replace("break", "").split()
