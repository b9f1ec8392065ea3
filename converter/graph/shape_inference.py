"""Shape inference: types and shapes of values, as far as ONNX can infer them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import onnx
import onnx_ir as ir

from converter.graph.annotations import DECLARED, OPSET
from converter.graph.fatal_inference import make_safe
from converter.graph.inferred_types import INVENTED, inferred_types
from converter.graph.walk import all_graphs, all_nodes, all_values, subgraphs

_SMALL = 1024  # bytes
_MOST_JOINED = 1 << 16  # elements; shapes are short
_LONGEST = 1 << 22  # elements of a vector; a waveform has some 10^6


def set_declared_shapes_aside(model: ir.Model) -> None:
    """Set aside the shapes that the file declares for computed values, which may be wrong.

    They are rarely corrected when the batch size of a model's inputs is made dynamic, and an exporter may have written
    the shapes of its example. They are used only where nothing can be inferred. A dimension that PyTorch's exporter
    named after a node's result (`Unsqueeze/decoder/Unsqueeze_output_0_dim_1`) has no name.
    """
    results = {f"{node.op_type}{value.name}" for node in all_nodes(model.graph) for value in node.outputs}

    def named(dim: int | ir.SymbolicDim) -> int | ir.SymbolicDim | None:
        made = None if isinstance(dim, int) or dim.value is None else _OF_A_RESULT.fullmatch(dim.value)
        return None if made is not None and made[1] in results else dim

    for node in all_nodes(model.graph):
        for value in node.outputs:
            declared = None if value.shape is None else ir.Shape(map(named, value.shape))
            value.meta[DECLARED], value.shape = declared, None


_OF_A_RESULT = re.compile(r"(.+)_dim_\d+")


def infer_shapes(model: ir.Model) -> None:
    """Infer types and shapes, with shape arithmetic; shapes that cannot be inferred stay unknown.

    Dimensions that the source names keep their names. Tensors are not serialised, however large.
    """
    _infer(model)
    while _set_types_of_features(model):
        _infer(model)
    if _set_ranks_of_inputs(model):
        _infer(model)
    if _fill_from_declared(model):
        _infer(model)


def _set_types_of_features(model: ir.Model) -> bool:
    """Set types and shapes of results in other domains that ONNX does not infer; returns whether any became known."""
    known = False
    for node in all_nodes(model.graph):
        x, results = node.inputs[0] if node.inputs else None, node.outputs
        if (
            node.domain != "ai.onnx.ml"
            or x is None
            or x.type is None
            or x.shape is None
            or results[0].shape is not None
        ):
            continue
        for result, (dtype, shape) in zip(results, _of_features(node, x.type.dtype, x.shape), strict=False):
            result.type, result.shape, known = ir.TensorType(dtype), ir.Shape(shape), True
    return known


_OTHER_DOMAINS = frozenset({"ai.onnx.ml", "com.microsoft"})
_Dims = Sequence[int | ir.SymbolicDim | None]


def _of_features(node: ir.Node, dtype: ir.DataType, shape: ir.Shape) -> list[tuple[ir.DataType, _Dims]]:
    """Types and shapes of the results of an operator on features, or on matrices."""
    rows = shape[0] if len(shape) == 2 else 1
    match node.op_type:
        case "Binarizer" | "Imputer" | "Inverse":
            return [(dtype, list(shape))]
        case "Normalizer" | "Scaler":
            return [(ir.DataType.FLOAT, list(shape))]
        case "FeatureVectorizer":
            return [(ir.DataType.FLOAT, [rows, sum(node.attributes.get_ints("inputdimensions", ()))])]
        case "LinearRegressor":
            return [(ir.DataType.FLOAT, [rows, node.attributes.get_int("targets", 1)])]
        case "SVMRegressor":
            return [(ir.DataType.FLOAT, [rows, 1])]
        case "TreeEnsembleClassifier" if "classlabels_int64s" in node.attributes:
            count = len(node.attributes.get_ints("classlabels_int64s"))
            return [(ir.DataType.INT64, [rows]), (ir.DataType.FLOAT, [rows, count])]
    return []


def _set_ranks_of_inputs(model: ir.Model) -> bool:
    """Set the rank of values that an operator reads which takes only one rank: a file may declare no shapes at all.

    Returns whether a rank became known.
    """
    ranks = False
    for node in all_nodes(model.graph):
        for data, rank in zip(node.inputs, () if node.domain else _ranks_of_inputs(node), strict=False):
            if data is not None and data.type is not None and data.shape is None and rank is not None:
                data.shape, ranks = ir.Shape([None] * rank), True
    return ranks


def _ranks_of_inputs(node: ir.Node) -> tuple[int | None, ...]:
    """The ranks that the first inputs of a node must have; None for one that may have several."""
    match node.op_type:
        case "Conv" | "ConvTranspose" | "DeformConv" | "ConvInteger":
            weight = node.inputs[1]
            return () if weight is None or weight.shape is None else (len(weight.shape),)
        case "AveragePool" | "LpPool" | "MaxPool":
            return (2 + len(node.attributes.get_ints("kernel_shape", ())),)
        case "LSTM" | "GRU" | "RNN":
            return (3,)
        case "DepthToSpace" | "SpaceToDepth":
            return (4,)
        case "Gemm":
            return (2,)
        case "ConstantOfShape":
            return (1,)
        case "Expand" | "Pad" | "Reshape" | "Squeeze":
            return None, 1
        case "Slice":
            return None, 1, 1, 1, 1
    return ()


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
        proto = make_safe(ir.serde.serialize_node(node))
        inferred = onnx.shape_inference.infer_node_outputs(schema, proto, types, data)
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
        if value.shape is not None and any(is_invented(dim) for dim in value.shape):
            value.shape = ir.Shape(None if is_invented(dim) else dim for dim in value.shape)


def _infer(model: ir.Model) -> None:
    with without_large_tensors(model):
        proto = ir.to_proto(model)
    try:
        inferred = inferred_types(proto, follow=not (concatenates_exponentially(model) or _has_long_vectors(model)))
    except onnx.shape_inference.InferenceError:
        for node in all_nodes(model.graph):
            infer_node(node)
        return
    for node in all_nodes(model.graph):
        for value in node.outputs:
            if value.name in inferred:
                _merge(value, inferred[value.name])


def _has_long_vectors(model: ir.Model) -> bool:
    """Whether the inference would list the elements of a vector of that many."""
    shapes = (value.shape for value in all_values(model) if value.shape is not None and len(value.shape) == 1)
    return any(isinstance(shape[0], int) and shape[0] > _LONGEST for shape in shapes)


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
    return 1 if is_invented(dim) else 2


def is_invented(dim: int | ir.SymbolicDim) -> bool:
    """Whether inference gave an unknown dimension this name."""
    return isinstance(dim, ir.SymbolicDim) and dim.value is not None and bool(INVENTED.fullmatch(dim.value))


def _fill_from_declared(model: ir.Model) -> bool:
    """Use declared shapes, and ranks that follow from lengths, where inference found none.

    Returns whether a rank became known.

    A declared number may be an old batch size, from before the inputs became dynamic, or that of an example: it is used
    only if no input is dynamic, and only for operators that ONNX infers no shapes of, and for results of sub-graphs,
    which a loop collects. Elsewhere an extent that was not inferred depends on the elements of a tensor.
    """
    fixed = all(value.shape is not None and value.shape.is_static() for value in model.graph.inputs)
    ranks = False
    results = {value for graph in all_graphs(model)[1:] for value in graph.outputs}
    for node in all_nodes(model.graph):
        for value in node.outputs:
            believed = not _is_inferred(node) or value in results
            declared = value.meta.pop(DECLARED, None)
            if value.shape is None and node.op_type in _SHAPED_BY_ELEMENTS and not node.domain:
                rank = _rank_of_result(node)
                value.shape = None if rank is None else ir.Shape([_extent_of_each(node)] * rank)
                ranks = ranks or rank is not None
            elif declared is None:
                continue
            elif value.shape is None:
                value.shape, ranks = declared if believed else _without_numbers(declared), True
            elif len(value.shape) == len(declared):
                dims = zip(value.shape, declared, strict=True)
                value.shape = ir.Shape(b if _fills(a, b, fixed and believed) else a for a, b in dims)
    return ranks


_SHAPED_BY_ELEMENTS = frozenset({"ConstantOfShape", "Expand", "Reshape", "Squeeze", "Unsqueeze"})
"""Operators whose result has a rank that depends on the length of an input, and extents that are its elements."""


def _rank_of_result(node: ir.Node) -> int | None:
    """The rank of a result that has the shape, or the additional axes, that the last input of a node holds."""
    given, last = node.inputs[0], node.inputs[-1] if len(node.inputs) > 1 else None
    if node.op_type == "ConstantOfShape":
        last = given
    length = last.shape[0] if last is not None and last.shape is not None and len(last.shape) == 1 else None
    if not isinstance(length, int):
        return None
    if node.op_type in ("ConstantOfShape", "Reshape"):
        return length
    if given is None or given.shape is None:
        return None
    rank = len(given.shape)
    return {"Expand": max(rank, length), "Squeeze": rank - length, "Unsqueeze": rank + length}[node.op_type]


def _extent_of_each(node: ir.Node) -> int | None:
    """The extent of each axis of what an Unsqueeze makes of a scalar, wherever it inserts them; None for others."""
    data = node.inputs[0]
    scalar = node.op_type == "Unsqueeze" and data is not None and data.shape is not None and not len(data.shape)
    return 1 if scalar else None


def _is_inferred(node: ir.Node) -> bool:
    """Whether ONNX infers the shapes of an operator's outputs as far as they do not depend on elements."""
    return not node.domain and not subgraphs(node)


def _without_numbers(shape: ir.Shape) -> ir.Shape:
    return ir.Shape(None if isinstance(dim, int) else dim for dim in shape)


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
