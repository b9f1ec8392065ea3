"""Checkpoint: the network's parameters in a file that MindSpore loads.

The file is byte for byte the one that `mindspore.save_checkpoint` writes, but only one parameter at a time is loaded: a
model may be larger than memory. Formats: `mindspore/train/checkpoint.proto`, and safetensors' `format` page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.base.stages import Each
from converter.errors import CheckPointGenerationError
from converter.script import Program

Format = Literal["ckpt", "safetensors"]
LARGE = 2 * 1024**3
"""Size in bytes above which the checkpoint is written as safetensors: a ckpt is one protobuf message."""

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
_PIECE = 512 * 1024**2
"""Maximum bytes of a parameter in one message; protobuf's own limit is 2 GB."""


def format_for(program: Program, wanted: Format | None) -> Format:
    """Choose the format: `wanted` if given; else ckpt, or safetensors when all parameters together exceed `LARGE`."""
    if wanted is not None:
        return wanted
    size = sum(weight.nbytes for _, weight in program.parameters())
    return "safetensors" if size > LARGE else "ckpt"


def write(program: Program, path: Path, each: Each = iter) -> None:
    """Write every parameter of the program, in the format of the path's suffix.

    `each` wraps the iteration over the parameters, to report progress.

    Raises:
        CheckPointGenerationError: the file cannot be written.
    """
    weights = program.parameters()
    save(
        [LazyTensor(TensorSpec(name, weight.shape, weight.dtype), weight.array) for name, weight in weights], path, each
    )


def save(parameters: Sequence[LazyTensor], path: Path, each: Each = iter) -> None:
    """Write named parameters in the format of the path's suffix; only one of them at a time is in memory.

    Raises:
        CheckPointGenerationError: the file cannot be written.
    """
    write_to = _write_ckpt if path.suffix == ".ckpt" else _write_safetensors
    try:
        with path.open("wb") as file:
            write_to(parameters, file, each)
        path.chmod(0o400)  # as MindSpore's save_checkpoint does
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
