"""The frontend for ONNX files: checked, cut at the endpoints, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from converter.frontends.frontend import Frontend
from converter.frontends.onnx.versions import ORT_IR_VERSION

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND", "ORT_IR_VERSION", "read"]

_IR_VERSIONS = range(3, 64)
"""IR versions of ONNX files; not 1, since a `SavedModel` begins with the same bytes as a model of that version."""
_SECOND_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"
"""Protobuf's tags of the possible second fields: producer, domain, versions, doc string, graph, opsets."""


def _recognises(path: Path, head: bytes) -> bool:
    return len(head) > 2 and head[0] == 0x08 and head[1] in _IR_VERSIONS and head[2] in _SECOND_FIELDS


def _load(request: Request) -> Source:
    from converter.frontends.onnx import model_file

    return model_file.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from converter.frontends.onnx import model_file

    return model_file.run(original, feeds)


def _fault_of(file: Path) -> str | None:
    from converter.frontends.onnx import diagnose

    return diagnose.fault_of(file)


def read(file: Path) -> onnx.ModelProto:
    """Parse a file and check its external data, which stays on disk.

    Raises:
        ModelLoadingError: the file, or one that holds its weights, is missing, unreadable or damaged.
    """
    from converter.frontends.onnx import external_data, model_file

    model = model_file.read(file)
    external_data.check_external_data(model, file.parent)
    return model


FRONTEND = Frontend(
    module=__name__,
    name="onnx",
    runtime="onnxruntime",
    kind="an .onnx model",
    suffixes=(".onnx",),
    load=_load,
    run=_run,
    recognises=_recognises,
    suspect="normalisation",
    fault_of=_fault_of,
)
