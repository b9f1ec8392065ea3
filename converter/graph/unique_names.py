"""Names of nodes and values: unique in the whole model, those of the source where possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from converter.graph.walk import all_nodes, all_values


class UniqueNames:
    """Names that are taken, and new ones that are not."""

    def __init__(self, taken: Iterable[str | None]) -> None:
        self._taken = set(taken)
        self._counts: Counter[str] = Counter()

    @classmethod
    def of(cls, model: ir.Model) -> UniqueNames:
        """The names of all nodes and values of `model`."""
        return cls({node.name for node in _nodes(model)} | {value.name for value in all_values(model)})

    def fresh(self, wanted: str) -> str:
        """Return `wanted`, with a number if it is taken, and record it as taken."""
        name = wanted
        while name in self._taken:
            self._counts[wanted] += 1
            name = f"{wanted}_{self._counts[wanted]}"
        self._taken.add(name)
        return name


def name_nodes(model: ir.Model) -> None:
    """Name the unnamed nodes and make the names of nodes unique; the first holder of a name keeps it.

    An unnamed node gets the name of its first output, which identifies it in the source. onnx_ir's
    `NameFixPass` makes names unique within a graph only, and two sub-graphs may share one.
    """
    nodes = list(_nodes(model))
    names = UniqueNames(node.name for node in nodes)
    seen: set[str] = set()
    for node in nodes:
        if not node.name or node.name in seen:
            node.name = names.fresh(node.name or _named_output(node) or node.op_type)
        seen.add(node.name)


def name_values(model: ir.Model) -> None:
    """Make the names of values unique: ONNX lets the branches of an If use a name twice.

    The graph's inputs and outputs come first and keep their names. An omitted output has no name and gets none.
    onnx_ir's `NameFixPass` names omitted outputs, and lets two branches use a name.
    """
    names = UniqueNames(())
    for value in dict.fromkeys(all_values(model)):
        if value.name:
            name = names.fresh(value.name)
            if name != value.name:
                rename(value, name)


def rename(value: ir.Value, name: str) -> None:
    """Rename `value` and the tensor that it holds."""
    tensor, value.const_value = value.const_value, None
    value.name = name
    if tensor is not None:
        value.const_value = named_tensor(tensor, name)


def named_tensor(tensor: ir.TensorProtocol, name: str) -> ir.TensorProtocol:
    """`tensor` with another name; renaming the tensor itself would also rename it in the protobuf that it is from."""
    shape = ir.Shape(tensor.shape.numpy())
    return ir.LazyTensor(lambda: tensor, tensor.dtype, shape, name=name, metadata_props=dict(tensor.metadata_props))


@dataclass(frozen=True)
class Origin:
    """The name and metadata of a node."""

    name: str
    metadata: dict[str, str]


class Memory:
    """Names and metadata of a model's nodes, to restore after a library's pass has replaced nodes."""

    def __init__(self, model: ir.Model) -> None:
        self._names = {node: node.name for node in all_nodes(model.graph)}
        self._makers = {
            value.name or "": Origin(node.name or "", dict(node.metadata_props))
            for node in all_nodes(model.graph)
            for value in node.outputs
            if value.name
        }

    def restore(self, model: ir.Model) -> None:
        """Restore the names of old nodes; give new nodes the name and metadata of the old node that they replace.

        A new node replaces the old node that produced a value of that name, else the one that its consumer replaces.
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


def _nodes(model: ir.Model) -> Iterator[ir.Node]:
    """The nodes of the graph and of the local functions."""
    for graph in (model.graph, *model.functions.values()):
        yield from all_nodes(graph)


def _named_output(node: ir.Node) -> str | None:
    return next((value.name for value in node.outputs if value.name), None)
