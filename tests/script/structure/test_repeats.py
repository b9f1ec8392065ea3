"""Repeats: blocks in a run of statements for which the source recorded no scopes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from script.programs import call, dense, let, region, variables

from converter.script.expressions import Arg, Binary, invoke
from converter.script.statements import Statement, Variable, defined_by
from converter.script.structure.regions import Region, statements_of, used_by
from converter.script.structure.repeats import find_chains, find_segments, tandem_repeats

Block = Callable[[int, Variable], tuple[list[Statement], Variable]]


def test_the_shortest_period_wins_unless_it_is_too_small() -> None:
    word = [0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert tandem_repeats(word) == [(0, 2, 2), (5, 2, 2)]
    assert tandem_repeats(word, [1] * len(word), 3) == [(0, 5, 2)]


@pytest.mark.parametrize(
    ("sequence", "repeats"),
    [
        ([], []),
        ([0], []),
        ([0, 1, 2], []),
        ([0, 0], [(0, 1, 2)]),
        ([0, 0, 0, 1], [(0, 1, 3)]),
        ([2, 0, 1, 0, 1, 0], [(1, 2, 2)]),
        ([0, 1, 2, 0, 1, 2, 0, 1, 2], [(0, 3, 3)]),
        ([0, 0, 1, 1, 0, 0, 1, 1], [(0, 1, 2), (2, 1, 2), (4, 1, 2), (6, 1, 2)]),
        ([0, 1, 2, 3, 3, 0, 1, 2, 3, 3], [(3, 1, 2), (8, 1, 2)]),
    ],
)
def test_tandem_repeats(sequence: list[int], repeats: list[tuple[int, int, int]]) -> None:
    assert tandem_repeats(sequence) == repeats


def test_a_repeat_of_too_many_symbols_is_not_looked_for() -> None:
    word = list(range(24))
    assert tandem_repeats(word + word) == [(0, 24, 2)]
    word = list(range(25))
    assert tandem_repeats(word + word) == []


# Statements


def network(block: Block, count: int, *following: Callable[[Variable], Arg]) -> tuple[Region, Variable]:
    """So many blocks, each on the result of the one before it, and statements behind them."""
    last = Variable("image")
    statements: list[Statement] = []
    for i in range(count):
        more, last = block(i, last)
        statements += more
    for function in following:
        made = Variable("tail")
        statements.append(let(made, function(last)))
        last = made
    return region(*statements), last


def found(find: Callable[..., bool], tree: Region, result: Variable) -> list[int]:
    """The numbers of statements of the blocks that are found; the statements stay what they are."""
    uses = Counter([*(part for s in statements_of(tree) for part in used_by(s)), result])

    def outputs(inner: Region) -> list[Variable]:
        own = Counter(part for s in statements_of(inner) for part in used_by(s))
        return [value for s in statements_of(inner) for value in defined_by(s) if uses[value] > own[value]]

    before = list(statements_of(tree))
    says = find(tree, outputs)
    assert list(statements_of(tree)) == before
    assert says == bool(tree.inner())
    return [len(inner.statements) for inner in tree.inner()]


def chain(i: int, x: Variable) -> tuple[list[Statement], Variable]:
    """`relu(fc(x)) * 2`."""
    a, b, c = variables("a b c")
    return [let(a, call(dense(f"m{i}"), x)), let(b, invoke("ops.relu", a)), let(c, Binary("*", b, 2))], c


def residual(i: int, x: Variable) -> tuple[list[Statement], Variable]:
    """`relu(fc(x)) + x`."""
    a, b, c = variables("a b c")
    return [let(a, call(dense(f"m{i}"), x)), let(b, invoke("ops.relu", a)), let(c, Binary("+", b, x))], c


def test_chains_that_repeat_are_blocks() -> None:
    tree, result = network(chain, 8)
    assert found(find_chains, tree, result) == [3] * 8
    assert tree.inner()[0].scope.name == "Block"


def test_a_residual_is_no_chain_and_a_segment() -> None:
    tree, result = network(residual, 8)
    assert found(find_segments, tree, result) == [3] * 8


def test_a_chain_is_found_wherever_it_occurs() -> None:
    def block(i: int, x: Variable) -> tuple[list[Statement], Variable]:
        statements, last = chain(i, x)
        made = Variable("y")
        return ([*statements, let(made, Binary("+", last, x))], made) if i > 3 else (statements, last)

    tree, result = network(block, 7)
    assert found(find_chains, tree, result) == [3] * 7


def test_short_networks_stay() -> None:
    tree, result = network(chain, 6)
    assert found(find_chains, tree, result) == []
    tree, result = network(residual, 6)
    assert found(find_segments, tree, result) == []


def test_a_block_may_lack_a_statement_elsewhere() -> None:
    def block(i: int, x: Variable) -> tuple[list[Statement], Variable]:
        a, b, c, d, e = variables("a b c d e")
        statements: list[Statement] = [
            let(a, call(dense(f"m{i}.fc1"), x)),
            let(b, invoke("ops.relu", a)),
            let(c, Binary("*", b, a)),
            let(d, call(dense(f"m{i}.fc2"), c)),
            let(e, Binary("+", d, x)),
        ]
        return (statements, e) if i != 5 else (statements[:4], d)

    tree, result = network(block, 6)
    assert found(find_segments, tree, result) == [5, 5, 5, 5, 5, 4]


def test_two_values_may_be_live_between_blocks() -> None:
    before, last = variables("image other")
    statements: list[Statement] = [let(last, invoke("ops.neg", before))]
    for i in range(6):
        a, b, c = variables("a b c")
        statements += [
            let(a, call(dense(f"m{i}"), last)),
            let(b, invoke("ops.relu", before)),
            let(c, Binary("*", a, b)),
        ]
        d = Variable("d")
        statements.append(let(d, Binary("+", c, a)))
        before, last = last, d
    tree = region(*statements)
    assert found(find_segments, tree, last) == [4] * 6


def test_blocks_are_named_after_what_they_call() -> None:
    def block(i: int, x: Variable) -> tuple[list[Statement], Variable]:
        a, b = variables("a b")
        return [let(a, call(dense(f"m{i}"), x)), let(b, invoke("ops.relu", a))], b

    tree, result = network(block, 10)
    assert found(find_chains, tree, result) == [2] * 10
    assert {inner.scope.name for inner in tree.inner()} == {"DenseRelu"}


def test_iterations_that_all_leave_results_are_blocks_from_their_first_statement_on() -> None:
    source, *results = variables("image kept kept kept kept")
    statements: list[Statement] = []
    for i, kept in enumerate(results):
        values = [source, *(Variable("value") for _ in range(11))]
        statements.append(let(values[1], call(dense(f"m{i}"), source)))
        statements += [let(values[k + 1], Binary("*", values[k], values[k - 1])) for k in range(1, 11)]
        statements.append(let(kept, Binary("+", values[-1], values[-2])))
    joined = Variable("joined")
    statements.append(let(joined, invoke("ops.cat", tuple(results))))
    assert found(find_segments, region(*statements), joined) == [12] * 4
