"""The frontend for models of Keras, `.keras` and `.h5`: traced in inference, then translated as a frozen graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.files import names_in_zip
from converter.frontends.frontend import Frontend
from converter.frontends.options import PROJECT_PATH, TRUST

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND"]

_HDF = b"\x89HDF\r\n\x1a\n"


def _recognises(path: Path, head: bytes) -> bool:
    """A file of HDF, or an archive with the members that Keras writes."""
    if head.startswith(_HDF):
        return True
    return head.startswith(b"PK") and {"config.json", "metadata.json"} <= set(names_in_zip(path))


def _load(request: Request) -> Source:
    from converter.frontends.keras import model

    return model.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from converter.frontends.keras import model

    return model.run(original, feeds)


FRONTEND = Frontend(
    module=__name__,
    name="keras",
    runtime="Keras",
    kind="a model of Keras (.keras, .h5)",
    suffixes=(".keras", ".h5", ".hdf5"),
    load=_load,
    run=_run,
    recognises=_recognises,
    packages=("tensorflow-cpu", "keras", "tf_keras", "tf2onnx"),
    options=(PROJECT_PATH, TRUST),
)
