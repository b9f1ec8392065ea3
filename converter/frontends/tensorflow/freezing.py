"""Freeze a traced function: its variables become constants with their own names, its ends get the source's names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from converter.frontends.endpoints import listed
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.cutting import Ends
from converter.frontends.tensorflow.trained import TRAINABLE

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


class Frozen(NamedTuple):
    """A frozen graph, the tensors of its ends by the source's names, and sentences for the user."""

    graph: GraphDef
    ends: Ends
    notes: list[str]


def freeze(
    function: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    variables: Iterable[tuple[Any, str, bool]],
    *,
    one_batch: bool = False,
) -> Frozen:
    """The graph of a function, frozen, with all calls inlined.

    A node has the name of the input or output, unless an input and an output share it. What the function writes to its
    variables is left out: a network of MindSpore computes its outputs and nothing else.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/python/framework/convert_to_constants.py

    Args:
        function: a `tf.ConcreteFunction`.
        inputs: the names to show for its tensor arguments, in the order of `function.inputs`.
        outputs: the names to show for its results, in the order of `function.outputs`.
        variables: the resource handles of variables, their names, which the constants get that replace them, and
            whether they are trainable.
        one_batch: whether all inputs have the same batch.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with _without_writes() as written:
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False, aggressive_inlining=True)
    graph = frozen.graph.as_graph_def()
    for node in graph.node:
        node.device = ""
    fed = [tensor for tensor in frozen.inputs if tensor.dtype.name not in ("resource", "variant")]
    names = _Names(graph)
    placeholders = {name: names.give(tensor.op.name, name) for name, tensor in zip(inputs, fed, strict=False)}
    handles, trainable = {}, {}
    for handle, name, trains in variables:
        handles[id(handle)], trainable[id(handle)] = name, trains
    nodes = {node.name: node for node in graph.node}
    states = []
    for external, internal in function.graph.captures:
        if id(external) in handles:
            names.give(internal.op.name, handles[id(external)])
            if (constant := nodes.get(internal.op.name)) is not None:
                constant.attr[TRAINABLE].b = trainable[id(external)]
            if internal.op.name in written and "seed" not in handles[id(external)]:
                states.append(handles[id(external)])
    names.apply()
    results = {name: _output(graph, names, tensor, name) for name, tensor in zip(outputs, frozen.outputs, strict=True)}
    ends = Ends({name: f"{node}:0" for name, node in placeholders.items()}, results, one_batch)
    kept = f"{listed(states)}: each call begins with the saved state, and what it writes there is left out."
    return Frozen(graph, ends, [kept] if states else [])


@contextmanager
def _without_writes() -> Iterator[set[str]]:
    """Leave out what the outputs of a function do not depend on, when it is frozen inside the block.

    Writing to a variable cannot be frozen. Yields the names of the nodes that lead to written variables.
    """
    from tensorflow.python.framework import convert_to_constants

    inline, written = convert_to_constants._run_inline_graph_optimization, set[str]()

    def inlined(function: Any, *args: Any) -> GraphDef:
        graph = inline(function, *args)
        for node in graph.node:
            if node.op.startswith("Assign"):
                written.update(graphs.needed(graph, node.input[:1]))
        return graphs.part(
            graph, graphs.needed(graph, [tensor.name for tensor in (*function.inputs, *function.outputs)])
        )

    with mock.patch.object(convert_to_constants, "_run_inline_graph_optimization", inlined):
        yield written


class _Names:
    """New names for nodes of a graph. A node that has the name that another one gets is renamed as well."""

    def __init__(self, graph: GraphDef) -> None:
        self._graph = graph
        self._nodes = {node.name for node in graph.node}
        self._new: dict[str, str] = {}
        self._given: set[str] = set()

    def give(self, node: str, wanted: str) -> str:
        """Give a node the name that is wanted, or a similar one if TensorFlow does not allow it, or it is given."""
        if node not in self._nodes:
            return node
        self._new[node] = self.free(wanted)
        self._given.add(self._new[node])
        return self._new[node]

    def free(self, wanted: str) -> str:
        """A name that no node was given."""
        stem = re.sub(r"^[^A-Za-z0-9.]", "_", re.sub(r"[^A-Za-z0-9_.\\/-]", "_", wanted)).lstrip("_") or "tensor"
        name, count = stem, 0
        while name in self._given:
            count += 1
            name = f"{stem}_{count}"
        return name

    def apply(self) -> None:
        """Rename the nodes, and what reads them."""
        for name in self._given & (self._nodes - self._new.keys()):
            self._new[name] = self._unused(name)
        for node in self._graph.node:
            node.name = self._new.get(node.name, node.name)
            node.input[:] = [self._renamed(name) for name in node.input]
            node.attr.pop("_class", None)

    def take(self, wanted: str) -> str:
        """A name for a new node, after `apply`."""
        self._given.update(node.name for node in self._graph.node)
        name = self.free(wanted)
        self._given.add(name)
        return name

    def _unused(self, stem: str) -> str:
        count = 1
        while (name := f"{stem}_{count}") in self._nodes | self._given:
            count += 1
        self._given.add(name)
        return name

    def _renamed(self, name: str) -> str:
        control = "^" if name.startswith("^") else ""
        node, colon, index = name.removeprefix("^").partition(":")
        return f"{control}{self._new.get(node, node)}{colon}{index}"

    def now(self, node: str) -> str:
        """The name that a node of the frozen graph has now."""
        return self._new.get(node, node)


def _output(graph: GraphDef, names: _Names, tensor: Any, wanted: str) -> str:
    """Add an Identity node with the name of an output; return its tensor."""
    name = names.take(wanted)
    node = graph.node.add(op="Identity", name=name, input=[f"{names.now(tensor.op.name)}:{tensor.value_index}"])
    node.attr["T"].type = tensor.dtype.as_datatype_enum
    return f"{name}:0"


def flat_names(structure: Any, prefix: str) -> list[str]:
    """Names for the tensors of a structure, in TensorFlow's order: keys of dictionaries and positions, joined by `_`.

    `{"a": x, "b": (y, z)}` has `a`, `b_0` and `b_1`; a single tensor is the prefix and 0.
    """
    if isinstance(structure, Mapping):
        parts: list[tuple[str, Any]] = [(str(key), structure[key]) for key in sorted(structure)]
    elif isinstance(structure, list | tuple):
        keys = getattr(structure, "_fields", None) or [f"{prefix}_{i}" for i in range(len(structure))]
        parts = list(zip(keys, structure, strict=True))
    else:
        return [prefix]
    names = []
    for name, part in parts:
        nested = isinstance(part, Mapping | list | tuple)
        names += flat_names(part, name) if nested else [] if part is None else [name]
    return names
