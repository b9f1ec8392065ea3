"""What tf2onnx's reader of TensorFlow Lite lacks: tensors without a name, and the values that variables begin with.

https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np


def name_of(name: str, index: int) -> str:
    """The name of a tensor, `tensor_7` if the file has none for it."""
    return name or f"tensor_{index}"


@contextmanager
def completed() -> Iterator[list[str]]:
    """Inside the block tf2onnx reads these too; the list will have the names of the variables."""
    from tf2onnx import tflite_utils
    from tf2onnx.tflite.SubGraph import SubGraph
    from tf2onnx.tflite.Tensor import Tensor

    class Named(Tensor):  # type: ignore[misc]
        def __init__(self, tensor: Any, index: int) -> None:
            super().__init__()
            self._tab, self._index = tensor._tab, index

        def Name(self) -> bytes:  # noqa: N802 - the name in the schema
            return name_of((super().Name() or b"").decode(), self._index).encode()

    variables: list[str] = []
    tensor_at, parse = SubGraph.Tensors, tflite_utils.parse_tflite_graph

    def named(graph: Any, index: int) -> Any:
        return Named(tensor_at(graph, index), index)

    def parsed(graph: Any, *args: Any) -> Any:
        found = parse(graph, *args)
        for index in range(graph.TensorsLength()):
            tensor = graph.Tensors(index)
            if tensor.IsVariable():
                variables.append(tensor.Name().decode())
                found[0].append(_first_value(tensor))
        return found

    with mock.patch.object(SubGraph, "Tensors", named), mock.patch.object(tflite_utils, "parse_tflite_graph", parsed):
        yield variables


def _first_value(tensor: Any) -> Any:
    """A constant: the zeros with which a variable begins."""
    from onnx import helper, numpy_helper
    from tf2onnx.tflite_utils import map_tflite_dtype_to_onnx

    name, scales = tensor.Name().decode(), tensor.Quantization()
    zero = 0 if scales is None or scales.ZeroPointIsNone() else scales.ZeroPoint(0)
    shape = [] if tensor.ShapeIsNone() else tensor.ShapeAsNumpy()
    dtype = helper.tensor_dtype_to_np_dtype(map_tflite_dtype_to_onnx(tensor.Type()))
    return helper.make_node("Const", [], [name], name, value=numpy_helper.from_array(np.full(shape, zero, dtype), name))
