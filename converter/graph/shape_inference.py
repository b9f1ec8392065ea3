"""Shape inference: types and shapes of values, as far as ONNX can infer them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import onnx_ir as ir

from converter.graph.annotations import DECLARED, OPSET
from converter.graph.walk import all_graphs, all_nodes, all_values

_SMALL = 1024  # bytes
_MOST_JOINED = 1 << 16  # elements; shapes are short
_INVENTED = re.compile(r"unk__\d+")  # ONNX's name for an unknown dimension


def set_declared_shapes_aside(model: ir.Model) -> None:
    """Set aside the shapes that the file declares for computed values, which may be wrong.

    They are rarely corrected when the batch size of a model's inputs is made dynamic. They are used only where
    nothing can be inferred.
    """
    for node in all_nodes(model.graph):
        for value in node.outputs:
            value.meta[DECLARED], value.shape = value.shape, None


def infer_shapes(model: ir.Model) -> None:
    """Infer types and shapes, with shape arithmetic; shapes that cannot be inferred stay unknown.

    Dimensions that the source names keep their names. Tensors are not serialised, however large.
    """
    _infer(model)
    if _fill_from_declared(model):
        _infer(model)


def infer_node(node: ir.Node) -> None:
    """Infer types and shapes of the outputs of one node at `OPSET`, from those of its inputs."""
    inputs = [value for value in node.inputs if value is not None]
    if node.domain != "" or any(value.type is None for value in inputs) or not onnx.defs.has(node.op_type, ""):
        return
    types = {value.name or "": _type_proto(value) for value in inputs}
    constants = {value.name or "": value.const_value for value in inputs if is_small(value.const_value)}
    data = {name: ir.serde.serialize_tensor(tensor) for name, tensor in constants.items() if tensor is not None}
    try:
        schema = onnx.defs.get_schema(node.op_type, OPSET, "")
        inferred = onnx.shape_inference.infer_node_outputs(schema, ir.serde.serialize_node(node), types, data)
    except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError):
        return
    for value in node.outputs:
        if value.name in inferred:
            _merge(value, inferred[value.name])


def is_small(tensor: ir.TensorProtocol | None) -> bool:
    """Whether `tensor` may be a shape or axes, whose elements inference reads."""
    return tensor is not None and tensor.dtype != ir.DataType.STRING and tensor.nbytes <= _SMALL


def forget_invented_dimensions(model: ir.Model) -> None:
    """Remove the names that inference gave to unknown dimensions (`unk__7`)."""
    for value in all_values(model):
        if value.shape is not None and any(_is_invented(dim) for dim in value.shape):
            value.shape = ir.Shape(None if _is_invented(dim) else dim for dim in value.shape)


def _infer(model: ir.Model) -> None:
    with without_large_tensors(model):
        proto = ir.to_proto(model)
    follow = not concatenates_exponentially(model)
    try:
        proto = onnx.shape_inference.infer_shapes(proto, check_type=False, strict_mode=False, data_prop=follow)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        for node in all_nodes(model.graph):
            infer_node(node)
        return
    inferred = {info.name: info.type for info in _value_infos(proto.graph)}
    for node in all_nodes(model.graph):
        for value in node.outputs:
            if value.name in inferred:
                _merge(value, inferred[value.name])


def concatenates_exponentially(model: ir.Model) -> bool:
    """Whether Concats give shape arithmetic too many elements: 40 Concats of a value with itself give a terabyte."""
    sizes: dict[ir.Value, int] = {}
    for node in all_nodes(model.graph):
        if node.op_type == "Concat":
            parts = [value for value in node.inputs if value is not None]
            size = sizes[node.outputs[0]] = sum(sizes.get(part, 1) for part in parts)
            if size > _MOST_JOINED:
                return True
    return False


def _value_infos(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.value_info
    yield from graph.output
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _value_infos(attribute.g)
            for inner in attribute.graphs:
                yield from _value_infos(inner)


def _merge(value: ir.Value, proto: onnx.TypeProto) -> None:
    """Merge the inferred `proto` into type and shape of `value`; numbers have priority, then the source's names."""
    tensor = proto.tensor_type
    if not proto.HasField("tensor_type"):
        value.type = ir.serde.deserialize_type_proto_for_type(proto) or value.type
        return
    if tensor.elem_type and (value.type is None or value.type.dtype != tensor.elem_type):
        value.type = ir.TensorType(ir.DataType(tensor.elem_type))
    if not tensor.HasField("shape"):
        return
    inferred = ir.Shape(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim
    )
    if value.shape is None or len(value.shape) != len(inferred):
        value.shape = inferred
    else:
        value.shape = ir.Shape(max(new, old, key=_knowledge) for new, old in zip(inferred, value.shape, strict=True))


def _knowledge(dim: int | ir.SymbolicDim) -> int:
    if isinstance(dim, int):
        return 3
    if dim.value is None:
        return 0
    return 1 if _is_invented(dim) else 2


def _is_invented(dim: int | ir.SymbolicDim) -> bool:
    return isinstance(dim, ir.SymbolicDim) and dim.value is not None and bool(_INVENTED.fullmatch(dim.value))


def _fill_from_declared(model: ir.Model) -> bool:
    """Use declared shapes where inference found none; return whether a rank became known.

    A declared number may be an old batch size, from before the inputs became dynamic: it is used only if no input is
    dynamic.
    """
    static = all(value.shape is not None and value.shape.is_static() for value in model.graph.inputs)
    ranks = False
    for node in all_nodes(model.graph):
        for value in node.outputs:
            declared = value.meta.pop(DECLARED, None)
            if declared is None:
                continue
            if value.shape is None:
                value.shape, ranks = declared, True
            elif len(value.shape) == len(declared):
                dims = zip(value.shape, declared, strict=True)
                value.shape = ir.Shape(b if _fills(a, b, static) else a for a, b in dims)
    return ranks


def _fills(known: int | ir.SymbolicDim, declared: int | ir.SymbolicDim, static: bool) -> bool:
    return _knowledge(known) < 2 and (static or not isinstance(declared, int)) and _knowledge(declared) >= 2


def _type_proto(value: ir.Value) -> onnx.TypeProto:
    assert value.type is not None
    proto = ir.serde.serialize_type(value.type)
    if value.shape is not None:
        ir.serde.serialize_shape_into(proto, value.shape)
    return proto


@contextmanager
def without_large_tensors(model: ir.Model) -> Iterator[None]:
    """Temporarily replace large initializers by external tensors, whose data is not read."""
    large = {
        value: value.const_value
        for graph in all_graphs(model)
        for value in graph.initializers.values()
        if value.const_value is not None and not is_small(value.const_value)
    }
    for value, tensor in large.items():
        value.const_value = ir.ExternalTensor(
            "-", 0, 0, tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=value.name or ""
        )
    try:
        yield
    finally:
        for value, tensor in large.items():
            value.const_value = tensor
