"""Signatures: regions of one form have one key, and the literals that may differ are slots."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from script.programs import call, dense, let, literal, member, returning, variables

from converter.script.expressions import Arg, Binary, Call, Constant, Name, Option, invoke, unless_default, walk
from converter.script.program import Argument, Cell, Member
from converter.script.statements import Assign, Block, Branch, For, Statement, Variable, While, expressions_of
from converter.script.structure.signature import Place, Signature, fill, signature_of
from converter.script.templates import expr

X, Y, A, B, C, I = variables("x y a b c i")  # noqa: E741


def described(statements: Sequence[Statement], inputs: Sequence[Variable] = (), *outputs: Variable) -> Signature:
    return signature_of(statements, inputs, outputs)


def block(width: int = 8, scale: Arg = 2.0) -> tuple[list[Statement], Variable, Variable]:
    """`a = fc(x); y = a * scale`, of variables and members of its own."""
    x, a, y = variables("x a y")
    return [let(a, call(dense("fc", width, width), x)), let(y, Binary("*", a, scale))], x, y


def key(statements: Sequence[Statement], x: Variable, y: Variable) -> tuple[object, ...]:
    return signature_of(statements, [x], [y]).key


def test_names_and_literals_do_not_matter() -> None:
    assert key(*block()) == key(*block(16, 3))


@pytest.mark.parametrize(
    "other",
    [
        [let(Y, Binary("*", X, Constant(2)))],
        [let(Y, Binary("+", X, 2))],
        [let(Y, Binary("*", 2, X))],
        [let(Y, Binary("*", A, 2))],
        [let(Y, Binary("*", X, Binary("*", 2, 1)))],
        [Assign((Y, None), Binary("*", X, 2))],
        [let(A, Binary("*", X, 2)), let(Y, A)],
        [let(Y, invoke("ops.mul", X, 2))],
        [Branch((Y,), Binary("*", X, 2), Block([], (X,)), Block([], (X,)))],
    ],
    ids=repr,
)
def test_the_form_matters(other: list[Statement]) -> None:
    assert key([let(Y, Binary("*", X, 2))], X, Y) != key(other, X, Y)


def test_inputs_and_outputs_matter() -> None:
    statements = [let(A, Binary("*", X, 2)), let(B, Binary("*", A, Y))]
    whole = described(statements, [X, Y], B)
    assert whole.key != described(statements, [Y, X], B).key
    assert whole.key != described(statements, [X, Y], A).key
    assert whole.key != described(statements, [X, Y], A, B).key


def test_functions_names_of_arguments_and_constants_matter() -> None:
    keys = [
        described([let(Y, item)]).key
        for item in (
            invoke("nn.relu", X),
            invoke("ops.relu", X),
            invoke("ops.relu", x=X),
            invoke("ops.relu", y=X),
            Call(print, (X,)),
            Call(len, (X,)),
            expr("{0}.shape", X),
            expr("{0}.dtype", X),
            expr("{0}[0]", X),
            expr("{0}[1]", X),
            expr("{0}[True]", X),
            expr("{0}[0:]", X),
            expr("{0} if {0} else {0}", X),
            expr("lambda z: {0}", X),
            expr("[{0} for z in {0}]", X),
            expr("f(*{0})", X),
        )
    ]
    assert len(set(keys)) == len(keys)


def test_cells_are_known_by_what_they_are_and_not_by_their_names() -> None:
    one, two = Cell("Block"), Cell("Block")
    members = [member(f"block{i}", call(cell), "w") for i, cell in enumerate((one, one, two))]
    first, second, third = (described([let(Y, call(each, X))]).key for each in members)
    assert first == second != third


def test_the_parameters_of_a_member_matter_and_the_length_of_a_sequence_does_not() -> None:
    layers = [
        member("a", invoke("f"), "0.weight", "1.weight"),
        member("b", invoke("f"), "0.weight", "1.weight", "2.weight"),
        member("c", invoke("f"), "0.weight", "0.bias"),
    ]
    first, second, third = (described([let(Y, call(layer, X))]).key for layer in layers)
    assert first == second != third


def test_what_is_numbered() -> None:
    layer, scale = dense("fc"), literal("scale", 2)
    inner = let(B, Binary("*", A, scale))
    loop = For(I, invoke("range", 3), (A,), (X,), returning(B, after=[inner]))
    first = let(X, call(layer, Y))
    signature = described([first, loop], [Y], A)
    assert list(signature.values) == [Y, X, A, I, B]
    assert list(signature.members) == [layer, scale]
    assert signature.statements == [first, loop, inner]


# Slots


def test_slots_are_the_literals_with_the_names_of_the_arguments_that_they_are() -> None:
    conv = member("conv", invoke("nn.Conv2d", 3, 64, 7, **unless_default(stride=(2, 1))), "weight")
    statement = let(Y, Binary("*", call(conv, X), 0.5))
    signature = described([statement], [X], Y)
    assert [(slot.value, slot.name, slot.owner) for slot in signature.slots] == [
        (0.5, "value", statement),
        (3, "in_channels", conv),
        (64, "out_channels", conv),
        (7, "kernel_size", conv),
        (2, "stride", conv),
    ]
    assert [slot.default for slot in signature.slots] == [..., ..., ..., ..., 1]


def test_a_helper_and_a_class_name_their_arguments() -> None:
    def helper(x, axis):
        return x, axis

    cell = Cell("Block", arguments=[Argument("width"), Argument("scale")])
    made = member("block", Call(cell, (8, 2)), "w")
    signature = described([let(A, Call(helper, (X, 1))), let(Y, call(made, A)), let(B, invoke("range", 3))])
    assert [slot.name for slot in signature.slots] == ["axis", "count", "width", "scale"]


def test_only_listed_parameters_have_names() -> None:
    names = [Place(Name(name), 1).name for name in ("nn.Conv2d", "ops.clamp", "math.pow")]
    assert names == ["out_channels", "min", "value"]


def test_a_parameter_with_a_long_name() -> None:
    assert Place(Name("ops.split"), 1).name == "split_sizes"


def test_a_tuple_of_literals_is_one_slot_and_one_with_a_variable_is_not() -> None:
    signature = described([let(A, (1, (2, 3))), let(Y, (X, 4, (5, 6)))])
    assert [slot.value for slot in signature.slots] == [(1, (2, 3)), 4, (5, 6)]


@pytest.mark.parametrize("parts", [1, 2])
def test_an_option_that_is_computed_is_walked_into(parts: int) -> None:
    option = Option(tuple([X] * parts), 1)
    signature = described([let(Y, Call(Name("f"), (option,), ("stride",)))])
    assert not signature.slots
    assert list(signature.values) == [X, Y]


# Filling


def test_every_slot_is_filled_in_the_order_in_which_it_was_found() -> None:
    layer = dense("fc")
    statements: list[Statement] = [
        let(A, call(layer, Binary("*", X, 1))),
        Branch((B,), Binary(">", A, 2), returning(3), returning(A, after=[let(C, 4)])),
        While((C,), (5,), Binary("<", C, 6), returning(7)),
        For(I, invoke("range", 8), (Y,), (9,), returning((10, 11), after=[let(A, "a")]), condition=12),
    ]
    signature = described(statements)
    names = [Argument(f"slot{i}") for i in range(len(signature.slots))]
    fill(statements, [layer], names)
    filled = described(statements)
    assert not filled.slots
    values = {argument: slot.value for argument, slot in zip(names, signature.slots, strict=True)}
    items = [*layer.constructor.args, *(item for statement in statements for item in expressions_of(statement))]
    found = [values[part] for item in items for part in walk(item) if isinstance(part, Argument)]
    assert found == [8, 8, 1, 2, 3, 4, 5, 6, 7, 9, 8, 12, "a", (10, 11)]


def test_a_member_without_statements_is_filled() -> None:
    layer: Member = dense("fc")
    fill([], [layer], [Argument("in_channels"), Argument("out_channels")])
    assert [part.name for part in layer.constructor.args] == ["in_channels", "out_channels"]


# Optional statements


def test_a_region_without_a_statement_looks_like_one_that_lacks_it() -> None:
    a, b = let(A, call(dense("fc1"), X)), let(B, invoke("ops.relu", A))
    end = let(Y, Binary("+", B, X))
    shorter = [let(C, call(dense("fc"), X)), let(I, Binary("+", C, X))]
    without = signature_of([a, b, end], [X], [Y], ([b], A))
    assert without.key == described(shorter, [X], I).key
    assert without.statements == [a, end]
