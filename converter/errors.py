"""What can go wrong, each with a code: every error that a user sees is one of these.

The codes are MindConverter's, continued. An error says what happened, to what, and what to do about it, in one or
two lines.
"""

from __future__ import annotations


class ConverterError(Exception):
    """An error with a code. `str(error)` is the line that the command prints on stderr."""

    code = "0000000"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"[{type(self).__name__}] code: {self.code}, msg: {self.message}"


class UnknownModelError(ConverterError):
    """The file is neither a frozen TensorFlow graph nor an ONNX model."""

    code = "0000001"


class ParamMissingError(ConverterError):
    """Something that the conversion needs was not given, such as an input that the chosen outputs need."""

    code = "0000002"


class BadParamError(ConverterError):
    """Something that was given does not fit the model: an unknown node, a shape of the wrong rank or count."""

    code = "0000003"


class ModelLoadingError(ConverterError):
    """The model file is missing, unreadable, truncated or invalid."""

    code = "1000001"


class TfRuntimeError(ConverterError):
    """TensorFlow or tf2onnx is missing, or refused the graph."""

    code = "1000002"


class RuntimeIntegrityError(ConverterError):
    """A package that the conversion needs is missing or does not fit the others."""

    code = "1000003"


class SourceRunError(ConverterError):
    """The source does not run on the given inputs, so that nothing can be compared with it."""

    code = "1000004"


class FileSaveError(ConverterError):
    """A file of the result could not be written."""

    code = "2000000"


class NodeInputTypeNotSupportError(FileSaveError):
    """An input of a node has a type that cannot be translated."""

    code = "2000001"


class ScriptGenerationError(FileSaveError):
    """The script could not be generated or written."""

    code = "2000002"


class ReportGenerationError(FileSaveError):
    """The report could not be written."""

    code = "2000003"


class CheckPointGenerationError(FileSaveError):
    """The checkpoint could not be written."""

    code = "2000004"


class WeightMapGenerationError(FileSaveError):
    """The weight map could not be written."""

    code = "2000005"


class OperatorMapError(ConverterError):
    """A table of operators (ours, or a file given by `--operator_map`) is malformed."""

    code = "3000001"
