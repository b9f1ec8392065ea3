"""Reading a frozen graph, and the plain questions that one asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import ModelLoadingError

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


def read(file: Path) -> GraphDef:
    """The graph in `file`.

    Raises:
        ModelLoadingError: the file is missing, unreadable, or not a frozen GraphDef.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework.graph_pb2 import GraphDef

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelLoadingError(f"'{file}' cannot be read: {error.strerror}.") from error
    graph = GraphDef()
    try:
        graph.ParseFromString(data)
    except DecodeError as error:
        raise ModelLoadingError(f"'{file}' is not a frozen TensorFlow graph, or it is truncated.") from error
    if not graph.node:
        raise ModelLoadingError(f"'{file}' holds no nodes: it is not a frozen TensorFlow graph.")
    return graph


def split(tensor: str) -> tuple[str, int]:
    """Node and output index of a tensor's name: `split:1` → ("split", 1); a bare name is the first output."""
    node, _, index = tensor.partition(":")
    return node, int(index or 0)


def closure(graph: GraphDef, outputs: list[str], stop: frozenset[tuple[str, int]]) -> set[str]:
    """Names of the nodes that compute `outputs`, not looking behind the tensors in `stop`. Data edges only."""
    nodes = {node.name: node for node in graph.node}
    found: set[str] = set()
    waiting = [split(name) for name in outputs]
    while waiting:
        tensor = waiting.pop()
        if tensor in stop or tensor[0] in found:
            continue
        found.add(tensor[0])
        waiting += [split(name) for name in nodes[tensor[0]].input if not name.startswith("^")]
    return found
