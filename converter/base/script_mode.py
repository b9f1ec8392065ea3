"""Script mode: the stages in which PyTorch scripts become MindSpore scripts, and the files that come out."""

from __future__ import annotations

from converter.base.output import FileSet
from converter.base.stages import Failures
from converter.errors import BaseConverterError, GeneratorError, ModelLoadingError, ReportGenerationError

STAGES: Failures = {
    "read": ModelLoadingError,
    "rewrite": GeneratorError,
    "verify": BaseConverterError,
    "report": ReportGenerationError,
}

FILES = FileSet(output=("{}.ckpt", "{}.safetensors"), report=("scan_of_{}.csv", "weight_map_of_{}.json"))
