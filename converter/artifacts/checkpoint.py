"""Checkpoint: the network's parameters in a file that MindSpore loads.

The file is byte for byte the one that `mindspore.save_checkpoint` writes, but only one parameter at a time is loaded: a
model may be larger than memory. Formats: `mindspore/train/checkpoint.proto`, and safetensors' `format` page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.base import shards
from converter.base.stages import Each, Item
from converter.errors import BadParamError, CheckPointGenerationError
from converter.script import Program, Weight

Format = Literal["ckpt", "safetensors"]
LARGE = 2 * 1024**3
"""Size in bytes above which the checkpoint is written as safetensors: a ckpt is one protobuf message."""
SHARD = 4.0
"""Size in GB (10^9 bytes) above which safetensors are written in shards, and of the largest shard."""

_TYPES = {
    "uint64": ("UInt64", "U64"),
    "int64": ("Int64", "I64"),
    "float64": ("Float64", "F64"),
    "float32": ("Float32", "F32"),
    "uint32": ("UInt32", "U32"),
    "int32": ("Int32", "I32"),
    "bfloat16": ("BFloat16", "BF16"),
    "float16": ("Float16", "F16"),
    "uint16": ("UInt16", "U16"),
    "int16": ("Int16", "I16"),
    "int8": ("Int8", "I8"),
    "uint8": ("UInt8", "U8"),
    "bool": ("Bool", "BOOL"),
}
"""NumPy's name of an element type → MindSpore's and safetensors' names; tensors are stored in this order of types."""

_ORDER = {dtype: place for place, dtype in enumerate(_TYPES)}
_ENTRY = 128
"""Bytes of a parameter in the header of safetensors, its name aside."""
_PIECE = 512 * 1024**2
"""Maximum bytes of a parameter in one message; protobuf's own limit is 2 GB."""


@dataclass(frozen=True)
class Form:
    """What the user wants of a checkpoint.

    Attributes:
        format: None for the usual one.
        shard_size: of the largest file of safetensors, in GB; None for `SHARD`.
        dtype: the element type of the weights, and in which the network computes; None for that of the source.
    """

    format: Format | None = None
    shard_size: float | None = None
    dtype: Literal["float32", "float16", "bfloat16"] | None = None


def file_for(program: Program, name: str, wanted: Format | None = None, shard_size: float | None = None) -> str | None:
    """The name of the file that MindSpore loads the parameters from; None for a network without any.

    It is `NAME.ckpt` or `NAME.safetensors`: `wanted` if given; else ckpt, or safetensors when all parameters together
    exceed `LARGE`. Safetensors that exceed `shard_size` (GB, `SHARD` if None) come in shards; the file is their index.

    Raises:
        BadParamError: a ckpt is wanted in shards.
    """
    if wanted == "ckpt" and shard_size is not None:
        raise BadParamError("--shard_size divides safetensors; a .ckpt is one file. Omit --checkpoint_format ckpt.")
    sizes = [_nbytes(_spec(*parameter)) for parameter in program.parameters()]
    if not sizes:
        return None
    if wanted != "ckpt" and sum(sizes) > (shard_size or SHARD) * 1e9:
        return shards.INDEX
    return f"{name}.{wanted or ('safetensors' if sum(sizes) > LARGE else 'ckpt')}"


def write(program: Program, path: Path, each: Each = iter) -> None:
    """Write every parameter of the program, in the format of the path's suffix.

    `each` wraps the iteration over the parameters, to report progress.

    Raises:
        CheckPointGenerationError: the file cannot be written.
    """
    save(_lazy(program), path, each)


def write_shards(
    program: Program, shard_size: float | None, reserve: Callable[[int], Sequence[Path]], each: Each = iter
) -> Path:
    """Write every parameter of the program to shards, each layer after the one before it; returns their index.

    Args:
        program: the network.
        shard_size: of the largest shard, in GB; `SHARD` if None. A larger parameter has a shard of its own.
        reserve: where to write that many shards, then `param_name_map.json` and the index.
        each: as `write` takes it.

    Raises:
        CheckPointGenerationError: a file cannot be written.
    """
    groups = _grouped(_lazy(program), (shard_size or SHARD) * 1e9)
    *paths, name_map, index = reserve(len(groups))
    progress = iter(each([parameter for group in groups for parameter in group]))

    def counted(parameters: Collection[Item]) -> Iterator[Item]:
        for parameter in parameters:
            next(progress)
            yield parameter

    for group, path in zip(groups, paths, strict=True):
        save(group, path, counted)
    next(progress, None)  # all are done
    files = {parameter.array.name: path.name for group, path in zip(groups, paths, strict=True) for parameter in group}
    with _saving(index):
        name_map.write_text(shards.name_map_text(files), encoding="utf-8")
        size = sum(_nbytes(parameter.array) for group in groups for parameter in group)
        index.write_text(shards.index_text(files, size), encoding="utf-8")
    return index


