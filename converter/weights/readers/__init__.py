"""Readers: the tensors of a file of any kind, with names, shapes and element types. No code of a file is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from converter.base.files import check_readable
from converter.base.kinds import Recognises, by_suffix_only, kind_of
from converter.errors import UnknownModelError
from converter.frontends import onnx
from converter.weights.readers.archives import (
    is_npz,
    is_safetensors,
    read_mindspore_checkpoint,
    read_npz,
    read_onnx,
    read_safetensors,
)
from converter.weights.readers.contents import Contents
from converter.weights.readers.keras import HDF5, is_keras, read_hdf5, read_keras
from converter.weights.readers.shards import index_of, read_shards
from converter.weights.readers.tensorflow import prefix_of, read_checkpoint, read_checkpoint_weights, read_frozen_graph
from converter.weights.readers.torch_state import is_torch, read_torch, read_torch_weights

__all__ = ["Contents", "read", "read_mindspore", "read_weights"]

_KINDS = (
    ".onnx, .pb, .pt, .pth, .bin, .safetensors, an .index.json with its files, .keras, .h5, .npz, .ckpt, "
    "or a TensorFlow checkpoint (its prefix, .index or folder)"
)


@dataclass(frozen=True)
class _Reader:
    """One kind of file that holds weights.

    Attributes:
        suffixes: of its files.
        read: reads names, shapes and types.
        recognises: whether a path is of this kind, whatever its name.
        read_weights: likewise, but only the network's weights where a file holds a whole training.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path], Contents]
    recognises: Recognises = by_suffix_only
    read_weights: Callable[[Path], Contents] | None = None


_READERS = (
    _Reader((), read_checkpoint, lambda path, head: prefix_of(path) is not None, read_checkpoint_weights),
    _Reader((".keras",), read_keras, is_keras),
    _Reader((".pt", ".pth", ".bin"), read_torch, is_torch, read_torch_weights),
    _Reader((".npz",), read_npz, is_npz),
    _Reader((".h5", ".hdf5"), read_hdf5, lambda path, head: head.startswith(HDF5)),
    _Reader((".safetensors",), read_safetensors, is_safetensors),
    _Reader((".onnx",), read_onnx, onnx.FRONTEND.recognises),
    _Reader((".pb",), read_frozen_graph),
    _Reader((".ckpt",), read_mindspore_checkpoint),
)


def read(file: Path) -> Contents:
    """Read the names, shapes and types of a file's tensors. Their values are read later, or memory-mapped, if possible.

    Raises:
        UnknownModelError: no file of a kind that holds tensors.
        ModelLoadingError: the file is missing, unreadable or damaged.
        GraphInitError: an ONNX model that is no graph.
        RuntimeIntegrityError: TensorFlow, torch or h5py is needed and missing.
    """
    return _read(file, weights_only=False)


def read_weights(file: Path) -> Contents:
    """Likewise, but of a file that holds a whole training only the network's weights, by their names in the network.

    Raises:
        UnknownModelError, ModelLoadingError, GraphInitError, RuntimeIntegrityError: as `read`.
    """
    return _read(file, weights_only=True)


def read_mindspore(file: Path) -> Contents:
    """The parameters of a checkpoint of MindSpore's, `.ckpt`, `.safetensors`, or shards: their index, or their folder.

    Raises:
        UnknownModelError, ModelLoadingError: as `read`.
    """
    if index_of(file) is not None:
        return read(file)
    if file.suffix not in (".ckpt", ".safetensors"):
        raise UnknownModelError(f"'{file}' is no checkpoint of MindSpore's: name a .ckpt or a .safetensors.")
    check_readable(file)
    return read_mindspore_checkpoint(file) if file.suffix == ".ckpt" else read(file)


def _read(file: Path, *, weights_only: bool) -> Contents:
    index = index_of(file)
    if index is not None and index.suffix == ".json":
        check_readable(index)
        return read_shards(index, lambda shard: _read(shard, weights_only=weights_only))
    file = index or file
    reader = kind_of(file, _READERS)
    if reader is None:
        if not file.exists():
            check_readable(file)
        raise UnknownModelError(f"'{file}' is of no kind that is read: {_KINDS}.")
    if reader.suffixes:
        check_readable(file)
    return (reader.read_weights or reader.read)(file) if weights_only else reader.read(file)
