"""Inputs on which two networks are compared: a user's file, or seeded numbers of given shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from converter.errors import BadParamError, ParamMissingError
from converter.weights import Parameter

_BATCH = 2
_EXTENT = 16
"""For free extents that nobody gives a number: not 1, so that axes cannot be taken for each other."""


def inputs_for(
    network: Sequence[Parameter],
    shapes: Sequence[str],
    file: Path | None,
    known: Sequence[Sequence[int | None]] | None,
) -> list[np.ndarray]:
    """The inputs in their order, in MindSpore's order of axes.

    Floats are standard normal. Where the first layer of the network is an embedding, they are integers below the number
    of its rows.

    Args:
        network: the parameters of the network.
        shapes: what the user gave, `1,3,224,224` for each input.
        file: an `.npz` with the inputs in their order.
        known: the shapes that the source says itself, used where the user gave none.

    Raises:
        BadParamError: a shape or the file is malformed.
        ParamMissingError: nobody gives the shapes.
    """
    if file is not None:
        return _read(file)
    if shapes:
        extents = [_parsed(text) for text in shapes]
    elif known is not None:
        extents = [
            tuple(_BATCH if axis == 0 else _EXTENT if extent is None else extent for axis, extent in enumerate(shape))
            for shape in known
        ]
    else:
        raise ParamMissingError(
            "to compare, the networks need inputs. Add --shape 1,3,224,224 (one for each input, in MindSpore's order "
            "of axes), or --inputs FILE.npz."
        )
    generator = np.random.default_rng(0)
    rows = network[0].array.shape[0] if network and network[0].layer.startswith("Embedding") else None
    if rows is not None:
        return [generator.integers(0, rows, shape) for shape in extents]
    return [generator.normal(size=shape).astype(np.float32) for shape in extents]


def _parsed(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(extent) for extent in text.split(","))
    except ValueError as error:
        raise BadParamError(f"--shape {text} is no shape: write numbers with commas, 1,3,224,224.") from error
    if any(extent < 1 for extent in shape):
        raise BadParamError(f"--shape {text}: an extent is at least 1.")
    return shape


def _read(file: Path) -> list[np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = [archive[name] for name in archive.files]
        if not all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError("it holds something else than arrays")
        return arrays
    except (OSError, ValueError, AttributeError) as error:
        raise BadParamError(f"'{file}' is no .npz with arrays: {error}. Check --inputs.") from error
