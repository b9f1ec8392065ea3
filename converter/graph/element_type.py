"""Element type: a network that computes in another floating-point type than its source, between the same ends."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import numpy as np
import onnx_ir as ir

from converter.base.weight_steps import SOURCE, cast
from converter.graph.annotations import is_folded, is_literal
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs, all_nodes

_TYPES = {"float32": ir.DataType.FLOAT, "float16": ir.DataType.FLOAT16, "bfloat16": ir.DataType.BFLOAT16}
_NAME_TYPES = ("dtype", "output_dtype", "precision", "stash_type", "to")
"""Attributes that name an element type."""
_NUMBERS = 16
"""Elements of a constant that may be a bound, such as the lowest number in a mask."""


def change_element_type(model: ir.Model, wanted: str) -> str | None:
    """Let a normalised network compute in `wanted` where it computes in the type that most of its weights have.

    A part that computes in another type goes on so. The inputs and outputs keep their types: they are converted where
    they come in and go out. A weight is converted when it is read, and its way from the source says so.

    Args:
        model: is changed.
        wanted: float32, float16 or bfloat16.

    Returns:
        A sentence for the user; None where nothing was to be changed.
    """
    old, new = main_type(model), _TYPES[wanted]
    if old is None or old == new:
        return None
    for graph in all_graphs(model):
        for value in graph.initializers.values():
            if value.dtype == old and value.const_value is not None:
                value.const_value = _converted(value, new)
                value.dtype = new
    for node in all_nodes(model.graph):
        for name, attribute in list(node.attributes.items()):
            if attribute.name in _NAME_TYPES and attribute.value == old.value:
                node.attributes[name] = ir.AttrInt64(name, new.value)
            elif attribute.type == ir.AttributeType.TENSOR and attribute.value.dtype == old:
                node.attributes[name] = ir.AttrTensor(name, ir.tensor(_fitting(attribute.value.numpy(), new)))
        for value in node.outputs:
            if value.dtype == old:
                value.dtype = new
    for graph in all_graphs(model):
        for value in graph.inputs if graph is not model.graph else ():
            if value.dtype == old:
                value.dtype = new
    _convert_ends(model.graph, old, new, UniqueNames.of(model))
    _remove_casts(model, new)
    return f"The script computes in {wanted}, and the model in {old.numpy().name}. Inputs and outputs keep their types."


def main_type(model: ir.Model) -> ir.DataType | None:
    """The type of `float32`, `float16` and `bfloat16` that most numbers in the weights have; None without any."""
    sizes: Counter[ir.DataType] = Counter()
    for graph in all_graphs(model):
        for value in graph.initializers.values():
            if value.dtype is not None and value.dtype in _TYPES.values() and value.const_value is not None:
                sizes[value.dtype] += value.const_value.size
    return max(sizes, key=lambda dtype: sizes[dtype], default=None)


def _converted(value: ir.Value, new: ir.DataType) -> ir.TensorProtocol:
    """The constant in another type, converted when it is read."""
    tensor = value.const_value
    assert tensor is not None
    bounded = is_folded(value) or is_literal(value) or tensor.size <= _NUMBERS
    shape, metadata = ir.Shape(tensor.shape.numpy()), dict(getattr(tensor, "metadata_props", {}))
    known = {"name": tensor.name, "shape": list(shape.numpy()), "dtype": tensor.dtype.numpy().name, "transform": []}
    origin = known | json.loads(metadata.get(SOURCE, "{}"))
    metadata[SOURCE] = json.dumps({**origin, "transform": [*origin["transform"], cast(new.numpy().name)]})
    read = partial(_read, tensor, new, value.name, bounded)
    return ir.LazyTensor(read, new, shape, name=value.name, metadata_props=metadata)


def _read(tensor: ir.TensorProtocol, new: ir.DataType, name: str | None, bounded: bool) -> ir.TensorProtocol:
    array = tensor.numpy()
    return ir.tensor(_fitting(array, new) if bounded else array.astype(new.numpy()), name=name)


def _fitting(array: np.ndarray, new: ir.DataType) -> np.ndarray:
    """The array in another type: the lowest number of a mask stays finite, a small epsilon does not become zero."""
    import ml_dtypes

    dtype = np.dtype(new.numpy())
    limits = ml_dtypes.finfo(dtype)
    low, high = np.float32(limits.min), np.float32(limits.max)
    wide = array.astype(np.float32)
    found = np.where(np.isfinite(wide), np.clip(wide, low, high), wide).astype(dtype)
    least = np.copysign(np.float32(limits.smallest_subnormal), wide).astype(dtype)
    return np.where((found == 0) & (wide != 0), least, found)


def _remove_casts(model: ir.Model, new: ir.DataType) -> None:
    """Remove conversions that have no effect any more; one that makes an output of a graph stays."""
    for node in list(all_nodes(model.graph)):
        if node.op_type != "Cast" or node.domain or node.inputs[0] is None or node.inputs[0].dtype != new:
            continue
        read, made = node.inputs[0], node.outputs[0]
        if made.dtype == new and not made.is_graph_output():
            made.replace_all_uses_with(read)
            assert isinstance(node.graph, ir.Graph)
            node.graph.remove(node, safe=True)


def _convert_ends(graph: ir.Graph, old: ir.DataType, new: ir.DataType, names: UniqueNames) -> None:
    """Convert the inputs where they are read first, and the outputs where they are made."""
    first = next(iter(graph), None)
    for value in graph.inputs:
        if value.dtype != old or value.is_initializer():
            continue
        uses = list(value.uses())
        node = _cast(value, new, names)
        if first is None:
            graph.append(node)
        else:
            graph.insert_before(first, node)
        for use in uses:
            use.node.replace_input_with(use.idx, node.outputs[0])
    for place, value in enumerate(graph.outputs):
        if value.dtype != new or value.producer() is None:
            continue
        name = value.name or ""
        value.name = names.fresh(name)
        node = _cast(value, old, names)
        node.outputs[0].name = name
        graph.append(node)
        graph.outputs[place] = node.outputs[0]


def _cast(value: ir.Value, dtype: ir.DataType, names: UniqueNames) -> ir.Node:
    node = ir.node("Cast", [value], {"to": dtype.value}, name=names.fresh(f"{value.name}/Cast"))
    made = node.outputs[0]
    made.name = names.fresh(f"{value.name}_{dtype.numpy().name}")
    made.type, made.shape = ir.TensorType(dtype), value.shape
    return node
