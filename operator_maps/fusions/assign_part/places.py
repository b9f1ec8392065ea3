"""Places: where a scatter writes, and what a tensor is filled with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph import attribute, is_folded, is_literal, numbers_of, rank_of, shape_of, sliced
from converter.graph.fusions import number_in

_LARGEST = 1 << 22
"""Limit of constant places that are compared."""
_VIEWS = frozenset({"Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
"""What leaves a tensor filled with one number."""


def starts(indices: ir.Value, data: ir.Value, extents: Sequence[object]) -> list[int | None] | None:
    """For each indexed axis the first place along it, None for all of a free axis; None if they are others."""
    if indices.const_value is not None:
        return _starts_in(indices.const_value)
    joined, rank = indices.producer(), rank_of(indices)
    if joined is None or joined.op_type != "Concat" or rank is None or attribute(joined, "axis") not in (-1, rank - 1):
        return None
    if len(joined.inputs) != rank - 1:
        return None
    found: list[int | None] = []
    for axis, value in enumerate(joined.inputs):
        places = _places(value, axis, rank - 1)
        if places is None:
            return None
        numbers = _counted(places)
        if numbers is None:
            if not _counts_all(places, extents[axis]):
                return None
            found.append(None)
            continue
        if not numbers.size or not np.array_equal(numbers, np.arange(numbers[0], numbers[0] + numbers.size)):
            return None
        found.append(int(numbers[0]))
    return found


def _starts_in(tensor: ir.TensorProtocol) -> list[int | None] | None:
    """The first places of constant indices that fill a rectangle."""
    if tensor.size > _LARGEST or not tensor.size:
        return None
    places = tensor.numpy()
    if places.ndim < 3 or places.ndim - 1 != places.shape[-1]:
        return None
    first = places[(0,) * (places.ndim - 1)]
    grid = np.moveaxis(np.indices(places.shape[:-1]), 0, -1) + first
    return [int(number) for number in first] if np.array_equal(grid, places) else None


def _places(value: ir.Value | None, axis: int, rank: int) -> ir.Value | None:
    """The places along one axis, before they are repeated along the others and get a last axis."""
    node = None if value is None else value.producer()
    if node is not None and node.op_type == "Unsqueeze" and numbers_of(node.inputs[1]) in ((-1,), (rank,)):
        value = node.inputs[0]
        node = None if value is None else value.producer()
    if node is not None and node.op_type == "Expand":
        value = node.inputs[0]
    extents = None if value is None else shape_of(value)
    if value is None or extents is None:
        return None
    extents = (1,) * (rank - len(extents)) + tuple(extents)
    own = all(extent == 1 for at, extent in enumerate(extents) if at != axis)
    return value if own and len(extents) == rank else None


def _counted(places: ir.Value) -> np.ndarray | None:
    """Places that are known: a constant, or a part of a Range to an extent that is fixed."""
    if places.const_value is not None:
        return places.const_value.numpy().reshape(-1) if places.const_value.size <= _LARGEST else None
    node, cut = places.producer(), sliced(places)
    if cut is not None:
        numbers = _counted(cut.whole) if rank_of(cut.whole) == 1 else None
        return None if numbers is None else numbers[cut.start : cut.stop : cut.step]
    if node is not None and node.op_type in ("Reshape", "Unsqueeze") and node.inputs[0] is not None:
        return _counted(node.inputs[0])
    if node is None or node.op_type != "Range" or node.inputs[1] is None:
        return None
    limit = number_in(node.inputs[1])
    plain = numbers_of(node.inputs[0]) == (0,) and numbers_of(node.inputs[2]) == (1,)
    return np.arange(limit) if plain and isinstance(limit, int) and limit <= _LARGEST else None


def _counts_all(places: ir.Value, extent: object) -> bool:
    """Whether places are 0, 1, … up to an extent."""
    node = places.producer()
    while node is not None and node.op_type in ("Reshape", "Unsqueeze") and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    if node is None or node.op_type != "Range":
        return False
    start, limit, step = node.inputs
    known = numbers_of(start) == (0,) and numbers_of(step) == (1,)
    return known and limit is not None and number_in(limit) == extent and extent is not None


def equal_places(indices: ir.Value | None) -> int | None:
    """The place that all indices are; None if they are several."""
    node = None if indices is None else indices.producer()
    if node is not None and node.op_type == "ConstantOfShape":
        value = node.attributes.get("value")
        return 0 if value is None else int(value.as_tensor().numpy().reshape(-1)[0])
    if node is not None and node.op_type == "Expand" and (numbers := numbers_of(node.inputs[0])) is not None:
        return numbers[0] if len(set(numbers)) == 1 else None
    tensor = None if indices is None else indices.const_value
    if tensor is None or not 0 < tensor.size <= _LARGEST:
        return None
    places = tensor.numpy().reshape(-1)
    return int(places[0]) if (places == places[0]).all() else None


def around(first: int | None, count: object, extent: object) -> tuple[int, int] | None:
    """How much stays before and behind what is written along an axis from its first place on; None if it is not known.

    Nothing stays where all of a free axis is written, so that there is no first place.
    """
    if first is None:
        return 0, 0
    if not isinstance(count, int) or not isinstance(extent, int):
        return None
    first += extent if first < 0 else 0
    behind = extent - first - count
    return (first, behind) if first >= 0 and behind >= 0 else None


def filling(x: ir.Value) -> np.ndarray | None:
    """The number that a tensor is filled with, if that is so, and it is no weight."""
    while (node := x.producer()) is not None and node.op_type in _VIEWS and node.inputs[0] is not None:
        x = node.inputs[0]
    if node is not None and node.op_type == "ConstantOfShape":
        value = node.attributes.get("value")
        return np.array(0, np.float32) if value is None else value.as_tensor().numpy().reshape(())
    numbers = x.const_value.numpy() if x.const_value is not None and (is_folded(x) or is_literal(x)) else None
    if numbers is None or not 1 < numbers.size <= _LARGEST or numbers.dtype.kind not in "if":
        return None
    first = numbers.reshape(-1)[:1]
    return first.reshape(()) if (numbers == first).all() else None
