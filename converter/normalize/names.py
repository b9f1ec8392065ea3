"""Names of nodes and values: unique over the whole model, the source's wherever possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from converter.normalize.marks import SOURCE_NAME


class Names:
    """Names that are taken, and new ones that are not."""

    def __init__(self, taken: Iterable[str | None]) -> None:
        self._taken = set(taken)
        self._counts: Counter[str] = Counter()

    @classmethod
    def of(cls, model: ir.Model) -> Names:
        """The names of all nodes and values of `model`."""
        nodes = {node.name for node in all_nodes(model)}
        return cls(nodes | {value.name for value in all_values(model)})

    def fresh(self, wanted: str) -> str:
        """Return `wanted`, with a number when it is taken, and take it."""
        name = wanted
        while name in self._taken:
            self._counts[wanted] += 1
            name = f"{wanted}_{self._counts[wanted]}"
        self._taken.add(name)
        return name


def name_nodes(model: ir.Model) -> None:
    """Name the unnamed nodes and make the names of nodes unique; the first holder of a name keeps it.

    An unnamed node is called after its first output, which is what a reader of the source knows it by.
    """
    nodes = list(all_nodes(model))
    names = Names(node.name for node in nodes)
    seen: set[str] = set()
    for node in nodes:
        if not node.name or node.name in seen:
            node.name = names.fresh(node.name or _named_output(node) or node.op_type)
        seen.add(node.name)


def name_values(model: ir.Model) -> None:
    """Make the names of values unique: ONNX lets the branches of an If use a name twice.

    The ends of the graph come first and keep their names; a value that loses its name keeps it in its metadata
    (`source_name`). An omitted output has no name and gets none.
    """
    names = Names(())
    for value in dict.fromkeys(all_values(model)):
        if value.name:
            name = names.fresh(value.name)
            if name != value.name:
                value.metadata_props.setdefault(SOURCE_NAME, value.name)
                value.name = name


def all_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Every node of the graph, its sub-graphs and the local functions."""
    yield from model.graph.all_nodes()
    for function in model.functions.values():
        yield from function.all_nodes()


def all_values(model: ir.Model) -> Iterator[ir.Value]:
    """Every value of the graph and its sub-graphs, some of them twice; the ends and initializers come first."""
    for graph in model.graphs():
        yield from graph.inputs
        yield from graph.outputs
        yield from graph.initializers.values()
    for node in model.graph.all_nodes():
        yield from node.outputs


@dataclass(frozen=True)
class Origin:
    """What a node is known by: its name and its metadata."""

    name: str
    metadata: dict[str, str]


class Memory:
    """The origins of a model's nodes, to give to the nodes that a library's pass puts in their place."""

    def __init__(self, model: ir.Model) -> None:
        self._names = {node: node.name for node in model.graph.all_nodes()}
        self._makers = {
            value.name or "": Origin(node.name or "", dict(node.metadata_props))
            for node in model.graph.all_nodes()
            for value in node.outputs
            if value.name
        }

    def restore(self, model: ir.Model) -> None:
        """Give old nodes their names back, and new ones the name and metadata of the node that they stand for.

        A new node stands for the one whose value it makes, else for the one that its first consumer stands for.
        """
        origins: dict[ir.Node, Origin] = {}
        for node in ir.traversal.RecursiveGraphIterator(model.graph, reverse=True):
            if node in self._names:
                node.name = self._names[node]
                origins[node] = Origin(node.name or "", dict(node.metadata_props))
            elif origin := self._origin(node, origins):
                origins[node] = origin
                node.name = origin.name
                node.metadata_props.update(origin.metadata | node.metadata_props)
        name_nodes(model)

    def _origin(self, node: ir.Node, origins: dict[ir.Node, Origin]) -> Origin | None:
        made: Iterable[Origin | None] = (self._makers.get(value.name or "") for value in node.outputs)
        used: Iterable[Origin | None] = (origins.get(user) for user in node.successors())
        return next((origin for origin in (*made, *used) if origin), None)


def _named_output(node: ir.Node) -> str | None:
    return next((value.name for value in node.outputs if value.name), None)
