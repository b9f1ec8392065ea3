"""Weights in several files: an index, `model.safetensors.index.json`, names the file of each tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from converter.base.shards import SUFFIX, files_in
from converter.errors import ModelLoadingError
from converter.weights.readers.contents import Contents, contents

_IN_A_FOLDER = (
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "model.safetensors",
    "pytorch_model.bin",
)
"""What a folder that `save_pretrained` wrote may hold, in the order of preference."""


def index_of(path: Path) -> Path | None:
    """The index that a path is, or the file of weights in a folder that it is."""
    if path.is_dir():
        return next((path / name for name in _IN_A_FOLDER if (path / name).is_file()), None)
    return path if path.name.endswith(SUFFIX) else None


def read_shards(index: Path, read: Callable[[Path], Contents]) -> Contents:
    """The tensors of all files that an index names; `read` reads one of them.

    Raises:
        ModelLoadingError: the index is malformed, or a tensor is not in the file where it should be.
    """
    files = _files_of(index)
    shards = {name: read(index.parent / name) for name in dict.fromkeys(files.values())}
    lacking = [name for name, file in files.items() if name not in shards[file].tensors]
    if lacking:
        raise ModelLoadingError(
            f"'{index.parent / files[lacking[0]]}' lacks '{lacking[0]}', which '{index.name}' says is there. "
            "Copy the files again."
        )
    first = next(iter(shards.values()))
    whole = contents(
        f"{first.kind}, {len(shards)} files", *(shards[file].tensors[name] for name, file in files.items())
    )
    return replace(whole, framework=first.framework, ordered=first.ordered)


def _files_of(index: Path) -> Mapping[str, str]:
    try:
        return files_in(index)
    except (OSError, ValueError) as error:
        raise ModelLoadingError(
            f"'{index}' is not an index of files of weights ({type(error).__name__}: {error}). Copy it again."
        ) from error
