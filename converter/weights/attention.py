"""Attention: query, key and value as three weights in one network and as one in the other.

`attn.query.weight`, `attn.key.weight` and `attn.value.weight` of E rows each are joined to `attn.qkv.weight` of 3 * E
rows, or such a weight is cut in three.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from converter.artifacts import TensorSpec
from converter.base.weight_steps import Step, reshape, shape_after, slice_axis, transpose
from converter.weights import names
from converter.weights.assignment import Chosen, Side, assign
from converter.weights.drafts import Confidence
from converter.weights.fitting import same_kind
from converter.weights.layouts import Framework
from converter.weights.pairing import Pairing, Part
from converter.weights.roles import Parameter

_PARTS = {"query": ("query", "q", "wq"), "key": ("key", "k", "wk"), "value": ("value", "v", "wv")}
_PART = re.compile(rf"(?<![a-z])({'|'.join(word for words in _PARTS.values() for word in words)})(?![a-z])", re.I)


class _Triple(NamedTuple):
    """Three weights of one shape whose names differ in query, key and value only, in this order."""

    path: str
    parts: tuple[TensorSpec, ...]


def joined_or_cut(source: Sequence[TensorSpec], network: Sequence[Parameter], framework: Framework) -> list[Pairing]:
    """Pairings of weights of one side, of which the other has none of their size, with triples of the other.

    Args:
        source: the tensors.
        network: the parameters.
        framework: decides whether matrices are transposed where both fit.
    """
    transposed = framework == "tensorflow"
    found: list[Pairing] = []
    ours = {math.prod(each.array.shape) for each in network}
    theirs = {math.prod(each.shape) for each in source}
    wholes = [each for each in network if math.prod(each.array.shape) not in theirs]
    triples = _triples(source)
    for chosen in _assigned([each.array for each in wholes], triples, transposed):
        parameter = wholes[chosen.row]
        wanted = _third(parameter.array.shape)
        thirds = triples[chosen.column].parts
        parts = tuple(Part(each, _steps(each.shape, wanted, transposed) or ()) for each in thirds)
        found.append(Pairing(parameter, parts, *_because(chosen, "query, key and value are joined")))
    left = {each.array.name: each for each in network}
    triples = _triples(each.array for each in left.values())
    tensors = [each for each in source if math.prod(each.shape) not in ours]
    for chosen in _assigned(tensors, triples, transposed, cut=True):
        tensor = tensors[chosen.row]
        for place, array in enumerate(triples[chosen.column].parts):
            rows = array.shape[0]
            steps = _steps(tensor.shape, (3 * rows, *array.shape[1:]), transposed) or ()
            parts = (Part(tensor, (*steps, slice_axis(0, place * rows, (place + 1) * rows))),)
            because = _because(chosen, "query, key and value are cut out of one weight")
            found.append(Pairing(left[array.name], parts, *because))
    return found


def _triples(arrays: Iterable[TensorSpec]) -> list[_Triple]:
    """The complete triples among weights."""
    found: dict[str, dict[str, TensorSpec]] = {}
    for each in arrays:
        matches = list(_PART.finditer(each.name))
        if matches:
            start, end = matches[-1].span()
            part = next(part for part, words in _PARTS.items() if matches[-1][0].lower() in words)
            found.setdefault(f"{each.name[:start]}{each.name[end:]}", {})[part] = each
    return [
        _Triple(path, tuple(parts[part] for part in _PARTS))
        for path, parts in found.items()
        if len(parts) == 3 and len({each.shape for each in parts.values()}) == 1
    ]


def _assigned(
    wholes: Sequence[TensorSpec], triples: Sequence[_Triple], transposed: bool, *, cut: bool = False
) -> list[Chosen]:
    """Which weight belongs to which triple, by their names."""
    here = Side(names.compared([(names.layer_of(each.name), "") for each in wholes]))
    there = Side(names.compared([(names.layer_of(each.path), "") for each in triples]))
    fits: dict[tuple[int, int], float] = {}
    for row, whole in enumerate(wholes):
        for column, triple in enumerate(triples):
            third = triple.parts[0]
            joined = (3 * third.shape[0], *third.shape[1:]) if third.shape else ()
            if not same_kind(whole.dtype, third.dtype):
                continue
            before, after = (whole.shape, joined) if cut else (third.shape, _third(whole.shape))
            if _steps(before, after, transposed) is not None:
                fits[row, column] = 0.0
    return assign(fits, here, there)


def _third(shape: Sequence[int]) -> tuple[int, ...]:
    """A third of the rows of a shape; a shape that nothing has where they are not divisible."""
    return (shape[0] // 3, *shape[1:]) if shape and shape[0] % 3 == 0 else (-1,)


def _steps(shape: tuple[int, ...], wanted: tuple[int, ...], transposed: bool) -> tuple[Step, ...] | None:
    """The steps from a shape to another: none, a transpose, or one after the heads of Keras were joined."""
    plain: tuple[Step, ...] = ()
    turned: tuple[Step, ...] = (transpose(1, 0),)
    heads: tuple[Step, ...] = (reshape(shape[0], shape[1] * shape[2]), transpose(1, 0)) if len(shape) == 3 else ()
    order = (turned, plain) if transposed else (plain, turned)
    for steps in (*order, heads):
        try:
            if shape_after(steps, shape) == wanted:
                return steps
        except ValueError:
            continue
    return None


def _because(chosen: Chosen, what: str) -> tuple[Confidence, str]:
    if chosen.reason != "guess":
        return "likely", f"{what}; of the weights of this shape, these names are the most similar"
    return "ambiguous", f"{what}; several weights have this shape, and no name decides: taken in order"
