"""Graph mode: the stages in which a graph becomes a script, and the files that come out."""

from __future__ import annotations

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

FILES = FileSet(output=("{}.py", "{}.ckpt", "{}.safetensors"), report=("weight_map_of_{}.json",))
