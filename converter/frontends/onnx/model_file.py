"""ONNX files: cut a model at the user's endpoints, and run the original."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx

from converter.errors import GraphInitError, NodeInputTypeNotSupportError, SourceRunError
from converter.frontends.endpoints import Declared, TensorNames, is_named, merge_shapes, one_line, shape_text
from converter.frontends.frontend import Run
from converter.frontends.onnx.cut import cut, initializer_names, keep
from converter.frontends.onnx.external_data import (
    check_external_data,
    resolve_links,
    size_of,
    tensors_of,
    with_small_data,
)
from converter.frontends.onnx.maps import before_maps, without_text
from converter.frontends.onnx.old_operators import old_operators
from converter.frontends.onnx.reading import is_binary, read
from converter.frontends.onnx.record import record_in
from converter.frontends.onnx.test_data import inputs_beside, outputs_beside
from converter.frontends.onnx.versions import ORT_IR_VERSION
from converter.frontends.source import Dim, Endpoint, Original, Request, Source
from converter.graph import infer_proto, proto_nodes

if TYPE_CHECKING:
    import onnxruntime

_FRONTEND = __name__.rpartition(".")[0]
"""This package, which defines the frontend."""

_NUMPY_TYPE = re.compile(r"tensor\((float|double|float16|u?int(8|16|32|64)|bool|string)\)")
_IR_WITH_CONSTANTS = 4
_DEFAULT_DOMAINS = ("", "ai.onnx")


def load(request: Request) -> Source:
    """The model of an ONNX file, at its own opset, cut at the endpoints that the user named.

    Weights in other files stay there. `Source.model` and `Original.model` are one object: it is not changed.
    If neither the model nor shape inference gives an element type, it is taken to be float32.

    Raises:
        ModelLoadingError: the file or its external data is missing, unreadable, truncated or invalid.
        GraphInitError, NodeInputMissingError: the file is complete, but its contents are not a valid graph.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
        NodeInputTypeNotSupportError: an endpoint holds no dense tensors (a map, a sparse tensor).
    """
    path = request.model_file
    model = read(path)
    record = record_in(model)
    contents = _contents(model)
    names = graph_names(model.graph)
    inputs = names.inputs_named(request.input_nodes) if request.input_nodes else tuple(names.inputs)
    outputs = names.outputs_named(request.output_nodes) if request.output_nodes else tuple(names.outputs)
    outputs, cut_off = before_maps(model.graph, outputs)
    notes = [*record.notes, *cut_off]
    if model.training_info:
        del model.training_info[:]
        notes.append("The model holds training information, which was left out: the script has the network only.")

    data_dir = request.data_dir or path.parent
    types = _types(model, data_dir, (*inputs, *outputs))
    if not request.output_nodes:
        outputs, left_out = without_text(model.graph, outputs, [name for name in outputs if types[name].is_text])
        notes += left_out
    declared = [Declared(name, types[name].shape) for name in inputs]
    extents = merge_shapes(request.shapes or record.shapes_of(inputs), declared)
    input_endpoints = tuple(
        Endpoint(
            known,
            name,
            types[name].dtype,
            merged.shape,
            merged.example,
            types[name].container,
            merged.guessed,
            merged.freed,
        )
        for known, name, merged in zip(record.names_of(inputs), inputs, extents, strict=True)
    )
    if any(end.freed for end in input_endpoints):
        constants = initializer_names(model.graph)  # the others have the extents that the user freed
        keep(model.graph.value_info, lambda value: value.name in constants)
        types |= {name: types[name]._replace(shape=None) for name in outputs}
    renamed = _renamed(input_endpoints, declared)
    _rename_dimensions(model.graph, renamed)
    output_endpoints = tuple(
        Endpoint(known, name, types[name].dtype, _named(types[name].shape, renamed), container=types[name].container)
        for known, name in zip(record.names_of(outputs), outputs, strict=True)
    )

    description = record.description or f"{path.name} ({_producer(model)})"
    if not model.opset_import:
        model.opset_import.add(domain="", version=1)
    model.ir_version = max(model.ir_version, _IR_WITH_CONSTANTS)  # an initializer need no longer be an input
    cut(model.graph, [_value_info(end) for end in input_endpoints], [_value_info(end) for end in output_endpoints])
    _check_extents(model)
    is_file = contents == _contents(model) and not request.shapes and is_binary(path) and _definite(model) is model
    files = (path, *check_external_data(model, data_dir))
    original = Original(
        _FRONTEND,
        path,
        data_dir,
        model,
        {end.name: end.value for end in input_endpoints},
        {end.name: end.value for end in output_endpoints},
        model_file=path if is_file else None,
    )
    source = Source(model, input_endpoints, output_endpoints, original, description, data_dir, files, tuple(notes))
    return source if request.folder is None else _with_test_data(source, names, request.folder)


def _with_test_data(source: Source, names: TensorNames, folder: Path) -> Source:
    """The source with the inputs, and their outputs, that lie beside its model."""
    file = source.original.file
    inputs = inputs_beside(file, source.inputs, names.inputs, folder)
    outputs = inputs and outputs_beside(file, source.outputs, names.outputs, folder)
    return replace(source, real_inputs=inputs, real_outputs=outputs)


def _contents(model: onnx.ModelProto) -> tuple[Any, ...]:
    """What cutting may change of a model that it leaves as it is."""
    graph, opsets = model.graph, [(opset.domain, opset.version) for opset in model.opset_import]
    ends = [[value.name for value in values] for values in (graph.input, graph.output)]
    sizes = len(model.training_info), len(graph.node), len(graph.initializer)
    return model.ir_version, opsets, sizes, ends


_ELEMENT_TYPES = frozenset(onnx.TensorProto.DataType.values()) - {onnx.TensorProto.UNDEFINED}


def _check_extents(model: onnx.ModelProto) -> None:
    """Check that the shapes of constants are possible: not negative, and with data for all elements (2 bits or more).

    Raises:
        GraphInitError: a constant has an impossible shape, or elements of no type.
    """
    for tensor in tensors_of(model):
        raw = tensor.HasField("raw_data")
        there = len(tensor.raw_data) == size_of(tensor) if raw else math.prod(tensor.dims) <= 4 * tensor.ByteSize()
        if tensor.data_type not in _ELEMENT_TYPES:
            raise GraphInitError(
                f"the model is invalid: the constant '{tensor.name}' has elements of the type {tensor.data_type}, "
                "which ONNX does not have. Export or copy the model again."
            )
        inside = tensor.data_location != onnx.TensorProto.EXTERNAL
        if (inside and not there) or any(extent < 0 for extent in tensor.dims):
            raise GraphInitError(
                f"the model is invalid: the constant '{tensor.name}' has not as much data as its shape "
                f"{shape_text(tensor.dims)} takes. Export or copy the model again."
            )


def graph_names(graph: onnx.GraphProto) -> TensorNames:
    """The names of possible endpoints. A constant that is also an input (IR < 4) is not one of the graph's inputs."""
    constants = initializer_names(graph)
    nodes: dict[str, list[list[str]]] = defaultdict(list)
    for node in graph.node:
        if node.name:
            nodes[node.name].append(list(node.output))
    values = {value.name for value in graph.input} | constants
    values.update(name for node in graph.node for name in node.output if name)
    return TensorNames(
        inputs=[value.name for value in graph.input if value.name not in constants],
        outputs=list(dict.fromkeys(value.name for value in graph.output)),
        nodes={name: outputs[0] for name, outputs in nodes.items() if len(outputs) == 1},
        values=values,
        shared={name: [first for first, *_ in outputs] for name, outputs in nodes.items() if len(outputs) > 1},
    )


