"""Inputs for verification: seeded, or the user's."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from converter.base.files import DAMAGED_ZIP
from converter.errors import BadParamError
from converter.frontends import Endpoint
from converter.graph import Trait, has_trait
from converter.verification.by_sample import at_many_samples, with_more_samples

SEED = 0
EXTENTS = (64, 128, 256, 384, 512, 640, 1024, 16384)
"""Extents to try for free dimensions when the source rejects the guessed ones: sizes of images, lengths of texts and
of audio."""
BATCHES = (2, 4, 8)
"""Extents to try likewise for a first axis: a program may be made for more than one sample."""
LARGEST = 1 << 24
"""Maximum elements of an input with these extents."""
_PLUS = " + "
_PAST = "past_"
_KEEPS_INDICES = frozenset({"Add", "Cast", "Clip", "Max", "Min", "Mod", "Pad", "Sub", "Where"})
"""Operators, besides data movement, whose output still holds indices: they clip, shift or mask them."""


def verification_inputs(
    graph: ir.Graph, endpoints: Sequence[Endpoint], file: Path | None, least: int = 0
) -> dict[str, np.ndarray]:
    """A value for every input: the user's where `file` has one, else a seeded one of the example shape.

    Floats are standard normal, or less than the smallest axis that they index; bools are random; integers are random
    and less than that axis, of any value if they are levels of 8 bits, or 0 and 1 if they index nothing. Along a freed
    axis there are more samples than the source takes.

    Args:
        graph: the graph that has the inputs.
        endpoints: its inputs.
        file: the user's inputs.
        least: the least integer, as far as there are larger ones.

    Raises:
        BadParamError: the file is not an .npz, names no input, or an array does not fit.
    """
    given = {} if file is None else _read(file, endpoints)
    endpoints = with_sums(graph, endpoints)
    generator, known = np.random.default_rng(SEED), extents_of(endpoints)
    values = {}
    for end, value in zip(at_many_samples(endpoints, given), graph.inputs, strict=True):
        made = values[end.name] = _random(generator, end, index_bound(value, known), value, least)
        if end.name in given:
            array = _fitted(given[end.name], end)
            values[end.name] = with_more_samples(array, made) if end.freed else array
    return values


def other_inputs(graph: ir.Graph, endpoints: Sequence[Endpoint], file: Path | None) -> Iterator[dict[str, np.ndarray]]:
    """Inputs without the integer 0, which may be no length or count, and others with other guessed extents.

    Those are replaced by one of `EXTENTS`, the same for all of them, or one sample by one of `BATCHES`.
    """
    if any(end.dtype.kind in "iu" for end in endpoints):
        yield verification_inputs(graph, endpoints, file, least=1)
    guessed = frozenset[str]().union(*(end.guessed for end in endpoints))
    for names, extents in ((guessed, EXTENTS), (_of_one_sample(endpoints), BATCHES)):
        for extent in extents if names else ():
            others = [replace(end, example=_example(end, names, extent)) for end in endpoints]
            if all(math.prod(end.example or ()) <= LARGEST for end in others):
                yield verification_inputs(graph, others, file)


def _of_one_sample(endpoints: Sequence[Endpoint]) -> frozenset[str]:
    """The free extents of first axes that are 1 in the example."""
    pairs = [(end.shape[0], end.example[0]) for end in endpoints if end.shape and end.example]
    return frozenset(dim for dim, extent in pairs if isinstance(dim, str) and extent == 1)


def with_sums(graph: ir.Graph, endpoints: Sequence[Endpoint]) -> Sequence[Endpoint]:
    """The inputs, with the guessed extents that are sums set to them."""
    known = extents_of(endpoints)
    for dim, text in sums_in(graph, endpoints).items():
        endpoints = [replace(end, example=_example(end, {dim}, total(text, known))) for end in endpoints]
    return endpoints


def sums_in(graph: ir.Graph, endpoints: Sequence[Endpoint]) -> Mapping[str, str]:
    """The guessed extents that are the sum of others → the sum, `past + new`: if a name of an extent says so.

    A decoder with a cache takes a mask over the past and the new tokens, and returns the keys of both.
    """
    known = extents_of(endpoints)
    guessed = frozenset[str]().union(*(end.guessed for end in endpoints))
    ends = {f"{dim.value}" for value in graph.outputs for dim in value.shape or () if isinstance(dim, ir.SymbolicDim)}
    sums = {f"{part} + {part.removeprefix(_PAST)}" for part in known if _are_lengths(part, known)}
    sums |= {text for text in ends if is_sum(text, known)}
    found = {dim: dim for dim in guessed if is_sum(dim, known)}
    if not found and len({total(text, known) for text in sums}) == 1:  # each layer's past may have a name of its own
        parts = {part for text in sums for part in text.split(_PLUS)}
        found |= dict.fromkeys(guessed - (ends - {f"total_{part}" for part in parts}) - parts, min(sums))
    return found


def total(text: str, known: Mapping[str, int]) -> int:
    """The value of a sum of extents and numbers, `past + 1`."""
    return sum(int(part) if part.isdigit() else known[part] for part in text.split(_PLUS))


def is_sum(text: str, known: Collection[str]) -> bool:
    """Whether a name of an extent is a sum of others and of numbers."""
    parts = text.split(_PLUS)
    return len(parts) > 1 and all(part in known or part.isdigit() for part in parts)


def extents_of(endpoints: Sequence[Endpoint]) -> dict[str, int]:
    """The extent of each free dimension."""
    return {
        dim: extent
        for end in endpoints
        for dim, extent in zip(end.shape or (), end.example or (), strict=False)
        if isinstance(dim, str)
    }


def _are_lengths(past: str, known: Collection[str]) -> bool:
    """Whether there are lengths `past_NAME`, `NAME` and `total_NAME`, as onnxruntime's own exporter calls them."""
    name = past.removeprefix(_PAST)
    return past != name and {name, f"total_{name}"} <= set(known)


