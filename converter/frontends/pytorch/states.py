"""States: the tensors of a checkpoint, found in whatever was saved, and put into a module. It runs where torch is."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from converter.base.files import check_readable
from converter.base.state_names import Shapes, matched
from converter.errors import BadParamError, ModelLoadingError, WeightMatchError
from converter.frontends.pytorch.kinds import kind_of
from converter.frontends.pytorch.library_names import names_in_module, pieces_joined

State: TypeAlias = Mapping[str, torch.Tensor]

_IN_FOLDERS = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "*.index.json",
    "*.safetensors",
    "*.bin",
    "*.pth",
    "*.pt",
)
"""The files of weights in a folder, the first that is there counts."""

_SHOWN = 10
_COUNTERS = "num_batches_tracked"
"""Buffers that no computation reads; old checkpoints lack them."""


@dataclass(frozen=True)
class Found:
    """The weights of a module in a file or a folder.

    Attributes:
        state: the name of a weight in the module → its tensor.
        notes: sentences for the user.
        files: the files.
    """

    state: State
    notes: list[str]
    files: list[Path]


def load_weights(module: torch.nn.Module, path: Path, label: str, trust: bool) -> Found:
    """Put the weights of a file or a folder into a module.

    Raises:
        WeightMatchError: a weight of the module is missing, or has another shape; the details list them.
        ModelLoadingError: a file is missing or damaged.
        BadParamError: the file holds more than tensors, and may not run code.
    """
    files = files_of(path)
    found = find_weights(module, path, label, files, _read(files, trust))
    if not any(tensor.is_meta for tensor in module.state_dict().values()):
        module.load_state_dict(found.state, strict=False)
        return found
    own = [(owner, name, id(each)) for owner in module.modules() for name, each in owner._parameters.items()]
    module.load_state_dict(found.state, strict=False, assign=True)
    loaded = {key: owner._parameters[name] for owner, name, key in own if not _is_empty(owner._parameters[name])}
    for owner, name, key in own:  # what was one parameter is one again
        owner._parameters[name] = loaded.get(key, owner._parameters[name])
    return found


def _is_empty(parameter: torch.nn.Parameter | None) -> bool:
    return parameter is None or parameter.is_meta


def find_weights(module: torch.nn.Module, path: Path, label: str, files: list[Path], content: Any) -> Found:
    """Find the weights of a module in what the files of `path` hold.

    Raises:
        WeightMatchError: a weight of the module is missing, or has another shape; the details list them.
        ModelLoadingError: they hold no tensors.
    """
    states = dict(tables_in(content))
    if not states:
        raise ModelLoadingError(f"'{path}' holds no tensors. Name a file with a state_dict().")
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    pairs = {place: _pairs(state, wanted) for place, state in states.items()}
    place = max(pairs, key=lambda place: len(pairs[place]))
    if len(states) > 1 and len(pairs[place]) < len(wanted):  # a table for each part of the module
        whole = dict(_flattened(content))
        if len(names := _pairs(whole, wanted)) > len(pairs[place]):
            place, states, pairs = "", {"": whole}, {"": names}
    state, names = states[place], pairs[place]
    missing = _missing(module, names)
    if missing and (renamed := names_in_module(module, state)):
        state = pieces_joined(module, {renamed[name]: tensor for name, tensor in state.items()})
        names = _pairs(state, wanted)
        missing = _missing(module, names)
    unexpected = [name for name in state if name not in names.values()]
    if missing:
        raise WeightMatchError(
            f"'{path.name}' lacks {len(missing)} of the {len(wanted)} weights of '{label}'.",
            [*_lines("missing", missing, wanted), *_lines("not used", unexpected, {n: state[n].shape for n in state})],
        )
    notes = list(_notes(path, place, pairs, unexpected))
    return Found({name: state[other] for name, other in names.items()}, notes, files)


def _notes(path: Path, place: str, pairs: Mapping[str, Mapping[str, str]], unexpected: Sequence[str]) -> Iterator[str]:
    equal = [other for other, names in pairs.items() if other != place and len(names) == len(pairs[place])]
    if equal:
        yield f"'{path.name}' holds several states that fit; '{place}' was taken, not '{_listed(equal)}'."
    if unexpected:
        yield f"{len(unexpected)} tensor(s) of '{path.name}' belong to no weight of the module: {_listed(unexpected)}."


def _missing(module: torch.nn.Module, names: Mapping[str, str]) -> list[str]:
    """The weights without a counterpart; not those that share their memory with another weight, nor counters."""
    everything = module.state_dict(keep_vars=True)
    present = {id(tensor) for name, tensor in everything.items() if name in names}
    return [
        name
        for name, tensor in everything.items()
        if name not in names and id(tensor) not in present and not name.endswith(_COUNTERS)
    ]


def _lines(what: str, names: Sequence[str], shapes: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for name in names[:_SHOWN]:
        yield f"{what}: {name} ({', '.join(map(str, shapes[name]))})"
    if len(names) > _SHOWN:
        yield f"{what}: {len(names) - _SHOWN} more"


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")


def _pairs(state: State, wanted: Shapes) -> dict[str, str]:
    return matched({name: tuple(tensor.shape) for name, tensor in state.items()}, wanted)


def tables_in(item: Any, place: str = "") -> Iterator[tuple[str, State]]:
    """Every dictionary of tensors in nested dictionaries, by its path: `state_dict`, `model`."""
    if isinstance(item, torch.nn.Module):
        item = item.state_dict()
    if not isinstance(item, Mapping):
        return
    own = {str(key): value for key, value in item.items() if isinstance(value, torch.Tensor)}
    if own:
        yield place, own
    for key, value in item.items():
        yield from tables_in(value, f"{place}.{key}" if place else str(key))


def _flattened(item: Any, place: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors in nested dictionaries, by their paths."""
    for table, state in tables_in(item, place):
        for name, tensor in state.items():
            yield (f"{table}.{name}" if table else name), tensor


