"""Contents of a file of weights: its kind, and its tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.artifacts import LazyTensor
from converter.errors import ModelLoadingError, RuntimeIntegrityError
from converter.weights.layouts import Framework


@dataclass(frozen=True)
class Contents:
    """The tensors of a file.

    Attributes:
        kind: the kind of the file, as a phrase.
        tensors: by name, in the file's order.
        framework: whose layouts the tensors have, where the kind of the file says that.
        ordered: whether the order is that of the network; else it is only that of the names.
    """

    kind: str
    tensors: Mapping[str, LazyTensor]
    framework: Framework = ""
    ordered: bool = True


def contents(kind: str, *tensors: LazyTensor, framework: Framework = "", ordered: bool = True) -> Contents:
    """Create the contents of a file; of two tensors with the same name the first is used."""
    by_name: dict[str, LazyTensor] = {}
    for tensor in tensors:
        by_name.setdefault(tensor.array.name, tensor)
    return Contents(kind, by_name, framework, ordered)


def safely(file: Path, load: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """`load`, with errors of the library replaced by a `ModelLoadingError`."""

    def careful() -> np.ndarray:
        try:
            return np.asarray(load())
        except Exception as error:  # any error that a damaged file causes
            raise damaged(file, error) from error

    return careful


def damaged(file: Path, error: Exception) -> ModelLoadingError:
    """The error for a file that a library cannot read."""
    return ModelLoadingError(
        f"'{file}' is damaged, or not what its name says: {_first_line(error)}. Save or copy it again."
    )


def missing(what: str, package: str, extra: str, error: ImportError) -> RuntimeIntegrityError:
    """The error for a package that is needed to read `what` and is not installed."""
    return RuntimeIntegrityError(
        f'to read {what}, {package} is needed ({error}). Install it: pip install "onnx2mindspore[{extra}]"'
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:200].rstrip(". ")
