"""Whose fault it is: what nobody foresaw is the model's own where ONNX's checker refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from google.protobuf.message import Message

from converter.errors import ConverterError, GraphInitError

_LONGEST = 300


@contextmanager
def diagnose_invalid_model(file: Path) -> Iterator[None]:
    """Name the fault of the model when the block fails for a reason that nobody foresaw.

    Checking takes as long as a stage of the conversion and refuses models that run well, so it waits for a failure.

    Raises:
        GraphInitError: the block fails, and the model is invalid.
    """
    try:
        yield
    except ConverterError as error:
        fault = None if error.foreseen or file.suffix.lower() != ".onnx" else fault_of(file)
        if fault is None:
            raise
        raise GraphInitError(f"the model is invalid: {fault}. Export or copy the model again.") from error.__cause__


def fault_of(file: Path) -> str | None:
    """What is wrong with an ONNX model; None when nothing is."""
    try:
        model = onnx.load(file, load_external_data=False)
        garbled = next(_garbled(model), None)
        if garbled is not None:
            return f"the name {garbled!r} is no text: the file is damaged"
        _leave_out_what_may_lack(model.graph)
        onnx.checker.check_model(model)
    except Exception as error:
        text = " ".join(str(error).split()).rstrip(".")
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return None


def _leave_out_what_may_lack(graph: onnx.GraphProto) -> None:
    """Take from a graph what the checker refuses in models that run: ends without a shape, data in other files."""
    for end in (*graph.input, *graph.output):
        if end.type.HasField("tensor_type"):
            end.type.tensor_type.shape.SetInParent()
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=[0]))


def _garbled(message: Message) -> Iterator[bytes]:
    """Texts of the message, and of those in it, that are not valid: protobuf hands them out as bytes."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_MESSAGE, field.TYPE_STRING):
            continue
        for item in [value] if isinstance(value, str | bytes | Message) else value:
            if isinstance(item, Message):
                yield from _garbled(item)
            elif isinstance(item, bytes):
                yield item
