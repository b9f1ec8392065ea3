"""Read a frozen graph (GraphDef), and query its nodes and edges."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.files import check_readable
from converter.errors import ModelLoadingError, NodeInputMissingError

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef
    from tensorflow.core.framework.op_def_pb2 import OpDef

_FREEZE = (
    "Freeze it: tensorflow.python.framework.convert_to_constants.convert_variables_to_constants_v2(function), then "
    "write .graph.as_graph_def().SerializeToString()."
)
VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
LOOPS = ("While", "StatelessWhile")

FEEDS = (
    *("Placeholder", "PlaceholderV2", "IteratorGetNext", "IteratorGetNextSync", "OptionalGetValue"),
    *("QueueDequeue", "QueueDequeueV2", "QueueDequeueMany", "QueueDequeueManyV2", "QueueDequeueUpTo"),
    *("QueueDequeueUpToV2", "Unstage", "DecodeJpeg", "DecodePng", "DecodeImage", "DecodeBmp", "DecodeRaw", "DecodeCSV"),
    *("ParseExample", "ParseExampleV2", "ParseSingleExample", "StringToNumber", "LookupTableFind"),
    *("LookupTableFindV2", "PyFunc", "EagerPyFunc"),
)
"""Operators that are inputs of a graph: they return data from outside, or what no network computes."""

_NO_VALUES = (*VARIABLES, "VarIsInitializedOp", "TemporaryVariable")
_LARGE = 1000
"""Size in bytes of a large constant; constants that TensorFlow's shape inference reads are smaller."""


def read(file: Path) -> GraphDef:
    """Read the graph of `file`; the device assignments of its nodes are removed.

    Raises:
        ModelLoadingError: the file is missing, unreadable, or not a GraphDef.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework.graph_pb2 import GraphDef

    check_readable(file)
    data = file.read_bytes()
    try:
        graph = GraphDef.FromString(data)
    except DecodeError as error:
        raise ModelLoadingError(f"'{file}' {_damage(data)}") from error
    if not graph.node:
        raise ModelLoadingError(f"'{file}' {_damage(data)}")
    for node in graph.node:
        node.device = ""
    return graph


def take_weights(graph: GraphDef) -> dict[str, bytes]:
    """Remove the contents of large constants from the graph and return them by node: TensorFlow copies graphs often."""
    taken = {}
    for node in graph.node:
        if node.op == "Const" and len(node.attr["value"].tensor.tensor_content) > _LARGE:
            taken[node.name] = node.attr["value"].tensor.tensor_content
            node.attr["value"].tensor.tensor_content = b""
    return taken


def _damage(data: bytes) -> str:
    """The end of an error message: why a file cannot be read as a frozen graph."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    if data.lstrip().startswith((b"node {", b"node{", b"versions {", b"library {")):
        return "is a graph in text form. Write it in binary: tf.io.write_graph(graph, folder, name, as_text=False)."
    try:
        saved = SavedModel.FromString(data)
    except DecodeError:
        saved = SavedModel()
    if any(meta.graph_def.node for meta in saved.meta_graphs):
        return f"is a SavedModel, whose weights lie in other files. {_FREEZE}"
    if data.startswith(b"\n"):  # the first node of a GraphDef
        return "is truncated or damaged. Export or copy the model again."
    return "is not a frozen TensorFlow graph (a binary GraphDef). Name one, or an .onnx model."


def split(tensor: str) -> tuple[str, int]:
    """Node and output index of a tensor's name: `split:1` → ("split", 1); a bare name is the first output."""
    node, _, index = tensor.partition(":")
    return node, int(index or 0)


def data_inputs(node: NodeDef) -> list[tuple[str, int]]:
    """The tensors that a node reads, as (node, output index); control inputs are left out."""
    return [split(name) for name in node.input if not name.startswith("^")]


def needed(
    graph: GraphDef, outputs: Iterable[str], stop: Collection[tuple[str, int]] = (), *, control: bool = False
) -> set[str]:
    """The names of all nodes on which `outputs` depend; the search does not continue above the tensors in `stop`.

    With `control`, control dependencies are followed too.

    Raises:
        NodeInputMissingError: a node reads a tensor of a node that is not in the graph.
    """
    nodes = {node.name: node for node in graph.node}
    found: set[str] = set()
    waiting = [(split(name), "an output") for name in outputs]
    while waiting:
        tensor, reader = waiting.pop()
        if tensor in stop or tensor[0] in found:
            continue
        if tensor[0] not in nodes:
            raise NodeInputMissingError(
                f"the graph is damaged: {reader} reads '{tensor[0]}', which is not in the file. "
                "Export or copy it again."
            )
        found.add(tensor[0])
        sources = data_inputs(nodes[tensor[0]])
        if control:
            sources += [(name[1:], 0) for name in nodes[tensor[0]].input if name.startswith("^")]
        waiting += [(source, f"node '{tensor[0]}'") for source in sources]
    return found


def part(graph: GraphDef, names: Collection[str]) -> GraphDef:
    """Copy the sub-graph of these nodes, in the graph's order. Control dependencies on other nodes are removed."""
    from tensorflow.core.framework.graph_pb2 import GraphDef

    result = GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        if node.name in names:
            copy = result.node.add()
            copy.CopyFrom(node)
            copy.attr.pop("_class", None)  # a colocation constraint
            copy.input[:] = [name for name in node.input if not name.startswith("^") or name[1:] in names]
    return result


def check_frozen(graph: GraphDef) -> None:
    """Check that the graph has no variables, whose values would be in other files.

    Raises:
        ModelLoadingError: it has a variable.
    """
    for node in graph.node:
        if node.op in _NO_VALUES:
            raise ModelLoadingError(
                f"the graph is not frozen: '{node.name}' is a variable without a value. "
                f"Name the checkpoint that has it (net.ckpt.meta). Without one: {_FREEZE}"
            )


def output_count(graph: GraphDef, node: NodeDef) -> int:
    """The number of outputs of a node; 1 if its operator is unknown."""
    definition = _definition(graph, node.op)
    if definition is None:
        return 1
    defaults = {attribute.name: attribute.default_value for attribute in definition.attr}
    count = 0
    for output in definition.output_arg:
        if output.number_attr:
            count += (
                node.attr[output.number_attr].i if output.number_attr in node.attr else defaults[output.number_attr].i
            )
        elif output.type_list_attr:
            attributes = node.attr if output.type_list_attr in node.attr else defaults
            count += len(attributes[output.type_list_attr].list.type)
        else:
            count += 1
    return count


def gives_tensors(graph: GraphDef, node: NodeDef) -> bool:
    """Whether all outputs of a node are tensors, not resources or variants (handles, tensor lists)."""
    from tensorflow.core.framework.types_pb2 import DT_RESOURCE, DT_VARIANT

    definition = _definition(graph, node.op)
    return definition is None or all(output.type not in (DT_RESOURCE, DT_VARIANT) for output in definition.output_arg)


def _definition(graph: GraphDef, operator: str) -> OpDef | None:
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(operator)
    if known is not None:
        return known
    return next((f.signature for f in graph.library.function if f.signature.name == operator), None)
