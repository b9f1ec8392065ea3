"""The frontend for TensorFlow Lite: translated by tf2onnx, cut as ONNX, run by TensorFlow Lite's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from converter.frontends.frontend import Frontend

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND"]


def _recognises(path: Path, head: bytes) -> bool:
    """The identifier of the flatbuffer's schema."""
    return head[4:8] == b"TFL3"


def _load(request: Request) -> Source:
    from converter.frontends.tflite import model

    return model.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from converter.frontends.tflite import model

    return model.run(original, feeds)


FRONTEND = Frontend(
    module=__name__,
    name="tflite",
    runtime="TensorFlow Lite",
    kind="a .tflite model",
    suffixes=(".tflite",),
    load=_load,
    run=_run,
    recognises=_recognises,
    packages=("tensorflow-cpu", "tf2onnx"),
)
