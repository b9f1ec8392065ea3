"""Coalescing: variables whose lifetimes do not overlap share a name."""

from __future__ import annotations

import pytest
from script.programs import let, literal, program, returning, variables

from converter.script.emit.coalescing import coalesced_variables
from converter.script.expressions import Arg, Binary, invoke
from converter.script.program import Cell
from converter.script.statements import Branch, For, Statement, Variable, While

X, Y, H, NEW, A, B, C, I, J = variables("x y h new a b c i j")  # noqa: E741


def merged(inputs: list[Variable], statements: list[Statement], *results: Arg) -> dict[str, str]:
    """The hint of each variable that takes another one's name, and the hint of that one."""
    cell: Cell = program(inputs, statements, *results).top
    return {value.hint: other.hint for value, other in coalesced_variables(cell).items()}


def loop(condition: Arg = None) -> For:
    return For(
        I, invoke("range", 3), (H,), (X,), returning(NEW, after=[let(NEW, invoke("ops.tanh", H))]), condition=condition
    )


def test_a_loop_carries_the_variable_that_it_starts_from() -> None:
    assert merged([X], [loop()], H) == {"h": "x", "new": "x"}
    assert merged([X], [loop(Binary("<", H, 3))], H) == {"h": "x", "new": "x"}


def test_a_variable_that_is_read_behind_the_loop_is_kept() -> None:
    assert merged([X], [loop()], H, X) == {"new": "h"}


def test_a_variable_that_is_read_within_the_loop_is_kept() -> None:
    body = returning(NEW, after=[let(NEW, Binary("+", H, X))])
    assert merged([X], [For(I, invoke("range", 3), (H,), (X,), body)], H) == {"new": "h"}


def test_the_condition_of_a_loop_reads_the_variable_that_is_carried() -> None:
    body = returning(NEW, after=[let(NEW, invoke("ops.tanh", H))])
    assert merged([X], [While((H,), (X,), Binary("<", X, H), body)], H) == {"new": "h"}
    assert merged([X], [While((H,), (X,), Binary("<", H, 3), body)], H) == {"h": "x", "new": "x"}


def test_a_new_value_is_kept_apart_while_the_old_one_is_read() -> None:
    body = returning(NEW, after=[let(NEW, invoke("ops.tanh", H)), let(A, Binary("+", NEW, H)), let(B, A)])
    body.results = (NEW,)
    assert "new" not in merged([X], [For(I, invoke("range", 3), (H,), (X,), body)], H)


def test_two_carried_variables_do_not_start_as_one() -> None:
    body = returning(Y, H)
    assert merged([X], [For(I, invoke("range", 3), (H, Y), (X, X), body)], H, Y) == {}


def test_blocks_within_blocks_are_merged_too() -> None:
    """A loop in a loop starts from the outer one's carried variable, which nothing else reads from there on."""
    inner = For(J, invoke("range", 2), (A,), (H,), returning(B, after=[let(B, invoke("f", A))]))
    outer = For(I, invoke("range", 3), (H,), (X,), returning(A, after=[inner]))
    assert merged([X], [outer], H) == {"h": "x", "a": "x", "b": "x"}


def test_a_loop_in_a_branch_keeps_the_outer_variable_that_it_starts_from() -> None:
    """Nothing behind the branch may read it, but a block of a branch owns no variable of the outer block."""
    branch = Branch((Y,), X, returning(H, after=[loop()]), returning(X))
    assert merged([X], [branch], Y)["h"] == "y"


def test_a_branch_assigns_its_targets_at_once() -> None:
    branch = Branch((Y,), X, returning(A, after=[let(A, invoke("f", X))]), returning(B, after=[let(B, invoke("g", X))]))
    assert merged([X], [branch], Y) == {"a": "y", "b": "y"}


def test_a_result_that_two_targets_take_is_kept() -> None:
    branch = Branch((Y, C), X, returning(A, A, after=[let(A, invoke("f", X))]), returning(X, X))
    assert merged([X], [branch], Y, C) == {}


def test_a_value_of_an_outer_block_is_no_result_to_merge() -> None:
    branch = Branch((Y,), X, returning(A), returning(X))
    assert merged([X], [let(A, invoke("f", X)), branch], Y) == {}


@pytest.mark.parametrize("read_later", [False, True])
def test_what_the_source_assigns_again_is_one_variable(read_later: bool) -> None:
    first, second = Variable("x", assigned=True), Variable("x", assigned=True)
    statements: list[Statement] = [let(first, invoke("f", X)), let(second, invoke("g", first))]
    cell = program([X], statements, second, *[first] * read_later).top
    expected = {first: X} if read_later else {first: X, second: X}
    assert coalesced_variables(cell) == expected


def test_loops_over_layers_share_the_name_of_the_layer() -> None:
    layers = literal("layers", 0)
    first, second = (For(Variable("layer"), layers, (v,), (X,), returning(v)) for v in (A, B))
    merged_variables = coalesced_variables(program([X], [first, second], A, B).top)
    assert merged_variables[second.index] is first.index


def test_what_a_loop_computes_in_each_step_shares_names_with_what_is_not_read_in_it() -> None:
    """`for x in (x, y): a = relu(x)`, then another `a`; what the loop reads keeps its name."""
    element, inner, after, read = Variable("x", assigned=True), *variables("a a a")
    for value in (inner, after, read):
        value.assigned = True
    (collected,) = variables("outputs")

    def cell_of(operand: Variable) -> Cell:
        body = returning(Binary("+", collected, (inner,)), after=[let(inner, Binary("*", element, operand))])
        over = For(element, (X, Y), (collected,), ((),), body)
        statements = [let(read, invoke("ops.exp", Y)), over, let(after, invoke("ops.cat", collected))]
        return program([X, Y], statements, after).top

    merged_names = coalesced_variables(cell_of(Y))
    assert (merged_names[element], merged_names[inner], merged_names[after]) == (X, read, read)
    kept = coalesced_variables(cell_of(read))
    assert (kept[element], kept[after]) == (X, kept.get(inner, inner))
    assert inner not in kept


def test_what_a_loop_with_an_end_computes_keeps_its_name() -> None:
    inner, after = variables("a a")
    inner.assigned = after.assigned = True
    body = returning(NEW, after=[let(inner, invoke("ops.exp", H)), let(NEW, invoke("ops.tanh", inner))])
    ending = For(I, invoke("range", 3), (H,), (X,), body, condition=Binary("<", H, 3))
    assert "a" not in merged([X], [ending, let(after, invoke("ops.exp", H))], after)
