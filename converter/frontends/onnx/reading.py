"""Read an ONNX file in any of its forms, or say what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import onnx

from converter.base.files import check_readable
from converter.base.kinds import HEAD
from converter.errors import ModelLoadingError
from converter.frontends.onnx.forms import BINARY, form_of, varint

_IR_WITH_OPSETS = 3
_TOO_DEEP = "MaxDepth"
"""What protobuf says of messages inside each other, more than it follows."""


def read(path: Path) -> onnx.ModelProto:
    """Parse a file; weights in other files stay there.

    Raises:
        ModelLoadingError: the file is missing, unreadable, truncated or no ONNX model.
    """
    check_readable(path)
    data = path.read_bytes()
    form = form_of(path, data[:HEAD]) or BINARY
    try:
        model = form.parse(data)
    except Exception as error:  # each form's parser has errors of its own, onnxruntime's have no common class
        if _TOO_DEEP in str(error):
            what = "nests graphs in If, Loop or Scan deeper than protobuf reads, about 30 of them. Export it flatter."
        else:
            what = _damage(data) if form is BINARY else _reason(form.name, error)
        raise ModelLoadingError(f"'{path}' {what}") from error
    if not model.HasField("graph") or not model.graph.output:
        what = _damage(data) if form is BINARY else f"is not {form.name}: its graph is missing. Export the model again."
        raise ModelLoadingError(f"'{path}' {what}")
    if model.ir_version >= _IR_WITH_OPSETS and not model.opset_import:
        raise ModelLoadingError(f"'{path}' names no operator set: it is truncated. Export or copy the model again.")
    return model


def is_binary(path: Path) -> bool:
    """Whether a file that was read holds a model in protobuf's binary form."""
    with path.open("rb") as file:
        return (form_of(path, file.read(HEAD)) or BINARY) is BINARY


def _reason(form: str, error: Exception) -> str:
    """The end of an error message: why a file in another form than the binary one cannot be parsed."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return f"is not {form}: {text if len(text) <= 200 else f'{text[:197]}...'}. Export or copy the model again."


def _damage(data: bytes) -> str:
    """The end of an error message: why a file cannot be parsed as a model, from its top-level fields."""
    wire_types = {field.number: _wire_type(field) for field in onnx.ModelProto.DESCRIPTOR.fields}
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        if wire_types.get(tag >> 3) != tag & 7:
            return "is not an ONNX model. Name a model that was exported to ONNX, or a frozen TensorFlow .pb."
        size, position = varint(data, position)
        if tag & 7 == 2:
            position += size
    if position > len(data):
        return f"is truncated: {position:,} bytes are announced, {len(data):,} are there. Export or copy it again."
    return "is not a valid ONNX model: its graph is missing or damaged. Export or copy the model again."


def _wire_type(field: object) -> int:
    """Protobuf's wire type of a field: 0, a number, or 2, a length and bytes. `ModelProto` has no other fields."""
    number = field.type in (field.TYPE_INT64, field.TYPE_INT32, field.TYPE_ENUM)  # type: ignore[attr-defined]
    return 0 if number else 2
