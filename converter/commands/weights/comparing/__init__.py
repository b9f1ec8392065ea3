"""Comparing: the network of one's own and its source on the same inputs, output by output and layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.artifacts import LazyTensor
from converter.commands.weights.comparing.inputs import inputs_for
from converter.commands.weights.comparing.source_networks import Record, SourceNetwork, leaves, source_network
from converter.errors import ModelLoadingError, describe_unexpected
from converter.verification import Difference, difference
from converter.weights import Pairing, layer_of, made_by

if TYPE_CHECKING:
    from mindspore import nn

__all__ = ["Comparison", "LayerDifference", "compare_networks"]


@dataclass(frozen=True)
class LayerDifference:
    """One layer of the network that differs from its layer in the source.

    Attributes:
        layer: its path in the network.
        source: that of the layer in the source.
        difference: of its output.
    """

    layer: str
    source: str
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """The network and its source on the same inputs.

    Attributes:
        outputs: the difference of each output, in order.
        first: the first layer that differs, in the order in which the network computes; None if none does.
        layers: how many layers were compared.
        loaded: whether the source's weights were put into the source network; else it has those that the call gave it.
    """

    outputs: tuple[Difference, ...]
    first: LayerDifference | None
    layers: int
    loaded: bool

    @property
    def same(self) -> bool:
        """Whether all outputs are the same."""
        return all(each.verdict == "same" for each in self.outputs)


def compare_networks(
    cell: nn.Cell,
    values: Mapping[str, LazyTensor],
    pairings: Sequence[Pairing],
    source: Mapping[str, LazyTensor],
    call: str,
    shapes: Sequence[str] = (),
    file: Path | None = None,
) -> Comparison:
    """Run a network and its source on the same inputs, in PyNative mode.

    Args:
        cell: the network.
        values: its parameters, which are loaded into it.
        pairings: which layers belong together.
        source: the tensors of the source, which are loaded into the source network if it has just these.
        call: what makes the source network, `PACKAGE.MODULE:CALLABLE[(literals)]`.
        shapes: of the inputs, as the user gave them.
        file: an `.npz` with the inputs, as the user gave it.

    Raises:
        BadParamError, ParamMissingError: the call, the shapes or the file do not fit.
        ModelLoadingError: the call raises, or one of the two does not run on the inputs.
    """
    theirs = source_network(made_by(call), call)
    names = theirs.load(source)
    _load(cell, values)
    inputs = inputs_for([pairing.parameter for pairing in pairings], shapes, file, theirs.shapes())
    layers = _layers(pairings, names or {})
    recorded: dict[str, list[np.ndarray]] = {}

    def record(path: str, output: np.ndarray) -> None:
        recorded.setdefault(path.replace(".", "/"), []).append(output)

    wanted = _run(lambda: theirs.run(inputs, record), "the source refuses the inputs")
    computed: list[tuple[str, np.ndarray]] = []
    got = _run(
        lambda: _run_cell(cell, inputs, layers, lambda path, output: computed.append((path, output))),
        "the network refuses the inputs",
    )
    first, count = _first_difference(theirs, computed, layers, recorded)
    return Comparison(_outputs(got, wanted), first, count, names is not None)


def _outputs(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> tuple[Difference, ...]:
    if len(got) != len(wanted):
        return (Difference("differs", note=f"the network has {len(got)} outputs, the source {len(wanted)}"),)
    return tuple(difference(mine, _like(their, mine), "") for mine, their in zip(got, wanted, strict=True))


def _like(their: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """An output of the source in the order of axes of the network's: (N, L, C) of TensorFlow is (N, C, L).

    Axes of one element, as a convolution of 1 × 1 has them where the other network has a dense layer, do not count.
    """
    if their.shape == mine.shape:
        return their
    if [extent for extent in their.shape if extent != 1] == [extent for extent in mine.shape if extent != 1]:
        return their.reshape(mine.shape)
    turned = np.swapaxes(their, 1, 2) if their.ndim == 3 else their
    return turned if turned.shape == mine.shape else their


def _layers(pairings: Sequence[Pairing], names: Mapping[str, str]) -> dict[str, str]:
    """The layer of the source for each layer of the network that is made of one layer's tensors.

    `names` has the source network's names of the tensors, where these are others.
    """
    found: dict[str, set[str]] = {}
    for pairing in pairings:
        sources = {layer_of(names.get(part.source.name, part.source.name)) for part in pairing.parts}
        found.setdefault(layer_of(pairing.parameter.array.name).replace("/", "."), set()).update(sources)
    return {mine: next(iter(theirs)) for mine, theirs in found.items() if len(theirs) == 1}


def _first_difference(
    theirs: SourceNetwork,
    computed: Sequence[tuple[str, np.ndarray]],
    layers: Mapping[str, str],
    recorded: Mapping[str, list[np.ndarray]],
) -> tuple[LayerDifference | None, int]:
    """The first layer whose output differs, and the number of outputs that were compared up to there."""
    calls: dict[str, int] = {}
    count = 0
    for path, output in computed:
        call = calls[path] = calls.get(path, -1) + 1
        source = layers[path]
        outputs = recorded.get(source, [])
        if call >= len(outputs):
            continue
        count += 1
        want = _like(outputs[call], output)
        plain, finished = difference(output, want, ""), difference(theirs.finish(source, output), want, "")
        if "same" not in (plain.verdict, finished.verdict):
            return LayerDifference(path, source, finished), count
    return None, count


def _load(cell: nn.Cell, values: Mapping[str, LazyTensor]) -> None:
    import mindspore as ms

    parameters = {name: ms.Parameter(ms.Tensor(value.load()), name=name) for name, value in values.items()}
    ms.load_param_into_net(cell, parameters)
    cell.set_train(False)


def _run_cell(
    cell: nn.Cell, inputs: Sequence[np.ndarray], layers: Mapping[str, str], record: Record
) -> list[np.ndarray]:
    import mindspore as ms

    def hook(path: str) -> Callable[..., None]:
        return lambda layer, given, output: record(path, leaves(output)[0].asnumpy())

    handles = [layer.register_forward_hook(hook(path)) for path, layer in cell.cells_and_names() if path in layers]
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        result = cell(*map(ms.Tensor, inputs))
        return [leaf.asnumpy() for leaf in leaves(result)]
    finally:
        for handle in handles:
            handle.remove()


def _run(run: Callable[[], Any], what: str) -> Any:
    try:
        return run()
    except Exception as error:  # the user's code may raise any
        raise ModelLoadingError(f"{what}: {describe_unexpected(error)}. Check --shape or --inputs.") from error
