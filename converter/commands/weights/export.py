"""Export: take weights that were trained on in MindSpore back to the names and layouts of their source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.artifacts import Entry, LazyTensor, weight_map
from converter.base.stages import Stages
from converter.commands.weights.placing import placed
from converter.errors import WeightMatchError
from converter.weights import Inverted, NotInvertibleError, inverted, mapping_file, readers, writers

_COMPUTED = re.compile(r"val_\d+|onnx::\w+|/.*|const_fold_opt__\d+")
"""What the exporters of PyTorch and TensorFlow call a constant that they computed."""


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        made: how many tensors were computed from the checkpoint.
        kept: the tensors that were taken from the base, because the weight map does not name them.
        tied: tensors of the source that share their values with a tensor of the map, with that tensor.
        merged: second biases that were added to the first, because the source has one bias.
        computed: tensors of the map that are left out: an exporter made them, and the source has none of their names.
        unused: the parameters of the checkpoint that the weight map does not name.
    """

    made: int
    kept: tuple[str, ...]
    tied: tuple[tuple[str, str], ...]
    merged: tuple[str, ...]
    computed: tuple[str, ...]
    unused: tuple[str, ...]


def export(
    checkpoint: Path, map_file: Path, framework: str, output: Path, base: Path | None, stages: Stages
) -> Exported:
    """Write the tensors of a source from the parameters of a checkpoint, by the inverse of the weight map's steps.

    Args:
        checkpoint: `.ckpt`, `.safetensors`, or an index of files.
        map_file: `weight_map_of_NAME.json`.
        framework: torch, tensorflow or safetensors.
        output: the file to write; for TensorFlow an `.npz` or the prefix of a checkpoint.
        base: the source's own file: tensors that the map does not name are taken from it.
        stages: reports progress.

    Raises:
        WeightMatchError: a parameter is missing or has another shape, or a tensor cannot be computed; the details name
            every one.
        BadParamError: the map is malformed, or the output has another suffix than the framework's.
        ModelLoadingError, UnknownModelError, RuntimeIntegrityError: a file cannot be read, or a package is missing.
        FileSaveError: the output cannot be written.
    """
    writers.check_output(framework, output)
    entries = weight_map.read(map_file)
    with stages.stage("read"):
        parameters = readers.read_mindspore(checkpoint).tensors
        others = readers.read_weights(base).tensors if base is not None else {}
    what = f"'{checkpoint}' does not fit '{map_file}'"
    _refuse(_misfits(entries, parameters), what)
    with stages.stage("compute"):
        found = inverted(entries, parameters)
        arrays = _computed(found, what, stages)
        kept = {name: tensor.load() for name, tensor in others.items() if name not in arrays}
        tied = _tied(kept, arrays, others) | _named_tied(entries, arrays, others)
        computed = tuple(name for name in arrays if name not in others and _is_computed(name, framework, bool(others)))
        strange = [name for name in arrays if others and name not in (*others, *computed)]
        _refuse([f"'{base}' has no '{name}'" for name in strange], what)
    with stages.stage("write"), placed(output) as waiting:
        values = arrays | kept | {name: arrays[other] for name, other in tied.items()}
        names = [name for name in dict.fromkeys((*others, *values)) if name not in computed]
        writers.write(framework, {name: values[name] for name in names}, waiting)
    named = {entry.converted.name for entry in entries}
    unused = tuple(name for name in parameters if name not in named)
    made = len(arrays) - len(computed)
    return Exported(made, tuple(kept), tuple(tied.items()), found.merged, computed, unused)


def _is_computed(name: str, framework: str, has_base: bool) -> bool:
    """Whether a tensor of the map has the name of one that an exporter computed, such as a mask.

    PyTorch loads nothing of such a name; for the others it is left out only where the base lacks it.
    """
    return (has_base or framework == "torch") and _COMPUTED.fullmatch(name) is not None


def _misfits(entries: Sequence[Entry], parameters: Mapping[str, LazyTensor]) -> list[str]:
    """A line for each parameter of the map that a checkpoint lacks, or has in another shape."""
    problems = []
    for wanted in dict.fromkeys(entry.converted for entry in entries):
        found = parameters.get(wanted.name)
        if found is None:
            problems.append(f"{wanted.name} {mapping_file.shape_text(wanted.shape)} is missing")
        elif found.array.shape != wanted.shape:
            shapes = mapping_file.shape_text(found.array.shape), mapping_file.shape_text(wanted.shape)
            problems.append(f"{wanted.name} is {shapes[0]}, not {shapes[1]}")
    return problems


def _computed(found: Inverted, what: str, stages: Stages) -> dict[str, np.ndarray]:
    """The values of all tensors; what cannot be computed is named in one error."""
    arrays: dict[str, np.ndarray] = {}
    problems = []
    for tensor in stages.each(found.tensors):
        try:
            arrays[tensor.array.name] = tensor.load()
        except NotInvertibleError as error:
            problems.append(f"{tensor.array.name}: {error}")
    _refuse(problems, what)
    return arrays


def _refuse(problems: Sequence[str], what: str) -> None:
    if problems:
        raise WeightMatchError(f"{what}: {len(problems)} tensors cannot be taken back. Nothing was written.", problems)


def _named_tied(
    entries: Sequence[Entry], arrays: Mapping[str, np.ndarray], others: Mapping[str, LazyTensor]
) -> dict[str, str]:
    """The other names of tensors, as the map has them, with the name of the tensor; those that the base has, if any."""
    pairs = {name: entry.source.name for entry in entries for name in entry.tied}
    return {name: of for name, of in pairs.items() if name not in arrays and (not others or name in others)}


def _tied(
    kept: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray], others: Mapping[str, LazyTensor]
) -> dict[str, str]:
    """Tensors of the base that have the values of another one, which the map names: an output layer and an embedding.

    Vectors and constants are left out, which may be equal by chance.
    """
    found = {}
    for name, array in kept.items():
        if array.ndim < 2 or array.size == 0 or (array == array.flat[0]).all():
            continue
        equal = (
            other
            for other in arrays
            if other in others
            and others[other].array.shape == array.shape
            and np.array_equal(others[other].load(), array)
        )
        if (other := next(equal, None)) is not None:
            found[name] = other
    return found
