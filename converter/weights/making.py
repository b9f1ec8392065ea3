"""Making: the values of parameters from the tensors of a source, by the entries of a weight map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from converter.artifacts import Entry, LazyTensor
from converter.base.weight_steps import apply, cast, shape_after
from converter.errors import BadParamError
from converter.weights.pairing import Pairing


def entries_of(pairings: Iterable[Pairing]) -> tuple[Entry, ...]:
    """The weight map of pairings: an entry for each part of each parameter. Those without parts are left out."""
    found = []
    for pairing in pairings:
        start, wanted = 0, pairing.parameter.array
        for part in pairing.parts:
            steps = part.steps if part.source.dtype == wanted.dtype else (*part.steps, cast(wanted.dtype))
            place = None
            if len(pairing.parts) > 1:
                place = (start, start + shape_after(part.steps, part.source.shape)[0])
                start = place[1]
            found.append(Entry(wanted, part.source, steps, place))
    return tuple(found)


def parameters_from(entries: Sequence[Entry], tensors: Mapping[str, LazyTensor]) -> list[LazyTensor]:
    """The parameters that the entries of a weight map make of tensors, in their order; nothing is loaded yet.

    Loading one raises BadParamError where the steps do not fit the tensor.
    """
    parts: dict[str, list[Entry]] = {}
    for entry in entries:
        parts.setdefault(entry.converted.name, []).append(entry)
    return [LazyTensor(some[0].converted, partial(_value, some, tensors)) for some in parts.values()]


def _value(entries: Sequence[Entry], tensors: Mapping[str, LazyTensor]) -> np.ndarray:
    """The values of one parameter.

    Raises:
        BadParamError: a step of the map does not fit the tensor, or the parts do not make the parameter.
    """
    wanted = entries[0].converted
    try:
        made = [_part(entry, tensors[entry.source.name]) for entry in entries]
        whole = made[0] if entries[0].part is None else _joined(entries, made)
        if (whole.shape, whole.dtype.name) != (wanted.shape, wanted.dtype):
            raise ValueError(f"they make {whole.dtype} {whole.shape}")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadParamError(
            f"the steps that the weight map has for '{wanted.name}' do not fit: {error}. "
            "Translate the model again for a sound map."
        ) from error
    return whole


def _part(entry: Entry, tensor: LazyTensor) -> np.ndarray:
    array = tensor.load()
    if array.dtype.name != entry.source.dtype:
        array = array.astype(entry.source.dtype)
    return np.asarray(apply(entry.steps, array), order="C")


def _joined(entries: Sequence[Entry], made: Sequence[np.ndarray]) -> np.ndarray:
    end = 0
    for entry, array in sorted(zip(entries, made, strict=True), key=lambda pair: pair[0].part or (0, 0)):
        if entry.part != (end, end + len(array)):
            raise ValueError(f"a part {array.shape} stands at {entry.part}")
        end += len(array)
    return np.concatenate(made)
