"""External data: weights of an ONNX model that are stored in other files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import onnx
import onnx_ir as ir

from converter.errors import ModelLoadingError
from converter.frontends.onnx.cut import subgraphs


def check_external_data(model: onnx.ModelProto, base_dir: Path) -> list[Path]:
    """The files with the external weights of a model.

    Args:
        model: the model.
        base_dir: the folder that external data is relative to.

    Raises:
        ModelLoadingError: one of them is missing, too short, or outside the folder.
    """
    sizes: dict[str, int] = {}
    for tensor in _external_tensors(model.graph):
        place = _place(tensor)
        location = place.get("location", "")
        if PurePath(location).is_absolute() or ".." in PurePath(location).parts:
            raise ModelLoadingError(
                f"the weight '{tensor.name}' lies in '{location}', outside the model's folder: that is not allowed. "
                "Save the model with its external data beside it."
            )
        if location not in sizes:
            file = base_dir / location
            if not file.is_file():
                raise ModelLoadingError(
                    f"weights of the model lie in '{location}', which is missing. Put it into the folder '{base_dir}'."
                )
            sizes[location] = file.stat().st_size
        size = _size(tensor)
        offset, length = place.get("offset", "0"), place.get("length", str(size))
        if not (offset.isdecimal() and length.isdecimal() and int(length) >= size):
            raise ModelLoadingError(
                f"the weight '{tensor.name}' has no valid place in '{location}': offset '{offset}', length '{length}', "
                f"for {size:,} bytes. Export the model again."
            )
        end = int(offset) + int(length)
        if end > sizes[location]:
            raise ModelLoadingError(
                f"the weight '{tensor.name}' ends at byte {end:,} of '{location}', which has {sizes[location]:,}: "
                "the file is truncated. Export or copy it again."
            )
    return [base_dir / location for location in sizes]


def resolve_links(model: onnx.ModelProto, folder: Path) -> tuple[onnx.ModelProto, Path]:
    """The model and the folder of its external data, with symbolic links resolved.

    Caches store models as links, which onnxruntime and onnx reject if their targets are outside the folder.
    """
    locations = {_place(tensor)["location"] for tensor in _external_tensors(model.graph)}
    files = {location: (folder / location).resolve() for location in locations}
    if all(file == folder.resolve() / location for location, file in files.items()):
        return model, folder
    common = Path(os.path.commonpath([file.parent for file in files.values()]))
    resolved = onnx.ModelProto()
    resolved.CopyFrom(model)
    for tensor in _external_tensors(resolved.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(files[entry.value].relative_to(common))
    return resolved, common


def _external_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a graph and of its sub-graphs that is not stored in the model's own file."""
    return (tensor for tensor in _tensors(graph) if tensor.data_location == onnx.TensorProto.EXTERNAL)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
        for body in subgraphs(node):
            yield from _tensors(body)


def _place(tensor: onnx.TensorProto) -> dict[str, str]:
    """The position of a tensor's data: location, offset, length."""
    return {entry.key: entry.value for entry in tensor.external_data}


def _size(tensor: onnx.TensorProto) -> int:
    """The bytes that a tensor's elements take; 0 where its type has no fixed size."""
    try:
        return math.ceil(math.prod(tensor.dims) * ir.DataType(tensor.data_type).bitwidth / 8)
    except (TypeError, ValueError):
        return 0
