"""What `torch.save` wrote: tensors in dictionaries and lists. No code of the file is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec
from converter.errors import ModelLoadingError
from converter.weights.readers.contents import Contents, contents, damaged, missing, safely
from converter.weights.readers.keras import zip_has

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params")
"""Keys under which training scripts keep the state of the network, beside that of the optimizer."""

_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` put before every name."""


def is_torch(path: Path, head: bytes) -> bool:
    """Whether a file is a zip archive that `torch.save` wrote."""
    return zip_has(path, head, "data.pkl") and not zip_has(path, head, "constants.pkl")


def read_torch(file: Path) -> Contents:
    """All tensors of a file, by their path in it: `state_dict.conv.weight`."""
    torch, state = _load(file)
    return contents("PyTorch state", *_tensors(torch, file, "", state), framework="torch")


def read_torch_weights(file: Path) -> Contents:
    """The tensors of the network in a file that may hold a whole training, by their names in the network."""
    torch, state = _load(file)
    found = list(_tensors(torch, file, "", _state_of(torch, state)))
    names = [tensor.array.name for tensor in found]
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in names) and names), ""):
        names = [name.removeprefix(prefix) for name in names]
    renamed = (
        LazyTensor(TensorSpec(name, tensor.array.shape, tensor.array.dtype), tensor.load)
        for name, tensor in zip(names, found, strict=True)
    )
    return contents("PyTorch state", *renamed, framework="torch")


def _load(file: Path) -> tuple[ModuleType, Any]:
    try:
        import torch
    except ImportError as error:
        raise missing(f"'{file.suffix}'", "PyTorch", "pytorch", error) from error
    try:
        return torch, torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # any error that a malformed file causes
        if isinstance(error, pickle.UnpicklingError) or "TorchScript" in str(error):
            raise ModelLoadingError(
                f"'{file}' holds more than tensors, and to read that would run code from the file. "
                "Save the weights alone: torch.save(model.state_dict(), file)."
            ) from error
        raise damaged(file, error) from error


def _state_of(torch: ModuleType, item: Any) -> Any:
    """The dictionary of the network's tensors in what a training script saved."""
    if not isinstance(item, Mapping):
        return item
    inner = [item[key] for key in _WRAPPERS if isinstance(item.get(key), Mapping) and _holds_tensors(torch, item[key])]
    if inner:
        return _state_of(torch, inner[0])
    return item


def _holds_tensors(torch: ModuleType, item: Any) -> bool:
    if isinstance(item, Mapping):
        return any(_holds_tensors(torch, inner) for inner in item.values())
    return isinstance(item, torch.Tensor)


def _tensors(torch: ModuleType, file: Path, name: str, item: Any) -> Iterator[LazyTensor]:
    if isinstance(item, torch.Tensor):
        dtype = str(item.dtype).removeprefix("torch.")
        yield LazyTensor(TensorSpec(name, tuple(item.shape), dtype), safely(file, partial(_array, torch, item)))
    elif isinstance(item, Mapping):
        for key, inner in item.items():
            yield from _tensors(torch, file, f"{name}.{key}" if name else str(key), inner)
    elif isinstance(item, list | tuple):
        for index, inner in enumerate(item):
            yield from _tensors(torch, file, f"{name}.{index}" if name else str(index), inner)


def _array(torch: ModuleType, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
