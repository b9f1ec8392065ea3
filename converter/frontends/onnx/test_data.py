"""Real inputs and outputs of a model, as the ONNX zoo ships them: `test_data_set_0/input_0.pb`, a tensor in a file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from converter.frontends.source import Endpoint

FOLDER = "test_data_set_0"

_LARGEST = 1 << 30
"""Bytes of one file of test data that are read."""


def inputs_beside(file: Path, inputs: Sequence[Endpoint], own: Sequence[str], folder: Path) -> Path | None:
    """Write the real inputs that lie beside a model as an .npz file, by the names of the endpoints.

    Args:
        file: the model.
        inputs: the endpoints.
        own: the names of the model's inputs, in its order.
        folder: where the .npz file goes.

    Returns:
        The file; None if there is no test data, or it does not fit every endpoint.
    """
    arrays = dict(_arrays(file.parent / FOLDER, "input", own))
    if not inputs or not all(end.value in arrays and _fits(arrays[end.value], end) for end in inputs):
        return None
    written = folder / f"{FOLDER}.npz"
    _write(written, {end.name: arrays[end.value] for end in inputs})
    return written


def outputs_beside(file: Path, outputs: Sequence[Endpoint], own: Sequence[str], folder: Path) -> Path | None:
    """Write the outputs that were recorded for these inputs, of every endpoint that they fit, as an .npz file.

    The arguments are those of `inputs_beside`, for outputs. None if none fits.
    """
    arrays = dict(_arrays(file.parent / FOLDER, "output", own))
    fitting = {end.name: arrays[end.value] for end in outputs if end.value in arrays and _fits(arrays[end.value], end)}
    if not fitting:
        return None
    written = folder / f"{FOLDER}_outputs.npz"
    _write(written, fitting)
    return written


def _arrays(folder: Path, kind: str, own: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The inputs or outputs in the folder, by the name that each has in its file, else by its number."""
    matches = ((re.fullmatch(kind + r"_(\d+)\.pb", path.name), path) for path in _files(folder))
    for number, path in sorted((int(match[1]), path) for match, path in matches if match):
        try:
            tensor = onnx.TensorProto.FromString(path.read_bytes())
            array = None if tensor.external_data else onnx.numpy_helper.to_array(tensor)
        except Exception:  # a sequence, or a damaged file: random inputs serve
            continue
        if array is None:
            continue
        name = tensor.name if tensor.name in own else own[number] if number < len(own) else ""
        yield name, array


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_file() and path.stat().st_size <= _LARGEST]


def _fits(array: np.ndarray, end: Endpoint) -> bool:
    if array.dtype != end.dtype or array.dtype.kind not in "iufbc" or end.container:
        return False
    if end.shape is None:
        return True
    same_rank = len(end.shape) == array.ndim
    return same_rank and all(isinstance(d, str) or d == n for d, n in zip(end.shape, array.shape, strict=True))


def _write(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file; `np.savez` lacks some names, such as `file`."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(array.shape))
