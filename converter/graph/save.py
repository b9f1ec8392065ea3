"""Write a normalised graph as an ONNX file that other tools read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
import onnx_ir as ir

from converter.graph.carried import carrying
from converter.graph.shape_inference import without_large_tensors
from converter.graph.walk import all_graphs, all_nodes

LARGEST = 2_000_000_000
"""Bytes of a model in one file; protobuf reads 2 GiB. The weights of a larger one go to a file beside it."""

_IR_VERSION = 10
"""The first version of the format that has metadata of nodes and values."""
_ALIGNMENT = 4096
"""Weights in a file of their own begin at a multiple of that many bytes, so that they can be mapped."""


def save_model(model: ir.Model, file: Path, opset: int, metadata: Mapping[str, str]) -> list[Path]:
    """Write a normalised model, with all names, metadata and annotations; it is not changed.

    Args:
        model: normalised.
        file: where it goes; the weights of a model above `LARGEST` go to `FILE.data`.
        opset: the opset that the file declares; every node means the same there.
        metadata: is added to that of the model.

    Returns:
        The files that were written.

    Raises:
        OSError: one of them cannot be written.
    """
    with carrying(model), without_large_tensors(model):
        proto = ir.to_proto(model)
    proto.ir_version = max(proto.ir_version, _IR_VERSION)
    used = {node.domain for node in all_nodes(model.graph)} | {""}
    del proto.opset_import[:]
    for domain in sorted(used):
        proto.opset_import.add(domain=domain, version=model.opset_imports.get(domain, 1) if domain else opset)
    kept = {entry.key: entry.value for entry in proto.metadata_props} | dict(metadata)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, kept)
    tensors = {value.name: value.const_value for graph in all_graphs(model) for value in graph.initializers.values()}
    return _write(proto, {name: tensor for name, tensor in tensors.items() if name and tensor is not None}, file)


def _write(proto: onnx.ModelProto, tensors: Mapping[str, ir.TensorProtocol], file: Path) -> list[Path]:
    """Fill in the tensors that were left out, and write the model."""
    left_out = [each for each in _initializers(proto.graph) if each.data_location == onnx.TensorProto.EXTERNAL]
    if proto.ByteSize() + sum(tensors[each.name].nbytes for each in left_out) <= LARGEST:
        for each in left_out:
            _fill(each, tensors[each.name])
            each.raw_data = b"" if each.string_data else tensors[each.name].tobytes()
        file.write_bytes(proto.SerializeToString())
        return [file]
    beside = file.with_name(f"{file.name}.data")
    with beside.open("wb") as sink:
        for each in left_out:
            _fill(each, tensors[each.name])
            if each.string_data:
                continue
            sink.write(bytes(-sink.tell() % _ALIGNMENT))
            each.data_location = onnx.TensorProto.EXTERNAL
            place = {"location": beside.name, "offset": sink.tell(), "length": sink.write(tensors[each.name].tobytes())}
            for key, value in place.items():
                each.external_data.add(key=key, value=str(value))
    file.write_bytes(proto.SerializeToString())
    return [file, beside]


def _fill(proto: onnx.TensorProto, tensor: ir.TensorProtocol) -> None:
    """Make the proto of a left out tensor: all but its elements, strings excepted."""
    filled = onnx.TensorProto(name=proto.name, data_type=tensor.dtype.value, dims=tensor.shape.numpy())
    if tensor.dtype == ir.DataType.STRING:
        filled.string_data.extend(tensor.numpy().reshape(-1).tolist())
    for key, value in tensor.metadata_props.items():
        filled.metadata_props.add(key=key, value=value)
    proto.CopyFrom(filled)


def _initializers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _initializers(inner)
