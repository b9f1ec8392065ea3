"""Edge inputs: values and extents that ordinary inputs do not have, of each kind that a graph can meet.

What a graph can meet is read from it once (`roles_of`), as data for the verification process, which makes the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx_ir as ir

from converter.frontends import Endpoint
from converter.graph import Trait, has_trait, is_float
from converter.verification.inputs import LARGEST as MOST_ELEMENTS
from converter.verification.inputs import SEED, extents_of, index_bound, is_sum, random_array, sums_in, total

Use = Literal["number", "mask", "index", "size", "text"]
Shape = Sequence[int | str]
"""Extents: a number, the name of a free dimension, or a sum, `past + new`."""

LARGEST = "largest values"
"""The kind of inputs on which sums overflow."""
_SIZES = {"ConstantOfShape": 0, "Expand": 1, "OneHot": 1, "Pad": 1, "Range": 0, "Reshape": 1, "Resize": 1, "Split": 1}
_SIZES |= {"Tile": 1, "TopK": 1, "Unsqueeze": 1, "Loop": 0, "Scan": 0, "Squeeze": 1, "Upsample": 1}
"""Operator → the first of its inputs that says how much is computed; those behind it may do so, too."""
_ROWS = frozenset({"LogSoftmax", "ReduceLogSumExp", "Softmax"})
"""Operators that hide the elements of a row that are minus infinity."""
_FARTHEST = 256
"""Maximum nodes that are followed from an input."""
_NAMES = 3
"""Maximum free dimensions that are set to 0 one by one."""


@dataclass(frozen=True)
class Role:
    """What the graph does with an input.

    Attributes:
        use: `number`, `mask` (of bools, or of 0 and 1), `index`, `size` (it says how much is computed), `text`.
        bound: the extent of the axis that it indexes.
        hides: whether it is added to scores, of which minus infinity hides one.
        shape: its extents in the source; None if the rank is unknown.
    """

    use: Use
    bound: int | None = None
    hides: bool = False
    shape: Shape | None = None


@dataclass(frozen=True)
class EdgeInputs:
    """Inputs of one kind, by name; `extents` if their shapes are not those of the ordinary inputs."""

    kind: str
    feeds: Mapping[str, np.ndarray]
    extents: bool = False


def roles_of(graph: ir.Graph, endpoints: Sequence[Endpoint]) -> dict[str, Role]:
    """What the graph does with each input, by its name."""
    sums, known = sums_in(graph, endpoints), extents_of(endpoints)
    pairs = zip(endpoints, graph.inputs, strict=True)
    return {end.name: _role(end, value, sums, index_bound(value, known)) for end, value in pairs}


def _role(end: Endpoint, value: ir.Value, sums: Mapping[str, str], bound: int | None) -> Role:
    shape = _shape_in_the_source(end)
    role = Role("number", shape=shape and [sums.get(dim, dim) if isinstance(dim, str) else dim for dim in shape])
    if end.dtype.kind in "OUS":
        return replace(role, use="text")
    reached = list(_reached(value))
    is_integer = end.dtype.kind in "iu"
    if bound is not None and not is_integer:
        return replace(role, use="size", bound=bound)
    if any(node.op_type in _SIZES and position >= _SIZES[node.op_type] for node, position in reached):
        return replace(role, use="size", bound=bound)
    if end.dtype.kind == "b":
        return replace(role, use="mask")
    if not is_integer:
        return replace(role, hides=any(node.op_type in _ROWS for node, _ in _reached(value, Trait.BROADCASTING)))
    if bound is not None:
        return replace(role, use="index", bound=bound)
    return replace(role, use="mask" if any(_reads_a_mask(node) for node, _ in reached) else "number")


def _shape_in_the_source(end: Endpoint) -> tuple[int | str, ...] | None:
    """The shape of an input, with the extents that the source fixes, also where the script leaves an axis free."""
    if end.shape is None or end.example is None:
        return end.shape
    return tuple(n if dim in end.freed else dim for dim, n in zip(end.shape, end.example, strict=True))


def _reads_a_mask(node: ir.Node) -> bool:
    """Whether a node makes bools or floats of the integers that it reads."""
    dtype = node.outputs[0].dtype
    return node.op_type in ("Cast", "Equal", "Greater", "Not", "Where") and (
        dtype == ir.DataType.BOOL or is_float(node.outputs[0])
    )


def _reached(value: ir.Value, more: Trait = Trait.ELEMENTWISE | Trait.REDUCTION) -> Iterator[tuple[ir.Node, int]]:
    """The uses of a value, and of what data movement and operators of these traits make of it."""
    pending, seen = [value], {value}
    for _ in range(_FARTHEST):
        if not pending:
            return
        for node, position in pending.pop().uses():
            yield node, position
            if has_trait(node, Trait.DATA_MOVEMENT | more):
                fresh = [output for output in node.outputs if output not in seen]
                seen.update(fresh)
                pending += fresh


def edge_inputs(roles: Mapping[str, Role], feeds: Mapping[str, np.ndarray]) -> Iterator[EdgeInputs]:
    """The inputs to try, made of ordinary ones; a kind that changes nothing is left out."""
    for kind, change in _VALUES.items():
        changed = {name: change(roles[name], array) for name, array in feeds.items()}
        if any(array is not None for array in changed.values()):
            yield EdgeInputs(kind, {name: feeds[name] if new is None else new for name, new in changed.items()})
    yield from _other_extents(roles, feeds)


Change = Callable[[Role, np.ndarray], "np.ndarray | None"]
"""A function that makes an edge input of an ordinary one; None where the kind does not concern it."""


def _for_floats(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    def changed(role: Role, array: np.ndarray) -> np.ndarray | None:
        if role.use != "number" or not _is_float(array) or not array.size:
            return None
        return change(array.copy(), np.random.default_rng(SEED))

    return changed


def _is_float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def _some(array: np.ndarray, generator: np.random.Generator, values: Sequence[float]) -> np.ndarray:
    """Put each of the values to some places of the first half of an array, the first one among them."""
    half = max(1, len(array) // 2) if array.ndim else 1
    flat = array.reshape(-1)  # a view
    count = flat.size if array.ndim < 2 else flat.size // len(array) * half
    chosen = generator.permutation(count)[: max(len(values), count // 50)]
    for number, value in enumerate(values):
        flat[chosen[number :: len(values)]] = value
    return array


def _info(array: np.ndarray) -> Any:
    import ml_dtypes

    return ml_dtypes.finfo(array.dtype)


def _extremes(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    largest = float(_info(array).max)
    return _some(array, generator, (largest, -largest))


def _tiny(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (np.sign(array) * array.dtype.type(_info(array).tiny)).astype(array.dtype)


def _zeros(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (array * 0).astype(array.dtype)  # minus zero where it was negative


def _ties(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.round(array.astype(np.float64)).astype(array.dtype)


def _hidden_scores(role: Role, array: np.ndarray) -> np.ndarray | None:
    if role.use != "number" or not role.hides or not _is_float(array) or array.ndim == 0 or not array.size:
        return None
    changed = array.copy()
    changed.reshape(-1, array.shape[-1])[0] = -np.inf
    return changed


def _for_masks(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda role, array: change(array.copy()) if role.use == "mask" and array.size else None


def _hidden_row(array: np.ndarray) -> np.ndarray:
    if array.ndim:
        array[...] = 1
        array.reshape(-1, array.shape[-1])[0] = 0
    return array


def _full(value: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.full_like(array, value)


def _for_indices(value_of: Callable[[int], int], signed: bool = False) -> Change:
    def changed(role: Role, array: np.ndarray) -> np.ndarray | None:
        if role.use != "index" or role.bound is None or not array.size or (signed and array.dtype.kind == "u"):
            return None
        value = value_of(role.bound)
        return np.full_like(array, value) if value <= np.iinfo(array.dtype).max else None

    return changed


def _for_integers(values: Sequence[int]) -> Change:
    def changed(role: Role, array: np.ndarray) -> np.ndarray | None:
        if role.use != "number" or array.dtype.kind not in "iu" or not array.size:
            return None
        limits = np.iinfo(array.dtype)
        fitting = [value for value in values if limits.min <= value <= limits.max]
        return np.resize(np.array(fitting, array.dtype), array.shape) if fitting else None

    return changed


_LARGE = (2**24 + 1, 2**31 - 1, 2**31 + 7, 2**53 + 1, 2**60 + 7)
_VALUES: Mapping[str, Change] = {
    "NaN": _for_floats(lambda array, generator: _some(array, generator, (np.nan,))),
    "infinities": _for_floats(lambda array, generator: _some(array, generator, (np.inf, -np.inf))),
    "zeros and minus zero": _for_floats(_zeros),
    "ties": _for_floats(_ties),
    LARGEST: _for_floats(_extremes),
    "smallest values": _for_floats(_tiny),
    "scores of a row hidden": _hidden_scores,
    "large integers": _for_integers(_LARGE),
    "negative integers": _for_integers([-value for value in (1, 3, *_LARGE)]),
    "mask hides a row": _for_masks(_hidden_row),
    "mask hides all": _for_masks(_full(0)),
    "mask hides none": _for_masks(_full(1)),
    "first index": _for_indices(lambda bound: 0),
    "last index": _for_indices(lambda bound: bound - 1),
    "negative indices": _for_indices(lambda bound: -bound, signed=True),
}
"""Kind → the change of an ordinary input, in the order in which they are tried."""


def _other_extents(roles: Mapping[str, Role], feeds: Mapping[str, np.ndarray]) -> Iterator[EdgeInputs]:
    """Inputs of other extents: free dimensions at 1, at another length, at 0 one by one."""
    known: dict[str, int] = {}
    for name, array in feeds.items():
        shape = roles[name].shape
        for axis, (dim, extent) in enumerate(zip(shape or (), array.shape, strict=False)):
            if isinstance(dim, str) and " + " not in dim and not _is_channels(shape or (), array.shape, axis):
                known.setdefault(dim, extent)
    if not known or any(role.use == "text" for role in roles.values()):
        return
    tried = [("extent 1", dict.fromkeys(known, 1)), ("another length", {n: _longer(e) for n, e in known.items()})]
    tried += [(f"extent 0 of {name}", {**known, name: 0}) for name in list(known)[:_NAMES]]
    for kind, extents in tried:
        if extents == known:
            continue
        shapes = {name: _shape(roles[name].shape, array.shape, extents) for name, array in feeds.items()}
        if any(math.prod(shape) > MOST_ELEMENTS for shape in shapes.values()):
            continue
        generator = np.random.default_rng(SEED)
        made = {
            name: _stretched(array, shapes[name])
            if roles[name].use == "mask" and array.size
            else random_array(generator, array.dtype, shapes[name], roles[name].bound)
            for name, array in feeds.items()
        }
        kept = {name: feeds[name] if shapes[name] == feeds[name].shape else array for name, array in made.items()}
        yield EdgeInputs(kind, kept, extents=True)


def _is_channels(shape: Shape, extents: tuple[int, ...], axis: int) -> bool:
    """Whether an axis is that of an image's channels: of an image whose file says nothing about any axis."""
    unknown = len(shape) == 4 and all(isinstance(dim, str) for dim in shape)
    return unknown and axis in (1, 3) and extents[axis] <= 4


def _stretched(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask of another shape that hides no row that the ordinary one does not: its last elements are repeated."""
    more = [(0, max(0, new - old)) for new, old in zip(shape, mask.shape, strict=True)]
    if not more:
        return mask
    return np.pad(mask, more, mode="edge")[tuple(slice(extent) for extent in shape)]


def _longer(extent: int) -> int:
    return extent + (1 if extent < 64 else 32)


def _shape(shape: Shape | None, extents: tuple[int, ...], free: Mapping[str, int]) -> tuple[int, ...]:
    if shape is None or len(shape) != len(extents):
        return extents
    pairs = zip(shape, extents, strict=True)
    return tuple(
        total(str(dim), free) if is_sum(str(dim), free) else free.get(str(dim), extent) for dim, extent in pairs
    )
