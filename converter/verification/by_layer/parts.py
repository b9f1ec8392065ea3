"""Parts: run a model that does not fit into memory part by part, each with weights that are read for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from converter.frontends.onnx import ORT_IR_VERSION
from converter.graph import map_external_data
from converter.verification.evaluate import runner_of
from converter.verification.reference import values_read_by

PART = 1 << 28
"""Bytes of weights above which a part ends; a larger weight has a part of its own."""
NODES = 200
"""Maximum nodes of a part."""
SMALL = 1 << 12
"""Bytes of a constant that a part's model holds, since shape inference may need it; larger ones are fed to it."""

Store = Callable[[str, Any], None]
"""Takes the name and the value of what is to be kept."""


def run_by_parts(
    model: onnx.ModelProto,
    base_dir: Path,
    feeds: Mapping[str, Any],
    wanted: Collection[str],
    store: Store,
    wide: bool = False,
) -> list[Any]:
    """Run a model by onnxruntime, part by part; external data is mapped, and a value goes after its last reader.

    Args:
        model: at the opset of its file; its nodes are in the order in which they run.
        base_dir: the folder that its external data is relative to.
        feeds: its inputs, by name.
        wanted: the names of values to keep.
        store: is given these.
        wide: whether weights in bfloat16 are read as float32.

    Returns:
        The outputs.

    Raises:
        NoReference: neither onnxruntime nor onnx's evaluator runs a part.
    """
    whole = ir.from_proto(model)
    map_external_data(whole, base_dir)
    graph = whole.graph
    constants = {value: value.const_value for value in graph.initializers.values()}
    values: dict[ir.Value, Any] = {value: feeds[_name(value)] for value in graph.inputs if value not in constants}
    keep = {value for value in graph.outputs if value not in constants}
    last = {value: number for number, node in enumerate(graph) for value in values_read_by(node)}
    for value, given in values.items():
        if value.name in wanted:
            store(_name(value), given)
    for first, nodes in _parts(graph, constants):
        end = first + len(nodes)
        made = [value for node in nodes for value in node.outputs if value.name]
        shown = [v for v in made if v.name in wanted or v in keep or last.get(v, -1) >= end]
        own = set(made)
        read = dict.fromkeys(v for node in nodes for v in values_read_by(node) if v not in own)
        inputs = {v: _weight(constants[v], wide) if v in constants else values[v] for v in read}
        for value, result in zip(shown, _run(model, nodes, inputs, shown, constants), strict=True):
            values[value] = result
            if value.name in wanted:
                store(_name(value), result)
        values = {v: known for v, known in values.items() if v in keep or last.get(v, -1) >= end}
    return [_weight(constants[v], wide) if v in constants else values[v] for v in graph.outputs]


def _parts(graph: ir.Graph, constants: Mapping[ir.Value, Any]) -> Iterator[tuple[int, list[ir.Node]]]:
    """The nodes in parts, each with the number of its first node."""
    part: list[ir.Node] = []
    size, first = 0, 0
    for number, node in enumerate(graph):
        added = sum(constants[value].nbytes for value in values_read_by(node) if value in constants)
        if part and (size + added > PART or len(part) == NODES):
            yield first, part
            part, size, first = [], 0, number
        part.append(node)
        size += added
    if part:
        yield first, part


def _name(value: ir.Value) -> str:
    assert value.name is not None
    return value.name


def _weight(tensor: Any, wide: bool) -> np.ndarray:
    array = tensor.numpy()
    return array.astype(np.float32) if wide and array.dtype.name == "bfloat16" else array


def _run(
    model: onnx.ModelProto,
    nodes: list[ir.Node],
    inputs: Mapping[ir.Value, Any],
    outputs: list[ir.Value],
    constants: Mapping[ir.Value, Any],
) -> list[Any]:
    """The outputs of these nodes."""
    if not outputs:
        return []
    inside = {v for v, known in inputs.items() if v in constants and known.nbytes <= SMALL}
    graph = helper.make_graph(
        [ir.to_proto(node) for node in nodes],
        "part",
        [_declared(value, known) for value, known in inputs.items() if value not in inside],
        [onnx.ValueInfoProto(name=_name(value)) for value in outputs],
        [numpy_helper.from_array(inputs[value], _name(value)) for value in inside],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    part.ir_version = min(model.ir_version, ORT_IR_VERSION)
    return runner_of(part)({_name(value): known for value, known in inputs.items() if value not in inside})


def _declared(value: ir.Value, known: Any) -> onnx.ValueInfoProto:
    """The type of an input of a part: that of the array, or what the model says of a sequence."""
    if isinstance(known, np.ndarray):
        return helper.make_tensor_value_info(_name(value), helper.np_dtype_to_tensor_dtype(known.dtype), known.shape)
    return ir.serde.serialize_value(value)
