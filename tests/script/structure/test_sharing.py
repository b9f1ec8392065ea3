"""Sharing: members that several regions read."""

from __future__ import annotations

from script.programs import call, dense, let, literal, parameter, region, returning, text, variables, within

from converter.base.scope import Scope
from converter.script.expressions import Binary, invoke
from converter.script.program import Member
from converter.script.statements import Branch, For, Statement, Variable, While
from converter.script.structure.regions import Region, all_regions, inputs_of
from converter.script.structure.sharing import (
    constants_of_some_calls,
    copy_shared_literals,
    identity,
    pass_in,
    split,
    takes_layers,
)
from converter.script.structure.signature import signature_of

X, Y, A, B, C, D, E, I = variables("x y a b c d e i")  # noqa: E741
FC1, FC2, SHARED = dense("fc1"), dense("fc2"), dense("shared")


def pair(scope: str, first: Member, second: Member, function: str = "ops.relu") -> list[Statement]:
    """A region with two layers and a function between them."""
    x, a, b, y = variables("x a b y")
    return [*within(scope, let(a, call(first, x)), let(b, invoke(function, a)), let(y, call(second, b)))]


def sorted_leaves(tree: Region) -> tuple[list[str], dict[str, list[Member]]]:
    leaves = [each for each in all_regions(tree) if each is not tree and not each.inner()]
    ready, conflicting = split(tree, leaves)
    return [leaf.path for leaf in ready], {leaf.path: members for leaf, members in conflicting.items()}


# Literals


def test_a_literal_that_several_regions_read_is_repeated_in_each() -> None:
    scale, weight = literal("scale", 2), parameter("weight")
    first, second, third = (let(v, Binary("*", X, Binary("+", scale, weight))) for v in (A, B, C))
    copy_shared_literals(region(*within("a", first, second), *within("b", third)))
    scales = [statement.value.right.left for statement in (first, second, third)]
    assert scales[0] is scales[1] is scale
    assert scales[2] is not scale
    assert scales[2].constructor == scale.constructor
    assert {statement.value.right.right for statement in (first, second, third)} == {weight}


# Calls of one module


def test_calls_of_one_module_have_one_identity() -> None:
    def one(scale: Member, layer: Member, number: int) -> object:
        statements = [let(A, Binary("*", call(layer, X), scale)), let(B, Binary("*", A, number))]
        return identity(signature_of(statements, [X], [B]))

    assert one(literal("a", 2), FC1, 3) == one(literal("b", 2), FC1, 4)
    assert one(literal("a", 2), FC1, 3) != one(literal("a", 2), FC2, 3)
    assert one(literal("a", 2), FC1, 3) != one(literal("a", 4), FC1, 3)


def test_without_layers_each_call_is_for_itself() -> None:
    first, second = (signature_of([let(A, invoke("ops.relu", X))], [X], [A]) for _ in range(2))
    assert identity(first) == identity(first)
    assert identity(first) != identity(second)


def test_regions_that_share_nothing_are_ready() -> None:
    tree = region(*pair("a", FC1, FC2), *pair("b", dense("fc3"), dense("fc4")))
    assert sorted_leaves(tree) == (["a", "b"], {})


def test_calls_of_one_module_are_ready() -> None:
    assert sorted_leaves(region(*pair("a", FC1, FC2), *pair("b", FC1, FC2))) == (["a", "b"], {})


def test_regions_of_other_forms_that_share_a_layer_conflict() -> None:
    tree = region(*pair("a", SHARED, FC1), *pair("b", SHARED, FC2, "ops.tanh"), *pair("c", FC1, FC1))
    assert sorted_leaves(tree) == ([], {"a": [SHARED, FC1], "b": [SHARED], "c": [FC1]})


def test_a_region_that_shares_with_a_conflicting_one_waits() -> None:
    other = dense("other")
    tree = region(
        *pair("a", SHARED, FC1), *pair("b", SHARED, FC1), *pair("c", SHARED, FC2, "ops.tanh"), *pair("d", other, other)
    )
    assert sorted_leaves(tree) == (["d"], {"a": [SHARED], "b": [SHARED], "c": [SHARED]})
    tree = region(*pair("a", FC1, FC2), *pair("b", FC1, FC2), *within("a", *pair("inner", FC1, other)))
    ready, conflicting = sorted_leaves(tree)
    assert "a.inner" in conflicting
    assert not {"a", "b"} & {*ready, *conflicting} or conflicting.keys() >= {"a", "b"}


