"""A bounded loop ends by itself, or says that it makes no progress."""

from __future__ import annotations

import pytest

from converter.base.bounded import bounded, follows


def test_a_loop_that_its_body_leaves_is_no_error() -> None:
    turns = []
    for turn in bounded(3, "count"):
        turns.append(turn)
        if turn == 2:
            break
    assert turns == [0, 1, 2]


def test_a_loop_without_progress_is_an_error() -> None:
    turns = []
    with pytest.raises(RuntimeError, match="to turn regions into classes takes more than 3 turns"):
        for turn in bounded(3, "turn regions into classes"):
            turns.append(turn)
    assert turns == [0, 1, 2]


@pytest.mark.parametrize(
    ("item", "limit", "holds"), [(6, 9, True), (6, 4, True), (6, 3, False), (7, 9, False)], ids=str
)
def test_a_property_follows_in_so_many_steps(item: int, limit: int, holds: bool) -> None:
    """A number is even if two less is even; 6, 4, 2 and 0 are four steps."""
    assert follows(item, lambda number: None if number < 0 else [number - 2] if number else [], limit) == holds
