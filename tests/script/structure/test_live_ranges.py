"""Live ranges: the answers are those of a comparison with every other variable of the name."""

from __future__ import annotations

import random

from converter.script.statements import Variable
from converter.script.structure.live_ranges import LiveRanges


def test_answers_are_those_of_a_comparison_of_all_pairs() -> None:
    chance = random.Random(0)
    answers = set()
    for _ in range(200):
        values = [Variable(chance.choice("xyz")) for _ in range(12)]
        made = {value: chance.randrange(10) - chance.choice((0, 0.5)) for value in values}
        last = {value: made[value] + chance.randrange(4) for value in values if chance.random() < 0.9}
        names = {value: value.hint for value in values}
        live = LiveRanges(made, last)

        def meet(one, other, made=made, last=last):
            first, second = sorted((one, other), key=made.__getitem__)
            return made[first] == made[second] or last.get(first, made[first]) > made[second]

        for value in sorted(values, key=made.__getitem__):
            live.take(value)
            names[value] = ""
            name = chance.choice("xyz")
            expected = not any(names[other] == name and meet(other, value) for other in values if other is not value)
            assert live.is_free(name, value) == expected
            answers.add(expected)
            live.give(value, name)
            names[value] = name
    assert answers == {True, False}
