"""Matching: from which tensors of a source the parameters of a network are to be taken.

Tensors and parameters are compared layer by layer: the layers of equal shapes by their names, then what is left one by
one. Every pairing says how sure it is and why; where several tensors fit and no name decides, it says that, and the
order of both lists is only a proposal. Nothing here reads a file or runs a network: names, shapes and types are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from converter.artifacts import TensorSpec
from converter.weights import names
from converter.weights.anchors import anchors
from converter.weights.assignment import Chosen, Side, assign
from converter.weights.attention import joined_or_cut
from converter.weights.drafts import Confidence, Draft
from converter.weights.fitting import fits_of
from converter.weights.layers import Group, Layer, groups_of, layers_of, single_groups, single_layers, without_slots
from converter.weights.layouts import AS_IT_IS, Framework
from converter.weights.orientation import oriented
from converter.weights.packed import unpacked
from converter.weights.pairing import Pairing, Part, Proposal
from converter.weights.recurrent import kind_of
from converter.weights.roles import Parameter

_NOTHING_FITS = "no tensor that is left has its shape and its role"
_RESET_BEFORE = (
    "the GRU of the source has one bias, so it resets before its product (reset_after=False), which MindSpore's GRU "
    "cannot compute"
)
_MOST_OTHERS = 5
_MOST_NEAREST = 2
_SURPLUS = 0.5
"""What a group of tensors loses that has more weights than the layer: a bias that the layer does not take."""


def propose(
    source: Sequence[TensorSpec], network: Iterable[Parameter], framework: Framework = "", *, ordered: bool = True
) -> Proposal:
    """Propose for every parameter of a network the tensors of a source that it is made of.

    Args:
        source: the tensors, in the source's order.
        network: the parameters, in the network's order.
        framework: decides between layouts of equal shapes: a square matrix of Keras is transposed.
        ordered: whether the source's order is that of its layers; else it says nothing.
    """
    network = list(network)
    tensors = without_slots(source)
    first = joined_or_cut(tensors, network, framework) + (unpacked(tensors, network) if framework == "onnx" else [])
    pairings = {pairing.parameter.array.name: pairing for pairing in first}
    used = {part.source.name for pairing in pairings.values() for part in pairing.parts}
    layers = layers_of(each for each in network if each.array.name not in pairings)
    drafts = _paired(layers, groups_of([each for each in tensors if each.name not in used]), ordered)
    used |= {draft.source.name for draft in drafts.values()}
    rest = single_groups(each for each in tensors if each.name not in used)
    drafts |= _paired([layer for layer in single_layers(layers) if layer.names.isdisjoint(drafts)], rest, ordered)
    in_order = [drafts[each.array.name] for each in network if each.array.name in drafts]
    pairings |= {draft.parameter.array.name: _pairing(draft) for draft in oriented(in_order, framework)}
    read = {part.source.name for pairing in pairings.values() for part in pairing.parts}
    unused = [tensor for tensor in source if tensor.name not in read]
    found = [pairings.get(each.array.name) or _missing(each, unused) for each in network]
    return Proposal(tuple(found), tuple(unused))


def _paired(layers: Sequence[Layer], groups: Sequence[Group], ordered: bool) -> dict[str, Draft]:
    """Drafts for the parameters of those layers that a group of tensors fits, by their names."""
    fits = fits_of(layers, groups)
    here = Side(names.compared([(layer.path, layer.kind) for layer in layers]), anchors(layers, ordered=True))
    there = Side(names.compared([(group.path, group.kind) for group in groups]), anchors(groups, ordered=ordered))
    handicaps = {pair: -_SURPLUS * (fit.surplus > 0) for pair, fit in fits.items()}
    drafts: dict[str, Draft] = {}
    for chosen in assign(handicaps, here, there):
        layer, group = layers[chosen.row], groups[chosen.column]
        others = [list(fits[chosen.row, other].choices(layer, groups[other])) for other in chosen.others[:_MOST_OTHERS]]
        confidence, reason = _confidence(chosen, layer.path == group.path)
        for index, choice in enumerate(fits[chosen.row, chosen.column].choices(layer, group)):
            instead = tuple(other[index].tensor.name for other in others)
            name = choice.parameter.array.name
            drafts[name] = Draft(choice.parameter, choice.tensor, choice.layouts, confidence, reason, instead)
    return drafts


def _confidence(chosen: Chosen, same_name: bool) -> tuple[Confidence, str]:
    if chosen.reason == "guess":
        return "ambiguous", "several tensors have this shape, and no name decides: taken in order"
    if same_name:
        return "certain", "the names are the same"
    if chosen.reason == "only":
        return "certain", "no other tensor has this shape"
    if chosen.reason == "numbers":
        return "likely", "the tensors of this shape are alike but for their numbers: taken in the order of these"
    return "likely", "of the tensors of this shape, this name is the most similar"


def _missing(parameter: Parameter, unused: Sequence[TensorSpec]) -> Pairing:
    """The pairing of a parameter without a tensor: the reason names the tensors that are left and called most alike."""
    names_of = names.compared([(parameter.array.name, ""), *((each.name, "") for each in unused)])
    alike = [
        (names.likeness(names_of[0].words, name.words) + (name.numbers == names_of[0].numbers), each)
        for name, each in zip(names_of[1:], unused, strict=True)
        if names_of[0].words & name.words
    ]
    if kind_of(parameter.layer) == "GRU" and parameter.leaf.startswith("bias"):
        single = [each for _, each in alike if each.shape == parameter.array.shape]
        if single:
            return Pairing(parameter, (), "missing", f"{_RESET_BEFORE}: {single[0].name}")
    nearest = [each for _, each in sorted(alike, key=lambda pair: -pair[0])[:_MOST_NEAREST]]
    listed = ", ".join(f"{each.name} ({', '.join(map(str, each.shape))})" for each in nearest)
    return Pairing(parameter, (), "missing", f"{_NOTHING_FITS}; nearest: {listed}" if listed else _NOTHING_FITS)


def _pairing(draft: Draft) -> Pairing:
    layout = draft.layouts[0]
    reason = draft.reason if layout.name == AS_IT_IS else f"{layout.name}; {draft.reason}"
    return Pairing(draft.parameter, (Part(draft.source, layout.steps),), draft.confidence, reason, draft.others)
