"""Verification of freed axes: the source, which has one batch, runs sample by sample on what the script takes at once.

A freed axis is verified at two extents that the source does not have: with as many samples as the inputs hold, and with
the first few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from converter.frontends import Endpoint
from converter.graph import FreedAxis

SAMPLES, FEW = (7, 5), (2, 3)
"""Extents of a freed axis in verification: the first that is not the source's own."""

Run = Callable[[Mapping[str, np.ndarray]], list[Any]]


@dataclass(frozen=True)
class SampledAxis:
    """A freed axis, by the names of the ends that have it.

    Attributes:
        extent: in the source.
        inputs: input → the axis.
        outputs: output → the axis, and its factor outside the batch. An output without it does not depend on it.
    """

    extent: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, Sequence[int]]


def sampled_axes(freed: Sequence[FreedAxis], inputs: Sequence[str], outputs: Sequence[str]) -> tuple[SampledAxis, ...]:
    """The freed axes of a graph whose ends have these names."""
    return tuple(
        SampledAxis(
            each.extent,
            {name: axis for name, axis in zip(inputs, each.inputs, strict=True) if axis is not None},
            {name: place for name, place in zip(outputs, each.outputs, strict=True) if place is not None},
        )
        for each in freed
    )


def at_many_samples(ends: Sequence[Endpoint], given: Mapping[str, np.ndarray]) -> list[Endpoint]:
    """The endpoints with examples whose freed axes have an extent that the source does not have.

    It is that of the user's arrays, if one of these has another extent than the source, else a number of our own.
    """
    extents: dict[str, int] = {}
    for end in ends:
        shape = given[end.name].shape if end.name in given else end.example or ()
        for dim, own, extent in zip(end.shape or (), end.example or (), shape, strict=False):
            if isinstance(dim, str) and dim in end.freed and (dim not in extents or extent != own):
                extents[dim] = extent if extent != own else _other(SAMPLES, own)
    return [
        replace(end, example=tuple(extents.get(str(dim), n) for dim, n in zip(end.shape, end.example, strict=True)))
        if end.freed and end.shape is not None and end.example is not None
        else end
        for end in ends
    ]


def with_more_samples(array: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """The user's array, with more samples where it has fewer."""
    if all(own <= wanted for own, wanted in zip(array.shape, samples.shape, strict=True)):
        samples[tuple(map(slice, array.shape))] = array
        return samples
    return array


def _other(extents: Sequence[int], own: int) -> int:
    return next(extent for extent in extents if extent != own)


def run_by_sample(
    run: Run, axes: Sequence[SampledAxis], feeds: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> list[Any]:
    """The outputs of the source on inputs with several samples along freed axes.

    A source of several samples gets the same one in each place.

    Args:
        run: runs the source on inputs of its own extents.
        axes: the freed axes.
        feeds: input → array.
        outputs: the names of the outputs, in order.
    """
    if not axes:
        return run(feeds)
    axis, *others = axes
    results = [run_by_sample(run, others, each, outputs) for each in _each_sample(axis, feeds)]
    return [_joined(axis, name, [each[index] for each in results]) for index, name in enumerate(outputs)]


def first_samples(
    axes: Sequence[SampledAxis], feeds: Mapping[str, np.ndarray], expected: Sequence[Any], outputs: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[Any]]:
    """The first few samples of the inputs along all freed axes, and of the outputs that belong to them."""
    taken, results = dict(feeds), dict(zip(outputs, expected, strict=True))
    for axis in axes:
        count, few = _count(axis, taken), range(_other(FEW, axis.extent))
        taken = {
            name: array.take(few, axis.inputs[name]) if name in axis.inputs else array for name, array in taken.items()
        }
        for name, place in axis.outputs.items():
            results[name] = _put(_samples(results[name], place, count).take(few, place[0] + 1), place)
    return taken, [results[name] for name in outputs]


def _count(axis: SampledAxis, feeds: Mapping[str, np.ndarray]) -> int:
    return next(feeds[name].shape[at] for name, at in axis.inputs.items())


def _each_sample(axis: SampledAxis, feeds: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    for sample in range(_count(axis, feeds)):
        places = [sample] * axis.extent
        yield {
            name: array.take(places, axis.inputs[name]) if name in axis.inputs else array
            for name, array in feeds.items()
        }


def _joined(axis: SampledAxis, name: str, results: Sequence[Any]) -> Any:
    """The results of all samples as one; of an output that does not depend on the axis, that of the first."""
    if name not in axis.outputs:
        return results[0]
    place = axis.outputs[name]
    firsts = [_samples(each, place, axis.extent).take([0], place[0] + 1) for each in results]
    return _put(np.concatenate(firsts, place[0] + 1), place)


def _samples(array: Any, place: Sequence[int], count: int) -> np.ndarray:
    """The array with an axis of its own for the samples, behind the factor outside them."""
    array, (axis, outer) = np.asarray(array), place
    return array.reshape(*array.shape[:axis], outer, count, -1, *array.shape[axis + 1 :])


def _put(samples: np.ndarray, place: Sequence[int]) -> np.ndarray:
    """The inverse of `_samples`."""
    shape = samples.shape
    return samples.reshape(*shape[: place[0]], -1, *shape[place[0] + 3 :])
