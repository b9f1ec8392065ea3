"""Errors: every error that a user sees is an instance of one of these classes, and each class has a code.

The codes continue MindConverter's. A message says in one or two lines what happened, to which file, node or option, and
what the user can do. `docs/errors.md` is generated from this module: a class's docstring is the meaning of its code.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import ClassVar

REPORT_IT = "Nothing was written. Please report it with the traceback, which --verbose shows."
"""The end of the message of an unexpected error."""


def describe_unexpected(error: Exception) -> str:
    """The class and the message, on one line, of an exception that is not a ConverterError."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".: ")


def visible(text: str) -> str:
    """The text on one line, characters that control a terminal or the direction of writing by number: `<U+202E>`.

    Names and comments of a model may have such characters; no report shows them as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else f"<U+{ord(c):04X}>" for c in text)


class ConverterError(Exception):
    """An error with a code. `str(error)` is the line that the command prints on stderr.

    Attributes:
        code: seven digits; the first is the family.
        example: a message of this class, as it is printed after `msg:`.
        remedy: what a user can do about any error of this class.
        exit_status: of a command that ends with this error.
        message: what happened, to which file, node or option, and what the user can do.
        details: further lines, printed below the message when several things are wrong at once.
        expected: whether the program raised the error itself; else `__cause__` is an exception of another class, and
            the error reports a defect of the program.
    """

    code: ClassVar[str]
    example: ClassVar[str]
    remedy: ClassVar[str]
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, details: Sequence[str] = (), *, expected: bool = True) -> None:
        super().__init__(message)
        self.message = visible(" ".join(message.split()))
        self.details = tuple(details)
        self.expected = expected

    def __str__(self) -> str:
        return f"[{type(self).__name__}] code: {self.code}, msg: {self.message}"


def meaning(kind: type[ConverterError]) -> str:
    """The meaning of a class of errors: its docstring, as one paragraph."""
    return " ".join((kind.__doc__ or "").split())


class BaseConverterError(ConverterError):
    """An unexpected error: a defect of this program, or the machine is out of memory."""

    code = "0000000"
    example = "ValueError: odd. Nothing was written. Please report it with the traceback, which --verbose shows."
    remedy = "Report it, with what `--verbose` prints."


class UnknownModelError(ConverterError):
    """The file is not of a kind that the command reads."""

    code = "0000001"
    example = (
        "'net.mlmodel' is neither an .onnx model, a frozen TensorFlow .pb, a SavedModel folder, a TensorFlow 1 "
        "checkpoint with its .meta, a model of Keras (.keras, .h5), a .tflite model nor a PyTorch module. Export the "
        "model to one of these and name that file."
    )
    remedy = "Export the model to ONNX, or freeze it, and name that file."


class ParamMissingError(ConverterError):
    """Something that the conversion needs was not given, such as an input that the chosen outputs need."""

    code = "0000002"
    example = (
        "the outputs 'scores' need the input(s) 'features', which --input_nodes does not list. "
        "Add it, or cut behind the node that reads 'features': the Add that makes 'sum'."
    )
    remedy = "Add what the message names to the command."


class BadParamError(ConverterError):
    """Something that was given does not fit: an unknown node, a shape of the wrong rank or count, a malformed file."""

    code = "0000003"
    example = (
        "--shape has 1 shape(s) for 2 input(s). Give one for each, separated by spaces, in the order "
        "'features', 'mask'; - takes the model's own."
    )
    remedy = "Correct the option that the message names."


class FixedAxisError(ConverterError):
    """An axis that a letter of `--shape` frees is fixed in the model, and a node works on it as a whole."""

    code = "0000004"
    example = (
        "the axis 'N', which the model fixes at 1, cannot be freed: the Softmax 'scores' works along it (axis 0 of its "
        "input). Export the model again with this axis free, or give 1 instead of N."
    )
    remedy = "Export the model again with the axis free (`dynamic_shapes` in PyTorch), or give its number."


class GraphInitError(ConverterError):
    """The file can be read, but no graph can be made of it: a cycle, a value made twice, a malformed tensor."""

    code = "1000000"
    example = "the model is invalid: the Relu that makes 'scores' is part of a cycle."
    remedy = "Export the model again; `onnx.checker.check_model` says more about an ONNX model."


class ModelLoadingError(GraphInitError):
    """The model or checkpoint file is missing, unreadable, truncated or invalid."""

    code = "1000001"
    example = "'missing.onnx' cannot be read: No such file or directory. Check the name."
    remedy = "Check the name and the rights of the file; else export or copy it again."


class TfRuntimeError(GraphInitError):
    """TensorFlow or tf2onnx is missing, or refused the graph."""

    code = "1000002"
    example = (
        "this needs TensorFlow and tf2onnx (No module named 'tensorflow'). "
        'Install them: pip install "onnx2mindspore[tensorflow]"'
    )
    remedy = (
        "Install them; where they refuse a node, cut the graph around it with `--input_nodes` and `--output_nodes`."
    )


class RuntimeIntegrityError(GraphInitError):
    """A package that the command needs is missing, or does not fit the others."""

    code = "1000003"
    example = (
        "a package is missing or does not fit the others: No module named 'mindspore'. "
        "Install onnx2mindspore again, in an environment of its own."
    )
    remedy = "Install what the message names, in a virtual environment of its own."


def package_error(error: ImportError) -> RuntimeIntegrityError:
    """The error for a package that this program needs and that cannot be imported."""
    return RuntimeIntegrityError(
        f"a package is missing or does not fit the others: {error}. "
        "Install onnx2mindspore again, in an environment of its own."
    )


class SourceRunError(GraphInitError):
    """The source does not run on the inputs, so that nothing can be compared with it."""

    code = "1000004"
    example = (
        "the source refuses the inputs: onnxruntime refuses these inputs: Non-zero status code returned while running "
        "Gather node. Name:'' Status Message: indices element out of data bounds, idx=7 must be within the inclusive "
        "range [-3,2]"
    )
    remedy = "Ends no command: the result is written, and the report says `not comparable`. Give `--verify_inputs`."
    exit_status = 0


class NodeInputMissingError(GraphInitError):
    """A node reads a value that nothing in the graph makes."""

    code = "1000005"
    example = "the model is invalid: the Add that makes 'sum' reads 'lost', which nothing in the graph makes."
    remedy = "Export or copy the model again."


class TorchExportError(GraphInitError):
    """PyTorch's exporters refuse the module, or what they write is another network."""

    code = "1000006"
    example = (
        "torch cannot export 'mynet:Net': Could not guard on data-dependent expression Eq(u0, 1) (mynet.py, line 12: "
        "`if x.sum() > 0:`). Rewrite this line, or leave it out of the module that you convert."
    )
    remedy = (
        "Rewrite the line that the message names (a branch on values: `torch.where`, `torch.cond`), or convert a part "
        "of the module."
    )


