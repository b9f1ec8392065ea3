"""Random programs compute the same with the names that coalescing gives as with a name for each variable."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from script.programs import let, program, returning

from converter.script.emit.coalescing import coalesced_variables
from converter.script.expressions import Arg, Call, invoke
from converter.script.statements import Assign, Block, For, Statement, Variable

Name = Callable[[Variable], Variable]
ITERATIONS = 3


class _Programs:
    """Random programs of functions of two values, and of loops in loops that carry some."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def variable(self) -> Variable:
        return Variable(self.random.choice("xyz"), assigned=self.random.random() < 0.8)

    def block(self, known: list[Variable], depth: int) -> Block:
        known, statements = list(known), list[Statement]()
        for _ in range(self.random.randint(2, 7)):
            if depth and self.random.random() < 0.35:
                statements.append(self.loop(known, depth))
                known += statements[-1].carried
            else:
                made = self.variable()
                statements.append(let(made, invoke("mix", *self.random.choices(known[-6:], k=2))))
                known.append(made)
        return returning(*self.random.sample(known[-4:], 2), after=statements)

    def loop(self, known: list[Variable], depth: int) -> For:
        index, carried = Variable("i"), (self.variable(), self.variable())
        initial = tuple(self.random.choices(known, k=2))
        body = self.block([*known, index, *carried], depth - 1)
        return For(index, invoke("range", ITERATIONS), carried, initial, body)


def run(block: Block, values: dict[Variable, int], name: Name) -> None:
    """Run the statements of a block on what the names hold."""

    def read(item: Arg) -> int:
        assert isinstance(item, Variable)
        return values[name(item)]

    for statement in block.statements:
        if isinstance(statement, Assign):
            assert isinstance(statement.value, Call)
            (target,) = statement.targets
            assert isinstance(target, Variable)
            values[name(target)] = hash(tuple(map(read, statement.value.args)))
            continue
        assert isinstance(statement, For)
        for carried, initial in zip(statement.carried, statement.initial, strict=True):
            values[name(carried)] = read(initial)
        for step in range(ITERATIONS):
            values[name(statement.index)] = step
            run(statement.body, values, name)
            results = [read(item) for item in statement.body.results]
            values.update(zip(map(name, statement.carried), results, strict=True))


@pytest.mark.parametrize("chunk", range(4))
def test_shared_names_hold_what_is_read(chunk: int) -> None:
    shared = 0
    for seed in range(250 * chunk, 250 * (chunk + 1)):
        inputs = [Variable("x"), Variable("y")]
        block = _Programs(seed).block(inputs, depth=2)
        merged = coalesced_variables(program(inputs, block.statements, *block.results).top)
        found = []
        for name in (lambda value: value, lambda value, merged=merged: merged.get(value, value)):
            values = {name(value): place for place, value in enumerate(inputs)}
            run(block, values, name)
            found.append([values[name(item)] for item in block.results if isinstance(item, Variable)])
        assert found[0] == found[1], seed
        shared += len(merged)
    assert shared > 1000
