"""Preprocessing that a network of MindSpore cannot have: reading files and text, decoding images, lookup tables.

The graph is cut behind it. What the network takes instead are the tensors that it hands on: decoded images, ids.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from converter.frontends.endpoints import listed
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.value_range import value_range

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_TABLE = re.compile(r"(Mutable|Anonymous)*(Dense)?HashTable(OfTensors)?(V\d)?")
_FOLLOWS = re.compile(
    r"(Ragged\w*|Sparse(ToDense|Reshape|Reorder|FillEmptyRows|Concat|Slice|Cross\w*)|Lookup\w*|Unique\w*)(V\d)?"
)
"""Operators that still arrange what was read: rows of different lengths become one tensor."""

_WHAT = (
    (r"Decode(Jpeg|Png|Bmp|Gif|Image|AndCrop\w*)", "decoded images"),
    (r"DecodeWav|AudioSpectrogram", "samples of audio from -1 to 1"),
    (r"Lookup\w*|\w*HashBucket\w*|Ragged\w*", "the ids of words or categories"),
    (r"Parse\w*|DecodeCSV|StringToNumber", "the numbers that were read"),
)
_SUFFIXES = {
    "decoded images": "decoded",
    "samples of audio from -1 to 1": "samples",
    "the ids of words or categories": "ids",
    "the numbers that were read": "numbers",
}
"""What the network takes → the end of the input's name: `colour_ids` in the place of `colour`."""


class Behind(NamedTuple):
    """The part of a graph without text, tables and files: its ends, shapes of inputs that TensorFlow does not know,
    sentences for the user, and names for inputs that take the place of one that has a name.
    """

    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    shapes: Mapping[str, Sequence[int | None] | None]
    notes: tuple[str, ...]
    names: Mapping[str, str] = {}


def cut_behind(
    graph: GraphDef, outputs: Sequence[str], inputs: Sequence[str], shown: Mapping[str, str] | None = None
) -> Behind:
    """Find the part of a graph that a network can have.

    Args:
        graph: a graph that is cut nowhere yet.
        outputs: tensors. Text among them is replaced by the numbers that it is looked up by.
        inputs: the tensors that the user feeds.
        shown: tensor → the name that the source shows for it.
    """
    shown = shown or {}
    between = graphs.needed(graph, outputs, {graphs.split(name) for name in inputs})
    between |= {graphs.split(name)[0] for name in inputs}
    if not any(node.name in between and _mentions_text(node) for node in graph.node):
        return Behind(tuple(outputs), tuple(inputs), {}, ())
    parts = _Parts(graphs.part(graph, graphs.needed(graph, outputs)))
    ends, notes = [], []
    for name in outputs:
        found = [name] if parts.is_number(name) else parts.numbers_before(name)
        if found != [name]:
            notes.append(
                f"'{name.removesuffix(':0')}' is text, which MindSpore lacks: {listed(found)}, from which it is looked "
                "up, is the output instead."
            )
        ends += [tensor for tensor in found if tensor not in ends]
    starts, handed = parts.starts(ends, inputs)
    instead = parts.taking_the_place(handed, inputs)
    names = {name: f"{shown[own]}_{parts.suffix(name)}" for name, own in instead.items() if own in shown}
    for name in handed:
        what, operator = parts.what(name), parts.producer(name).op
        if name in names:
            own = shown[instead[name]]
            notes.append(
                f"'{names[name]}' takes the place of '{own}': the network begins behind {operator}, at '{name}', and "
                f"takes {what}."
            )
        else:
            notes.append(f"The network begins behind {operator}, at '{name}': it takes {what}.")
    place = {tensor: index for index, tensor in enumerate(inputs)}
    place |= {tensor: place[own] for tensor, own in instead.items()}
    starts.sort(key=lambda name: place.get(name, len(place)))
    shapes = {name: parts.shape(name) for name in handed}
    return Behind(tuple(ends), tuple(starts), shapes, tuple(notes), names)


def _mentions_text(node: NodeDef) -> bool:
    from tensorflow.core.framework.types_pb2 import DT_STRING

    if _TABLE.fullmatch(node.op) or node.op.startswith("LookupTable"):
        return True  # a table of numbers too
    return any(value.type == DT_STRING or DT_STRING in value.list.type for value in node.attr.values()) or bool(
        re.match(r"Decode|Parse|ReadFile|String", node.op)
    )


