"""Graph mode: the stages in which a graph becomes a script, and the files that come out."""

from __future__ import annotations

from typing import Literal

from converter.base.output import FileSet
from converter.base.stages import Failures
from converter.errors import (
    BaseConverterError,
    CheckPointGenerationError,
    GeneratorError,
    GraphInitError,
    ReportGenerationError,
    ScriptGenerationError,
    SubGraphSearchingError,
)

STAGES: Failures = {
    "load": GraphInitError,
    "normalize": GraphInitError,
    "fuse operators": SubGraphSearchingError,
    "translate": GeneratorError,
    "structure": SubGraphSearchingError,
    "emit": ScriptGenerationError,
    "checkpoint": CheckPointGenerationError,
    "verify": BaseConverterError,
    "report": ReportGenerationError,
}

EDGES: Literal["none", "report", "fail"] = "report"
"""Whether verification tries edge inputs, if the user does not say it."""

FILES = FileSet(
    output=("{}.py", "{}.ckpt", "{}.safetensors", "train_{}.py", "train_{}.ckpt", "prove_{}.py", "{}_reference.npz"),
    report=("weight_map_of_{}.json",),
)

ONNX_FILES = FileSet(output=("{}.onnx", "{}.onnx.data"), reports=False)
"""The files of `--onnx_only`: the normalised model, and its weights where they are too large for one file."""

FILES_AND_ONNX = FileSet(output=(*FILES.output, *ONNX_FILES.output), report=FILES.report)
"""The files of `--keep_onnx`."""

INSPECTION_FILES = FileSet(output=(), report=("inspection_of_{}.html", "inspection_of_{}.json"), reports=False)
"""The files of `--inspect`."""
