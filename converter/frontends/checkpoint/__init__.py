"""The frontend for checkpoints of TensorFlow 1: the network in the graph is frozen with the checkpoint's values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from converter.frontends.checkpoint.prefix import prefix_of
from converter.frontends.frontend import Frontend

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND", "prefix_of"]


def _recognises(path: Path, head: bytes) -> bool:
    return prefix_of(path) is not None


def _load(request: Request) -> Source:
    from converter.frontends.checkpoint import model

    return model.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from converter.frontends.checkpoint import model

    return model.run(original, feeds)


FRONTEND = Frontend(
    module=__name__,
    name="tensorflow",
    runtime="TensorFlow",
    kind="a TensorFlow 1 checkpoint with its .meta",
    suffixes=(".meta", ".index", ".data-00000-of-00001"),
    load=_load,
    run=_run,
    recognises=_recognises,
    packages=("tensorflow-cpu", "tf2onnx"),
)
