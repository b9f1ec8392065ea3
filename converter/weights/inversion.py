"""Inversion: the tensors of a source from the parameters that were made of them, by running weight steps backwards.

The steps move elements; what they do to an array of indices says where each element of a parameter came from, however
transposed, sliced and joined it was. So one tensor is put together from all parameters that hold a part of it, bit for
bit. A cast is undone by a cast to the source's type, a number that was added is subtracted. What a parameter has beyond
its source (zeros for a second bias) must still be zeros, or be a bias that can be added to the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from converter.artifacts import Entry, LazyTensor, TensorSpec
from converter.base.weight_steps import Step, apply, shape_after, zeros

_MOVES = ("transpose", "reshape", "cast")
_SECOND_BIAS = re.compile(r"bias_hh(?=(_l\d+(_reverse)?)?$)")
_ADDED_TO_ONE_SUM = (1, 4)
"""Gates of RNN and LSTM: both biases are added to one sum. In a GRU the second bias stands inside a product."""


class NotInvertibleError(ValueError):
    """A tensor cannot be computed from the parameters; the message says why."""


@dataclass(frozen=True)
class Inverted:
    """The tensors of a source.

    Attributes:
        tensors: in the order of the weight map; nothing is computed before one is loaded.
        merged: second biases that are added to the first ones, because the source has one bias.
    """

    tensors: tuple[LazyTensor, ...]
    merged: tuple[str, ...]


def inverted(entries: Iterable[Entry], parameters: Mapping[str, LazyTensor]) -> Inverted:
    """The tensors from which a weight map made parameters.

    Args:
        entries: the weight map.
        parameters: the parameters; all that the map names.

    Loading a tensor raises NotInvertibleError where the parameters do not determine it.
    """
    by_source: dict[str, list[Entry]] = {}
    for entry in entries:
        by_source.setdefault(entry.source.name, []).append(entry)
    merged = tuple(name for some in by_source.values() for name in _merges(some, parameters))
    tensors = tuple(LazyTensor(some[0].source, partial(_invert, some, parameters)) for some in by_source.values())
    return Inverted(tensors, merged)


def _invert(entries: Sequence[Entry], parameters: Mapping[str, LazyTensor]) -> np.ndarray:
    """One tensor of the source.

    Raises:
        NotInvertibleError: the parameters do not hold all of it, or contradict each other.
    """
    spec = entries[0].source
    if len(entries) == 1 and entries[0].part is None and all(step["op"] in _MOVES for step in entries[0].steps):
        return _moved_back(entries[0].steps, parameters[entries[0].converted.name].load(), spec)
    result = np.zeros(math.prod(spec.shape), _dtype(spec.dtype))
    owners = np.full(result.shape, -1, np.int32)
    merges = _merges(entries, parameters)
    for number, entry in enumerate(entries):
        if entry.converted.name in merges:
            continue
        values = _values(entry, parameters)
        for second, first in merges.items():
            if first == entry.converted.name:
                values = values + parameters[second].load().astype(values.dtype)
        origins, added = _origins(entry.steps, spec.shape)
        if added.any():
            values = values - added.astype(values.dtype)
        _check_zeros(entry, values[origins == 0])
        places, new = origins[origins > 0] - 1, values[origins > 0].astype(result.dtype)
        taken = owners[places] >= 0
        if result[places[taken]].tobytes() != new[taken].tobytes():
            other = entries[int(owners[places[taken]][0])].converted.name
            raise NotInvertibleError(f"'{other}' and '{entry.converted.name}' were both made of it, and differ now")
        result[places], owners[places] = new, number
    lost = int((owners < 0).sum())
    if lost:
        names = ", ".join(f"'{entry.converted.name}'" for entry in entries)
        raise NotInvertibleError(f"{lost} of its {owners.size} elements are in no parameter; the others are in {names}")
    return result.reshape(spec.shape)


def _values(entry: Entry, parameters: Mapping[str, LazyTensor]) -> np.ndarray:
    """The part of a parameter that an entry made."""
    array = parameters[entry.converted.name].load()
    return array if entry.part is None else array[entry.part[0] : entry.part[1]]


def _moved_back(steps: Sequence[Step], array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Undo transposes, reshapes and casts, without an array of indices."""
    for index in range(len(steps) - 1, -1, -1):
        step = steps[index]
        if step["op"] == "transpose":
            array = np.transpose(array, np.argsort(step["perm"]))
        elif step["op"] == "reshape":
            array = np.reshape(array, shape_after(steps[:index], spec.shape))
    return np.ascontiguousarray(array.astype(_dtype(spec.dtype))).reshape(spec.shape)


def _origins(steps: Sequence[Step], shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each element of the result of steps comes from, and what was added to it.

    Returns:
        The position in the flat array of `shape` plus 1, 0 for zeros that the steps made; and a float64 of equal shape.
    """
    numbers = np.arange(1, math.prod(shape) + 1).reshape(tuple(shape))
    return apply(_without(steps, ("cast", "add")), numbers), apply(_without(steps, ("cast",)), np.zeros(tuple(shape)))


def _without(steps: Iterable[Step], kinds: Sequence[str]) -> list[Step]:
    """The steps without those of some kinds, within the parts of a concatenation, too."""
    return [
        {**step, "parts": [_without(part, kinds) for part in step["parts"]]} if step["op"] == "concatenate" else step
        for step in steps
        if step["op"] not in kinds
    ]


def _check_zeros(entry: Entry, values: np.ndarray) -> None:
    """Check that what the source does not have is what it was.

    Raises:
        NotInvertibleError: it is not.
    """
    if values.any():
        raise NotInvertibleError(
            f"'{entry.converted.name}' has {values.size} elements that it lacks; they were zeros, and are others now"
        )


def _merges(entries: Sequence[Entry], parameters: Mapping[str, LazyTensor]) -> dict[str, str]:
    """Second biases of recurrent layers that their source lacks and that are no zeros any more, each with the first."""
    names = {entry.converted.name for entry in entries}
    found = {}
    for entry in entries:
        second = entry.converted.name
        first = _SECOND_BIAS.sub("bias_ih", second)
        weight = parameters.get(_SECOND_BIAS.sub("weight_hh", second))
        if first == second or first not in names or weight is None or entry.steps[:1] != _all_zeros(entry):
            continue
        gates = weight.array.shape[0] // weight.array.shape[1]
        if gates in _ADDED_TO_ONE_SUM and parameters[second].load().any():
            found[second] = first
    return found


def _all_zeros(entry: Entry) -> tuple[Step, ...]:
    return (zeros(*entry.converted.shape),)


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
