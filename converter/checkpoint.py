"""Checkpoint: the network's parameters, as MindSpore loads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from converter.errors import CheckPointGenerationError
from converter.program import Program

Format = Literal["ckpt", "safetensors"]
LARGE = 2 * 1024**3
"""Above so many bytes the checkpoint is written as safetensors: a ckpt is one protobuf message."""


def format_for(program: Program, wanted: Format | None) -> Format:
    """Choose the format: as wanted, else ckpt, or safetensors when the parameters are large."""
    if wanted is not None:
        return wanted
    size = sum(weight.nbytes for _, weight in program.parameters())
    return "safetensors" if size > LARGE else "ckpt"


def write(program: Program, path: Path) -> None:
    """Write every parameter of the program, in the format that the suffix names.

    Raises:
        CheckPointGenerationError: the file cannot be written.
    """
    save(((name, weight.array()) for name, weight in program.parameters()), path)


def save(parameters: Iterable[tuple[str, np.ndarray]], path: Path) -> None:
    """Write parameters, by their names, in the format that the suffix names.

    Raises:
        CheckPointGenerationError: the file cannot be written.
    """
    import mindspore as ms
    from safetensors import SafetensorError

    entries = [{"name": name, "data": _tensor(array)} for name, array in parameters]
    try:
        ms.save_checkpoint(entries, str(path), format=path.suffix.removeprefix("."))
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise CheckPointGenerationError(
            f"'{path.name}' cannot be written: {reason}. Free some space, or choose another --output."
        ) from error


def _tensor(array: np.ndarray):  # type: ignore[no-untyped-def]
    import mindspore as ms

    if array.dtype.name == "bfloat16":
        return ms.Tensor(array.astype(np.float32), ms.bfloat16)
    return ms.Tensor(array)
