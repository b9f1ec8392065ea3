"""How far a quantised model is from its float network, on the inputs of verification."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.errors import ConverterError
from converter.frontends import Source, frontend_in


def rounding_note(quantised: Source, float_source: Source, feeds: Mapping[str, np.ndarray]) -> str:
    """Run both on the same inputs; one sentence for each output that tells how far they are apart.

    Args:
        quantised: the source that the user named.
        float_source: its float network, with the same inputs and outputs.
        feeds: `Endpoint.name` → array.
    """
    try:
        pairs = zip(_run(quantised, feeds), _run(float_source, feeds), strict=True)
        errors = [_error(*pair) for pair in pairs]
    except ConverterError as error:
        return (
            "The script is the float network of a quantised model; how far apart they are is not known: "
            f"{error.message}"
        )
    ends = [f"'{end.name}' by at most {error}" for end, error in zip(quantised.outputs, errors, strict=True)]
    return f"The script is the float network of a quantised model, from whose outputs it differs: {', '.join(ends)}."


def _run(source: Source, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return frontend_in(source.original.frontend).run(source.original, feeds)


def _error(one: np.ndarray, other: np.ndarray) -> str:
    """The largest difference, and the largest value that it is relative to."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    if not first.size:
        return "0"
    return f"{np.abs(first - second).max():.2g} of {np.abs(first).max():.3g}"
