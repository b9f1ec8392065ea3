"""Remap: write the checkpoint of a converted model from newer weights, by running the steps of its weight map again."""

from __future__ import annotations

import contextlib
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from converter.artifacts import Entry, LazyTensor, TensorSpec, checkpoint, weight_map
from converter.base.stages import Each, Stages
from converter.base.weight_steps import apply
from converter.commands.weights import match
from converter.commands.weights.rename import read_rules, renamed
from converter.errors import BadParamError, FileSaveError
from converter.weights import readers

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
    if output.suffix not in (".ckpt", ".safetensors"):
        raise BadParamError(f"'{output}' names no format. End it in .ckpt or .safetensors.")
    entries = weight_map.read(map_file)
    rules = read_rules(rename) if rename is not None else ()
    with stages.stage("read"):
        found = readers.read(source).tensors
        tensors = renamed(found, rules)
        earlier = readers.read_mindspore(base).tensors if base is not None else {}
    kept = {
        entry.converted.name: earlier[entry.converted.name]
        for entry in entries
        if entry.source.name not in tensors and _has(earlier, entry)
    }
    match.check(
        [entry for entry in entries if entry.converted.name not in kept],
        {name: tensor.array for name, tensor in tensors.items()},
        f"of {len(entries)} weights of '{map_file}' cannot be made from '{source}'",
        [f"--rename, line {rule.line}, matches no name" for rule in rules if not any(map(rule.apply, found))],
    )
    with stages.stage("write"):
        parameters = [LazyTensor(entry.converted, partial(_value, entry, tensors, kept)) for entry in entries]
        _save(parameters, output, stages.each)
    used = {entry.source.name for entry in entries}
    unused = (name for name, tensor in tensors.items() if name not in used and _may_be_weight(tensor.array))
    return Remapped(len(entries) - len(kept), tuple(kept), tuple(unused))


def _may_be_weight(array: TensorSpec) -> bool:
    """Whether a tensor can be a weight: floats of more than one element, so no counter and no scalar constant."""
    return "float" in array.dtype and math.prod(array.shape) > 1


def _has(checkpoint: Mapping[str, LazyTensor], entry: Entry) -> bool:
    """Whether a checkpoint has the entry's parameter with the same shape and type."""
    found = checkpoint.get(entry.converted.name)
    return found is not None and found.array == entry.converted


def _value(entry: Entry, tensors: Mapping[str, LazyTensor], kept: Mapping[str, LazyTensor]) -> np.ndarray:
    """The values of an entry's parameter: those of `kept`, else the steps run on the source's tensor.

    Raises:
        BadParamError: a step of the map does not fit the tensor.
    """
    if entry.converted.name in kept:
        return kept[entry.converted.name].load()
    array = tensors[entry.source.name].load()
    if array.dtype.name != entry.source.dtype:
        array = array.astype(entry.source.dtype)
    try:
        made = np.asarray(apply(entry.steps, array), order="C")
        if (made.shape, made.dtype.name) != (entry.converted.shape, entry.converted.dtype):
            raise ValueError(f"they make {made.dtype} {made.shape}")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadParamError(
            f"the steps that the weight map has for '{entry.converted.name}' do not fit: {error}. "
            "Translate the model again for a sound map."
        ) from error
    return made


def _save(parameters: Sequence[LazyTensor], output: Path, each: Each) -> None:
    """Write a checkpoint to a temporary folder beside `output`, then move it there.

    On failure the folders that were created for it are removed.
    """
    made = [folder for folder in (output.parent, *output.parent.parents) if not folder.exists()]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.stem}.", dir=output.parent) as staging:
            checkpoint.save(parameters, Path(staging) / output.name, each)
            (Path(staging) / output.name).replace(output)
    except BaseException as error:
        with contextlib.suppress(OSError):  # another process uses a folder
            for folder in made:
                folder.rmdir()
        if isinstance(error, OSError):
            reason = (error.strerror or str(error)).lower()
            raise FileSaveError(f"'{output}' cannot be written: {reason}. Choose another --output.") from error
        raise
