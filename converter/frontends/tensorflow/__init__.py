"""The frontend for frozen TensorFlow graphs: cut at the endpoints, translated by tf2onnx, run by TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from converter.frontends.frontend import Frontend, Run
from converter.frontends.tensorflow.graph import read
from converter.frontends.tensorflow.runtime import import_tensorflow

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND", "import_tensorflow", "read"]


def _load(request: Request) -> Source:
    from converter.frontends.tensorflow import frozen_graph

    return frozen_graph.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return _start(original)(feeds)


def _start(original: Original) -> Run:
    from converter.frontends.tensorflow import frozen_graph

    return frozen_graph.start(original)


FRONTEND = Frontend(
    module=__name__,
    name="tensorflow",
    runtime="TensorFlow",
    kind="a frozen TensorFlow .pb",
    suffixes=(".pb",),
    load=_load,
    run=_run,
    start=_start,
    packages=("tensorflow-cpu", "tf2onnx"),
)
