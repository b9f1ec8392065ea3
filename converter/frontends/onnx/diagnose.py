"""Diagnose an ONNX model: report the errors that ONNX's checker finds in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import Message

from converter.frontends.onnx.reading import read

_LONGEST = 300


def fault_of(file: Path) -> str | None:
    """The error in an ONNX model; None if there is none."""
    try:
        model = read(file)
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
    """Remove what the checker rejects in models that run: endpoints without a shape, data in other files."""
    for endpoint in (*graph.input, *graph.output):
        if endpoint.type.HasField("tensor_type"):
            endpoint.type.tensor_type.shape.SetInParent()
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=[0]))


def _garbled(message: Message) -> Iterator[bytes]:
    """The invalid strings in a message and its inner messages: protobuf returns them as bytes."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_MESSAGE, field.TYPE_STRING):
            continue
        for item in [value] if isinstance(value, str | bytes | Message) else value:
            if isinstance(item, Message):
                yield from _garbled(item)
            elif isinstance(item, bytes):
                yield item