def files_of(path: Path) -> list[Path]:
    """The files with the tensors: of an index or of a folder, its shards.

    Raises:
        ModelLoadingError: one of them is missing.
    """
    if path.is_dir():
        inside = (sorted(path.glob(pattern)) for pattern in _IN_FOLDERS)
        found = next(filter(None, inside), None)
        if not found:
            raise ModelLoadingError(f"'{path}' has no file of weights (.safetensors, .bin, .pth). Name the file.")
        path = found[0]
    check_readable(path)
    if not path.name.endswith(".index.json"):
        return [path]
    try:
        shards = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelLoadingError(f"'{path}' is no index of shards: it has no 'weight_map'.") from error
    files = [path.parent / shard for shard in shards]
    for file in files:
        check_readable(file)
    return [path, *files]


def _read(files: Sequence[Path], trust: bool) -> Any:
    return joined(files, lambda file: read_file(file, trust))


def joined(files: Sequence[Path], read: Callable[[Path], Any]) -> Any:
    """What the files hold, an index left out; the tensors of shards together."""
    parts = [read(file) for file in files if not file.name.endswith(".index.json")]
    return parts[0] if len(parts) == 1 else {name: tensor for part in parts for name, tensor in part.items()}


def read_file(file: Path, trust: bool) -> Any:
    """What a file holds: tensors by name, those of TorchScript and exported programs too, or what `torch.save` wrote.

    Raises:
        BadParamError: it holds objects of other classes than tensors, and may not run code.
        ModelLoadingError: it is damaged.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        kind = kind_of(file)
        if kind == "script":
            return torch.jit.load(file, map_location="cpu").state_dict()
        if kind == "program":
            return torch.export.load(file).state_dict
        mmap = zipfile.is_zipfile(file)
        return torch.load(file, map_location="cpu", weights_only=not trust, mmap=mmap)
    except ImportError as error:
        raise BadParamError(
            f"'{file.name}' needs the module '{error.name}', which its code lies in. Give its folder: --project_path."
        ) from error
    except AttributeError as error:
        raise BadParamError(
            f"'{file.name}' holds an object whose class is not where it was: {error}. Save the state_dict() instead, "
            "and name the code that makes the module: --model PACKAGE.MODULE:CLASS --weights FILE."
        ) from error
    except pickle.UnpicklingError as error:
        if trust:
            raise ModelLoadingError(f"'{file.name}' is damaged: {error}. Save or copy it again.") from error
        raise BadParamError(
            f"'{file.name}' holds more than tensors{_classes(file)}: to load it runs code of the file. If you trust "
            "who made it, add --trust; else save the state_dict() alone."
        ) from error
    except Exception as error:  # any error that a malformed file causes
        raise damaged(file, error) from error


def damaged(file: Path, error: Exception) -> ModelLoadingError:
    """The error for a file that torch cannot read."""
    text = " ".join(str(error).split())[:200]
    with file.open("rb") as stream:
        is_cut = stream.read(4) == b"PK\3\4" and not zipfile.is_zipfile(file)
    text = "the end of the file is missing" if is_cut else text
    return ModelLoadingError(f"'{file.name}' is damaged, or not what its name says: {text}. Save or copy it again.")


def _classes(file: Path) -> str:
    """` (mynet.nets.ResNet, …)`: what the file would call."""
    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # a file from before torch 1.6
        return ""
    return f" ({_listed(names)})" if names else ""
