"""Hoisting: what several regions share is computed in front of them."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from script.programs import call, dense, let, literal, parameter, region, returning, text, variables, within

from converter.script.expressions import Arg, Binary, dimension, invoke
from converter.script.program import Member
from converter.script.statements import Assign, Block, Branch, For, Statement, Variable, While, expressions_of, visit
from converter.script.structure.hoist import (
    hoist_shared_values,
    read_parts_again,
    replace_members,
    sink_unpacking,
    take_calls,
)
from converter.script.structure.regions import used_by
from converter.script.templates import expr

X, M, N, A, B, C, D, E, I = variables("x m n a b c d e i")  # noqa: E741
BATCH, LENGTH = ir.SymbolicDim("batch"), ir.SymbolicDim("length")


# Parts


def test_a_region_cuts_a_part_of_what_it_reads_for_itself() -> None:
    tree = region(
        *within("left", let(A, expr("{0}[:, {1}:]", X, 1)), let(B, Binary("*", A, X))),
        *within("right", let(C, Binary("+", A, X)), let(D, invoke("ops.relu", A))),
        *within("other", let(E, invoke("ops.relu", A))),
    )
    read_parts_again(tree, set())
    assert repr(tree) == text(
        """
        left:
            a = x[:, 1:]
            b = a * x
        right:
            a = x[:, 1:]
            c = a + x
            d = ops.relu(a)
        other:
            e = ops.relu(a)
        """
    )
    assert not {A}.intersection(used for each in tree.inner()[1].statements for used in used_by(each))


# Tensors that are taken apart


def unpacked(reader: Statement | None = None) -> tuple[str, str]:
    """A tensor is taken apart before the region that reads its parts; before and after."""
    parts = variables("p0 p1 p2 p3 p4")
    items = [
        let(parts, invoke("ops.unbind", X)),
        let(A, invoke("ops.zeros", dimension(parts[0], 0))),
        *([reader] if reader else []),
        *within("cell", let(B, call(dense("cell.fc"), A)), let(C, invoke("ops.cat", (B, *parts)))),
    ]
    tree = region(*items)
    before = repr(tree)
    sink_unpacking(tree, {C})
    return before, repr(tree)


def test_a_tensor_is_taken_apart_where_the_parts_are_read() -> None:
    assert unpacked()[1] == text(
        """
        cell:
            p0, p1, p2, p3, p4 = ops.unbind(x)
            a = ops.zeros(p0.shape[0])
            b = self.cell_fc(a)
            c = ops.cat((b, p0, p1, p2, p3, p4))
        """
    )


@pytest.mark.parametrize("reader", [let(D, call(dense("fc"), A)), let(C, invoke("ops.relu", A))])
def test_parts_that_others_read_stay_outside(reader: Statement) -> None:
    before, after = unpacked(reader)
    assert after == before


# Shared values


@pytest.mark.parametrize(("reads", "others"), [(False, 2), (False, 1), (True, 2)])
def test_a_table_of_parameters_and_extents_is_computed_before_the_layers_that_read_it(reads: bool, others: int) -> None:
    """The first layer of T5 looks its position bias up, and hands it to the others."""
    given, norm = Variable("given", (BATCH, LENGTH)), Variable("norm", (BATCH, LENGTH, 8))
    indices = invoke("ops.relu", norm) if reads else invoke("ops.arange", dimension(norm, 1))
    tree = region(
        *within(
            "left",
            let(norm, call(dense("left.norm"), given)),
            let(I, indices),
            let(M, call(dense("left.table"), I)),
            let(A, Binary("+", norm, M)),
        ),
        *within("right", let(B, call(dense("right.fc"), A)), let(C, Binary("+", B, M))),
        *(within("last", let(D, call(dense("last.fc"), C)), let(E, Binary("+", D, M))) if others > 1 else ()),
    )
    before = repr(tree)
    hoist_shared_values(tree, [given])
    moved = "i = ops.arange(given.shape[1])\nm = self.left_table(i)\nleft:\n    norm = self.left_norm(given)\n    a = "
    assert repr(tree) == before if reads or others == 1 else repr(tree).startswith(moved)


def test_a_mask_that_two_regions_read_is_computed_in_front_of_the_first() -> None:
    tree = region(
        *within(
            "left",
            let(M, expr("{0} > 0", X)),
            let(A, call(dense("left.fc"), X)),
            let(N, expr("~{0}", M)),
            let(B, Binary("*", A, N)),
        ),
        *within("right", let(C, call(dense("right.fc"), B)), let(D, Binary("*", C, N))),
    )
    hoist_shared_values(tree)
    assert repr(tree) == text(
        """
        m = x > 0
        n = ~m
        left:
            a = self.left_fc(x)
            b = a * n
        right:
            c = self.right_fc(b)
            d = c * n
        """
    )


def test_what_one_region_reads_stays_in_it() -> None:
    tree = region(
        *within("left", let(M, expr("{0} > 0", X)), let(A, Binary("*", call(dense("fc"), X), M))),
        *within("right", let(B, Binary("+", A, X))),
    )
    before = repr(tree)
    hoist_shared_values(tree)
    assert repr(tree) == before


def test_what_a_layer_makes_stays_in_the_region_of_the_layer() -> None:
    tree = region(
        *within("left", let(A, call(dense("fc"), X)), let(M, expr("{0} > 0", A)), let(B, Binary("*", A, M))),
        *within("right", let(C, Binary("+", B, M))),
    )
    before = repr(tree)
    hoist_shared_values(tree)
    assert repr(tree) == before


def test_a_literal_may_stand_in_front_of_its_region() -> None:
    tree = region(
        *within("left", let(M, Binary("*", X, literal("scale", 2))), let(A, call(dense("fc"), M))),
        *within("right", let(B, Binary("+", A, M))),
    )
    hoist_shared_values(tree)
    assert repr(tree).startswith("m = x * self.scale\nleft:\n    a = ")


def test_inner_regions_are_hoisted_out_of_as_far_as_their_values_are_shared() -> None:
    tree = region(
        *within(
            "net",
            *within("left", let(M, expr("{0} > 0", X)), let(A, Binary("*", call(dense("l"), X), M))),
            *within("right", let(B, Binary("*", call(dense("r"), A), M))),
        )
    )
    hoist_shared_values(tree)
    assert repr(tree) == text(
        """
        net:
            m = x > 0
            left:
                a = self.l(x) * m
            right:
                b = self.r(a) * m
        """
    )


# Calls


def shared_layer(tail: int) -> tuple[list[Statement], Member]:
    """A region that calls a shared layer on its input, and so many statements on the result."""
    shared, last = dense("shared"), A
    statements: list[Statement] = [let(M, expr("{0} * 2", X)), let(A, call(shared, M))]
    for i in range(tail):
        following = Variable(f"t{i}")
        statements.append(let(following, invoke("ops.relu", last)))
        last = following
    return statements, shared


def test_a_call_of_a_shared_layer_is_lifted_with_what_it_reads() -> None:
    statements, shared = shared_layer(3)
    tree = region(let(N, X), *within("left", *statements))
    assert take_calls(tree.inner()[0], {shared}) == statements[:2]
    assert repr(tree) == text(
        """
        n = x
        left:
            t0 = ops.relu(a)
            t1 = ops.relu(t0)
            t2 = ops.relu(t1)
        """
    )


def test_a_statement_with_several_targets_is_lifted_once() -> None:
    statements, shared = shared_layer(3)
    left, right = variables("left right")
    statements[:2] = [
        Assign((left, right), invoke("ops.split", X, 2, 1)),
        let(A, call(shared, invoke("ops.add", left, right))),
    ]
    tree = region(let(N, X), *within("left", *statements))
    assert take_calls(tree.inner()[0], {shared}) == statements[:2]


def test_a_region_that_would_be_left_with_little_keeps_its_calls() -> None:
    statements, shared = shared_layer(2)
    tree = region(*within("left", *statements))
    before = repr(tree)
    assert not take_calls(tree.inner()[0], {shared})
    assert repr(tree) == before


def test_a_call_on_what_another_layer_makes_is_not_lifted() -> None:
    statements, shared = shared_layer(3)
    statements[0] = let(M, call(dense("own"), X))
    tree = region(*within("left", *statements))
    before = repr(tree)
    assert not take_calls(tree.inner()[0], {shared})
    assert repr(tree) == before


# Members


OLD, NEW = parameter("state"), Variable("state")


def everywhere(item: Arg) -> list[Statement]:
    """Statements of every kind with an expression in every field."""

    def block() -> Block:
        return returning(item, after=[let(C, Binary("+", item, 1))])

    return [
        let(A, (item, [item])),
        Branch((A,), item, block(), block()),
        While((A,), (item,), item, block()),
        For(I, item, (A,), (item,), block(), condition=item),
        For(I, invoke("range", 3), (A,), (X,), returning(X, after=[For(I, X, (B,), (item,), returning(B))])),
    ]


@pytest.mark.parametrize("new", [NEW, literal("copy", 2)], ids=["variable", "member"])
def test_a_member_is_replaced_in_every_field_of_a_statement(new: Variable | Member) -> None:
    expected = everywhere(new)
    for statement, wanted in zip(everywhere(OLD), expected, strict=True):
        replace_members(statement, {OLD: new})
        assert OLD not in list(visit(statement))
        assert list(expressions_of(statement)) == list(expressions_of(wanted))