class FileSaveError(ConverterError):
    """A folder or a file of the result cannot be written."""

    code = "2000000"
    example = "'text.txt' cannot be written: not a directory. Choose another --output or --report."
    remedy = "Choose another folder, free some space, or correct its rights."


class NodeInputTypeNotSupportError(FileSaveError):
    """An input or output of the network has a type that cannot be translated, such as a map."""

    code = "2000001"
    example = (
        "'scores' is a map, not a tensor. Cut the graph where tensors flow: "
        "name them with --input_nodes and --output_nodes."
    )
    remedy = "Cut the graph where tensors flow, with `--input_nodes` and `--output_nodes`."


class ScriptGenerationError(FileSaveError):
    """The script cannot be generated or written."""

    code = "2000002"
    example = (
        "'out/net.py' cannot be written: no space left on device. "
        "Free some space, or choose another --output or --report."
    )
    remedy = "Free some space or choose another folder. Where the generation failed, report it with `--verbose`."


class ReportGenerationError(FileSaveError):
    """The report cannot be generated or written."""

    code = "2000003"
    example = (
        "'out/report_of_net.txt' cannot be written: no space left on device. "
        "Free some space, or choose another --output or --report."
    )
    remedy = "Free some space, or choose another folder with `--report`."


class CheckPointGenerationError(FileSaveError):
    """The checkpoint cannot be written."""

    code = "2000004"
    example = "'net.ckpt' cannot be written: no space left on device. Free some space, or choose another --output."
    remedy = "Free some space or choose another folder; above 2 GB use `--checkpoint_format safetensors`."


class WeightMapGenerationError(FileSaveError):
    """The weight map cannot be written."""

    code = "2000005"
    example = (
        "'out/weight_map_of_net.json' cannot be written: no space left on device. "
        "Free some space, or choose another --output or --report."
    )
    remedy = "Free some space, or choose another folder with `--report`."


class OnnxModelSaveError(FileSaveError):
    """An ONNX model cannot be written: the one that verification runs, to the temporary folder, or the result."""

    code = "2000006"
    example = "'net.onnx' cannot be written: no space left on device. Choose another --output."
    remedy = "Set `TMPDIR` to a folder with space, or use `--no_verify`; for `--onnx_only`, choose another folder."


class GeneratorError(ConverterError):
    """The translation of the graph failed as a whole; a node alone that cannot be translated becomes a stub instead."""

    code = "3000000"
    example = (
        "ValueError: odd, at the stage 'translate'. Nothing was written. "
        "Please report it with the traceback, which --verbose shows."
    )
    remedy = "Report it, with what `--verbose` prints."


class OperatorMapError(GeneratorError):
    """A table of operators (ours, or a file given by `--operator_map`) is malformed."""

    code = "3000001"
    example = "'missing.py' is not a Python file; --operator_map takes a file that defines ROWS"
    remedy = "Correct the row that the message names; the README shows the form of a row."


class SubGraphSearchingError(ConverterError):
    """The search for known patterns or for repeated blocks in the graph failed."""

    code = "4000000"
    example = (
        "ValueError: odd, at the stage 'structure'. Nothing was written. "
        "Please report it with the traceback, which --verbose shows."
    )
    remedy = "Report it, with what `--verbose` prints."


class WeightMatchError(ConverterError):
    """The tensors of a source do not fit a weight map or a network: some are missing, ambiguous or of another shape."""

    code = "5000000"
    example = "1 of 3 weights of 'weight_map_of_net.json' cannot be made from 'newer.ckpt'. Nothing was written."
    remedy = (
        "Match the names with `--rename`, take what the source lacks from `--base`, edit the mapping, or translate the "
        "new model."
    )
