"""Make tf2onnx's result deterministic: tf2onnx numbers names and orders nodes by the random order of its sets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import onnx

_ADDRESS = re.compile(r"(?<=einsum)\d+")
"""tf2onnx's decomposition of an Einsum has the node's memory address in its names."""

_GENERATED = re.compile(r"(?P<stem>.*?)(__\d+)+(?P<port>:\d+)?")


def sort_and_number(graph: onnx.GraphProto, source: Collection[str]) -> None:
    """Sort nodes and initializers by their first use, remove unused ones, and number generated names in this order.

    A generated name is one such as `Reshape__541`. The first output of a node gets the node's name, without `:0`.

    Args:
        graph: changed in place, sub-graphs included.
        source: the names of the source's nodes, which are kept.
    """
    _sort(graph)
    _rename(graph, _Numbers(source))


def _sort(graph: onnx.GraphProto) -> None:
    """Sort nodes topologically: depth first from the outputs, the first input first; initializers by first use."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    order: list[int] = []
    placed: set[int] = set()
    waiting = [(makers[value.name], False) for value in reversed(graph.output) if value.name in makers]
    while waiting:
        index, ready = waiting.pop()
        if index in placed:
            continue
        if ready:
            placed.add(index)
            order.append(index)
            continue
        waiting.append((index, True))
        waiting += [(makers[name], False) for name in reversed(list(reads(graph.node[index]))) if name in makers]
    nodes = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in order]
    del graph.node[:]
    graph.node.extend(nodes)
    for node in graph.node:
        for body in bodies(node):
            _sort(body)
    used = [*(name for node in graph.node for name in reads(node)), *(value.name for value in graph.output)]
    first = {name: place for place, name in reversed(list(enumerate(used)))}
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in first:
            del graph.initializer[index]
    graph.initializer.sort(key=lambda tensor: first[tensor.name])


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The sub-graphs of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Every name that a node reads, its sub-graphs included."""
    yield from node.input
    for body in bodies(node):
        for inner in body.node:
            yield from reads(inner)
        yield from (value.name for value in body.output)


class _Numbers:
    """Maps a generated name to a new one, numbered from 1 for each stem; other names are unchanged."""

    def __init__(self, source: Collection[str]) -> None:
        self._taken = set(source)
        self._new: dict[str, str] = {}
        self._last: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        name = name.removesuffix(":0")
        match = _GENERATED.fullmatch(name)
        if match is None or name.partition(":")[0] in self._taken:
            return name
        port = match["port"] or ""
        old = name.removesuffix(port)
        if old not in self._new:
            self._new[old] = self._next(_ADDRESS.sub("", match["stem"]))
        return self._new[old] + port

    def _next(self, stem: str) -> str:
        while True:
            number = self._last[stem] = self._last.get(stem, 0) + 1
            if f"{stem}__{number}" not in self._taken:
                return f"{stem}__{number}"


def _rename(graph: onnx.GraphProto, number: _Numbers) -> None:
    for value in graph.input:
        value.name = number(value.name)
    for node in graph.node:
        node.name = number(node.name)
        node.input[:] = [number(name) for name in node.input]
        for body in bodies(node):
            _rename(body, number)
        node.output[:] = [number(name) for name in node.output]
    for holder in (graph.output, graph.initializer, graph.value_info):
        for item in holder:
            item.name = number(item.name)
    for value in (*graph.output, *graph.value_info, *graph.input):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param.startswith("unk__"):
                dim.ClearField("dim_param")