class _Type(NamedTuple):
    """A value's type, as in `Endpoint`."""

    dtype: np.dtype
    shape: tuple[int | str | None, ...] | None
    container: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its elements are strings."""
        return self.dtype == np.dtype(object)


def _types(model: onnx.ModelProto, data_dir: Path, names: Sequence[str]) -> dict[str, _Type]:
    """Element type and shape of each of these values."""
    known = _declared_types(model.graph)
    if any(name not in known or not known[name].tensor_type.elem_type for name in names):
        try:
            inferred = infer_proto(with_small_data(model, data_dir))
        except onnx.shape_inference.InferenceError:
            pass  # types that cannot be inferred stay unknown
        else:
            known = _declared_types(inferred.graph)
    return {name: _type(name, known.get(name, onnx.TypeProto())) for name in names}


def _declared_types(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto]:
    types = {
        tensor.name: onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims) for tensor in graph.initializer
    }
    return types | {
        value.name: value.type for field in (graph.value_info, graph.output, graph.input) for value in field
    }


def _type(name: str, proto: onnx.TypeProto) -> _Type:
    container = []
    while (kind := proto.WhichOneof("value")) in ("sequence_type", "optional_type"):
        container.append(kind.removesuffix("_type"))
        proto = getattr(proto, kind).elem_type
    if kind not in ("tensor_type", None):
        raise NodeInputTypeNotSupportError(
            f"'{name}' is a {kind.removesuffix('_type')}, not a tensor. Cut the graph where tensors flow: "
            "name them with --input_nodes and --output_nodes."
        )
    tensor = proto.tensor_type
    if tensor.elem_type not in onnx.TensorProto.DataType.values():
        raise GraphInitError(
            f"the model is invalid: '{name}' has the element type {tensor.elem_type}, which ONNX does not have. "
            "Export or copy the model again."
        )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type or onnx.TensorProto.FLOAT)
    shape = tuple(_extent(dim) for dim in tensor.shape.dim) if tensor.HasField("shape") else None
    return _Type(dtype, shape, tuple(container))


def _extent(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A number, a name, or None: some exporters write -1 for a free dimension."""
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None


