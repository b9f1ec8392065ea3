"""Remap: write the checkpoint of a converted model from newer weights, by running the steps of its weight map again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from converter.artifacts import Entry, LazyTensor, TensorSpec, checkpoint, weight_map
from converter.base.stages import Stages
from converter.base.state_names import matched
from converter.commands.weights import nearest
from converter.commands.weights.partitions import with_parts
from converter.commands.weights.placing import check_suffix, placed
from converter.commands.weights.rename import read_rules, renamed
from converter.weights import parameters_from, readers

_STATISTICS = re.compile(r"(running|moving)_(mean|var)")
"""Matches the names that frameworks give to the running statistics of a batch norm."""


@dataclass(frozen=True)
class Remapped:
    """The result of a remap.

    Attributes:
        made: the number of parameters that were computed from the source.
        kept: the parameters whose tensor the source lacks, taken from the base.
        unused: the tensors of the source that may be weights and from which no parameter was computed.
    """

    made: int
    kept: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def statistics(self) -> tuple[str, ...]:
        """The unused tensors that are statistics of a batch norm, which an exporter may have folded into a layer."""
        return tuple(name for name in self.unused if _STATISTICS.search(name))


def remap(
    map_file: Path, source: Path, output: Path, rename: Path | None, base: Path | None, stages: Stages
) -> Remapped:
    """Write the checkpoint `output`: run the weight map's steps on the tensors of `source`.

    Args:
        map_file: `weight_map_of_NAME.json`.
        source: a file of any kind that `readers.read` knows.
        output: `.ckpt` or `.safetensors`; it is written completely or not at all.
        rename: rules that match the source's names to those in the map.
        base: an earlier checkpoint; parameters whose tensor the source lacks are taken from it.
        stages: reports progress.

    Raises:
        WeightMatchError: the source's tensors do not fit the map; the details list every one.
        BadParamError: the map, the rules or the name of the output is malformed.
        ModelLoadingError, UnknownModelError, RuntimeIntegrityError: a file cannot be read.
        FileSaveError: the output cannot be written.
    """
    check_suffix(output)
    entries = weight_map.read(map_file)
    rules = read_rules(rename) if rename is not None else ()
    with stages.stage("read"):
        found = with_parts(readers.read(source).tensors, [entry.source for entry in entries])
        tensors = renamed(found, rules) if rules else _unwrapped(found, entries)
        earlier = readers.read_mindspore(base).tensors if base is not None else {}
    kept = {
        entry.converted.name: earlier[entry.converted.name]
        for entry in entries
        if entry.source.name not in tensors and _has(earlier, entry)
    }
    nearest.check(
        [entry for entry in entries if entry.converted.name not in kept],
        {name: tensor.array for name, tensor in tensors.items()},
        f"of {len(entries)} weights of '{map_file}' cannot be made from '{source}'",
        [f"--rename, line {rule.line}, matches no name" for rule in rules if not any(map(rule.apply, found))],
    )
    with stages.stage("write"), placed(output) as waiting:
        made = parameters_from([entry for entry in entries if entry.converted.name not in kept], tensors)
        parameters = {parameter.array.name: parameter for parameter in made} | kept
        names = dict.fromkeys(entry.converted.name for entry in entries)
        checkpoint.save([parameters[name] for name in names], waiting, stages.each)
    used = {entry.source.name for entry in entries}
    unused = (name for name, tensor in tensors.items() if name not in used and _may_be_weight(tensor.array))
    return Remapped(len(parameters) - len(kept), tuple(kept), tuple(unused))


def _unwrapped(found: Mapping[str, LazyTensor], entries: Sequence[Entry]) -> Mapping[str, LazyTensor]:
    """The tensors, under the names of the map where only a wrapper named them otherwise (`state_dict.module.…`)."""
    wanted = {entry.source.name: entry.source.shape for entry in entries}
    if all(name in found for name in wanted):
        return found
    names = matched({name: tensor.array.shape for name, tensor in found.items()}, wanted)
    taken = set(names.values())
    others = {name: tensor for name, tensor in found.items() if name not in taken}
    return {**others, **{name: found[other] for name, other in names.items()}}


def _may_be_weight(array: TensorSpec) -> bool:
    """Whether a tensor can be a weight: floats of more than one element, so no counter and no scalar constant."""
    return "float" in array.dtype and math.prod(array.shape) > 1


def _has(checkpoint: Mapping[str, LazyTensor], entry: Entry) -> bool:
    """Whether a checkpoint has the entry's parameter with the same shape and type."""
    found = checkpoint.get(entry.converted.name)
    return found is not None and found.array == entry.converted
