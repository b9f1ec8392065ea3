"""Stored: where the tensors of files of weights lie in them, so that each can be read when its turn comes."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_LARGEST_HEADER = 100 * 1000**2
"""Bytes, as in the safetensors library."""
_TYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
_PLACE = "_place"


@dataclass(frozen=True)
class Place:
    """Where the bytes of a tensor lie.

    Attributes:
        file: the file, links resolved.
        offset: of the first byte.
        size: in bytes.
    """

    file: Path
    offset: int
    size: int


class NotStoredError(Exception):
    """A file whose tensors lie nowhere in one piece, such as one of torch before 1.6."""


def read_places(file: Path) -> Any:
    """What a file holds, as `torch.load` returns it; its tensors have no values, but a place (`place_of`).

    Raises:
        NotStoredError: a tensor does not lie there in one piece, or the file holds more than tensors.
    """
    try:
        if file.suffix == ".safetensors":
            return dict(_of_safetensors(file.resolve()))
        return _of_torch(file.resolve())
    except NotStoredError:
        raise
    except Exception as error:  # any error that a malformed file causes
        raise NotStoredError(f"{file.name}: {error}") from error


def place_of(tensor: torch.Tensor) -> Place | None:
    """Where a tensor of `read_places` lies; None for any other tensor."""
    return getattr(tensor, _PLACE, None)


def _of_safetensors(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > _LARGEST_HEADER:
            raise NotStoredError(f"{file.name} is no safetensors")
        header = json.loads(opened.read(length))
    end = file.stat().st_size
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, stop = (8 + length + offset for offset in about["data_offsets"])
        tensor = torch.empty(about["shape"], dtype=_TYPES[about["dtype"]], device="meta")
        if stop - start != _size(tensor) or stop > end:
            raise NotStoredError(f"{name} is not whole in {file.name}")
        yield name, _placed(tensor, Place(file, start, stop - start))


def _of_torch(file: Path) -> Any:
    """What `torch.save` wrote. Only numbers and tensors are read, no code is run."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._pytree import tree_map_only

    if not zipfile.is_zipfile(file):
        raise NotStoredError(f"{file.name} is of torch before 1.6")

    def placed(tensor: torch.Tensor) -> torch.Tensor:
        start = getattr(tensor.untyped_storage(), "_checkpoint_offset", None)
        if start is None or not tensor.is_contiguous():
            raise NotStoredError(f"a tensor of {file.name} does not lie in one piece")
        start += tensor.storage_offset() * tensor.element_size()
        bare = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        return _placed(bare, Place(file, start, _size(tensor)))

    with FakeTensorMode():
        found = torch.load(file, map_location="cpu", weights_only=True)
    return tree_map_only(torch.Tensor, placed, found)


def _placed(tensor: torch.Tensor, place: Place) -> torch.Tensor:
    setattr(tensor, _PLACE, place)
    return tensor


def _size(tensor: torch.Tensor) -> int:
    return math.prod(tensor.shape) * tensor.element_size()