def _renamed(endpoints: Sequence[Endpoint], declared: Sequence[Declared]) -> dict[str, str]:
    """The source's names of free dimensions → the user's letters."""
    pairs = (
        pair
        for end, own in zip(endpoints, declared, strict=True)
        for pair in zip(own.shape or (), end.shape or (), strict=False)
    )
    return {own: new for own, new in pairs if isinstance(own, str) and isinstance(new, str) and is_named(own)}


def _rename_dimensions(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for value in graph.value_info:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]


def _named(shape: Sequence[int | str | None] | None, names: Mapping[str, str]) -> tuple[Dim, ...] | None:
    """An output's shape, with `?` for a dynamic dimension without a name."""
    if shape is None:
        return None
    return tuple(
        dim if isinstance(dim, int) else names.get(dim, dim) if dim and is_named(dim) else "?" for dim in shape
    )


def _value_info(end: Endpoint) -> onnx.ValueInfoProto:
    shape = None if end.shape is None else [None if dim == "?" else dim for dim in end.shape]
    proto = onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(end.dtype), shape)
    for kind in reversed(end.container):
        wrap = onnx.helper.make_sequence_type_proto if kind == "sequence" else onnx.helper.make_optional_type_proto
        proto = wrap(proto)
    return onnx.helper.make_value_info(end.value, proto)


def _producer(model: onnx.ModelProto) -> str:
    """`CNTK 2.5.1, opset 8`, always printable and on one line."""
    version = next((o.version for o in model.opset_import if o.domain in _DEFAULT_DOMAINS), None)
    opsets = [f"opset {version}"] if version else [f"{o.domain} {o.version}" for o in model.opset_import] or ["opset 1"]
    text = ", ".join([f"{model.producer_name} {model.producer_version}", *opsets])
    return one_line(text).removeprefix(", ")


