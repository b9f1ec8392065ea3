"""Packed: the weights of ONNX's LSTM, GRU and RNN, which hold both directions in one tensor, for recurrent layers.

For D directions, G gates, H hidden and I input features they are W (D, G * H, I), R (D, G * H, H) and the biases of
input and hidden state B (D, 2 * G * H), in this order. ONNX's gates are i o f c (LSTM) and z r h (GRU). MindSpore's GRU
computes as ONNX's with linear_before_reset=1. Source: https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from converter.artifacts import TensorSpec
from converter.base.weight_steps import Step, reshape, slice_axis
from converter.weights.drafts import Confidence
from converter.weights.layers import Layer, layers_of
from converter.weights.pairing import Pairing, Part
from converter.weights.recurrent import GATES
from converter.weights.roles import Parameter
from converter.weights.step_text import gates

_ORDER = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
_NAMED = {"LSTM": ", gates i o f c -> i f g o", "GRU": ", gates z r h -> r z n", "RNN": ""}


class _Packed(NamedTuple):
    """The weights of one node; `bias` is None where it has none."""

    weight: TensorSpec
    recurrence: TensorSpec
    bias: TensorSpec | None


class _Form(NamedTuple):
    """What decides whether the weights of a node fit a layer: the shapes of W and R."""

    weight: tuple[int, ...]
    recurrence: tuple[int, ...]


def unpacked(source: Sequence[TensorSpec], network: Sequence[Parameter]) -> list[Pairing]:
    """Pairings of the parameters of recurrent layers with the weights of ONNX's recurrent operators.

    Args:
        source: the tensors, in the order in which the model's nodes read them.
        network: the parameters.
    """
    theirs: dict[_Form, list[_Packed]] = defaultdict(list)
    for packed in _packed(source):
        theirs[_Form(packed.weight.shape, packed.recurrence.shape)].append(packed)
    ours: dict[_Form, list[list[Layer]]] = defaultdict(list)
    for directions in _stacks(network):
        form = _form_of(directions)
        if form is not None:
            ours[form].append(directions)
    found: list[Pairing] = []
    for form, stacks in ours.items():
        for place, (directions, packed) in enumerate(zip(stacks, theirs[form], strict=False)):
            others = [each.weight.name for each in theirs[form] if each is not packed]
            because = _because(len(stacks), len(theirs[form]), place)
            for index, layer in enumerate(directions):
                found += _pairings(layer, index, packed, because, tuple(others))
    return found


def _packed(source: Sequence[TensorSpec]) -> Iterator[_Packed]:
    """W, R and B, one behind the other."""
    place = 0
    while place < len(source) - 1:
        weight, recurrence = source[place : place + 2]
        place += 1
        if len(weight.shape) != 3 or len(recurrence.shape) != 3 or weight.shape[:2] != recurrence.shape[:2]:
            continue
        rows, hidden = recurrence.shape[1:]
        if not hidden or rows % hidden or rows // hidden not in GATES.values():
            continue
        place += 1
        bias = next((each for each in source[place : place + 1] if each.shape == (weight.shape[0], 2 * rows)), None)
        yield _Packed(weight, recurrence, bias)


def _stacks(network: Sequence[Parameter]) -> list[list[Layer]]:
    """The directions of each recurrent layer, forward first."""
    found: dict[str, list[Layer]] = defaultdict(list)
    for layer in layers_of(network):
        if layer.recurrent in GATES:
            found[layer.path.removesuffix("/forward").removesuffix("/backward")].append(layer)
    return [sorted(each, key=lambda layer: layer.reverse) for each in found.values()]


def _form_of(directions: Sequence[Layer]) -> _Form | None:
    shapes = dict(zip(directions[0].roles, (each.array.shape for each in directions[0].parameters), strict=True))
    if "input weight" not in shapes or "hidden weight" not in shapes:
        return None
    return _Form(*((len(directions), *shapes[role]) for role in ("input weight", "hidden weight")))


def _because(stacks: int, nodes: int, place: int) -> tuple[Confidence, str]:
    if nodes > stacks:
        return "ambiguous", "several operators have weights of these shapes: taken in order"
    if nodes == 1 and place == 0:
        return "certain", "no other operator has weights of these shapes"
    return "likely", "as many operators as layers have weights of these shapes: taken in order"


def _pairings(
    layer: Layer, index: int, packed: _Packed, because: tuple[Confidence, str], others: tuple[str, ...]
) -> Iterator[Pairing]:
    """The pairings of one direction; none for a bias that the node lacks."""
    kind = layer.recurrent or ""
    rows, hidden = packed.recurrence.shape[1:]
    confidence, reason = because
    order: tuple[Step, ...] = (gates(_ORDER[kind], hidden),) if GATES[kind] > 1 else ()
    places = {
        "input weight": (packed.weight, (reshape(rows, packed.weight.shape[2]),), "W"),
        "hidden weight": (packed.recurrence, (reshape(rows, hidden),), "R"),
        "input bias": (packed.bias, (reshape(2 * rows), slice_axis(0, 0, rows)), "first half of B"),
        "hidden bias": (packed.bias, (reshape(2 * rows), slice_axis(0, rows, 2 * rows)), "second half of B"),
    }
    for parameter, role in zip(layer.parameters, layer.roles, strict=True):
        tensor, steps, name = places.get(role, (None, (), ""))
        if tensor is not None:
            part = Part(tensor, (slice_axis(0, index, index + 1), *steps, *order))
            named = f"{name} of ONNX's {kind}{_NAMED[kind]}; {reason}"
            yield Pairing(parameter, (part,), confidence, named, others if confidence == "ambiguous" else ())
