"""Inlining: a value that only the next statement reads is written where it is read."""

from __future__ import annotations

from typing import get_args

import pytest
from script.programs import call, dense, let, member, parameter, returning, text, variables
from script.test_expressions import example

from converter.script.expressions import AnyExpression, Arg, Binary, Call, invoke
from converter.script.printer import text_of
from converter.script.program import Cell, Member
from converter.script.statements import Assign, Block, Branch, For, Statement, Variable, While
from converter.script.structure.inline import inline_single_uses, width
from converter.script.templates import expr

X, Y, A, B, C, D, I = variables("x y a b c d i")  # noqa: E741


def inlined(*statements: Statement, results: tuple[Arg, ...]) -> str:
    block = Block(list(statements), results)
    inline_single_uses(block)
    return repr(block)


def test_a_value_that_the_next_statement_reads_once() -> None:
    assert inlined(let(A, invoke("ops.relu", X)), let(B, Binary("+", A, Y)), results=(B, B)) == text(
        """
        b = ops.relu(x) + y
        return b, b
        """
    )


def test_a_value_that_the_result_reads_once() -> None:
    assert inlined(let(A, invoke("ops.relu", X)), let(B, Binary("+", A, Y)), results=(B,)) == "return ops.relu(x) + y"


@pytest.mark.parametrize(
    ("statements", "results"),
    [
        ([let(A, invoke("f", X)), let(B, Binary("*", A, A))], (B, B)),
        ([let(A, invoke("f", X)), let(B, invoke("g", A))], (A, B)),
        ([let(A, invoke("f", X)), let(B, invoke("g", X)), let(C, invoke("h", A))], (C, B)),
        ([let((A, B), invoke("f", X)), let(C, invoke("g", A))], (C, B)),
        ([let(A, invoke("f", X))], (Binary("*", A, A),)),
        ([let((A, B), invoke("f", X))], (Binary("*", A, B),)),
        ([Assign((), invoke("f", X)), let(C, invoke("g", X))], (C, C)),
        ([let(A, invoke("f", X)), Branch((B,), A, returning(X), returning(Y))], (B, B)),
        ([let(A, invoke("f", X)), While((B,), (A,), B, returning(X))], (B, B)),
    ],
    ids=[
        "twice",
        "later",
        "not the next",
        "several",
        "result reads twice",
        "result reads several",
        "no value",
        "branch",
        "loop",
    ],
)
def test_what_stays(statements: list[Statement], results: tuple[Arg, ...]) -> None:
    before = repr(Block(statements, results))
    assert inlined(*statements, results=results) == before


def test_calls_of_functions_nest_three_deep_and_the_next_layer_begins_a_line() -> None:
    a, b, c = dense("a"), dense("b"), dense("c")
    v = variables("v0 v1 v2 v3 v4")
    statements = [
        let(v[0], call(a, X)),
        let(v[1], call(b, v[0])),
        let(v[2], invoke("ops.relu", v[1])),
        let(v[3], call(c, v[2])),
        let(v[4], invoke("ops.tanh", v[3])),
    ]
    assert inlined(*statements, results=(v[4], v[4])) == text(
        """
        v2 = ops.relu(self.b(self.a(x)))
        v4 = ops.tanh(self.c(v2))
        return v4, v4
        """
    )


def test_instances_of_classes_do_not_nest() -> None:
    block = Cell("Block", members=[dense("fc")])
    first, second = (member(name, Call(block), "fc.weight") for name in ("first", "second"))
    assert inlined(let(A, call(first, X)), let(B, call(second, A)), results=(B,)) == text(
        """
        a = self.first(x)
        return self.second(a)
        """
    )


def test_a_class_of_parameters_nests_like_a_layer() -> None:
    norm = Cell("Norm", members=[member("weight", invoke("ms.Parameter"), "")])
    first, second = member("first", Call(norm), "weight"), dense("second")
    assert inlined(let(A, call(first, X)), let(B, call(second, A)), results=(B,)) == "return self.second(self.first(x))"