def start(original: Original) -> Run:
    """Load the original model: into onnxruntime, or into onnx's own evaluator if onnxruntime rejects it.

    Args:
        original: has a model, or the file that holds it.

    Returns:
        A function of arrays by `Endpoint.name`, which returns the outputs in the order of `original.outputs`. It raises
        SourceRunError if neither can run the model, or the model rejects these inputs.
    """
    inputs, names = original.inputs, list(original.outputs.values())
    file = original.model_file
    session = _session_of_file(file, original.base_dir) if file is not None else None
    if session is None:
        model = original.model or (read(file) if file is not None else None)
        assert model is not None, "the original has no ONNX model"
        model, folder = resolve_links(model, original.base_dir)
        model = _definite(model)
        try:
            session = _session(model, folder)
        except Exception as error:  # onnxruntime's errors have no common base class
            refused = error
            return lambda feeds: _evaluate(model, folder, _by_value(inputs, feeds), names, refused)

    def run(feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        try:
            return [np.asarray(array) for array in session.run(names, _by_value(inputs, feeds))]
        except Exception as error:
            raise SourceRunError(f"onnxruntime refuses these inputs: {_reason(error)}") from error

    return run


def _by_value(inputs: Mapping[str, str], feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {inputs[name]: array for name, array in feeds.items()}


_LOOSE = {("", "TopK"): ("sorted", 1), ("com.microsoft", "MatMulNBits"): ("accuracy_level", 1)}
"""Operators that may answer in any order, or round their inputs to 8 bits for speed → the attribute that decides it,
and its value for one answer."""


def _definite(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with one right answer: what may come in any order is sorted, what may be rounded is not."""
    if not any(_loose(node) for node in proto_nodes(model.graph)):
        return model
    definite = onnx.ModelProto()
    definite.CopyFrom(model)
    for node in proto_nodes(definite.graph):
        for attribute in _loose(node):
            attribute.i = _LOOSE[node.domain, node.op_type][1]
    return definite


def _loose(node: onnx.NodeProto) -> list[onnx.AttributeProto]:
    name, wanted = _LOOSE.get((node.domain, node.op_type), ("", 0))
    return [attribute for attribute in node.attribute if attribute.name == name and attribute.i != wanted]


def _session_of_file(file: Path, folder: Path) -> onnxruntime.InferenceSession | None:
    """The model of a file; None if onnxruntime does not read it from there."""
    try:
        return _started(str(file), folder)
    except Exception:  # a link of external data, or an IR version, that can be changed
        return None


def _session(model: onnx.ModelProto, folder: Path) -> onnxruntime.InferenceSession:
    if model.ir_version > ORT_IR_VERSION:
        older = onnx.ModelProto()
        older.CopyFrom(model)
        older.ir_version = ORT_IR_VERSION
        model = older
    return _started(model.SerializeToString(), folder)  # bytes, since it may be cut


def _started(model: bytes | str, folder: Path) -> onnxruntime.InferenceSession:
    """A session of a file or of its contents, whose external data is searched in a folder."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")  # no saturation at 16 bits without VNNI
    # As it stands: fused kernels of 8 bits round otherwise, and some optimisations compute something else.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder.absolute()))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for end in (*session.get_inputs(), *session.get_outputs()):
        if not _NUMPY_TYPE.fullmatch(end.type):
            raise TypeError(f"its Python interface lacks {end.type}")
    return session


def _evaluate(
    model: onnx.ModelProto, folder: Path, values: dict[str, np.ndarray], names: list[str], refused: Exception
) -> list[np.ndarray]:
    from onnx.reference import ReferenceEvaluator

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    try:
        onnx.load_external_data_for_model(whole, str(folder))
        evaluator = ReferenceEvaluator(whole, new_ops=old_operators(whole))
        return [np.asarray(array) for array in evaluator.run(names, values)]
    except Exception as error:  # an operator's Python implementation may raise any class
        raise SourceRunError(
            f"neither onnxruntime ({_reason(refused)}) nor onnx's reference evaluator "
            f"({_reason(error)}) runs the model."
        ) from error


def _reason(error: Exception) -> str:
    """The message of an error on one line, without the code position that onnxruntime puts before it."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"/onnxruntime_src/\S+:\d+ .*?\(.*\) ", "", text)
    return text if len(text) <= 300 else f"{text[:297]}..."
