"""Files that hold tensors and nothing else: safetensors, NumPy's `.npz`, MindSpore's checkpoints; and ONNX models."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from converter.artifacts import LazyTensor, TensorSpec
from converter.base.files import names_in_zip
from converter.frontends import onnx
from converter.graph.normalize import tensors_of
from converter.weights.layouts import Framework
from converter.weights.readers.contents import Contents, contents, damaged, safely

_SAFETENSORS_TYPES = {
    "BOOL": "bool",
    "BF16": "bfloat16",
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
_FRAMEWORKS: dict[str, Framework] = {"pt": "torch", "ms": "mindspore", "tf": "tensorflow", "flax": "tensorflow"}
"""`format` in the metadata of a safetensors file → whose layouts the tensors have; Flax has those of TensorFlow."""


def is_safetensors(path: Path, head: bytes) -> bool:
    """Whether a file begins as safetensors: the length of a JSON header, and the header."""
    return len(head) > 9 and head[8:9] == b"{" and 2 < int.from_bytes(head[:8], "little") <= path.stat().st_size - 8


def read_safetensors(file: Path) -> Contents:
    """The tensors of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        archive = safe_open(file, framework="numpy")
        slices = {name: archive.get_slice(name) for name in archive.keys()}  # noqa: SIM118
        metadata = archive.metadata() or {}
    except SafetensorError as error:
        raise damaged(file, error) from error
    return contents(
        "safetensors",
        *(
            LazyTensor(
                TensorSpec(
                    name, tuple(piece.get_shape()), _SAFETENSORS_TYPES.get(piece.get_dtype(), piece.get_dtype())
                ),
                safely(file, partial(archive.get_tensor, name)),
            )
            for name, piece in slices.items()
        ),
        framework=_FRAMEWORKS.get(metadata.get("format", ""), ""),
        ordered=False,
    )


def is_npz(path: Path, head: bytes) -> bool:
    """Whether a file is a zip archive of arrays only."""
    names = names_in_zip(path) if head.startswith(b"PK") else []
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(file: Path) -> Contents:
    """The arrays of an `.npz`; only their headers are read at first, and pickled objects never."""
    found = []
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist():
                with archive.open(member) as stream:
                    version = npy.read_magic(stream)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read(stream)
                name = member.removesuffix(".npy")
                found.append(LazyTensor(TensorSpec(name, shape, dtype.name), safely(file, partial(_array, file, name))))
    except Exception as error:  # any error that a damaged file causes
        raise damaged(file, error) from error
    return contents("NumPy archive", *found)


def _array(file: Path, name: str) -> np.ndarray:
    with np.load(file, allow_pickle=False) as archive:
        return archive[name]


def read_mindspore_checkpoint(file: Path) -> Contents:
    """The parameters of a `.ckpt` of MindSpore's."""
    import mindspore as ms

    try:
        parameters = ms.load_checkpoint(str(file))
    except (ValueError, RuntimeError, TypeError) as error:
        raise damaged(file, error) from error
    if not all(isinstance(item, ms.Tensor) for item in parameters.values()):
        raise damaged(file, TypeError("a parameter is no tensor"))
    return contents(
        "MindSpore checkpoint",
        *(
            LazyTensor(TensorSpec(name, tuple(item.shape), str(item.dtype).lower()), item.asnumpy)
            for name, item in parameters.items()
        ),
        framework="mindspore",
    )


def read_onnx(file: Path) -> Contents:
    """The initializers and constants of an ONNX model, named as in weight maps, in the order in which they are read."""
    model = onnx.read(file)
    read = [name for node in model.graph.node for name in node.input]
    order = {name: place for place, name in reversed(list(enumerate(read)))}
    return contents(
        "ONNX model",
        *(
            LazyTensor(
                TensorSpec(tensor.name or "", tuple(tensor.shape.numpy()), tensor.dtype.numpy().name),
                safely(file, tensor.numpy),
            )
            for tensor in sorted(tensors_of(model, file.parent), key=lambda each: order.get(each.name, len(order)))
        ),
        framework="onnx",
    )
