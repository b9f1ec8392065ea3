"""Rewriting: put the operator in the place of its pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.graph.annotations import FOLDED
from converter.graph.constants import new_initializer
from converter.graph.fusions.pattern import Found, Pattern, pattern_of, variables_of
from converter.graph.provenance import merge_provenance, transfer_provenance
from converter.graph.queries import shape_of
from converter.graph.shape_inference import infer_node
from converter.graph.unique_names import UniqueNames

DOMAIN = "fusion"
"""The domain of operators that ONNX does not have."""


class Builder:
    """Makes the nodes of a replacement: `op.Gelu(x, approximate="tanh")` returns the new node's value."""

    def __init__(self, root: ir.Node, names: UniqueNames) -> None:
        self.nodes: list[ir.Node] = []
        self._root = root
        self._names = names

    def __getattr__(self, op_type: str) -> Callable[..., ir.Value]:
        def make(*inputs: ir.Value | None, domain: str = "", **attributes: Any) -> ir.Value:
            scope = (self._root.name or "").rpartition("/")[0] or self._root.name
            name = self._names.fresh(f"{scope}/{op_type}")
            node = ir.node(op_type, inputs, attributes, domain=domain, name=name)
            node.outputs[0].name = name
            infer_node(node)
            self.nodes.append(node)
            return node.outputs[0]

        return make

    def constant(self, role: str, array: np.ndarray) -> ir.Value:
        """A new initializer."""
        assert isinstance(self._root.graph, ir.Graph)
        value = new_initializer(self._root.graph, self._names.fresh(f"{self._root.name}/{role}"), ir.tensor(array))
        value.meta[FOLDED] = True
        return value

    def reshaped(self, value: ir.Value, shape: Sequence[int | str | None]) -> ir.Value:
        """A value in another shape, whose extents are numbers; itself when it has that."""
        if shape_of(value) == shape:
            return value
        return self.Reshape(value, self.constant("shape", np.array(shape, np.int64)))


@dataclass(frozen=True)
class Fusion:
    """A pattern, and what makes the operator that it was.

    Attributes:
        function: writes the pattern over its parameters, the variables.
        replacement: takes a `Builder` and what the variables stand for, by name; returns the value that takes the
            place of the pattern's, or None when this case is not the idiom after all.
    """

    function: Callable[..., Pattern]
    replacement: Callable[..., ir.Value | None]

    @cached_property
    def pattern(self) -> Pattern:
        """The pattern; values inside it must have no other use."""
        return pattern_of(self.function)

    def find(self, root: ir.Node) -> Iterator[Found]:
        """Every way to find the idiom ending in `root`."""
        for found in self.pattern.match(root.outputs[0], Found()):
            covered = set(found.nodes)
            if all(node is root or _is_private(node, covered) for node in covered):
                yield found

    def apply(self, root: ir.Node, names: UniqueNames) -> Sequence[ir.Node] | None:
        """Replace the idiom that ends in `root`; returns the new nodes, None when it is not there."""
        for found in self.find(root):
            builder = Builder(root, names)
            variables = {name: found.bound.get(name) for name in variables_of(self.function)}
            result = self.replacement(builder, **variables)
            if result is not None and (builder.nodes or not root.outputs[0].is_graph_output()):
                replace(found.nodes, builder.nodes, {root.outputs[0]: result}, at=root)
                return builder.nodes
        return None


def _is_private(node: ir.Node, covered: set[ir.Node]) -> bool:
    return all(
        not output.is_graph_output() and all(user in covered for user in output.consumers()) for output in node.outputs
    )


def rewrite(model: ir.Model, idioms: Sequence[Fusion], names: UniqueNames) -> None:
    """Replace every occurrence of `idioms`, sub-graphs included; what one leaves, another may take up.

    Args:
        model: at the opset of normalisation.
        idioms: in the order in which they are tried.
        names: the names that are taken.
    """
    present = {node.op_type for graph in model.graphs() for node in graph}
    by_root: dict[str, list[Fusion]] = defaultdict(list)
    for idiom in idioms:
        for op_type in idiom.pattern.roots:
            by_root[op_type].append(idiom)
    for graph in model.graphs():
        for node in graph:
            for idiom in by_root.get(node.op_type, ()):
                if idiom.pattern.needs <= present and (made := idiom.apply(node, names)) is not None:
                    present.update(new.op_type for new in made)
                    break


def replace(old: Iterable[ir.Node], new: Sequence[ir.Node], results: Mapping[ir.Value, ir.Value], at: ir.Node) -> None:
    """Put the nodes `new` where `at` stands and drop `old`, and what only these used.

    Args:
        old: the nodes that go.
        new: the nodes that come; there need be none when the results are there already.
        results: the values that others use, and what takes their place.
        at: one of `old`, behind all that `new` needs.
    """
    graph = at.graph
    assert graph is not None
    old = list(dict.fromkeys(old))
    if new:
        transfer_provenance(old, new)
    heir = new[-1] if new else _neighbour(at.outputs[0], results[at.outputs[0]])
    for value, result in results.items():
        take_place(value, result)
    graph.insert_after(at, new)
    sources = [value.producer() for node in old for value in node.inputs if value is not None]
    graph.remove(old, safe=True)
    unused = _remove_unused(sources)
    merge_provenance(heir, unused if new else [*old, *unused])


def _neighbour(gone: ir.Value, stays: ir.Value) -> ir.Node:
    """Who stands for a node that did nothing: what made the value, else what uses it."""
    return stays.producer() or gone.consumers()[0]


def _remove_unused(nodes: Iterable[ir.Node | None]) -> list[ir.Node]:
    """Remove those of `nodes` that nothing uses, and what only they used; returns them."""
    pending, gone = list(nodes), []
    while pending:
        node = pending.pop()
        if node is None or node.graph is None or any(v.uses() or v.is_graph_output() for v in node.outputs):
            continue
        pending += [value.producer() for value in node.inputs if value is not None]
        node.graph.remove(node, safe=True)
        gone.append(node)
    return gone


def take_place(old: ir.Value, new: ir.Value) -> None:
    """Let `new` be `old` for everything that uses it; a value that is new itself gets its name, type and shape too."""
    producer = new.producer()
    if producer is not None and producer.graph is None:
        new.name, new.type, new.shape = old.name, old.type, old.shape
        new.metadata_props.update(old.metadata_props)
    old.replace_all_uses_with(new, replace_graph_outputs=True)
