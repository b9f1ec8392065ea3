"""Sequences: a chain of layers is one member, and equal neighbours are a loop or an `nn.SequentialCell`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from script.programs import call, dense, let, literal, member, region, returning, text, variables

from converter.script.expressions import Arg, Binary, Call, invoke
from converter.script.printer import text_of
from converter.script.program import Cell, Member
from converter.script.statements import Assign, Branch, Statement, Variable
from converter.script.structure.regions import Region, used_by
from converter.script.structure.sequences import as_chain, called, collapse_runs, common_path, list_of, sequence_of

X, Y, A, B, C, D, M = variables("x y a b c d m")


def written(item: Arg) -> str:
    return text_of(item, lambda leaf: leaf.label)


# Chains


def chain(*layers: Member) -> Region:
    """`v1 = layer1(x)`, `v2 = layer2(v1)`, …"""
    statements, last = [], X
    for i, layer in enumerate(layers):
        made = Variable(f"v{i}")
        statements.append(let(made, call(layer, last)))
        last = made
    return region(*statements)


def test_layers_one_after_the_other_are_a_chain() -> None:
    layers = [dense(name) for name in "abc"]
    tree = chain(*layers)
    (last,) = tree.statements[-1].targets
    assert as_chain(tree, [X], [last]) == layers
    assert as_chain(tree, [X, Y], [last]) is None
    assert as_chain(tree, [X], [last, Y]) is None
    assert as_chain(tree, [X], list(tree.statements[0].targets)) is None, "it returns what its last layer makes"


@pytest.mark.parametrize(
    "second",
    [
        let(B, invoke("ops.relu", A)),
        let(B, call(dense("b"), A, X)),
        let(B, call(dense("b"), X)),
        let(B, Call(dense("b"), (A,), ("x",))),
        let((B, C), call(dense("b"), A)),
        Branch((B,), A, returning(A), returning(A)),
    ],
    ids=repr,
)
def test_what_is_no_chain(second: Statement) -> None:
    assert as_chain(region(let(A, call(dense("a"), X)), second), [X], [B]) is None


def test_a_layer_that_is_called_twice_is_no_chain() -> None:
    layer = dense("a")
    tree = chain(layer, layer)
    assert as_chain(tree, [X], list(tree.statements[-1].targets)) is None


def test_what_a_statement_calls() -> None:
    layer = dense("fc")
    assert called(let(Y, call(layer, X, 1))) == (layer, (X, 1), Y)
    assert called(let(Y, invoke("ops.relu", X))) is None
    assert called(Assign((), call(layer, X))) is None
    assert called(chain(layer)) is None


# Members for several layers


@pytest.mark.parametrize(
    ("widths", "code"),
    [
        ([(8, 4)], "nn.SequentialCell(nn.Dense(8, 4))"),
        ([(8, 4), (4, 2)], "nn.SequentialCell(nn.Dense(8, 4), nn.Dense(4, 2))"),
        ([(8, 8), (8, 8)], "nn.SequentialCell(*[nn.Dense(8, 8) for _ in range(2)])"),
        (
            [(4, 8), (8, 8), (8, 8), (8, 2)],
            "nn.SequentialCell(nn.Dense(4, 8), *[nn.Dense(8, 8) for _ in range(2)], nn.Dense(8, 2))",
        ),
        ([(0, 4), (1, 4), (2, 4)], "nn.SequentialCell(*[nn.Dense(i, 4) for i in range(3)])"),
        ([(8, 4), (12, 4), (16, 4)], "nn.SequentialCell(*[nn.Dense(8 + 4 * i, 4) for i in range(3)])"),
        ([(8, 4), (12, 4)], "nn.SequentialCell(nn.Dense(8, 4), nn.Dense(12, 4))"),
        ([(8, 4), (12, 4), (20, 4)], "nn.SequentialCell(nn.Dense(8, 4), nn.Dense(12, 4), nn.Dense(20, 4))"),
    ],
)
def test_equal_constructors_and_evenly_growing_ones_are_written_once(widths: list[tuple[int, int]], code: str) -> None:
    layers = [dense(f"fc{i}", *pair) for i, pair in enumerate(widths)]
    assert written(sequence_of(layers, "nn.SequentialCell", "layers", "net").constructor) == code


def test_a_list_of_equal_layers_is_a_comprehension() -> None:
    layers = [dense(f"encoder.layer.{i}") for i in range(3)]
    made = list_of(layers)
    assert (made.name, made.hint) == ("encoder_layer", "encoder.layer")
    assert written(made.constructor) == "nn.CellList([nn.Dense(8, 8) for _ in range(3)])"


def test_a_list_of_unequal_layers_is_a_list() -> None:
    assert written(list_of([dense("a", 8, 4), dense("b", 4, 2)]).constructor) == (
        "nn.CellList([nn.Dense(8, 4), nn.Dense(4, 2)])"
    )


def test_the_parameters_of_a_sequence_are_those_of_its_numbered_layers() -> None:
    layers = [dense("a"), member("b", invoke("Parameter", 1), "")]
    weights = [weight for layer in layers for weight in layer.weights.values()]
    made = sequence_of(layers, "nn.SequentialCell", "layers", "net")
    assert made.weights == dict(zip(["0.weight", "0.bias", "1"], weights, strict=True))
    assert [(layer.name, layer.owner) for layer in layers] == [("0", made), ("1", made)]


@pytest.mark.parametrize(
    ("hints", "path"),
    [
        (["encoder.layer.0", "encoder.layer.1"], "encoder.layer"),
        (["a.x.0", "a.y.0"], "a"),
        (["left", "right"], "layers"),
        (["same", "same"], "layers"),
    ],
)
def test_the_path_that_names_have_in_common(hints: list[str], path: str) -> None:
    assert common_path(hints) == path


# Runs of instances


BLOCK, OTHER = Cell("Block"), Cell("Other")


def instance(name: str, cell: Cell = BLOCK) -> Member:
    return member(name, Call(cell, (8,)), "fc.weight")


def collapsed(*statements: Statement, results: Sequence[Variable] = ()) -> Region:
    """A region with its runs collapsed; `results` are read behind it."""
    tree = region(*statements)
    uses = Counter([*(part for statement in statements for part in used_by(statement)), *results])
    collapse_runs(tree, uses)
    return tree


def test_instances_one_after_the_other_are_a_sequence() -> None:
    tree = collapsed(
        let(A, invoke("ops.relu", X)),
        let(B, call(instance("block.0"), A)),
        let(C, call(instance("block.1"), B)),
        let(D, invoke("ops.tanh", C)),
    )
    assert repr(tree) == "a = ops.relu(x)\nc = self.block(a)\nd = ops.tanh(c)"
    assert written(tree.statements[1].value.function.constructor) == (
        "nn.SequentialCell(*[Block(8) for _ in range(2)])"
    )


def test_instances_that_take_the_same_besides_are_a_loop() -> None:
    tree = collapsed(
        let(A, call(instance("block.0"), X, M)),
        let(B, call(instance("block.1"), A, M)),
        let(C, call(instance("block.2"), B, M)),
    )
    assert repr(tree) == text(
        """
        c = x
        for layer in self.block:
            c = layer(c, m)
        """
    )


@pytest.mark.parametrize(
    ("second", "results"),
    [
        (let(B, call(instance("b", OTHER), A, M)), ()),
        (let(B, call(instance("b"), A, X)), ()),
        (let(B, call(instance("b"), M, A)), ()),
        (let(B, call(dense("b"), A, M)), ()),
        (let(B, call(instance("b"), A, M)), (A,)),
    ],
    ids=["another class", "another argument", "another place", "no class", "the result in between is read"],
)
def test_what_is_no_run(second: Statement, results: Sequence[Variable]) -> None:
    first = let(A, call(instance("a"), X, M))
    assert collapsed(first, second, results=results).items == [first, second]


def test_an_instance_that_is_called_again_is_in_no_run() -> None:
    shared = instance("a")
    statements = [let(A, call(shared, X)), let(B, call(shared, A))]
    assert collapsed(*statements).items == statements


def test_what_the_statements_and_members_of_a_run_became() -> None:
    members = [instance(f"block.{i}") for i in range(2)]
    statements = [let(A, call(members[0], X)), let(B, call(members[1], A))]
    tree = region(*statements)
    moved = collapse_runs(tree, Counter(part for statement in statements for part in used_by(statement)))
    (loop,) = tree.statements
    assert moved == dict.fromkeys(statements, loop) | dict.fromkeys(members, loop.value.function)


def test_a_literal_is_no_instance() -> None:
    statement = let(A, Binary("*", X, literal("scale", 2)))
    assert collapsed(statement).items == [statement]
