"""Upcast: convert source and script from bfloat16 to float32 for the comparison.

Neither onnxruntime nor MindSpore multiplies bfloat16 matrices on a CPU. The upcast versions differ from the originals
only in the element type, and in constants that were already folded in bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import AttributeProto, TensorProto, TypeProto, numpy_helper

_BFLOAT16, _FLOAT32 = TensorProto.BFLOAT16, TensorProto.FLOAT
_NAME_TYPES = ("dtype", "output_dtype", "precision", "stash_type", "to")
"""Attributes that name an element type."""
_LARGEST = 2**30
"""Maximum bytes of bfloat16 tensors: in float32 they are one protobuf message, which has at most 2 GB."""


def has_bfloat16(model: onnx.ModelProto) -> bool:
    """Whether a part of a model is in bfloat16."""
    return any(
        part.data_type == _BFLOAT16
        if isinstance(part, TensorProto)
        else isinstance(part, TypeProto.Tensor) and part.elem_type == _BFLOAT16
        for part in _parts(model)
    )


def can_upcast(model: onnx.ModelProto) -> bool:
    """Whether a model has bfloat16, and its bfloat16 tensors are smaller than `_LARGEST`."""
    if not has_bfloat16(model):
        return False
    tensors = [part for part in _parts(model) if isinstance(part, TensorProto) and part.data_type == _BFLOAT16]
    return sum(2 * int(np.prod(tensor.dims)) for tensor in tensors) < _LARGEST


def upcast(model: onnx.ModelProto, folder: Path | None) -> onnx.ModelProto:
    """The model in float32; its external data, in `folder`, becomes part of it; without a folder it stays."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    if folder is not None:
        onnx.external_data_helper.load_external_data_for_model(result, str(folder))
    for part in list(_parts(result)):
        match part:
            case TensorProto() if part.data_location == TensorProto.EXTERNAL:
                continue
            case TensorProto() if part.data_type == _BFLOAT16:
                part.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(part).astype(np.float32), part.name))
            case TypeProto.Tensor() if part.elem_type == _BFLOAT16:
                part.elem_type = _FLOAT32
            case AttributeProto() if part.name in _NAME_TYPES and part.i == _BFLOAT16:
                part.i = _FLOAT32
    return result


def upcast_script(text: str) -> str:
    """The text of a script with float32 in place of bfloat16."""
    return text.replace("ms.bfloat16", "ms.float32")


def _parts(message: Message) -> Iterator[Message]:
    """A message and all messages inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from _parts(inner)