def test_a_line_stays_short() -> None:
    long = invoke("ops." + "f" * 60, X)
    wide = invoke("ops." + "g" * 60, A)
    assert inlined(let(A, long), let(B, wide), results=(B, B)).count("\n") == 2
    assert inlined(let(A, long), let(B, invoke("ops.g", A)), results=(B, B)).count("\n") == 1


def test_an_expression_stays_shallow() -> None:
    deep: Arg = X
    for _ in range(5):
        deep = Binary("+", deep, Y)
    assert inlined(let(A, deep), let(B, Binary("*", A, Y)), results=(B, B)).count("\n") == 2
    assert inlined(let(A, Binary("+", X, Y)), let(B, Binary("*", A, Y)), results=(B, B)).count("\n") == 1


def test_a_layer_is_called_where_its_result_is_read_behind_a_value_that_is_read_there_too() -> None:
    words, places = dense("words"), dense("places")
    total = Binary("+", A, call(places, B))
    assert inlined(let(A, call(words, X)), let(B, invoke("f", X)), let(C, total), results=(C, B)) == text(
        """
        b = f(x)
        c = self.words(x) + self.places(b)
        return c, b
        """
    )
    apart = let(A, call(words, X)), let(B, call(places, X)), let(C, invoke("f", A, B))
    assert inlined(*apart, results=(C, B)).startswith("a = self.words(x)\n")


@pytest.mark.parametrize(("times", "lines"), [(2, 3), (3, 5)])
def test_a_new_axis_is_written_twice_rather_than_named(times: int, lines: int) -> None:
    (view,) = variables("unsqueeze")
    readers = [let(target, invoke(f"f{i}", view)) for i, target in enumerate((A, B, C)[:times])]
    made = inlined(let(view, expr("ops.unsqueeze({0}, 1)", X)), *readers, results=(C, A, B)[-times:])
    assert made.count("\n") == lines - 1
    assert made.count("ops.unsqueeze(x, 1)") == (2 if times == 2 else 1)


def test_a_parameter_is_read_in_place() -> None:
    state = parameter("state")
    loop = For(I, invoke("range", 3), (C,), (A,), returning(Binary("+", C, A)))
    assert inlined(let(A, state), let(B, invoke("f", A)), loop, results=(C, A, B)) == text(
        """
        b = f(self.state)
        c = self.state
        for i in range(3):
            c = c + self.state
        return c, self.state, b
        """
    )


def test_blocks_are_inlined_within() -> None:
    inner = returning(B, after=[let(A, invoke("f", X)), let(B, invoke("g", A))])
    branch = Branch((C,), X, inner, returning(X))
    assert inlined(branch, results=(C, C)) == text(
        """
        if x:
            c = g(f(x))
        else:
            c = x
        return c, c
        """
    )


def test_a_method_of_a_layers_result_keeps_the_layers_name() -> None:
    query, made, shaped = dense("query"), Variable("query"), Variable("reshape")
    assert inlined(let(made, call(query, X)), let(shaped, expr("{0}.reshape(2, -1)", made)), results=(shaped, X)) == (
        "query = self.query(x).reshape(2, -1)\nreturn query, x"
    )
    assert inlined(let(A, invoke("f", X)), let(shaped, expr("{0}.reshape(2, -1)", A)), results=(B, shaped)).startswith(
        "query = f(x)"
    )


def test_what_the_inlined_statements_became() -> None:
    first, second, third = let(A, invoke("f", X)), let(B, invoke("g", A)), let(C, invoke("h", X))
    block = Block([first, second, third], (Binary("+", B, C),))
    moved = inline_single_uses(block)
    assert moved == {first: second, third: block, second: block}