def _lazy(program: Program) -> list[LazyTensor]:
    return [LazyTensor(_spec(name, weight), weight.array) for name, weight in program.parameters()]


def _spec(name: str, weight: Weight) -> TensorSpec:
    return TensorSpec(name, weight.shape, weight.dtype)


def _grouped(parameters: Sequence[LazyTensor], most: float) -> list[list[LazyTensor]]:
    """The parameters in groups of at most `most` bytes in a file, in their order."""
    groups: list[list[LazyTensor]] = []
    size = 0
    for parameter in parameters:
        added = _nbytes(parameter.array) + _ENTRY + 2 * len(parameter.array.name)
        if not groups or size + added > most:
            groups.append([])
            size = 0
        groups[-1].append(parameter)
        size += added
    return groups


def save(parameters: Sequence[LazyTensor], path: Path, each: Each = iter) -> None:
    """Write named parameters in the format of the path's suffix; only one of them at a time is in memory.

    Raises:
        CheckPointGenerationError: the file cannot be written.
    """
    write_to = _write_ckpt if path.suffix == ".ckpt" else _write_safetensors
    with _saving(path):
        with path.open("wb") as file:
            write_to(parameters, file, each)
        path.chmod(0o400)  # as MindSpore's save_checkpoint does


@contextmanager
def _saving(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckPointGenerationError(
            f"'{path.name}' cannot be written: {(error.strerror or str(error)).lower()}. "
            "Free some space, or choose another --output."
        ) from error


def _write_safetensors(parameters: Sequence[LazyTensor], file: BinaryIO, each: Each) -> None:
    """Write safetensors: a JSON header with the offsets of every tensor, then the tensors' bytes."""
    ordered = sorted(parameters, key=lambda parameter: (_ORDER[parameter.array.dtype], parameter.array.name))
    header: dict[str, object] = {"__metadata__": {"format": "ms"}}
    end = 0
    for array in (parameter.array for parameter in ordered):
        begin, end = end, end + _nbytes(array)
        dtype = _TYPES[array.dtype][1]
        header[array.name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for parameter in each(ordered):
        file.write(_bytes(parameter))


def _write_ckpt(parameters: Sequence[LazyTensor], file: BinaryIO, each: Each) -> None:
    """Write a ckpt: one protobuf message for every piece of a parameter.

    Protobuf merges concatenated messages, so that the file is one message with all parameters.
    """
    for parameter in each(parameters):
        array, data = parameter.array, _bytes(parameter)
        about = b"".join(b"\x08" + _varint(dim) for dim in array.shape) + _field(2, _TYPES[array.dtype][0].encode())
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            tensor = about + _prefix(3, len(piece))
            value = _field(1, array.name.encode()) + _prefix(2, len(tensor) + len(piece)) + tensor
            file.write(_prefix(1, len(value) + len(piece)) + value)
            file.write(piece)


def _bytes(parameter: LazyTensor) -> memoryview:
    """Load a parameter and return its bytes in C order.

    Raises:
        ValueError: the loaded array has another shape or element type than the parameter's `TensorSpec`.
    """
    array = np.asarray(parameter.load(), order="C")
    known = parameter.array
    if (array.shape, array.dtype.name) != (known.shape, known.dtype):
        raise ValueError(f"'{known.name}' is {array.dtype} {array.shape}, and not {known.dtype} {known.shape}")
    return array.reshape(-1).view(np.uint8).data


def _nbytes(array: TensorSpec) -> int:
    return math.prod(array.shape) * (2 if array.dtype == "bfloat16" else np.dtype(array.dtype).itemsize)


def _field(number: int, data: bytes) -> bytes:
    """Encode a protobuf field of type bytes."""
    return _prefix(number, len(data)) + data


def _prefix(number: int, size: int) -> bytes:
    """The tag and the length of a protobuf field of `size` bytes."""
    return bytes([number << 3 | 2]) + _varint(size)


def _varint(number: int) -> bytes:
    """Encode a number as a protobuf varint (base 128)."""
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
