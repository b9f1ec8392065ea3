"""Upcast: convert source and script from floats of 16 bits to float32 for the comparison.

Neither onnxruntime nor MindSpore multiplies bfloat16 matrices on a CPU; what float16 rounds in every layer may add up
to more than any tolerance. The upcast versions differ from the originals only in the element type, and in constants
that were already folded in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import AttributeProto, TensorProto, TypeProto, numpy_helper

_BFLOAT16, _FLOAT32 = TensorProto.BFLOAT16, TensorProto.FLOAT
_NARROW = (_BFLOAT16, TensorProto.FLOAT16)
_NAME_TYPES = ("dtype", "output_dtype", "precision", "stash_type", "to")
"""Attributes that name an element type."""
_LARGEST = 2**30
"""Maximum bytes of tensors of 16 bits: in float32 they are one protobuf message, which has at most 2 GB."""


def has_bfloat16(model: onnx.ModelProto) -> bool:
    """Whether a part of a model is in bfloat16."""
    return _has(model, (_BFLOAT16,))


def _has(model: onnx.ModelProto, types: Collection[int]) -> bool:
    return any(
        part.data_type in types
        if isinstance(part, TensorProto)
        else isinstance(part, TypeProto.Tensor) and part.elem_type in types
        for part in _parts(model)
    )


def can_upcast(model: onnx.ModelProto) -> bool:
    """Whether a model has floats of 16 bits, and its tensors of such are smaller than `_LARGEST`."""
    if not _has(model, _NARROW):
        return False
    tensors = [part for part in _parts(model) if isinstance(part, TensorProto) and part.data_type in _NARROW]
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
            case TensorProto() if part.data_type in _NARROW:
                part.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(part).astype(np.float32), part.name))
            case TypeProto.Tensor() if part.elem_type in _NARROW:
                part.elem_type = _FLOAT32
            case AttributeProto() if part.name in _NAME_TYPES and part.i in _NARROW:
                part.i = _FLOAT32
    return result


def upcast_script(text: str) -> str:
    """The text of a script with float32 in place of floats of 16 bits."""
    return text.replace("ms.bfloat16", "ms.float32").replace("ms.float16", "ms.float32")


def _parts(message: Message) -> Iterator[Message]:
    """A message and all messages inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from _parts(inner)
