"""Writers: tensors as files that another framework loads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import BadParamError
from converter.frontends.tensorflow import import_tensorflow
from converter.weights.readers.contents import missing

FRAMEWORKS = ("torch", "tensorflow", "safetensors")
"""What `write` writes for."""

_TORCH_SUFFIXES = (".pth", ".pt", ".bin")


def check_output(framework: str, output: Path) -> None:
    """Check the suffix of a file that is to be written.

    Raises:
        BadParamError: it is not one of this framework's.
    """
    known = {"torch": _TORCH_SUFFIXES, "safetensors": (".safetensors",)}.get(framework)
    if known and output.suffix not in known:
        raise BadParamError(f"'{output}' does not fit --to {framework}. End it in {' or '.join(known)}.")


def write(framework: str, arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Write tensors.

    torch: a state dict by `torch.save`. safetensors: with the metadata that PyTorch's loaders expect. tensorflow: an
    `.npz` if the name ends so, else a checkpoint by names, whose prefix is the name: `file.index` and its data.

    Raises:
        RuntimeIntegrityError: the framework is not installed.
    """
    writers: Mapping[str, Callable[[Mapping[str, np.ndarray], Path], None]] = {
        "torch": _write_torch,
        "tensorflow": _write_tensorflow,
        "safetensors": _write_safetensors,
    }
    writers[framework](arrays, file)


def _write_torch(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    try:
        import torch
    except ImportError as error:
        raise missing(f"'{file.suffix}'", "PyTorch", "pytorch", error) from error

    def tensor(array: np.ndarray) -> Any:
        if array.dtype.name == "bfloat16":
            return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
        return torch.from_numpy(np.array(array, order="C"))

    torch.save({name: tensor(array) for name, array in arrays.items()}, file)


def _write_tensorflow(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    if file.suffix == ".npz":
        with file.open("wb") as stream:
            np.savez(stream, **arrays)
        return
    try:
        tf = import_tensorflow()
    except ImportError as error:
        raise missing("a TensorFlow checkpoint", "TensorFlow", "tensorflow", error) from error
    tensors = [tf.constant(array) for array in arrays.values()]
    tf.raw_ops.SaveV2(prefix=str(file), tensor_names=list(arrays), shape_and_slices=[""] * len(arrays), tensors=tensors)


def _write_safetensors(arrays: Mapping[str, np.ndarray], file: Path) -> None:
    from safetensors.numpy import save_file

    ordered = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    save_file(ordered, file, metadata={"format": "pt"})
