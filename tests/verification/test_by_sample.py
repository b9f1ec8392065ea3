"""A source of one batch runs sample by sample; the script is compared at extents that the source does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from converter.frontends.source import Endpoint
from converter.verification.by_sample import (
    SampledAxis,
    at_many_samples,
    first_samples,
    run_by_sample,
    with_more_samples,
)

X = np.arange(12.0).reshape(4, 3)


def end(extent: int, name: str = "x") -> Endpoint:
    return Endpoint(name, name, np.dtype(np.float32), ("N", 3), (extent, 3), freed=frozenset({"N"}))


@pytest.mark.parametrize("extent", [1, 2])
def test_each_sample_is_run_by_itself(extent: int) -> None:
    """Three copies of the batch: on an axis of its own, before and behind a factor of 2; and a constant."""

    def run(feeds: Mapping[str, np.ndarray]) -> list[Any]:
        x = feeds["x"]
        assert x.shape == (extent, 3)
        return [x * 2, np.concatenate([x, -x]), np.stack([x, -x], 1).reshape(-1, 3), np.ones(5)]

    axis = SampledAxis(extent, {"x": 0}, {"a": (0, 1), "b": (0, 2), "c": (0, 1)})
    wanted = [X * 2, np.concatenate([X, -X]), np.stack([X, -X], 1).reshape(-1, 3), np.ones(5)]
    got = run_by_sample(run, [axis], {"x": X}, ["a", "b", "c", "d"])
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    few = 2 if extent == 1 else 3
    feeds, expected = first_samples([axis], {"x": X}, got, ["a", "b", "c", "d"])
    np.testing.assert_array_equal(feeds["x"], X[:few])
    np.testing.assert_array_equal(expected[1], np.concatenate([X[:few], -X[:few]]))
    np.testing.assert_array_equal(expected[2], wanted[2][: 2 * few])
    np.testing.assert_array_equal(expected[3], np.ones(5))


def test_without_freed_axes_the_source_runs_once() -> None:
    assert run_by_sample(lambda feeds: [feeds["x"]], [], {"x": X}, ["y"])[0] is X


@pytest.mark.parametrize(
    ("own", "given", "wanted"),
    [(1, None, 7), (7, None, 5), (1, 1, 7), (1, 4, 4), (2, 2, 7)],
    ids=["seeded", "a file of seven", "the file's own batch", "another batch", "the file's own of two"],
)
def test_a_freed_axis_never_has_the_extent_of_the_file(own: int, given: int | None, wanted: int) -> None:
    arrays = {} if given is None else {"x": np.ones((given, 3))}
    assert [each.example for each in at_many_samples([end(own), end(own, "other")], arrays)] == [(wanted, 3)] * 2


def test_the_users_samples_come_first() -> None:
    made = with_more_samples(np.ones((1, 3)), np.zeros((7, 3)))
    assert made.sum(1).tolist() == [3, 0, 0, 0, 0, 0, 0]
