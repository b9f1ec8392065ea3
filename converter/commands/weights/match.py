"""Match: write the checkpoint of a network of one's own from the weights of another framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter.artifacts import LazyTensor, TensorSpec, checkpoint, weight_map
from converter.base.calls import searched_first
from converter.base.stages import Stages
from converter.commands.weights.placing import check_suffix, placed
from converter.errors import WeightMatchError
from converter.weights import (
    Pairing,
    Parameter,
    Proposal,
    entries_of,
    framework_of,
    mapping_file,
    natural,
    network_of,
    parameters_from,
    parameters_of,
    propose,
    readers,
)

if TYPE_CHECKING:
    from mindspore import nn

    from converter.commands.weights.comparing import Comparison

OPEN = ("ambiguous", "missing")
"""Confidences with which no checkpoint is written."""


@dataclass(frozen=True)
class Settings:
    """The options of a match.

    Attributes:
        source: a file of any kind that `readers.read` knows.
        network: `PACKAGE.MODULE:CALLABLE[(literals)]`, which makes the network.
        output: the checkpoint, `.ckpt` or `.safetensors`.
        mapping: an edited mapping file; where it does not exist yet, the proposal is written there.
        partial: whether a checkpoint is written although parameters are left out.
        project_path: a folder to search modules in first.
        compare: what makes the source network, to run both on the same inputs; None not to.
        shape: of each input of the comparison.
        inputs: an `.npz` with the inputs of the comparison.
    """

    source: Path
    network: str
    output: Path
    mapping: Path | None = None
    partial: bool = False
    project_path: Path | None = None
    compare: str | None = None
    shape: Sequence[str] = ()
    inputs: Path | None = None


@dataclass(frozen=True)
class Matched:
    """What a match came to.

    Attributes:
        kind: the kind of the source, as a phrase.
        source: its tensors.
        network: the parameters.
        proposal: the pairings.
        comparison: of the network and its source; None if none was wanted.
        files: what was written.
        error: why no checkpoint was written; None where it was.
    """

    kind: str
    source: Sequence[TensorSpec]
    network: Sequence[Parameter]
    proposal: Proposal
    comparison: Comparison | None = None
    files: tuple[Path, ...] = ()
    error: WeightMatchError | None = None

    @property
    def undecided(self) -> tuple[Pairing, ...]:
        """The pairings that are ambiguous or missing."""
        return tuple(pairing for pairing in self.proposal.pairings if pairing.confidence in OPEN)


def match(settings: Settings, stages: Stages) -> Matched:
    """Match the tensors of a file with the parameters of a network, and write the checkpoint if everything fits.

    The checkpoint, its weight map and the mapping appear whole or not at all. A mapping to be edited is written where
    everything fits and only the choice is open, and in any case where a mapping file was named and did not exist.

    Raises:
        WeightMatchError: the mapping file does not fit.
        BadParamError: the mapping file, the call or the name of the output is malformed.
        ModelLoadingError, UnknownModelError, RuntimeIntegrityError: the source cannot be read, or the call raises.
        FileSaveError: the output cannot be written.
    """
    check_suffix(settings.output)
    with stages.stage("read"), ExitStack() as stack:
        contents = readers.read_weights(settings.source)
        for folder in (Path.cwd(), settings.project_path):
            stack.enter_context(searched_first(folder))
        cell = network_of(settings.network)
    names = list(contents.tensors) if contents.ordered else natural(contents.tensors)
    source = [contents.tensors[name].array for name in names]
    network = parameters_of(cell)
    with stages.stage("match"):
        if settings.mapping is not None and settings.mapping.exists():
            proposal = mapping_file.read(settings.mapping, source, network)
        else:
            framework = contents.framework or framework_of(names)
            proposal = propose(source, network, framework, ordered=contents.ordered)
    comparison = None
    if settings.compare is not None:
        with stages.stage("compare"):
            comparison = _compared(settings, cell, proposal, contents.tensors)
    found = Matched(contents.kind, source, network, proposal, comparison)
    return _written(settings, found, contents.tensors, stages)


def _compared(settings: Settings, cell: nn.Cell, proposal: Proposal, tensors: Mapping[str, LazyTensor]) -> Comparison:
    """Run both networks; guesses are included, since the result says whether they are right."""
    from converter.commands.weights.comparing import compare_networks

    assert settings.compare is not None
    values = {each.array.name: each for each in parameters_from(entries_of(proposal.pairings), tensors)}
    return compare_networks(cell, values, proposal.pairings, tensors, settings.compare, settings.shape, settings.inputs)


def _written(settings: Settings, found: Matched, tensors: Mapping[str, LazyTensor], stages: Stages) -> Matched:
    """The same match, with the files that it wrote, or the error for which it wrote no checkpoint."""
    output, name = settings.output, settings.output.stem
    text = mapping_file.text_of(found.proposal, f"{settings.source.name} ({found.kind})", settings.network)
    mapping = settings.mapping or output.with_name(f"mapping_of_{name}.toml")
    is_choice = {pairing.confidence for pairing in found.undecided} == {"ambiguous"} and not settings.partial
    files: list[Path] = []
    if not mapping.exists() and (settings.mapping is not None or is_choice):
        with placed(mapping) as waiting:
            waiting.write_text(text, encoding="utf-8", newline="\n")
        files.append(mapping)
    entries = entries_of(pairing for pairing in found.proposal.pairings if pairing.confidence not in OPEN)
    if not entries or (found.undecided and not settings.partial):
        return replace(found, files=tuple(files), error=_undecided(settings, found, mapping))
    with stages.stage("write"), placed(output) as waiting:
        checkpoint.save(parameters_from(entries, tensors), waiting, stages.each)
        beside = {f"weight_map_of_{name}.json": weight_map.text_of_entries(entries, name)}
        if not mapping.exists():  # it may hold changes of the user's
            beside[mapping.name] = text
        for file, content in beside.items():
            (waiting.parent / file).write_text(content, encoding="utf-8", newline="\n")
    return replace(found, files=(*files, output, *(output.parent / file for file in beside)))


def _undecided(settings: Settings, found: Matched, mapping: Path) -> WeightMatchError:
    counts = [
        f"{number} {confidence}"
        for confidence in OPEN
        if (number := sum(each.confidence == confidence for each in found.undecided))
    ]
    if settings.mapping is not None:
        remedy = f"Edit '{mapping}', and run the same command again."
    elif mapping.exists():
        remedy = f"Edit '{mapping}', and add --mapping {mapping}."
    else:
        remedy = f"Add --mapping {mapping}: the proposal is written there for you to edit."
    return WeightMatchError(
        f"{len(found.undecided)} of {len(found.network)} parameters of '{settings.network}' are open: "
        f"{', '.join(counts)}. No checkpoint was written. {remedy}",
        [_line(pairing) for pairing in found.undecided],
    )


def _line(pairing: Pairing) -> str:
    parameter = pairing.parameter.array
    line = f"{parameter.name} {mapping_file.shape_text(parameter.shape)}: {pairing.confidence}: {pairing.reason}"
    if pairing.parts:
        line += f": {' + '.join(map(mapping_file.part_text, pairing.parts))}"
    return line + (f"; or {', '.join(pairing.others)}" if pairing.others else "")