class _Parts:
    """The nodes of a graph, and which of them MindSpore cannot have."""

    def __init__(self, graph: GraphDef) -> None:
        import tensorflow as tf

        self._graph = graph
        self._nodes: Mapping[str, NodeDef] = {node.name: node for node in graph.node}
        with tf.Graph().as_default() as self._imported:
            tf.import_graph_def(graph, name="")
        self._unreadable = self._propagated()

    def producer(self, tensor: str) -> NodeDef:
        return self._nodes[graphs.split(tensor)[0]]

    def is_number(self, tensor: str) -> bool:
        """Whether it is a tensor of numbers, not text, a table or a list."""
        return self._dtype(tensor) not in ("string", "resource", "variant")

    def numbers_before(self, tensor: str) -> list[str]:
        """The tensors of numbers from which text is computed, without constants."""
        found: list[str] = []
        waiting = [tensor]
        while waiting:
            for source in map(_named, graphs.data_inputs(self.producer(waiting.pop()))):
                if self._nodes[graphs.split(source)[0]].op == "Const":
                    continue
                if not self.is_number(source):
                    waiting.append(source)
                elif source not in found:
                    found.append(source)
        return found

    def starts(self, outputs: Sequence[str], inputs: Sequence[str]) -> tuple[list[str], list[str]]:
        """All tensors in which the network begins, and those of them that preprocessing hands to it."""
        handed, kept = set[str](), set[str]()
        waiting, seen = list(outputs), set(outputs)
        while waiting:
            tensor = waiting.pop()
            node = self.producer(tensor)
            if node.name in self._unreadable:
                handed.add(tensor)
                continue
            if tensor in inputs:
                kept.add(tensor)
                continue
            fresh = [name for name in map(_named, graphs.data_inputs(node)) if name not in seen]
            seen.update(fresh)
            waiting += fresh
        place = {node.name: index for index, node in enumerate(self._graph.node)}
        new = sorted(handed.difference(inputs), key=lambda name: (place[graphs.split(name)[0]], name))
        starts = [*(name for name in inputs if name in kept | handed), *new]
        return starts, [name for name in starts if name in handed]

    def taking_the_place(self, handed: Sequence[str], inputs: Sequence[str]) -> dict[str, str]:
        """Each handed tensor that is computed of one input, of which no other is → this input."""
        origins = {tensor: self._origins(tensor, inputs) for tensor in handed if tensor not in inputs}
        every = [own for each in origins.values() for own in each]
        single = {tensor: next(iter(each)) for tensor, each in origins.items() if len(each) == 1}
        return {tensor: own for tensor, own in single.items() if every.count(own) == 1}

    def _origins(self, tensor: str, inputs: Sequence[str]) -> set[str]:
        found, waiting, seen = set[str](), [tensor], {tensor}
        while waiting:
            name = waiting.pop()
            if name in inputs:
                found.add(name)
                continue
            fresh = set(map(_named, graphs.data_inputs(self.producer(name)))) - seen
            seen |= fresh
            waiting += fresh
        return found

    def suffix(self, tensor: str) -> str:
        """The end of the name of an input that takes the place of another."""
        what = self.what(tensor)
        return next((suffix for start, suffix in _SUFFIXES.items() if what.startswith(start)), "numbers")

    def shape(self, tensor: str) -> Sequence[int | None] | None:
        """The shape of a tensor; what a table finds has the shape of the keys."""
        node = self.producer(tensor)
        if node.op.startswith("LookupTableFind"):
            tensor = _named(graphs.split(node.input[1]))
        shape = self._imported.get_tensor_by_name(tensor).shape
        return None if shape.rank is None else shape.as_list()

    def what(self, tensor: str) -> str:
        """What the network takes at this tensor."""
        limits = value_range(self._graph, tensor)
        bounds = "" if limits is None else f" from {limits[0]:g} to {limits[1]:g}"
        operators = [node.op for node in self._before(tensor)]
        for pattern, what in _WHAT:
            if any(re.fullmatch(pattern, operator) for operator in operators):
                return what + (bounds if what == "decoded images" else "")
        return f"{self._dtype(tensor)} numbers{bounds}"

    def _before(self, tensor: str) -> list[NodeDef]:
        """The node that computes a tensor, the nodes of its functions, and those that hand it what cannot be read."""
        found: list[NodeDef] = []
        waiting, seen = [self.producer(tensor)], set[str]()
        functions = {function.signature.name: function for function in self._graph.library.function}
        while waiting:
            node = waiting.pop()
            found.append(node)
            for value in node.attr.values():
                if value.func.name in functions and value.func.name not in seen:
                    seen.add(value.func.name)
                    waiting += functions[value.func.name].node_def
            for source, _ in graphs.data_inputs(node) if node.name in self._nodes else ():
                if source in self._unreadable and source not in seen:
                    seen.add(source)
                    waiting.append(self._nodes[source])
        return found

    def _propagated(self) -> set[str]:
        """The nodes that read text or tables, or arrange what such nodes read."""
        depends = dict.fromkeys(self._nodes, False)
        unreadable = set[str]()
        for operation in self._imported.get_operations():  # in the order of the graph: sources come first
            node = self._nodes[operation.name]
            inputs = [source for source in operation.inputs if source.op.type != "Const"]
            opaque = [source for source in operation.inputs if self._is_opaque(source, unreadable)]
            depends[node.name] = bool(opaque) or any(depends[source.op.name] for source in inputs)
            if opaque or (depends[node.name] and _FOLLOWS.fullmatch(node.op)):
                unreadable.add(node.name)
        return unreadable

    @staticmethod
    def _is_opaque(tensor: Any, unreadable: set[str]) -> bool:
        """Whether a tensor is text or a table, or a list of what cannot be read."""
        if tensor.dtype.name == "string" or _TABLE.fullmatch(tensor.op.type):
            return True
        if tensor.dtype.name == "resource" and tensor.op.type == "Placeholder":
            return True  # a table that was created outside of the function
        return tensor.dtype.name == "variant" and tensor.op.name in unreadable

    def _dtype(self, tensor: str) -> str:
        return str(self._imported.get_tensor_by_name(tensor).dtype.name)


def _named(tensor: tuple[str, int]) -> str:
    return "{}:{}".format(*tensor)
