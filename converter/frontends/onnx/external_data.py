"""External data: weights of an ONNX model that are stored in other files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePath

import onnx
import onnx_ir as ir

from converter.errors import ModelLoadingError
from converter.graph import SMALL_TENSOR, proto_subgraphs


def check_external_data(model: onnx.ModelProto, base_dir: Path) -> list[Path]:
    """The files with the external weights of a model.

    Args:
        model: the model.
        base_dir: the folder that external data is relative to.

    Raises:
        ModelLoadingError: one of them is missing, too short, or outside the folder, also by a link.
    """
    sizes: dict[str, int] = {}
    for tensor in _external_tensors(model):
        place = _place(tensor)
        location = place.get("location", "")
        if location not in sizes:
            sizes[location] = _checked(tensor.name, location, base_dir).stat().st_size
        size = size_of(tensor)
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


def _checked(name: str, location: str, base_dir: Path) -> Path:
    """The file of a weight, which lies inside the model's folder, or in the cache of a hub that the folder belongs to.

    A model could otherwise name any file, or bring a link to it, whose bytes would end up in the checkpoint.

    Raises:
        ModelLoadingError: the file is missing or lies elsewhere.
    """
    if PurePath(location).is_absolute() or ".." in PurePath(location).parts or "\0" in location:
        raise ModelLoadingError(
            f"the weight '{name}' lies in '{location}', outside the model's folder: that is not allowed. "
            "Save the model with its external data beside it."
        )
    file = base_dir / location
    if not file.is_file():
        raise ModelLoadingError(
            f"weights of the model lie in '{location}', which is missing. Put it into the folder '{base_dir}'."
        )
    if not any(file.resolve().is_relative_to(folder) for folder in _allowed(base_dir)):
        raise ModelLoadingError(
            f"the weight '{name}' lies in '{location}', a link that leads out of the model's folder: that is not "
            "allowed. Put a copy of the file there."
        )
    return file


def _allowed(base_dir: Path) -> Iterator[Path]:
    """Where external data may lie: in the model's folder, and for a snapshot in a hub's cache in the blobs beside it.

    Such a cache has `snapshots/REVISION/…`, whose files are links to `blobs/HASH`; `blobs` itself is no link.
    """
    yield base_dir.resolve()
    for folder in base_dir.absolute().parents:
        if folder.name == "snapshots":
            yield folder.parent.resolve() / "blobs"


def resolve_links(model: onnx.ModelProto, folder: Path) -> tuple[onnx.ModelProto, Path]:
    """The model and the folder of its external data, with symbolic links resolved.

    Caches store models as links, which onnxruntime and onnx reject if their targets are outside the folder.
    """
    locations = {_place(tensor)["location"] for tensor in _external_tensors(model)}
    files = {location: (folder / location).resolve() for location in locations}
    if all(file == folder.resolve() / location for location, file in files.items()):
        return model, folder
    common = Path(os.path.commonpath([file.parent for file in files.values()]))
    resolved = onnx.ModelProto()
    resolved.CopyFrom(model)
    for tensor in _external_tensors(resolved):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = str(files[entry.value].relative_to(common))
    return resolved, common


def with_small_data(model: onnx.ModelProto, base_dir: Path) -> onnx.ModelProto:
    """The model, or a copy that holds its small external tensors itself, since shapes may follow from them.

    A tensor that cannot be read stays where it is: `check_external_data` says why, if the network needs it.
    """
    if not any(size_of(tensor) <= SMALL_TENSOR for tensor in _external_tensors(model)):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in _external_tensors(copy):
        if size_of(tensor) > SMALL_TENSOR:
            continue
        try:
            _checked(tensor.name, _place(tensor).get("location", ""), base_dir)
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(base_dir))
        except (ModelLoadingError, OSError, ValueError, onnx.checker.ValidationError):
            continue
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    return copy


def _external_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a model, its sub-graphs and functions that is not stored in the model's own file."""
    return (tensor for tensor in tensors_of(model) if tensor.data_location == onnx.TensorProto.EXTERNAL)


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a model, its sub-graphs and functions."""
    return chain(_tensors(model.graph), *(_constants(function.node) for function in model.functions))


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _constants(graph.node)


def _constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    """The tensors in the attributes of nodes, and those of the nodes' sub-graphs."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t") or attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors
            single = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for sparse in (*single, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
        for body in proto_subgraphs(node):
            yield from _tensors(body)


def _place(tensor: onnx.TensorProto) -> dict[str, str]:
    """The position of a tensor's data: location, offset, length."""
    return {entry.key: entry.value for entry in tensor.external_data}


def size_of(tensor: onnx.TensorProto) -> int:
    """The bytes that a tensor's elements take; 0 where its type has no fixed size."""
    try:
        return math.ceil(math.prod(tensor.dims) * ir.DataType(tensor.data_type).bitwidth / 8)
    except (TypeError, ValueError):
        return 0
