"""The frontend for ONNX files: checked, cut at the endpoints, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from converter.frontends.frontend import Frontend, Run
from converter.frontends.onnx.forms import FORMS, is_model
from converter.frontends.onnx.versions import ORT_IR_VERSION

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from converter.frontends.source import Original, Request, Source

__all__ = ["FRONTEND", "ORT_IR_VERSION", "read"]


def _load(request: Request) -> Source:
    from converter.frontends.onnx import model_file

    return model_file.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return _start(original)(feeds)


def _start(original: Original) -> Run:
    from converter.frontends.onnx import model_file

    return model_file.start(original)


def _fault_of(file: Path) -> str | None:
    from converter.frontends.onnx import diagnose

    return diagnose.fault_of(file)


def read(file: Path) -> onnx.ModelProto:
    """Parse a file and check its external data, which stays on disk.

    Raises:
        ModelLoadingError: the file, or one that holds its weights, is missing, unreadable or damaged.
    """
    from converter.frontends.onnx import external_data, reading

    model = reading.read(file)
    external_data.check_external_data(model, file.parent)
    return model


FRONTEND = Frontend(
    module=__name__,
    name="onnx",
    runtime="onnxruntime",
    kind="an .onnx model",
    suffixes=tuple(suffix for form in FORMS for suffix in form.suffixes),
    load=_load,
    run=_run,
    start=_start,
    recognises=is_model,
    suspect="normalisation",
    fault_of=_fault_of,
)