@pytest.mark.parametrize("kind", get_args(AnyExpression), ids=lambda kind: kind.__name__)
def test_the_width_of_an_expression_is_about_that_of_its_text(kind: type) -> None:
    item, _ = example(kind)
    name = "value=" if kind.__name__ == "Option" else ""
    assert width(item) == pytest.approx(len(name + text_of(item, lambda leaf: leaf.label)), abs=len("_part_0_" * 2))


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (
            expr("ops.pad({0}, {1}, mode='same')", X, ((0, 1), (2, 3))),
            "ops.pad(x, ((0, 1), (2, 3)), mode='same')",
        ),
        (
            expr("{0}[:, {1}:, ...].sum({0}.shape[0], 1) * 2.5", X, Y),
            "x[:, y:, ...].sum(x.shape[0], 1) * 2.5",
        ),
        (Call(dense("layer1"), (X, [Y])), "self.layer1(x, [y])"),
    ],
)
def test_the_width_of_nested_expressions(item: Arg, code: str) -> None:
    assert width(item) == pytest.approx(len(code), abs=3)


def test_members_are_written_with_their_names() -> None:
    assert width(Member("conv1", None)) == len("self.conv1")


def test_a_part_without_a_name_is_cut_where_it_is_read() -> None:
    part, of_part, named = variables("slice gather head")
    made = inlined(
        let(part, expr("{0}[:, :4]", X)),
        let(named, expr("{0}[:, 4:]", X)),
        let(of_part, expr("{0}[0]", part)),
        let(A, invoke("f", X)),
        let(B, invoke("g", A, of_part, named)),
        let(C, invoke("h", A, B)),
        results=(B, C),
    )
    assert made == text(
        """
        head = x[:, 4:]
        a = f(x)
        b = g(a, x[0, :4], head)
        c = h(a, b)
        return b, c
        """
    )


@pytest.mark.parametrize("read_in", ["twice", "in a branch"])
def test_a_part_that_is_not_read_by_one_assignment_stays(read_in: str) -> None:
    (part,) = variables("slice")
    twice, in_branch = let(B, invoke("g", part, part)), Branch((B,), Y, returning(part), returning(X))
    reads = [twice if read_in == "twice" else in_branch]
    made = inlined(let(part, expr("{0}[0]", X)), let(A, invoke("f", X)), *reads, results=(A, B))
    assert made.startswith("slice = x[0]\n")


def test_a_view_of_a_layers_result_is_made_at_once() -> None:
    """Three layers, then a reshape of each result: each is written behind its layer."""
    a, b, c, d, p, q = variables("a b c d p q")
    made = inlined(
        let(a, call(dense("first"), X)),
        let(b, call(dense("second"), Y)),
        let(c, expr("{0}.reshape({1})", a, (2, 4))),
        let(d, expr("{0}.reshape({1})", b, (2, 4))),
        let(p, Binary("+", c, d)),
        let(q, Binary("*", p, p)),
        results=(q, p),
    )
    assert made == text(
        """
        p = self.first(x).reshape((2, 4)) + self.second(y).reshape((2, 4))
        q = p * p
        return q, p
        """
    )


def test_a_view_that_reads_another_value_stays() -> None:
    a, b, c, d = variables("a b c d")
    made = inlined(
        let(a, call(dense("first"), X)),
        let(b, call(dense("second"), Y)),
        let(c, expr("{0}.reshape({1}.shape)", a, b)),
        let(d, Binary("+", c, b)),
        results=(d, d),
    )
    assert made.splitlines()[:2] == ["a = self.first(x)", "b = self.second(y)"]


def test_two_transposes_are_one() -> None:
    """Keys are cut into heads and then transposed."""
    a, b, c, d, i = variables("a b c d i")
    made = inlined(
        let(a, call(dense("key"), X)),
        let(b, expr("{0}.transpose({1})", a, (0, 2, 1, 3))),
        let(i, call(dense("value"), X)),
        let(c, expr("{0}.transpose({1})", b, (0, 1, 3, 2))),
        let(d, invoke("ops.matmul", i, c)),
        results=(d, i),
    )
    assert made.splitlines()[0] == "a = self.key(x).transpose((0, 2, 3, 1))"
    assert made.count("transpose") == 1
