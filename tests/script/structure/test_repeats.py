"""Repeats: blocks in a run of statements for which the source recorded no scopes."""

from __future__ import annotations

from converter.script.structure.repeats import tandem_repeats


def test_the_shortest_period_wins_unless_it_is_too_small() -> None:
    word = [0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert tandem_repeats(word) == [(0, 2, 2), (5, 2, 2)]
    assert tandem_repeats(word, [1] * len(word), 3) == [(0, 5, 2)]