def _example(end: Endpoint, guessed: Collection[str], extent: int) -> tuple[int, ...] | None:
    if end.shape is None or end.example is None:
        return end.example
    return tuple(extent if dim in guessed else known for dim, known in zip(end.shape, end.example, strict=True))


def _random(
    generator: np.random.Generator, end: Endpoint, bound: int | None, value: ir.Value, least: int
) -> np.ndarray:
    shape = end.example or ()
    if bound is not None and end.dtype.kind == "f":
        return generator.uniform(0, bound - 0.1, shape).astype(end.dtype)  # float16 rounds
    if bound is None and end.dtype.itemsize == 1 and end.dtype.kind in "iu" and _holds_levels(value, shape):
        levels = np.iinfo(end.dtype)
        return generator.integers(levels.min, levels.max + 1, shape).astype(end.dtype)
    return random_array(generator, end.dtype, shape, bound, least)


def _holds_levels(value: ir.Value, shape: tuple[int, ...]) -> bool:
    """Whether integers of 8 bits are levels of a quantised value or of an image, rather than marks (0 or 1)."""
    return len(shape) >= 3 or any(has_trait(node, Trait.QUANTIZATION) for node, _ in value.uses())


def random_array(
    generator: np.random.Generator, dtype: np.dtype, shape: tuple[int, ...], bound: int | None, least: int = 0
) -> np.ndarray:
    """Random values of an input; integers are at least `least`, and less than the extent `bound` that they index."""
    match dtype.kind:
        case "b":
            return generator.integers(0, 2, shape).astype(bool)
        case "i" | "u":
            end = bound or 2
            return generator.integers(min(least, max(end - 1, 0)), end, shape).astype(dtype)
        case "c":
            return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(dtype)
        case "O" | "U" | "S":
            return np.full(shape, "", dtype=object)
        case _:
            return generator.standard_normal(shape).astype(dtype)