def test_a_layer_that_the_region_around_reads_itself_conflicts() -> None:
    tree = region(*within("net", *pair("a", FC1, FC2), let(Y, call(FC1, X))))
    assert sorted_leaves(tree) == ([], {"net.a": [FC1]})


def test_regions_wait_for_those_with_inner_regions_that_may_be_calls_of_the_module() -> None:
    nested = within("b", *pair("inner", SHARED, FC2), let(C, call(FC1, X)))
    lone = pair("c", dense("c1"), dense("c2"))
    ready, conflicting = sorted_leaves(region(*pair("a", FC1, dense("own")), *nested, *lone))
    assert ready == ["b.inner", "c"]
    assert conflicting == {}


def test_where_all_regions_wait_none_does() -> None:
    nested = within("b", *within("inner", let(D, call(FC2, X))), let(C, call(FC1, X)))
    ready, conflicting = sorted_leaves(region(*pair("a", FC1, FC2), *nested))
    assert (ready, conflicting) == (["b.inner"], {})


# Parameters


def test_a_parameter_is_passed_in_to_regions_from_the_front() -> None:
    state = parameter("state")
    tree = region(
        *within("a", let(A, Binary("+", X, state)), *within("inner", For(I, state, (B,), (state,), returning(B)))),
        *within(
            "b",
            Branch((C,), state, returning(state), returning(C)),
            While((D,), (state,), state, returning(Binary("+", D, state))),
        ),
        let(E, Binary("*", state, D)),
    )
    pass_in(tree, [state])
    assert repr(tree) == text(
        """
        state = self.state
        a:
            a = x + state
            inner:
                b = state
                for i in state:
                    pass
        b:
            if state:
                c = state
            else:
                pass
            d = state
            while state:
                d = d + state
        e = self.state * d
        """
    )


def test_all_regions_come_outermost_first() -> None:
    tree = region(*within("a", *pair("b", FC1, FC2), *pair("c", FC1, FC2)), *pair("d", FC1, FC2))
    assert [each.path for each in all_regions(tree)] == ["", "a", "a.b", "a.c", "d"]


def test_nothing_shared_is_nothing_to_copy() -> None:
    statement = let(A, Binary("*", X, literal("scale", Variable("y"))))
    tree = region(*within("a", statement))
    before = statement.value
    copy_shared_literals(tree)
    assert statement.value is before


def test_a_constant_that_only_the_first_call_reads_is_passed_in() -> None:
    layer, zeros = dense("fc"), parameter("zeros")
    x, a, b, c, d = variables("x a b c d")
    first = Region(Scope("step"), items=[let(a, call(layer, zeros)), let(b, Binary("+", a, x))])
    second = Region(Scope("step"), items=[let(c, call(layer, b)), let(d, Binary("+", c, x))])
    assert constants_of_some_calls([first, second]) == {first: [zeros], second: []}


def test_constants_that_all_calls_read_stay() -> None:
    layer, table = dense("fc"), parameter("table")
    x, a, b = variables("x a b")
    leaves = [Region(Scope("step"), items=[let(y, Binary("+", call(layer, x), table))]) for y in (a, b)]
    assert constants_of_some_calls(leaves) == {}


def test_a_layer_that_is_passed_in_is_the_last_input() -> None:
    tree = region(*pair("a", FC1, SHARED), *pair("b", FC2, SHARED))
    pass_in(tree, [SHARED])
    shared = inputs_of(tree.inner()[0])[-1]
    assert (shared.hint, shared.is_layer) == ("shared", True)
    assert inputs_of(tree.inner()[1])[-1] is shared


def test_regions_with_layers_of_their_own_and_more_than_calls_take_layers() -> None:
    tree = region(*pair("a", FC1, SHARED), *within("b", let(A, call(SHARED, X)), let(B, call(FC1, A))))
    first, second = tree.inner()
    assert not takes_layers(first, [FC1, SHARED])
    assert not takes_layers(first, [])
    assert not takes_layers(second, [SHARED])
    first.items += [let(C, call(FC2, Y)), let(D, call(FC2, C))]
    assert takes_layers(first, [SHARED])
