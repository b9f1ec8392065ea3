"""The frontend for SavedModels of TensorFlow: one signature, frozen, then translated as a frozen graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from converter.frontends.frontend import Frontend, Option

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND"]

_FILES = ("saved_model.pb", "saved_model.pbtxt")


def _recognises(path: Path, head: bytes) -> bool:
    """A folder with a SavedModel, or the file in it that describes it, which begins with its schema's version."""
    if path.is_dir():
        return any((path / name).is_file() for name in _FILES)
    return path.name in _FILES and head.startswith((b"\x08\x01\x12", b"saved_model_schema_version"))


def _load(request: Request) -> Source:
    from converter.frontends.saved_model import signature

    return signature.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from converter.frontends.saved_model import signature

    return signature.run(original, feeds)


FRONTEND = Frontend(
    module=__name__,
    name="tensorflow",
    runtime="TensorFlow",
    kind="a SavedModel folder",
    suffixes=(),
    load=_load,
    run=_run,
    recognises=_recognises,
    packages=("tensorflow-cpu", "tf2onnx"),
    options=(
        Option(
            "signature",
            "the signature of a SavedModel that is converted, or a function of it. Default: serving_default, or the "
            "only one",
            "NAME",
        ),
    ),
)