def index_bound(value: ir.Value, known: Mapping[str, int]) -> int | None:
    """The smallest known axis that an input indexes, also after data movement; None when it indexes nothing.

    Free axes have the extents of `known`.

    It is smaller by what is added to the indices, such as where each field's rows begin in a common table.
    """
    bounds: list[int] = []
    pending, seen = [(value, 0)], {value}
    while pending:
        moved, shift = pending.pop()
        for node, position in moved.uses():
            bound = _indexed(node, position, known)
            if bound is not None:
                bounds.append(max(bound - shift, 1))
            elif has_trait(node, Trait.DATA_MOVEMENT) or node.op_type in _KEEPS_INDICES:
                fresh = [output for output in node.outputs if output not in seen]
                seen.update(fresh)
                pending += [(output, shift + _added(node, position)) for output in fresh]
    return min(bounds, default=None)


def _added(node: ir.Node, position: int) -> int:
    """The largest number that an Add of a constant adds to one of its inputs."""
    other = node.inputs[1 - position] if node.op_type == "Add" else None
    constant = None if other is None else other.const_value
    if constant is None or not constant.size or not constant.dtype.is_integer():
        return 0
    return max(int(constant.numpy().max()), 0)


def _indexed(node: ir.Node, position: int, known: Mapping[str, int]) -> int | None:
    """The extent of the axis that this input of the node indexes; None if it is no index or the extent is unknown."""
    if position == 1 and has_trait(node, Trait.INDEXES_AXIS):
        data, axis = node.inputs[0], node.attributes.get_int("axis", 0)
    elif position == 1 and has_trait(node, Trait.INDEXES_LEADING_AXES):
        data, axis = node.inputs[0], 0
        if data is not None and data.shape is not None:
            extents = [_extent(dim, known) for dim in data.shape]
            return min((extent for extent in extents if extent is not None), default=None)
    elif position == 2 and node.op_type == "RoiAlign":
        data, axis = node.inputs[0], 0
    elif position == 0 and node.op_type == "OneHot":
        depth = node.inputs[1].const_value if node.inputs[1] is not None else None
        return None if depth is None else int(depth.numpy().reshape(-1)[0])
    elif node.op_type == "Equal":  # a one-hot code, computed by comparing with 0, 1, 2, …
        other = node.inputs[1 - position]
        table = other.const_value.numpy() if other is not None and other.const_value is not None else np.zeros(0)
        return int(table.max()) + 1 if table.size > 2 and table.dtype.kind in "iu" else None
    else:
        return None
    if data is None or data.shape is None:
        return None
    return _extent(data.shape[axis], known)


def _extent(dim: int | ir.SymbolicDim, known: Mapping[str, int]) -> int | None:
    return dim if isinstance(dim, int) else known.get(f"{dim.value}")


def _read(file: Path, endpoints: Sequence[Endpoint]) -> Mapping[str, np.ndarray]:
    names = [end.name for end in endpoints]
    try:
        with np.load(file, allow_pickle=False) as archive:  # a TypeError: the file has one array without a name
            given = {name: archive[name] for name in archive.files}
    except (AttributeError, TypeError, *DAMAGED_ZIP) as error:
        raise BadParamError(f"--verify_inputs '{file}' cannot be read as an .npz file: {error}") from error
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise BadParamError(
            f"--verify_inputs '{file}' has arrays for {', '.join(unknown)}, which are no inputs. "
            f"Its keys are the input names: {', '.join(names)}."
        )
    return given


def _fitted(array: np.ndarray, end: Endpoint) -> np.ndarray:
    """The user's array, cast to the input's element type.

    Raises:
        BadParamError: its shape or element type does not fit.
    """
    fixed = end.shape
    fits = fixed is None or (
        len(fixed) == array.ndim
        and all(not isinstance(dim, int) or dim == extent for dim, extent in zip(fixed, array.shape, strict=True))
    )
    if not fits:
        raise BadParamError(f"--verify_inputs: '{end.name}' has shape {array.shape}, the model's is {fixed}")
    if not np.can_cast(array.dtype, end.dtype, "same_kind") and array.dtype.kind not in "iu":
        raise BadParamError(f"--verify_inputs: '{end.name}' is {array.dtype}, the model's input is {end.dtype}")
    return array.astype(end.dtype)
