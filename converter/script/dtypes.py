"""Element types: from ONNX to MindSpore."""

from __future__ import annotations

import onnx_ir as ir

from converter.script.expressions import Name

_MINDSPORE = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.BFLOAT16: "bfloat16",
    ir.DataType.DOUBLE: "float64",
    ir.DataType.INT8: "int8",
    ir.DataType.INT16: "int16",
    ir.DataType.INT32: "int32",
    ir.DataType.INT64: "int64",
    ir.DataType.UINT8: "uint8",
    ir.DataType.UINT16: "uint16",
    ir.DataType.UINT32: "uint32",
    ir.DataType.UINT64: "uint64",
    ir.DataType.BOOL: "bool_",
    ir.DataType.COMPLEX64: "complex64",
    ir.DataType.COMPLEX128: "complex128",
}


def mindspore_dtype(dtype: ir.DataType) -> Name | None:
    """MindSpore's name of an element type (`ms.float32`); None if MindSpore lacks the type (strings, 4-bit types)."""
    name = _MINDSPORE.get(dtype)
    return None if name is None else Name(f"ms.{name}")
